/**
 * Drops the log by whole months. First the log of each owner gets an entry that names the checkpoints whose rows go, sealed in
 * the same transaction. Then the months are given up: the job that maintains partitions drops them. The checkpoints stay, because
 * later ones are linked to them.
 *
 * An owner whose log cannot name them keeps its rows, and with them the partitions of these months. The rows of the other owners
 * in these partitions are deleted.
 *
 * Each entry names all checkpoints that were dropped until then: the entry before it is dropped one day too.
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import * as Partitions from "@hypermarket/core/Partitions"
import { system, Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { activityKeepDaysMin } from "../PlatformSettings.ts"
import { droppedAction } from "./drops.ts"
import type * as Sealing from "./sealing.ts"
import * as Statements from "./statements.ts"
import * as Writing from "./writing.ts"

const dayMillis = 86_400_000
const roundLimit = "5 minutes"

/** Rows that one statement deletes at most, or those of one checkpoint: it takes some tens of milliseconds. */
const givenUpRowsMax = 10_000

const startOfMonth = (at: Date): Date => new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1))

const daysBefore = (at: Date, days: number): Date => new Date(at.getTime() - days * dayMillis)

interface Retention {
  readonly droppedBefore: Date
  readonly emptiedBefore: Date
}

/** The instant before which months may be dropped: none until the owners' logs were asked to name them. */
const droppable = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly droppedBefore: Date }>`
    SELECT dropped_before AS "droppedBefore"
      FROM hm_platform_activity_retention
     WHERE tenant_id = ${system}
  `
  return row === undefined ? new Date(0) : new Date(row.droppedBefore)
})

/** Two months ahead: a worker that is away for weeks leaves no row without its partition. */
export const partitions = Partitions.make({
  table: "hm_platform_activity_log",
  by: "recorded_at",
  every: "month",
  // Months go only when the logs of their owners name them, by the setting.
  keep: `${activityKeepDaysMin} days`,
  ahead: 2,
  oldestInUse: droppable,
  isInUse: ({ from, to }) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) => Statements.make(sql).isHeld(from, to))
})

export const make = (sql: SqlClient.SqlClient, sealRows: ReturnType<typeof Sealing.make>) => {
  const statements = Statements.make(sql)
  const write = Writing.make(sql)

  const read = Effect.map(
    sql<Retention>`
      SELECT dropped_before AS "droppedBefore", emptied_before AS "emptiedBefore"
        FROM hm_platform_activity_retention
       WHERE tenant_id = ${system}
    `,
    ([row]) => row
  )

  const save = ({ droppedBefore, emptiedBefore }: Retention, now: Date) =>
    sql`
      INSERT INTO hm_platform_activity_retention AS r (tenant_id, dropped_before, emptied_before, updated_at)
      VALUES (${system}, ${droppedBefore}, ${emptiedBefore}, ${now})
          ON CONFLICT (tenant_id)
          DO UPDATE SET dropped_before = greatest(r.dropped_before, excluded.dropped_before),
                        emptied_before = greatest(r.emptied_before, excluded.emptied_before),
                        updated_at = excluded.updated_at
    `

  /** The reason that holds an owner's rows before an instant back, in words. */
  const obstacleOf = Effect.fnUntraced(function* (tenantId: string, before: Date, now: Date) {
    const [row] = yield* sql<{ readonly isUnsealed: boolean; readonly isYoung: boolean }>`
      SELECT EXISTS (
               SELECT 1
                 FROM hm_platform_activity_log
                WHERE tenant_id = ${tenantId} AND recorded_at < ${before}
                  AND activity_id NOT IN (
                      SELECT unnest(activity_ids)
                        FROM hm_platform_activity_checkpoint
                       WHERE tenant_id = ${tenantId} AND first_recorded_at < ${before})) AS "isUnsealed",
             EXISTS (
               SELECT 1
                 FROM hm_platform_activity_checkpoint
                WHERE tenant_id = ${tenantId} AND first_recorded_at < ${before} AND dropped_at IS NULL
                  AND (last_recorded_at >= ${before}
                       OR sealed_at >= ${daysBefore(now, activityKeepDaysMin)})) AS "isYoung"
    `
    if (row?.isUnsealed === true) return "a row of it is under no checkpoint"
    return row?.isYoung === true ? "a row of it was sealed lately" : undefined
  })

  /** Names the checkpoints of an owner before an instant, and seals the entry that names them. */
  const name = Effect.fnUntraced(function* (before: Date) {
    const { id: tenantId } = yield* Tenant
    const now = yield* Now.now
    if (!(yield* statements.tryLock(tenantId))) return { count: 0, hasMore: true }
    const obstacle = yield* obstacleOf(tenantId, before, now)
    if (obstacle !== undefined) {
      yield* Effect.logWarning(
        `The activity log of ${tenantId} is kept from before ${before.toISOString()}: ${obstacle}`
      )
      return { count: 0, hasMore: false }
    }
    const [named] = yield* sql<{ readonly isNamed: boolean }>`
      SELECT NOT EXISTS (
               SELECT 1
                 FROM hm_platform_activity_checkpoint
                WHERE tenant_id = ${tenantId} AND dropped_at IS NULL AND last_recorded_at < ${before}) AS "isNamed"
    `
    if (named?.isNamed === true) return { count: 1, hasMore: false }
    yield* sql`
      UPDATE hm_platform_activity_checkpoint
         SET dropped_at = ${now}
       WHERE tenant_id = ${tenantId} AND dropped_at IS NULL AND last_recorded_at < ${before}
    `
    const ranges = yield* sql<{ readonly first: number; readonly last: number; readonly rows: number }>`
      WITH dropped AS (
        SELECT number, rows, number - row_number() OVER (ORDER BY number) AS island
          FROM hm_platform_activity_checkpoint
         WHERE tenant_id = ${tenantId} AND dropped_at IS NOT NULL
      )
      SELECT min(number)::float8 AS first, max(number)::float8 AS last, sum(rows)::float8 AS rows
        FROM dropped
       GROUP BY island
       ORDER BY 1
    `
    yield* write({
      action: droppedAction,
      target: { type: "activity", id: tenantId },
      after: {
        before: before.toISOString(),
        checkpoints: ranges.map(({ first, last }) => [first, last]),
        rows: ranges.reduce((sum, { rows }) => sum + rows, 0)
      }
    })
    // Rows of another month than the entry's may come first.
    yield* Effect.repeat(sealRows(daysBefore(now, 1)), { while: ({ hasMore }) => hasMore })
    return { count: 1, hasMore: false }
  })

  /**
   * Removes the ids of rows from checkpoints whose rows are gone. Months that may be dropped are waited for. What is left beside the
   * rows of an owner that is held back, and in the default partition, is deleted.
   */
  const empty = Effect.fnUntraced(
    function* ({ droppedBefore }: Retention, now: Date) {
      const past = (yield* Partitions.periods(partitions)).filter(({ to }) => to <= droppedBefore)
      const leaving = yield* Effect.filter(past, ({ from, to }) =>
        Effect.map(statements.isHeld(from, to), (isHeld) => !isHeld)
      )
      const monthsLeft = leaving.map(({ from }) => from)
      const { failed, left } = yield* EachTenant.run({
        loop: "platform.activity.empty",
        items: yield* statements.sealedOwners,
        limit: roundLimit,
        turn: ({ tenantId }) =>
          Effect.map(statements.giveUp(tenantId, droppedBefore, monthsLeft, givenUpRowsMax), (count) => ({
            count,
            hasMore: count > 0
          }))
      })
      const [row] = yield* sql<{ readonly isThere: boolean }>`
      SELECT EXISTS (SELECT 1 FROM hm_platform_activity_log WHERE recorded_at < ${droppedBefore}) AS "isThere"
    `
      if (row?.isThere === false && failed === 0 && left === 0) {
        yield* save({ droppedBefore, emptiedBefore: droppedBefore }, now)
      }
    },
    Effect.provideService(SqlClient.SqlClient, sql)
  )

  const retain = Effect.fnUntraced(function* (keepDays: number) {
    const now = yield* Now.now
    const before = startOfMonth(daysBefore(now, keepDays))
    const existing = yield* read
    const { left } = yield* EachTenant.run({
      loop: "platform.activity.retain",
      items: yield* statements.ownersBefore(before),
      limit: roundLimit,
      turn: () => transactionOf(sql)(name(before))
    }).pipe(Effect.provideService(SqlClient.SqlClient, sql))
    // Until each owner had its turn, one that had none is not told from one that is held back.
    if (left === 0 && (existing === undefined || existing.droppedBefore < before)) {
      yield* save({ droppedBefore: before, emptiedBefore: existing?.emptiedBefore ?? new Date(0) }, now)
    }
    const retention = yield* read
    if (retention === undefined) return undefined
    if (retention.emptiedBefore < retention.droppedBefore) yield* empty(retention, now)
    return retention.droppedBefore
  })

  return { retain }
}
