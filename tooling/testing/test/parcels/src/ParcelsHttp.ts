/**
 * Handlers of the HTTP group of items.
 *
 * @since 0.1.0
 */
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import { expectedVersion, tagged } from "@hypermarket/core/Precondition"
import * as Storage from "@hypermarket/core/Storage"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { ParcelsApi } from "./ParcelsApi.ts"
import { ParcelsItem, NewParcelsItem } from "./ParcelsItem.ts"
import { ParcelsItems } from "./ParcelsItems.ts"

const createItem = IdempotentRequests.create({
  operation: "parcels.createItem",
  payload: NewParcelsItem,
  answer: ParcelsItem
})

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ParcelsApi,
  "parcelsItems",
  Effect.fn(function* (handlers) {
    const items = yield* ParcelsItems
    const createOnce = yield* createItem
    return handlers.handleAll({
      create: ({ headers, payload }) =>
        createOnce({ headers, payload }, items.create(payload)).pipe(
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      list: ({ query }) => items.list(query).pipe(Storage.orUnavailable),
      get: ({ params }) => items.get(params.itemId).pipe(Effect.map(tagged), Storage.orUnavailable),
      remove: ({ headers, params }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => items.remove(params.itemId, version)),
          Storage.orUnavailable
        )
    })
  })
)
