/**
 * Keyset pages: `{ "items", "nextCursor" }`, asked for with `?limit=50&cursor=`. The cursor is the last row's key, so
 * that a page costs the same at any depth and rows that arrive meanwhile shift nothing.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as BoundedInt from "./BoundedInt.ts"
import * as Cursor from "./Cursor.ts"

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

/**
 * The query fields of every list endpoint.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Query = {
  limit: Schema.optionalKey(BoundedInt.fromText({ minimum: 1, maximum: limitMax })),
  cursor: Schema.optionalKey(Cursor.Cursor)
}

/**
 * Which page a list returns: how many items, and where the last page ended.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Request = Schema.Struct({
  limit: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: limitMax })),
  cursor: Schema.optionalKey(Cursor.Cursor)
})

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
export const CursorInvalid = Cursor.CursorInvalid

/**
 * @category models
 * @since 0.1.0
 */
export type CursorInvalid = Cursor.CursorInvalid

/**
 * How one endpoint pages: the name of its list, which its cursors carry, the schema of its key, and the key of an item.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A, Key, Encoded>(options: {
  readonly list: string
  readonly key: Schema.Codec<Key, Encoded>
  readonly keyOf: (item: A) => Key
}) => {
  const cursors = Cursor.make(options)

  /** The key to read after, none for the first page. */
  const after = (request: Request): Effect.Effect<Option.Option<Key>, Cursor.CursorInvalid> =>
    request.cursor === undefined ? Effect.succeedNone : Effect.asSome(cursors.decode(request.cursor))

  /** Makes a page of `limit + 1` rows: the extra row only shows that there are more. */
  const page = (rows: ReadonlyArray<A>, request: Request): Effect.Effect<Page<A>> => {
    const limit = limitOf(request)
    const last = rows.length > limit ? rows[limit - 1] : undefined
    if (last === undefined) return Effect.succeed({ items: rows, nextCursor: null })
    return Effect.map(cursors.encode(options.keyOf(last)), (nextCursor) => ({
      items: rows.slice(0, limit),
      nextCursor
    }))
  }

  return { after, page }
}

/**
 * Sorts before every UUID: an ascending list begins after it.
 *
 * @category constants
 * @since 0.1.0
 */
export const firstUuid = "00000000-0000-0000-0000-000000000000"

/**
 * Sorts after every UUID: a descending list begins before it.
 *
 * @category constants
 * @since 0.1.0
 */
export const lastUuid = "ffffffff-ffff-ffff-ffff-ffffffffffff"

/**
 * How many items a request asks for.
 *
 * @category accessors
 * @since 0.1.0
 */
export const limitOf = (request: Request): number => request.limit ?? limitDefault
