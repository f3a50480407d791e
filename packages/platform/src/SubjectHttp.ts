/**
 * Handlers of requests for the data of a person.
 *
 * @since 0.1.0
 */
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import * as Storage from "@hypermarket/core/Storage"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { SubjectApi } from "./SubjectApi.ts"
import { NewSubjectRequest, SubjectRequest } from "./SubjectRequest.ts"
import { SubjectRequests } from "./SubjectRequests.ts"

const createRequest = IdempotentRequests.create({
  operation: "platform.createSubjectRequest",
  payload: NewSubjectRequest,
  answer: SubjectRequest
})

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  SubjectApi,
  "subjects",
  Effect.fn(function* (handlers) {
    const requests = yield* SubjectRequests
    const createOnce = yield* createRequest
    return handlers.handleAll({
      create: ({ headers, payload }) =>
        createOnce({ headers, payload }, requests.create(payload)).pipe(Storage.orUnavailable),
      list: ({ query }) => requests.list(query).pipe(Storage.orUnavailable),
      get: ({ params }) => requests.get(params.requestId).pipe(Storage.orUnavailable),
      part: ({ params }) =>
        requests.part(params.requestId, params.part).pipe(
          Effect.map((lines) => `${lines}\n`),
          Storage.orUnavailable
        )
    })
  })
)
