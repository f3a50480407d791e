/**
 * The prose of the overview in the API reference.
 *
 * @since 0.1.0
 */
import { OverviewApi } from "./OverviewApi.ts"
import examples from "./OverviewApi.examples.json" with { type: "json" }
import * as Reference from "./Reference.ts"

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  OverviewApi,
  {
    overview: {
      listAlerts: {
        summary: "List what needs an operator",
        description:
          "Returns at most 20 alerts per domain: critical ones first, the oldest first. An empty list with an empty `missing` means that every domain was asked and has nothing to report."
      },
      getTimeline: {
        summary: "Get a subject's timeline",
        description:
          "Returns what every domain knows of an order, a customer, a product or a seller, newest first, at most 200 items per page. `links` name other things by kind and id. A domain that is in `missing` on one page is asked again for the next."
      },
      watch: {
        summary: "Watch for changes",
        description:
          "Returns server-sent events until the client closes the stream, and for at most five minutes. `ready` comes first; `changed` names a topic that has changed and when, without any data: ask the operation that shows it. A key may have 5 open streams, a tenant 200, per process."
      },
      find: {
        summary: "Find a thing by its id",
        description:
          "Returns at most 5 matches per domain for an id or the beginning of one, and for names where a domain has them."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:core:too-many-streams": {
        cause: "The key or the tenant has as many open streams as it may.",
        remedy: "Close a stream, or ask for the list from time to time."
      }
    }
  }
)
