/**
 * The prose of webhooks in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { WebhooksApi } from "./WebhooksApi.ts"
import examples from "./WebhooksApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  WebhooksApi,
  {
    webhooks: {
      createWebhook: {
        summary: "Create a webhook endpoint",
        description:
          "Creates an endpoint. From now on, each published event that matches every filter is posted to `url`, as a structured CloudEvent. Without filters every event matches that the key may read.\n\n`url` is HTTPS on port 443 or 8443, and its host is public. The answer has the `secret`, which is shown only once. Verify each request with it: any library of Standard Webhooks does. With `scheme` `v1a` requests are signed with ed25519 instead: the answer has a `publicKey`, and the signing key is never shown.\n\nWith `format` `standard` the body is `{type,timestamp,data}` instead of the CloudEvent; `data` is the same.\n\nSend an `Idempotency-Key` to repeat the request safely within 24 hours. The repeated answer has no secret."
      },
      listWebhooks: {
        summary: "List webhook endpoints",
        description:
          "Returns the tenant's endpoints, oldest first, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page."
      },
      getWebhook: {
        summary: "Get a webhook endpoint",
        description:
          "Returns the endpoint with its health. `failingSince` is the first failure since the last success, `lastError` the last one, and `waiting` counts what it has missed, up to 1,000. `disabledReason` is `failing` after five days without a success, and `gone` after an answer of 410."
      },
      changeWebhook: {
        summary: "Change a webhook endpoint",
        description:
          "Changes the fields in the body; absent fields keep their value. A new `url` or `format` applies to the next attempts, new filters to events that are published afterwards. Send the version in `If-Match`."
      },
      removeWebhook: {
        summary: "Remove a webhook endpoint",
        description:
          "Removes the endpoint at the version in `If-Match`, with its deliveries. Pause it instead to keep what it misses."
      },
      rotateWebhook: {
        summary: "Rotate the secret",
        description:
          "Makes a new secret and returns it, once. Each earlier secret still signs for 24 hours after its own rotation, so a receiver can change over in between. `scheme` changes how requests are signed. With `revoke` the earlier secrets stop at once.\n\nAt most three secrets sign at the same time. A further rotation is answered with 409 `webhook-secret-limit`."
      },
      pauseWebhook: {
        summary: "Pause a webhook endpoint",
        description:
          "Holds the deliveries of the endpoint until it is enabled, for 30 days and at most 100,000 of them. Beyond that the oldest are dead, and `lastError` has the reason. Attempts that run finish, and events are still collected. Pausing a paused endpoint changes nothing."
      },
      enableWebhook: {
        summary: "Enable a webhook endpoint",
        description:
          "Ends a pause or a disablement. Everything that waits is sent, in the order of publishing, with all attempts. So is every delivery that used up its attempts since the endpoint began to fail. Enabling an enabled endpoint changes nothing."
      },
      testWebhook: {
        summary: "Send a test event",
        description:
          "Sends an event of type `com.hypermarket.events.webhook.tested.v1` to the endpoint, whatever its filters are. The answer is its delivery: list the attempts to see how the receiver answered."
      },
      deliveries: {
        summary: "List deliveries",
        description:
          "Returns the deliveries of the endpoint, newest first, 50 per page by default and at most 200. `state` selects those that are `waiting`, `sending`, `delivered` or `dead`. A delivery is dead after ten failed attempts, in a little more than three days. Finished ones are kept for 30 days."
      },
      attempts: {
        summary: "List the attempts of a delivery",
        description:
          "Returns the last 200 attempts of the delivery, newest first, with the status, the duration and the first 4 KiB of each answer. Attempts are kept for 30 days. Without the scope `events:payload` `answer` is null, and `withheld` says so. A reading through the console is in the activity log, once per view."
      },
      replay: {
        summary: "Replay deliveries",
        description:
          "Sends deliveries again, with all their attempts and the same `webhook-id`. Select them by `deliveryIds` (at most 1,000), or by time with `since` and `until`; by time only the dead ones, unless `state` names another.\n\nOne request replays at most 10,000, oldest first: call it again while `replayed` is 10,000."
      },
      backfillWebhook: {
        summary: "Deliver retained events",
        description:
          "Delivers retained events of the past to the endpoint: those published from `since` up to `until` that match its filters and were not delivered to it. An endpoint that is made today gets the events of the last weeks this way.\n\nOnly events of types that were retained when they were published are there. One request delivers at most 10,000, oldest first: call it again while `delivered` is 10,000."
      },
      retention: {
        summary: "Get the retained types",
        description:
          "Returns the types whose events are retained for 90 days; none by default. The version is 0 until it is first changed."
      },
      retain: {
        summary: "Change the retained types",
        description:
          "Sets the types whose events are retained from now on. A type that ends with a dot stands for all types that begin with it. What is retained already stays for its 90 days. Send the version in `If-Match`."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:events:delivery-not-found": {
        cause: "The endpoint has no delivery with this id, or it ended more than 30 days ago.",
        remedy: "List the deliveries of the endpoint to find the id."
      },
      "urn:hypermarket:problem:events:webhook-invalid": {
        cause:
          "The `url` may not be delivered to: it is not HTTPS, or its host or port is not public. Or the second half of a `secret` of 64 bytes is not the public key of its seed.",
        remedy:
          "Send a public HTTPS URL on port 443 or 8443, without user name and password, and a `secret` that a library of Standard Webhooks made."
      },
      "urn:hypermarket:problem:events:webhook-limit": {
        cause: "The tenant has 1,000 webhook endpoints.",
        remedy: "Remove an endpoint that is not used."
      },
      "urn:hypermarket:problem:events:webhook-not-found": {
        cause: "The tenant has no webhook endpoint with this id.",
        remedy: "List the endpoints to find the id."
      },
      "urn:hypermarket:problem:events:webhook-secret-limit": {
        cause: "Three secrets of the endpoint sign at the moment.",
        remedy: "Rotate again when the overlap of the oldest has ended, or send `revoke`."
      }
    }
  }
)
