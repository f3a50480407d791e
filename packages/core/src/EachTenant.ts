/**
 * Runs a loop over all tenants so that one tenant's row stops no other tenant.
 *
 * Each tenant is isolated: its failure is logged with the tenant, counted by reason, and recorded in `hm_loop_failure`. It is
 * tried again after 1 s, then after twice the time, up to 10 minutes. Tenants are served in turn and in random order, so that
 * a round that its time limit ends leaves out other tenants each time.
 *
 * A failure that points at the server (SQLSTATE 08, 53, 57P, 25006) is no tenant's fault: it ends the round.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as Check from "./Check.ts"
import * as FailureText from "./FailureText.ts"
import { now } from "./Now.ts"
import * as Storage from "./Storage.ts"
import { Tenant, TenantId } from "./Tenant.ts"
import { isOpen } from "./Transaction.ts"

const failuresTotal = Metric.counter("hm_core_loop_failures_total", {
  description: "Failures of one tenant in a loop over all tenants, by loop and reason",
  incremental: true
})

/**
 * Longest wait before a failing tenant is tried again, in seconds: its repair shows within ten minutes.
 *
 * @category limits
 * @since 0.1.0
 */
export const retrySecondsMax = 600
/** Maximum doublings of the wait: 2 to the power of ten is more than the longest wait. */
const retryDoublingsMax = 10
/** A failure that was not repeated for this long is of a tenant that has nothing left to do, in days. */
const keepDays = 7
const dayMillis = 24 * 60 * 60 * 1000

/**
 * Work of a loop for one tenant. A tenant may have several items.
 *
 * @category models
 * @since 0.1.0
 */
export interface Item {
  readonly tenantId: string
}

/**
 * The result of one turn. A tenant with more work gets its next turn after the others had theirs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Turn {
  readonly count: number
  readonly hasMore: boolean
}

/**
 * The result of a round.
 *
 * @category models
 * @since 0.1.0
 */
export interface Round {
  /** Sum of the counts of all turns. */
  readonly count: number
  /** Items that failed. */
  readonly failed: number
  /** Items that the time limit left for the next round. */
  readonly left: number
}

interface FailingRow {
  readonly tenantId: string
  readonly isDue: boolean
}

const failing = Effect.fnUntraced(function* (loop: string, items: ReadonlyArray<Item>) {
  const sql = yield* SqlClient.SqlClient
  const at = yield* now
  const tenants = Array.from(new Set(items.map(({ tenantId }) => tenantId)))
  const rows = yield* sql<FailingRow>`
    SELECT tenant_id AS "tenantId", retry_at <= ${at} AS "isDue"
      FROM hm_loop_failure
     WHERE tenant_id = ANY (${tenants}::text[])
       AND loop = ${loop}
  `
  return new Map(rows.map(({ isDue, tenantId }) => [tenantId, isDue]))
})

const record = Effect.fnUntraced(function* (loop: string, tenantId: string, failure: Failed) {
  const sql = yield* SqlClient.SqlClient
  const at = yield* now
  yield* sql`
    INSERT INTO hm_loop_failure AS f (tenant_id, loop, failures, reason, last_error, began_at, failed_at, retry_at)
    VALUES (${tenantId}, ${loop}, 1, ${failure.reason}, ${failure.text}, ${at}, ${at},
            ${at}::timestamptz + interval '1 second')
        ON CONFLICT (tenant_id, loop)
        DO UPDATE SET failures = f.failures + 1, reason = excluded.reason, last_error = excluded.last_error,
                      failed_at = excluded.failed_at,
                      retry_at = excluded.failed_at
                                 + least(${retrySecondsMax}::float8, 2 ^ least(${retryDoublingsMax}, f.failures))
                                   * interval '1 second'
  `
})

const clear = Effect.fnUntraced(function* (loop: string, tenants: ReadonlyArray<string>) {
  if (tenants.length === 0) return
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    DELETE FROM hm_loop_failure
     WHERE tenant_id = ANY (${tenants}::text[])
       AND loop = ${loop}
  `
})

const sqlErrorOf = (cause: Cause.Cause<unknown>): SqlError | undefined => {
  for (const reason of cause.reasons) {
    const error = reason._tag === "Fail" ? reason.error : reason._tag === "Die" ? reason.defect : undefined
    if (isSqlError(error)) return error
  }
  return undefined
}

/** The failure of the server itself, which fails for every tenant. */
const serverErrorOf = (cause: Cause.Cause<unknown>): SqlError | undefined => {
  const error = sqlErrorOf(cause)
  return error !== undefined && Storage.pointsAtServer(Storage.failureOf(error).reason) ? error : undefined
}

/**
 * The failure of one item.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failed {
  /** The SQLSTATE, or the tag of the error. */
  readonly reason: string
  /** At most 500 characters, without stack frames. */
  readonly text: string
}

const isolated = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    return yield* Effect.exit((yield* isOpen(sql)) ? sql.withTransaction(self) : self)
  })

const interruptedOnly = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.every((reason) => reason._tag === "Interrupt")

/**
 * Logs and counts the failure of one tenant, and returns its description. Fails when the server failed, and ends when the
 * fiber was interrupted.
 *
 * @category running
 * @since 0.1.0
 */
export const report = Effect.fnUntraced(function* (
  loop: string,
  tenantId: string,
  cause: Cause.Cause<unknown>
): Effect.fn.Return<Failed, SqlError> {
  const serverError = serverErrorOf(cause)
  if (serverError !== undefined) return yield* serverError
  if (interruptedOnly(cause)) return yield* Effect.interrupt
  const failure: Failed = { reason: FailureText.reasonOf(cause), text: FailureText.describe(cause) }
  yield* Metric.update(Metric.withAttributes(failuresTotal, { loop, reason: failure.reason }), 1)
  yield* Effect.logWarning("A loop failed for one tenant and goes on with the others", {
    loop,
    tenant_id: tenantId,
    reason: failure.reason,
    detail: failure.text
  })
  return failure
})

const tenantOf = (tenantId: string): Tenant["Service"] => ({
  // The installation's own rows belong to an id that no tenant can have.
  id: TenantId.make(tenantId, { disableChecks: true })
})

/**
 * Runs turns of a loop, item by item, until no item has more to do or the time limit is reached. A turn that takes longer
 * than its own limit is interrupted and counts as failed. Inside an open transaction each turn has a savepoint.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fn("EachTenant.run")(function* <A extends Item, E, R>(options: {
  /** The name of the job, `<domain>.<noun>.<verb>`. */
  readonly loop: string
  readonly items: ReadonlyArray<A>
  /** No turn starts after it. */
  readonly limit: Duration.Input
  /** Of one turn, when a single item may take longer than a round. Default: `limit`. */
  readonly turnLimit?: Duration.Input
  readonly turn: (item: A) => Effect.Effect<Turn, E, R>
}): Effect.fn.Return<Round, SqlError, Exclude<R, Tenant> | SqlClient.SqlClient> {
  const { limit, loop, turn, turnLimit = limit } = options
  if (options.items.length === 0) return { count: 0, failed: 0, left: 0 }
  const known = yield* failing(loop, options.items)
  const due = (yield* Random.shuffle(options.items)).filter(({ tenantId }) => known.get(tenantId) !== false)
  // A tenant that has failed may use up its turn: it comes after those that have not.
  const queue = [
    ...due.filter(({ tenantId }) => !known.has(tenantId)),
    ...due.filter(({ tenantId }) => known.has(tenantId))
  ]
  const endsAt = (yield* Clock.currentTimeMillis) + Duration.toMillis(limit)
  const failed = new Set<string>()
  const succeeded = new Set<string>()
  let count = 0
  let failures = 0
  while (queue.length > 0 && (yield* Clock.currentTimeMillis) < endsAt) {
    const item = queue.shift()
    if (item === undefined) break
    const exit = yield* turn(item).pipe(
      Effect.timeout(turnLimit),
      Effect.provideService(Tenant, tenantOf(item.tenantId)),
      isolated
    )
    if (Exit.isSuccess(exit)) {
      count += exit.value.count
      succeeded.add(item.tenantId)
      if (exit.value.hasMore) queue.push(item)
      continue
    }
    failures++
    failed.add(item.tenantId)
    yield* record(loop, item.tenantId, yield* report(loop, item.tenantId, exit.cause))
  }
  yield* clear(
    loop,
    Array.from(known.keys()).filter((tenantId) => succeeded.has(tenantId) && !failed.has(tenantId))
  )
  return { count, failed: failures, left: queue.length }
})

/**
 * Runs one effect for many items. When it fails, its halves are tried, down to the items at fault: `failed` gets each of
 * them, in a separate transaction, and the effects of the others stay. `run` must be one transaction.
 *
 * @category running
 * @since 0.1.0
 */
export const together = <A extends Item, B, E, R, R2>(options: {
  readonly loop: string
  readonly items: ReadonlyArray<A>
  readonly run: (items: ReadonlyArray<A>) => Effect.Effect<B, E, R>
  readonly failed: (item: A, failure: Failed) => Effect.Effect<void, SqlError, R2>
}): Effect.Effect<ReadonlyArray<B>, SqlError, R | R2 | SqlClient.SqlClient> => {
  const { failed, items, loop, run: effect } = options
  if (items.length === 0) return Effect.succeed([])
  return Effect.flatMap(
    isolated(effect(items)),
    (exit): Effect.Effect<ReadonlyArray<B>, SqlError, R | R2 | SqlClient.SqlClient> => {
      if (Exit.isSuccess(exit)) return Effect.succeed([exit.value])
      const [item] = items
      if (items.length === 1 && item !== undefined) {
        return report(loop, item.tenantId, exit.cause).pipe(
          Effect.flatMap((failure) => failed(item, failure)),
          Effect.as([])
        )
      }
      const serverError = serverErrorOf(exit.cause)
      if (serverError !== undefined) return Effect.fail(serverError)
      if (interruptedOnly(exit.cause)) return Effect.interrupt
      const middle = Math.ceil(items.length / 2)
      const halves = [items.slice(0, middle), items.slice(middle)]
      return Effect.map(
        Effect.forEach(halves, (half) => together({ ...options, items: half })),
        (results) => results.flat()
      )
    }
  )
}

/**
 * Runs one statement for many tenants, with the failures of {@link run}: tenants at fault are recorded and left out until
 * they are due again.
 *
 * @category running
 * @since 0.1.0
 */
export const statement = Effect.fn("EachTenant.statement")(function* <B, E, R>(options: {
  readonly loop: string
  readonly tenants: ReadonlyArray<string>
  readonly run: (tenants: ReadonlyArray<string>) => Effect.Effect<B, E, R>
}): Effect.fn.Return<ReadonlyArray<B>, SqlError, R | SqlClient.SqlClient> {
  const { loop } = options
  const items = options.tenants.map((tenantId) => ({ tenantId }))
  if (items.length === 0) return []
  const known = yield* failing(loop, items)
  const failed = new Set<string>()
  const results = yield* together({
    loop,
    items: items.filter(({ tenantId }) => known.get(tenantId) !== false),
    run: (part) => options.run(part.map(({ tenantId }) => tenantId)),
    failed: ({ tenantId }, failure) => {
      failed.add(tenantId)
      return record(loop, tenantId, failure)
    }
  })
  yield* clear(
    loop,
    Array.from(known).flatMap(([tenantId, isDue]) => (isDue && !failed.has(tenantId) ? [tenantId] : []))
  )
  return results
})

/**
 * Deletes failures that were not repeated for a week, of tenants that have nothing left to do.
 *
 * @category running
 * @since 0.1.0
 */
export const prune: Effect.Effect<void, SqlError, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const before = new Date((yield* now).getTime() - keepDays * dayMillis)
  yield* sql`
    DELETE FROM hm_loop_failure
     WHERE failed_at < ${before}
  `
})

/** Failures in a row from which a tenant needs a look: two may be a lock or a slow moment. */
const failuresShown = 3
/** Maximum tenants that doctor names. */
const tenantsShown = 10

/**
 * Fails while a loop keeps failing for a tenant: three times in a row.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check.Check = Check.make(
  "loops",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{
      readonly tenantId: string
      readonly loop: string
      readonly failures: number
      readonly lastError: string
      readonly failedAt: Date
    }>`
      SELECT tenant_id AS "tenantId", loop, failures, last_error AS "lastError", failed_at AS "failedAt"
        FROM hm_loop_failure
       WHERE failures >= ${failuresShown}
       ORDER BY failures DESC, tenant_id, loop
       LIMIT ${tenantsShown}
    `
    return rows.length === 0
      ? [{ status: "ok" as const, message: "no loop keeps failing for a tenant" }]
      : rows.map(({ failedAt, failures, lastError, loop, tenantId }) => ({
          status: "fail" as const,
          message: `${loop} failed ${failures} times in a row for ${tenantId}, last at ${failedAt.toISOString()}: ${lastError}`,
          hint: "repair the tenant's rows: the loop tries it again within 10 minutes, and serves the others"
        }))
  })
)
