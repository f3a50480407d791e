/**
 * Finds unlogged tables that lost their rows. A crash or failover of Postgres empties them: each then has lost the row that the
 * worker put into it, which a logged table remembers.
 */
import * as Check from "@hypermarket/core/Check"
import * as Now from "@hypermarket/core/Now"
import { system } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** No policy has this name, no limiter this kind of key: neither is empty. */
const markPolicy = ""

/** The job that deletes full buckets never deletes it. */
const neverMicros = "9223372036854775807"

/** Doctor names a loss for a day after it was found. */
const toldMillis = 24 * 60 * 60 * 1_000

/** Puts the row of a table in place and returns whether it was missing. */
const place = (sql: SqlClient.SqlClient) => ({
  hm_api_rate_limit: sql`
    INSERT INTO hm_api_rate_limit (tenant_id, policy, bucket, full_micros)
    VALUES (${system}, ${markPolicy}, '', ${neverMicros}::text::bigint)
        ON CONFLICT DO NOTHING
    RETURNING 1
  `,
  hm_rate_store: sql`
    INSERT INTO hm_rate_store (tenant_id, kind, key, state, expires_at)
    VALUES (${system}, 'window', 'hypermarket.presence', NULL, 'infinity')
        ON CONFLICT DO NOTHING
    RETURNING 1
  `
})

/** Puts missing rows in place, and records when one that was there is lost. */
export const watch = (sql: SqlClient.SqlClient) =>
  Effect.forEach(
    Object.entries(place(sql)),
    ([table, placing]) =>
      sql.withTransaction(
        Effect.gen(function* () {
          const now = yield* Now.now
          const isMissing = (yield* placing).length > 0
          yield* sql`
            INSERT INTO hm_rate_presence AS p (tenant_id, table_name, seen_at)
            VALUES (${system}, ${table}, ${now})
                ON CONFLICT (tenant_id, table_name)
                DO UPDATE SET seen_at = ${now},
                              lost_at = CASE WHEN ${isMissing}::boolean THEN ${now}::timestamptz ELSE p.lost_at END
          `
        })
      ),
    { discard: true }
  )

const emptied = (table: string, when: string): Check.Finding => ({
  status: "warn",
  message: `${table} lost its rows ${when}: each limit had one burst more`,
  hint: "look for a crash or failover of Postgres at that time; the table fills again by itself"
})

/** Names the unlogged tables that lost their rows, since the worker looked last or within a day. */
export const check = Check.make(
  "unlogged tables",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const rows = yield* sql<{
      readonly table: string
      readonly seenAt: Date
      readonly lostAt: Date | null
      readonly isThere: boolean
    }>`
      SELECT p.table_name AS table, p.seen_at AS "seenAt", p.lost_at AS "lostAt",
             CASE p.table_name
             WHEN 'hm_api_rate_limit' THEN EXISTS (
               SELECT 1
                 FROM hm_api_rate_limit
                WHERE tenant_id = ${system} AND policy = ${markPolicy} AND bucket = '')
             ELSE EXISTS (
               SELECT 1
                 FROM hm_rate_store
                WHERE tenant_id = ${system} AND kind = 'window' AND key = 'hypermarket.presence')
             END AS "isThere"
        FROM hm_rate_presence p
       WHERE p.tenant_id = ${system}
       ORDER BY p.table_name
    `
    const lost = rows.flatMap(({ isThere, lostAt, seenAt, table }) => {
      if (!isThere) return [emptied(table, `after ${new Date(seenAt).toISOString()}`)]
      const found = lostAt === null ? undefined : new Date(lostAt)
      return found !== undefined && now.getTime() - found.getTime() < toldMillis
        ? [emptied(table, `before ${found.toISOString()}`)]
        : []
    })
    return lost.length > 0
      ? lost
      : [{ status: "ok" as const, message: `${rows.length} unlogged tables have their rows` }]
  })
)
