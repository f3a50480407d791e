/**
 * Keyset pages: `{ "items", "nextCursor" }`, asked for with `?limit=50&cursor=`. The cursor is the last row's key, so
 * that a page costs the same at any depth and rows that arrive meanwhile shift nothing.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as HttpApiError from "effect/http-api/HttpApiError"
import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * @category limits
 * @since 0.1.0
 */
export const limitMax = 200

/**
 * @category limits
 * @since 0.1.0
 */
export const limitDefault = 50

/** A key is a handful of columns; a longer cursor was not made by us. */
const cursorLengthMax = 2_048

/**
 * The query fields of every list endpoint.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Query = {
  limit: Schema.optionalKey(
    Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: limitMax }))
  ),
  cursor: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(cursorLengthMax)))
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly limit?: number
  readonly cursor?: string
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly nextCursor: string | null
}

/**
 * The schema of one page.
 *
 * @category schemas
 * @since 0.1.0
 */
export const schema = <A extends Schema.Top>(item: A) =>
  Schema.Struct({ items: Schema.Array(item), nextCursor: Schema.NullOr(Schema.String) })

/**
 * The cursor was not made by this endpoint.
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
 * How one endpoint pages: the schema of its key, and the key of an item.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A, Key extends Schema.ConstraintCodec<unknown, unknown>>(options: {
  readonly key: Key
  readonly keyOf: (item: A) => Key["Type"]
}) => {
  const codec = Schema.fromJsonString(options.key)
  const decode = Schema.decodeEffect(codec)
  const encode = Schema.encodeEffect(codec)

  /** The key to read after, none for the first page. */
  const after = (request: Request): Effect.Effect<Option.Option<Key["Type"]>, CursorInvalid> => {
    if (request.cursor === undefined) return Effect.succeedNone
    const text = Base64Url.decodeString(request.cursor)
    if (Result.isFailure(text)) return Effect.fail(cursorInvalid)
    return decode(text.success).pipe(
      Effect.asSome,
      Effect.mapError(() => cursorInvalid)
    ) as Effect.Effect<Option.Option<Key["Type"]>, CursorInvalid>
  }

  /** Makes a page of `limit + 1` rows: the extra row only tells that there are more. */
  const page = (rows: ReadonlyArray<A>, request: Request): Effect.Effect<Page<A>> => {
    const limit = limitOf(request)
    const last = rows.length > limit ? rows[limit - 1] : undefined
    if (last === undefined) return Effect.succeed({ items: rows, nextCursor: null })
    return encode(options.keyOf(last)).pipe(
      Effect.map((text) => ({ items: rows.slice(0, limit), nextCursor: Base64Url.encode(text) })),
      Effect.orDie
    ) as Effect.Effect<Page<A>>
  }

  return { after, page }
}

/**
 * How many items a request asks for.
 *
 * @category accessors
 * @since 0.1.0
 */
export const limitOf = (request: Request): number => request.limit ?? limitDefault
