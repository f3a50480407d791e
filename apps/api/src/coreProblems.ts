/** Cause and remedy of the problems that core and the queue declare, and of those that any operation can answer. */
import type { ProblemProse } from "@hypermarket/core/Reference"

export const coreProblems: Readonly<Record<string, ProblemProse>> = {
  "about:blank": {
    cause: "A field of the request is missing, unknown or not valid.",
    remedy:
      "Correct the fields in `errors`. A path names a field of the body, or begins with the part of the request."
  },
  "urn:hypermarket:problem:core:bad-request": {
    cause: "The request is no valid HTTP, or its body is no JSON.",
    remedy: "Check how the request is written."
  },
  "urn:hypermarket:problem:core:body-too-slow": {
    cause: "The body arrived too slowly.",
    remedy: "Send the request again over a faster connection, or in smaller parts."
  },
  "urn:hypermarket:problem:core:cursor-invalid": {
    cause: "The cursor is from another operation, or was changed.",
    remedy: "Send `nextCursor` of the last page as it is, or leave `cursor` out to begin again."
  },
  "urn:hypermarket:problem:core:deadline": {
    cause: "The request took longer than its deadline. Its transaction was rolled back.",
    remedy: "Ask for less, or try again."
  },
  "urn:hypermarket:problem:core:expectation-failed": {
    cause: "The `Expect` header has a value other than `100-continue`.",
    remedy: "Remove the header."
  },
  "urn:hypermarket:problem:core:head-too-large": {
    cause: "The headers and the address have more than 16 KiB.",
    remedy: "Send fewer or shorter headers."
  },
  "urn:hypermarket:problem:core:idempotency-key-reused": {
    cause: "The `Idempotency-Key` was sent with another request within 24 hours.",
    remedy: "Use one key per request, and the same key only to repeat it."
  },
  "urn:hypermarket:problem:core:internal": {
    cause: "The server failed. The answer has no details.",
    remedy: "Find the `x-request-id` of the answer in the server's log."
  },
  "urn:hypermarket:problem:core:key-kind-refused": {
    cause: "The operation does not accept client keys.",
    remedy: "Call it from a server, with a server key."
  },
  "urn:hypermarket:problem:core:limited": {
    cause: "The tenant, the key or the address has sent more requests than its limit allows.",
    remedy: "Wait for the seconds in `Retry-After`, then send the request again."
  },
  "urn:hypermarket:problem:core:media-type-unsupported": {
    cause: "The operation does not accept the content type of the body.",
    remedy: "Set `content-type`, usually to `application/json`."
  },
  "urn:hypermarket:problem:core:method-not-allowed": {
    cause: "The path exists, and does not have this method.",
    remedy: "Use a method of the `Allow` header."
  },
  "urn:hypermarket:problem:core:not-found": {
    cause: "Nothing is at this path.",
    remedy: "Check the path against the reference."
  },
  "urn:hypermarket:problem:core:overloaded": {
    cause: "The server has as many requests in flight as it accepts.",
    remedy: "Try again after some seconds, and send fewer requests at the same time."
  },
  "urn:hypermarket:problem:core:payload-too-large": {
    cause: "The body is larger than the operation accepts.",
    remedy: "Send the items in smaller batches."
  },
  "urn:hypermarket:problem:core:precondition-required": {
    cause: "The request changes a row and has no `If-Match`.",
    remedy: "Get the row, and send its `ETag` as `If-Match`."
  },
  "urn:hypermarket:problem:core:request-in-progress": {
    cause: "Another request with this `Idempotency-Key` is still running.",
    remedy: "Try again after the seconds in `Retry-After`."
  },
  "urn:hypermarket:problem:core:request-timeout": {
    cause: "The request did not arrive in time.",
    remedy: "Send it again."
  },
  "urn:hypermarket:problem:core:resource-refused": {
    cause:
      "The client key was made for another index or project. `kind` and `id` name the one that was asked for.",
    remedy: "Use a key that was made for it, or a server key."
  },
  "urn:hypermarket:problem:core:scope-missing": {
    cause: "The key lacks the scope in `scope`.",
    remedy: "Use a key that has this scope."
  },
  "urn:hypermarket:problem:core:secrets-not-configured": {
    cause: "The installation has no key that seals secrets, or lacks the one that sealed this secret.",
    remedy: "Ask the operator to set `HM_SECRETS_KEYS`."
  },
  "urn:hypermarket:problem:core:stopping": {
    cause: "The server is stopping.",
    remedy: "Try again: another server answers."
  },
  "urn:hypermarket:problem:core:storage-unavailable": {
    cause: "The database is unavailable or overloaded.",
    remedy: "Try again after some seconds."
  },
  "urn:hypermarket:problem:core:tenant-suspended": {
    cause: "The operator has suspended the tenant. Its data stays.",
    remedy: "Ask the operator to activate the tenant."
  },
  "urn:hypermarket:problem:core:unauthenticated": {
    cause: "The key is missing, unknown, expired or revoked.",
    remedy: "Send `Authorization: Bearer` with a valid key."
  },
  "urn:hypermarket:problem:core:version-stale": {
    cause: "The row has changed since the version in `If-Match`. `currentVersion` is its version now.",
    remedy: "Get the row, apply your change to it, and send it with the new version."
  },
  "urn:hypermarket:problem:queue:queue-overloaded": {
    cause: "Too many jobs wait for the database. Nothing was enqueued.",
    remedy: "Try again after some seconds."
  }
}
