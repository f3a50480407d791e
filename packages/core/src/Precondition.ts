/**
 * Optimistic concurrency over HTTP: the row's `version` is its `ETag`, and PUT, PATCH and DELETE need it back in
 * `If-Match` (RFC 9110, 13.1.1): 428 without it, 412 when the row has moved on.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import * as BoundedInt from "./BoundedInt.ts"

/**
 * @category errors
 * @since 0.1.0
 */
export class PreconditionRequired extends HttpApiError.Problem<PreconditionRequired>()(
  "PreconditionRequired",
  {
    type: "urn:hypermarket:problem:core:precondition-required",
    status: 428,
    title: "If-Match with the version of the thing is required"
  }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class VersionStale extends HttpApiError.Problem<VersionStale>()(
  "VersionStale",
  {
    type: "urn:hypermarket:problem:core:version-stale",
    status: 412,
    title: "The thing has changed since that version"
  },
  { currentVersion: Schema.Int }
) {}

/**
 * The version of a row that a caller has read; 0 for settings that were never changed.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Version = BoundedInt.make({ minimum: 0, maximum: BoundedInt.int4Max })

/**
 * The header an endpoint declares. Optional, so that its absence is 428 and not 400.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Headers = { "if-match": Schema.optionalKey(Schema.String) }

const versionPattern = /^(?:W\/)?"(\d{1,9})"$/

/** No row has it: a tag that is none of ours matches nothing, and is stale. */
const versionOfNothing = -1

/**
 * The version a request expects. `"7"` is version 7; a tag that is none of ours matches nothing.
 *
 * @category accessors
 * @since 0.1.0
 */
export const expectedVersion = (headers: {
  readonly "if-match"?: string
}): Effect.Effect<number, PreconditionRequired> => {
  const given = headers["if-match"]
  if (given === undefined) return Effect.fail(new PreconditionRequired())
  const tag = versionPattern.exec(given.trim())
  return Effect.succeed(tag === null ? versionOfNothing : Number(tag[1]))
}

/**
 * The response schema of a versioned thing: its body, and its version as `ETag`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Tagged = <S extends Schema.Top>(schema: S) =>
  HttpApiSchema.WithHeaders(schema, { etag: Schema.String })

/**
 * @category responses
 * @since 0.1.0
 */
export const tagged = <A extends { readonly version: number }>(body: A) =>
  HttpApiSchema.withHeaders({ body, headers: { etag: `"${body.version}"` } })
