/**
 * The activity log under writers whose transactions last up to seconds and are now and then rolled back, while it is sealed and
 * verified all the time and another transaction stays open.
 *
 * After each round of sealing, every row that was committed before the round must be under a checkpoint. No verification may raise
 * an alarm. In the end each committed row must be under exactly one checkpoint, and no row of a rollback may be there.
 */
import * as Audit from "@hypermarket/core/Audit"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import { ActivitySeals } from "@hypermarket/platform/ActivitySeals"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as Chance from "@hypermarket/soak/Chance"
import * as Cluster from "@hypermarket/soak/Cluster"
import * as Report from "@hypermarket/soak/Report"
import * as Run from "@hypermarket/soak/Run"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

export interface Size {
  readonly writers: number
  readonly seconds: number
  /** The longest transaction. */
  readonly transactionMillisMax: number
  readonly sealEveryMillis: number
}

export type Violation = Report.Violation<"alarm" | "delayed" | "not_exactly_one" | "rolled_back_row">

class RolledBack extends Schema.TaggedError<RolledBack>()("RolledBack", {}) {}

const tenant = TenantId.make("crowded")
const elsewhereTenant = TenantId.make("elsewhere")
const rollbackProbability = 0.2
const rowsMax = 3
const progressInterval = "15 seconds"
/** A seed for tests: 32 bytes. */
const signingKey = `soak:${Buffer.alloc(32, 7).toString("base64")}`
/** The writers, sealing, verifying, and the transaction elsewhere. */
const connectionsBeside = 8

const asSystem = Effect.provideService(AllTenants, { actor: "soak" })

const change = (id: string) => Audit.record({ action: "item.changed", target: { type: "item", id } })

export const run = Effect.fn("AuditRun.run")(function* (seed: number, size: Size) {
  const startedAt = yield* Clock.currentTimeMillis
  const poolMax = size.writers + connectionsBeside
  const cluster = yield* Cluster.make({ max_connections: String(poolMax + 20) })
  const options = { ...TestDatabase.optionsOf(cluster.url), poolMax }
  yield* Migrations.run([CoreDomain.migrations, PlatformDomain.domain.migrations], "public").pipe(
    Effect.provide(Database.layerDirect(options))
  )
  const services = Layer.mergeAll(ActivityLog.layer, ActivitySeals.layer, ActivityLog.layerAudit).pipe(
    Layer.provideMerge(Database.layer(options, "hm-soak")),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ HM_PLATFORM_AUDIT_KEY: signingKey })))
  )
  const context = yield* Layer.build(services)

  const body = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const log = yield* ActivityLog
    const seals = yield* ActivitySeals
    const { add: violated, all: violations } = Report.tally<Violation["rule"]>()

    const committed = new Set<string>()
    const rolledBack = new Set<string>()
    /** Committed rows that no round has sealed yet, and when they were committed. */
    const waiting = new Map<string, number>()
    let isOver = false
    let rounds = 0
    let verifications = 0
    let lateRows = 0
    let delayMillisMax = 0

    const writer = (number: number) =>
      Effect.gen(function* () {
        const own = Chance.make(seed * 1_000 + number)
        let transactions = 0
        const once = Effect.gen(function* () {
          transactions++
          const ids = Array.from(
            { length: own.between(1, rowsMax) },
            (_, row) => `${number}-${transactions}-${row}`
          )
          const rollsBack = own.happens(rollbackProbability)
          const pause = own.between(0, size.transactionMillisMax) / ids.length
          const isCommitted = yield* Effect.forEach(ids, (id) =>
            Effect.andThen(change(id), Effect.sleep(pause))
          ).pipe(
            Effect.andThen(rollsBack ? new RolledBack() : Effect.void),
            sql.withTransaction,
            Effect.as(true),
            Effect.catchTag("RolledBack", () => Effect.succeed(false))
          )
          const nowMillis = yield* Clock.currentTimeMillis
          for (const id of ids) {
            if (isCommitted) {
              committed.add(id)
              waiting.set(id, nowMillis)
            } else rolledBack.add(id)
          }
        })
        yield* Effect.repeat(once, { while: () => !isOver })
      })

    const sealOnce = Effect.gen(function* () {
      const due = Array.from(waiting)
      yield* seals.seal.pipe(asSystem)
      rounds++
      const rows = yield* sql<{ readonly id: string }>`
        SELECT detail::json ->> 'targetId' AS id
          FROM hm_platform_activity_log
         WHERE tenant_id = ${tenant}
           AND activity_id NOT IN (
               SELECT unnest(activity_ids)
                 FROM hm_platform_activity_checkpoint
                WHERE tenant_id = ${tenant})
      `
      const unsealed = new Set(rows.map(({ id }) => id))
      const nowMillis = yield* Clock.currentTimeMillis
      for (const [id, atMillis] of due) {
        if (unsealed.has(id)) violated("delayed", id)
        waiting.delete(id)
        delayMillisMax = Math.max(delayMillisMax, nowMillis - atMillis)
      }
    })

    const verifyOnce = Effect.gen(function* () {
      const { late, problems } = yield* log.verify({}).pipe(provide(tenant))
      verifications++
      lateRows = Math.max(lateRows, late.length)
      for (const { id, kind, reason } of problems) violated("alarm", `${kind} ${id}: ${reason}`)
    })

    // It has a transaction id and a snapshot, and ends last.
    const isDone = yield* Deferred.make<void>()
    const isOpen = yield* Deferred.make<void>()
    const elsewhere = yield* Effect.gen(function* () {
      yield* sql`SET LOCAL idle_in_transaction_session_timeout = 0`
      yield* change("elsewhere").pipe(provide(elsewhereTenant))
      yield* Deferred.succeed(isOpen, undefined)
      yield* Deferred.await(isDone)
    }).pipe(sql.withTransaction, Effect.forkScoped)
    yield* Deferred.await(isOpen)

    const progress = Effect.suspend(() =>
      Run.say(`${committed.size} rows committed, ${rounds} rounds, ${verifications} verifications`)
    ).pipe(Effect.delay(progressInterval), Effect.forever)
    yield* Effect.forkScoped(progress)
    const again = Schedule.spaced(size.sealEveryMillis)
    const sealing = yield* Effect.forkScoped(Effect.repeat(sealOnce, again))
    const verifying = yield* Effect.forkScoped(Effect.repeat(verifyOnce, again))
    yield* Effect.all(
      [
        Effect.sync(() => (isOver = true)).pipe(Effect.delay(`${size.seconds} seconds`)),
        ...Array.from({ length: size.writers }, (_, number) => writer(number).pipe(provide(tenant)))
      ],
      { concurrency: "unbounded", discard: true }
    )
    yield* Fiber.interrupt(sealing)
    yield* Fiber.interrupt(verifying)
    yield* sealOnce
    yield* verifyOnce

    const rows = yield* sql<{ readonly id: string; readonly checkpoints: number }>`
      WITH sealed AS (
        SELECT activity_id, count(*)::int AS checkpoints
          FROM hm_platform_activity_checkpoint
         CROSS JOIN unnest(activity_ids) AS activity_id
         WHERE tenant_id = ${tenant}
         GROUP BY activity_id
      )
      SELECT detail::json ->> 'targetId' AS id, coalesce(checkpoints, 0) AS checkpoints
        FROM hm_platform_activity_log
        LEFT JOIN sealed USING (activity_id)
       WHERE tenant_id = ${tenant}
    `
    const seen = new Map(rows.map(({ checkpoints, id }) => [id, checkpoints]))
    for (const id of committed) {
      if (seen.get(id) !== 1) violated("not_exactly_one", `${id}: ${seen.get(id) ?? "no row"}`)
    }
    for (const id of seen.keys()) if (!committed.has(id)) violated("rolled_back_row", id)

    yield* Deferred.succeed(isDone, undefined)
    yield* Fiber.join(elsewhere)
    yield* seals.seal.pipe(asSystem)
    const report = yield* log.verify({}).pipe(provide(elsewhereTenant))
    if (report.rows !== 1 || report.problems.length > 0) violated("not_exactly_one", "elsewhere")
    const millis = (yield* Clock.currentTimeMillis) - startedAt
    return {
      seed,
      ok: violations().length === 0,
      violations: violations(),
      counts: {
        committed: committed.size,
        rolledBack: rolledBack.size,
        rounds,
        verifications,
        lateRows,
        delayMillisMax
      },
      millis
    } satisfies Report.Report
  })
  return yield* Effect.provideContext(body, context)
}, Effect.scoped)
