/**
 * Cursors: the key of a list's last item, as text that only this list reads. The name of the list is in it, and the key
 * is decoded by its schema, so that a cursor of another list, or one that a client made up, never reaches a statement.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * The longest cursor. A key is a handful of columns: no list makes a longer one.
 *
 * @category limits
 * @since 0.1.0
 */
export const lengthMax = 2_048

/**
 * A cursor in the query of a URL.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Cursor = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9_-]+$/, { message: "Expected a cursor that this endpoint returned" }),
  Schema.isMaxLength(lengthMax, { message: "Expected a cursor that this endpoint returned" })
)

/**
 * The cursor was not made by this list.
 *
 * @category errors
 * @since 0.1.0
 */
export class CursorInvalid extends HttpApiError.Problem<CursorInvalid>()(
  "CursorInvalid",
  {
    type: "urn:hypermarket:problem:core:cursor-invalid",
    status: 400,
    title: "The cursor was not made by this endpoint"
  },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}

const cursorInvalid = new CursorInvalid({
  errors: [{ path: ["query", "cursor"], message: "Expected a cursor that this endpoint returned" }]
})

/**
 * @category models
 * @since 0.1.0
 */
export interface Codec<Key> {
  readonly encode: (key: Key) => Effect.Effect<string>
  readonly decode: (cursor: string) => Effect.Effect<Key, CursorInvalid>
}

/**
 * The cursors of one list. `list` names it for ever: `<domain>.<list>`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Key, Encoded>(options: {
  readonly list: string
  readonly key: Schema.Codec<Key, Encoded>
}): Codec<Key> => {
  const codec = Schema.fromJsonString(Schema.Tuple([Schema.Literal(options.list), options.key]))
  const decodeKey = Schema.decodeEffect(codec)
  const encodeKey = Schema.encodeEffect(codec)
  return {
    encode: (key) => encodeKey([options.list, key]).pipe(Effect.map(Base64Url.encode), Effect.orDie),
    decode: (cursor) => {
      const text = cursor.length > lengthMax ? Result.fail(undefined) : Base64Url.decodeString(cursor)
      if (Result.isFailure(text)) return Effect.fail(cursorInvalid)
      return decodeKey(text.success).pipe(
        Effect.map(([, key]) => key),
        Effect.mapError(() => cursorInvalid)
      )
    }
  }
}
