/**
 * The prose of the activity log in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { ActivityApi } from "./ActivityApi.ts"
import examples from "./ActivityApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  ActivityApi,
  {
    audit: {
      list: {
        summary: "List activity",
        description:
          "Returns the entries of the tenant's log, the newest first, at most 200 per page. Filter by `action`, `actorId`, `targetType` or `targetId`. A page with a filter examines 10,000 entries: it may have few items, or none, and still have a `nextCursor`.\n\n`before` and `after` hold the members that differ. The request is recorded as `activity.read`."
      },
      head: {
        summary: "Get the head of the log",
        description:
          "Returns the newest checkpoint and the public keys that have signed. `head` is null until a worker has sealed the first entries, which takes a minute.\n\nKeep it elsewhere: a verification that is given a kept head finds out when the end of the log was dropped. Each head is also published as the event `com.hypermarket.platform.activity.sealed.v1`."
      },
      keys: {
        summary: "List keys of checkpoints",
        description:
          "Returns the Ed25519 public keys that have signed checkpoints of this installation, the first one first. `since` is the first checkpoint that the key signed. The list is empty while the operator has set no key."
      },
      exportActivity: {
        summary: "Export checkpoints and entries",
        description:
          "Returns lines of JSON: the public keys, then each checkpoint with its entries in the order of their leaves, then `end`. About 10,000 entries or 16 MiB are returned at a time: send the header `X-Next-After` of the response as `after` until it is absent; `next` of the last line has it too. Entries without a checkpoint are not in it.\n\nWith `format` `csv` the response is `text/csv` (RFC 4180) with a header in the first part; with `ocsf` it has one event of the Open Cybersecurity Schema Framework per line. Both have the entries without their proofs.\n\nThe package's README describes each line, byte by byte, so that anyone can verify it. The request is recorded as `activity.exported`."
      },
      verify: {
        summary: "Verify the log",
        description:
          "Compares all entries with their checkpoints, and names those that were changed, deleted, moved or inserted, each with the reason. The log is intact when `problems` is empty.\n\nSend a `head` that you kept, so that dropped checkpoints at the end are found. Send the public `keys` that you kept, so that a checkpoint of another key is. A log of more than some 100,000 entries takes longer than a request may: use `hypermarket audit verify`."
      }
    }
  },
  { examples, problems: {} }
)
