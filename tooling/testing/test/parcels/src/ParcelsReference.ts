/**
 * The prose of items in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { ParcelsApi } from "./ParcelsApi.ts"
import examples from "./ParcelsApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  ParcelsApi,
  {
    parcelsItems: {
      create: {
        summary: "Create an item",
        description:
          "Creates an item and returns it. Repeat the request with the same `Idempotency-Key` to retry safely."
      },
      list: {
        summary: "List items",
        description: "Returns items, newest first, at most 200 per page."
      },
      get: {
        summary: "Get an item",
        description: "Returns the item, with its version as `ETag`."
      },
      remove: {
        summary: "Remove an item",
        description: "Removes the item at the version in `If-Match`."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:parcels:item-limit": {
        cause: "The tenant has as many items as it may have.",
        remedy: "Remove an item, or raise `HM_PARCELS_ITEMS_MAX`."
      },
      "urn:hypermarket:problem:parcels:item-not-found": {
        cause: "The tenant has no item with this id.",
        remedy: "List the items to find the id."
      }
    }
  }
)
