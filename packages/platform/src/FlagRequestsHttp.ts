/**
 * Handlers of the HTTP groups of change requests and of environments that ask for approvals.
 *
 * @since 0.1.0
 */
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import { expectedVersion, tagged } from "@hypermarket/core/Precondition"
import * as Storage from "@hypermarket/core/Storage"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import { FlagApprovalPolicies } from "./FlagApprovalPolicies.ts"
import { FlagChangeRequest, NewFlagChangeRequest } from "./FlagChangeRequest.ts"
import { FlagChangeRequests } from "./FlagChangeRequests.ts"
import { FlagRequestsApi } from "./FlagRequestsApi.ts"

const createRequest = IdempotentRequests.create({
  operation: "platform.createFlagRequest",
  payload: NewFlagChangeRequest,
  answer: FlagChangeRequest
})

const requests = HttpApiBuilder.group(
  FlagRequestsApi,
  "flagRequests",
  Effect.fn(function* (handlers) {
    const requests = yield* FlagChangeRequests
    const createOnce = yield* createRequest
    return handlers.handleAll({
      create: ({ headers, payload }) =>
        createOnce({ headers, payload }, requests.create(payload)).pipe(Storage.orUnavailable),
      list: ({ query }) => requests.list(query).pipe(Storage.orUnavailable),
      get: ({ params }) => requests.get(params.requestId).pipe(Storage.orUnavailable),
      approve: ({ params }) => requests.approve(params.requestId).pipe(Storage.orUnavailable),
      close: ({ params, payload }) =>
        requests.close(params.requestId, payload.reason).pipe(Storage.orUnavailable)
    })
  })
)

const environments = HttpApiBuilder.group(
  FlagRequestsApi,
  "flagEnvironments",
  Effect.fn(function* (handlers) {
    const policies = yield* FlagApprovalPolicies
    return handlers.handleAll({
      list: ({ query }) => policies.list(query).pipe(Storage.orUnavailable),
      get: ({ params }) => policies.get(params.environment).pipe(Effect.map(tagged), Storage.orUnavailable),
      set: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => policies.set(params.environment, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        )
    })
  })
)

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(requests, environments)
