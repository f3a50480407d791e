/**
 * Reads the rows of a table in the order in which they become complete, so that a stream of rows resumes without a gap.
 *
 * A sequence or a time is no watermark: a transaction may commit a smaller number after a reader has gone past it. Here a row
 * carries the id of its transaction, and a reader sees it once every transaction with a smaller id has ended. No row can then
 * appear before the reader's position.
 *
 * ```sql
 * CREATE TABLE hm_shop_note (
 *   tenant_id text NOT NULL,
 *   note_id uuid NOT NULL,
 *   xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
 *   PRIMARY KEY (tenant_id, note_id)
 * );
 * CREATE INDEX hm_shop_note_by_commit ON hm_shop_note (tenant_id, xid, note_id);
 * ```
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Cursor from "./Cursor.ts"
import { expression as identityExpression } from "./DatabaseIdentity.ts"
import * as Identifier from "./Identifier.ts"
import * as Now from "./Now.ts"
import type { Row } from "./Row.ts"
import { Tenant } from "./Tenant.ts"
import * as Text from "./Text.ts"

/**
 * A row, and the position after it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Item<out A> {
  readonly row: A
  readonly cursor: string
}

/**
 * The rows that follow a position.
 *
 * @category models
 * @since 0.1.0
 */
export interface Batch<out A> {
  /**
   * True when the position is unknown here: made by another stream or server, before a restore, or too long ago. The reader
   * reads the state again and goes on from `cursor`, which was taken before it does.
   */
  readonly resync: boolean
  /** In the order of their transactions, and of the key within one. */
  readonly items: ReadonlyArray<Item<A>>
  /** The position after the items. */
  readonly cursor: string
}

/**
 * The rows of one table that a tenant's readers follow.
 *
 * @category models
 * @since 0.1.0
 */
export interface CommitCursor<out A> {
  /** Returns the position after everything that is complete now. A transaction in flight comes after it. */
  readonly end: Effect.Effect<string, SqlError, SqlClient.SqlClient | Tenant>
  /** Returns at most `limit` rows after the position, in one snapshot. */
  readonly after: (
    cursor: string,
    limit: number
  ) => Effect.Effect<Batch<A>, SqlError, SqlClient.SqlClient | Tenant>
}

/** The largest xid8: a larger number would fail as a parameter. */
const xidMax = (1n << 64n) - 1n

const Xid = Schema.String.check(
  Schema.isPattern(/^\d{1,20}$/),
  Schema.makeFilter((text: string) => BigInt(text) <= xidMax, { expected: "a transaction id" })
)

/** The longest key of text: that of an adopter's id. */
const keyLengthMax = 200

const keySchemas = {
  uuid: Identifier.Uuid,
  text: Text.make({ max: keyLengthMax })
} as const

/** Milliseconds since 1970 that a `Date` can hold. */
const EpochMillis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 8_640_000_000_000_000 }))

interface Position {
  readonly identity: string
  readonly xid: string
  /** Null when every row of an earlier transaction was read, and none of `xid`. */
  readonly key: string | null
  readonly madeAtMillis: number
}

interface Found {
  readonly identity: string
  readonly completeBefore: string
  readonly cursorXid: string | null
  readonly cursorKey: string
}

/**
 * Follows a table. Its rows are inserted and never updated, or an update writes `xid` again. One index on
 * `(tenant_id, xid, <key>)` serves every read.
 *
 * A transaction that stays open holds back the rows of all later ones, on the whole server. Rows of a restored dump keep the
 * ids of the server that wrote them, so they may be read once more.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A>(options: {
  /** Names the stream for ever: `<domain>.<stream>`. A cursor of another stream is unknown. */
  readonly stream: string
  readonly table: string
  /** The column that orders the rows of one transaction, unique per tenant. */
  readonly key: { readonly column: string; readonly type: keyof typeof keySchemas }
  readonly row: Row<A>
  /** How long a position is good for: less than the rows are kept. */
  readonly keptFor: Duration.Input
}): CommitCursor<A> => {
  const { key, row, stream, table } = options
  const keptForMillis = Duration.toMillis(options.keptFor)
  const codec = Schema.fromJsonString(
    Schema.Tuple([
      Schema.Literal(stream),
      Schema.String,
      Xid,
      Schema.NullOr(keySchemas[key.type]),
      EpochMillis
    ])
  )
  const decodePosition = Schema.decodeOption(codec)
  const encodePosition = Schema.encodeSync(codec)

  const encode = ({ identity, key, madeAtMillis, xid }: Position): string =>
    Base64Url.encode(encodePosition([stream, identity, xid, key, madeAtMillis]))

  const decode = (cursor: string): Option.Option<Position> => {
    const text = cursor.length > Cursor.lengthMax ? Result.fail(undefined) : Base64Url.decodeString(cursor)
    return Result.isFailure(text)
      ? Option.none()
      : Option.map(decodePosition(text.success), ([, identity, xid, key, madeAtMillis]) => ({
          identity,
          xid,
          key,
          madeAtMillis
        }))
  }

  /** Reads the server's position, and the rows after one of a reader's, in one snapshot. */
  const read = Effect.fnUntraced(function* (position: Option.Option<Position>, limit: number) {
    const sql = yield* SqlClient.SqlClient
    const { id } = yield* Tenant
    const isAfter = Option.match(position, {
      onNone: () => sql`false`,
      onSome: ({ key: last, xid }) =>
        last === null
          ? sql`entry.xid >= ${xid}::xid8`
          : sql`(entry.xid, entry.${sql(key.column)}) > (${xid}::xid8, ${last}::${sql.literal(key.type)})`
    })
    return yield* sql<Found>`
      WITH server AS MATERIALIZED (
        SELECT ${sql.literal(identityExpression)} AS identity,
               pg_snapshot_xmin(pg_current_snapshot()) AS complete_before
      )
      SELECT server.identity,
             server.complete_before::text AS "completeBefore",
             entry.*
        FROM server
        LEFT JOIN LATERAL (
             SELECT entry.xid::text AS "cursorXid",
                    entry.${sql(key.column)}::text AS "cursorKey",
                    ${sql.literal(row.columnsOf("entry"))}
               FROM ${sql(table)} AS entry
              WHERE entry.tenant_id = ${id}
                AND entry.xid < server.complete_before
                AND ${isAfter}
              ORDER BY entry.xid, entry.${sql(key.column)}
              LIMIT ${limit}
             ) AS entry ON true
    `
  })

  const isKnown = (position: Position, server: Found, nowMillis: number): boolean =>
    position.identity === server.identity &&
    BigInt(position.xid) <= BigInt(server.completeBefore) &&
    nowMillis - position.madeAtMillis <= keptForMillis

  const readAfter = Effect.fnUntraced(function* (position: Option.Option<Position>, limit: number) {
    const madeAtMillis = (yield* Now.now).getTime()
    const found = yield* read(position, limit)
    const [server] = found
    if (server === undefined) return yield* Effect.die(new Error("The server's position was not read"))
    const { completeBefore, identity } = server
    const end = encode({ identity, xid: completeBefore, key: null, madeAtMillis })
    if (!Option.exists(position, (position) => isKnown(position, server, madeAtMillis))) {
      return { resync: true, items: [], cursor: end }
    }
    const items: Array<Item<A>> = []
    for (const entry of found) {
      if (entry.cursorXid === null) continue
      const cursor = encode({ identity, xid: entry.cursorXid, key: entry.cursorKey, madeAtMillis })
      items.push({ row: yield* row.decode(entry), cursor })
    }
    // A full batch may have more behind it.
    return { resync: false, items, cursor: items.length < limit ? end : (items.at(-1)?.cursor ?? end) }
  })

  return {
    end: Effect.map(readAfter(Option.none(), 1), ({ cursor }) => cursor),
    after: Effect.fn("CommitCursor.after")(function* (cursor: string, limit: number) {
      return yield* readAfter(decode(cursor), limit)
    })
  }
}
