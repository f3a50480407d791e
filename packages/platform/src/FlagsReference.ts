/**
 * The prose of flags and segments in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { FlagsApi } from "./FlagsApi.ts"
import examples from "./FlagsApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  FlagsApi,
  {
    flags: {
      createFlag: {
        summary: "Create a flag",
        description:
          "Creates a flag and puts it into the environments that are named. A boolean flag has the variants `on` and `off` unless others are given. `salt` and `hashing` never change: they decide which customers a rollout reaches.\n\nA tenant has at most 2,000 active flags. Send an `Idempotency-Key` to repeat the request safely within 24 hours. Then change an environment with its own operation."
      },
      listFlags: {
        summary: "List flags",
        description:
          "Returns the active flags in the order of their keys, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page; it is null on the last one."
      },
      getFlag: {
        summary: "Get a flag",
        description:
          "Returns the flag with its state in every environment. The `ETag` header holds its version, which a change needs in `If-Match`."
      },
      changeFlag: {
        summary: "Change a flag",
        description:
          "Changes what all environments share; absent fields keep their value. A new `flagKey` renames the flag: customers keep their buckets, because the salt stays. A flag that others need cannot be renamed.\n\nSend the version in `If-Match`. After a 412, get the flag, apply your change to it, and send it with the new version."
      },
      setEnvironment: {
        summary: "Set a flag's environment",
        description:
          "Replaces the flag's rules and state in one environment, or adds the environment. Rules are tried in their order, and the first that applies decides.\n\nA variant, segment or flag that does not exist is refused with 422 `flag-invalid`, and so is a cycle of prerequisites. A flag has at most 20 environments, with 100 rules each."
      },
      killFlag: {
        summary: "Kill a flag",
        description:
          "Turns the flag off in one environment at once. It needs no `If-Match`, because in an emergency the version does not matter. Repeating it changes nothing. Set the environment to turn the flag on again."
      },
      archiveFlag: {
        summary: "Archive a flag",
        description:
          "Takes the flag out of every environment, where SDKs then find no such flag. Its key is free again. A flag that others need cannot be archived: 409 `flag-in-use` lists them."
      },
      rollBackFlag: {
        summary: "Roll a flag back",
        description:
          "Restores what an earlier version held, as a new version. The key stays. What that version needs must still exist. List the versions or compare two of them first."
      },
      listVersions: {
        summary: "List a flag's versions",
        description:
          "Returns the versions of a flag with who made them, newest first, at most 200 per page. The newest 500 are kept."
      },
      diffFlag: {
        summary: "Compare two versions of a flag",
        description:
          "Returns a JSON Patch (RFC 6902) that turns the version `from` into the version `to`. By default they are the current version and the one before it."
      },
      explainFlag: {
        summary: "Explain an evaluation",
        description:
          "Evaluates a flag for a context and returns every rule with its outcome, the parts of its condition and the customer's bucket. `context.targetingKey` is the customer's id. The operation writes nothing."
      }
    },
    segments: {
      createSegment: {
        summary: "Create a segment",
        description:
          'Creates a segment. Rules refer to it by `{ "segment": "<key>" }`. A tenant has at most 1,000 segments. Send an `Idempotency-Key` to repeat the request safely within 24 hours.'
      },
      listSegments: {
        summary: "List segments",
        description:
          "Returns segments in the order of their keys, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page; it is null on the last one."
      },
      getSegment: {
        summary: "Get a segment",
        description:
          "Returns the segment. The `ETag` header holds its version, which a change needs in `If-Match`."
      },
      changeSegment: {
        summary: "Change a segment",
        description:
          "Changes the segment for every flag that uses it, in all environments at once. Absent fields keep their value. Send the version in `If-Match`."
      },
      removeSegment: {
        summary: "Remove a segment",
        description:
          "Removes a segment that no flag and no other segment uses; 409 `flag-in-use` lists those that do. Send the version in `If-Match`."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:platform:flag-not-found": {
        cause: "The tenant has no flag with this key, or the flag is archived.",
        remedy: "List the flags to find the key."
      },
      "urn:hypermarket:problem:platform:flag-version-not-found": {
        cause: "The version was never written, or more than 500 newer ones have been.",
        remedy: "List the versions of the flag to find those that are kept."
      },
      "urn:hypermarket:problem:platform:flag-environment-not-found": {
        cause: "The flag is not in this environment.",
        remedy: "Get the flag to see its environments, or set this one first."
      },
      "urn:hypermarket:problem:platform:flag-exists": {
        cause: "An active flag has this key.",
        remedy: "Choose another `flagKey`, or archive the flag that has it."
      },
      "urn:hypermarket:problem:platform:flag-in-use": {
        cause: "Flags or segments need what the request would take away. `usedBy` lists their keys.",
        remedy: "Change those in `usedBy` first."
      },
      "urn:hypermarket:problem:platform:flag-limit-reached": {
        cause: "The tenant has as many flags or segments as it may have. `limit` is their number.",
        remedy: "Archive flags, or remove segments, that are not needed."
      },
      "urn:hypermarket:problem:platform:flag-invalid": {
        cause:
          "The definition contradicts itself, or names a variant, segment or flag that does not exist. `errors` has the path and the reason of each mistake.",
        remedy: "Correct the fields in `errors`. Nothing was stored."
      },
      "urn:hypermarket:problem:platform:flags-revision-busy": {
        cause: "Another change of the flags has not been committed for two seconds.",
        remedy: "Try again when the request with this `requestId` has ended."
      },
      "urn:hypermarket:problem:platform:flag-segment-not-found": {
        cause: "The tenant has no segment with this key.",
        remedy: "List the segments to find the key."
      },
      "urn:hypermarket:problem:platform:flag-segment-exists": {
        cause: "Another segment has this key.",
        remedy: "Choose another `segmentKey`, or change the segment that has it."
      }
    }
  }
)
