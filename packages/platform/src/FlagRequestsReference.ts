/**
 * The prose of change requests, and of environments that ask for approvals, in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { FlagRequestsApi } from "./FlagRequestsApi.ts"
import examples from "./FlagRequestsApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  FlagRequestsApi,
  {
    flagRequests: {
      create: {
        summary: "Propose a change of a flag",
        description:
          "Proposes up to 50 steps. A step replaces the flag's `state` in an environment, turns it on or off, moves the `percentage` of a rule, changes what all environments share, restores a version or archives the flag. Steps with `at` are applied at their times: several percentages of one rule are a ramp.\n\n`baseVersion` is the version of the flag that you have seen; after another change the answer is 409 `flag-request-stale`. The request is `pending` where an environment asks for an approval or the first step has no `at`, else `scheduled`. A tenant has at most 1,000 open requests. Send an `Idempotency-Key` to repeat the request safely within 24 hours."
      },
      list: {
        summary: "List change requests",
        description:
          "Returns change requests, the newest first, 50 per page by default and at most 200; `status` filters them. Send `nextCursor` as `cursor` for the next page; it is null on the last one. Requests are kept for 400 days after they end."
      },
      get: {
        summary: "Get a change request",
        description:
          "Returns the request with its steps, and how many of them are in the flag. `reason` says why a request is a `conflict` or was closed."
      },
      approve: {
        summary: "Approve a change request",
        description:
          "Approves a pending request, and applies its first step unless that has a time to come. The author is answered 403. When the flag has changed since the base of the request, the answer is 409 `flag-request-stale` and nothing is changed: close the request, and propose it again."
      },
      close: {
        summary: "Close a change request",
        description:
          "Ends a pending or scheduled request, whether its author withdraws it or a reviewer refuses it. Steps that were applied stay in the flag."
      }
    },
    flagEnvironments: {
      list: {
        summary: "List environments of flags",
        description:
          "Returns the environments that flags are in, and those that were set, in the order of their names, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page; it is null on the last one."
      },
      get: {
        summary: "Get an environment of flags",
        description:
          "Returns whether changes of the environment's flags need an approval. The `ETag` header holds the version, which is 0 until the environment is first set."
      },
      set: {
        summary: "Ask for approvals in an environment",
        description:
          "Sets whether changes of the environment's flags need a second person. Direct changes are then answered 409 `flag-approval-required`, and so is a change of a segment that its flags use. `kill` is not: it only turns a flag off. Send the version in `If-Match`."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:platform:flag-approval-required": {
        cause: "Flags in `environments` change by approved change requests alone.",
        remedy:
          "Propose the change: `POST /v1/platform/flag-requests`. For a segment, create another one and propose rules that use it."
      },
      "urn:hypermarket:problem:platform:flag-request-not-found": {
        cause: "The tenant has no change request with this id.",
        remedy: "List the change requests to find the id."
      },
      "urn:hypermarket:problem:platform:flag-request-stale": {
        cause:
          "The flag is at `currentVersion`, and the request was made for `baseVersion`. Nothing was changed.",
        remedy: "Get the flag, and propose the change for its current version."
      },
      "urn:hypermarket:problem:platform:flag-request-not-open": {
        cause:
          "The request is in the state that `state` names. Only pending requests are approved, and only open ones closed.",
        remedy: "Get the request to see what became of it."
      },
      "urn:hypermarket:problem:platform:flag-approver-is-author": {
        cause: "The key or the person that approves has proposed the request.",
        remedy: "Have another person approve it, with another key."
      }
    }
  }
)
