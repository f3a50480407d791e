/** A database that hangs or is killed while limits are checked and quotas are reserved. */
import { assert, it } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { QuotaMaintenance } from "@hypermarket/quotas/QuotaMaintenance"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import { TenantQuotas } from "@hypermarket/quotas/TenantQuotas"
import * as DatabaseOutage from "@hypermarket/testing/DatabaseOutage"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Layer, Metric, Ref, Schedule } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { deadlinesOf } from "./rateSupport.ts"

const asTenant = provide(TenantId.make("acme"))
const hourMillis = 3_600_000
const deadlineMillis = 100
const poll = Schedule.spaced("20 millis")

/** Migrates the server and builds the services as one process has them, with the settings of production. */
const start = Effect.fnUntraced(function* (database: DatabaseOutage.Database) {
  const options = TestDatabase.optionsOf(database.server.url)
  yield* Migrations.run([CoreDomain.migrations, QuotasDomain.domain.migrations], options.schema).pipe(
    Effect.provide(Database.layerDirect(options))
  )
  return yield* Layer.build(
    QuotasDomain.layer.pipe(Layer.provideMerge(Database.layer({ ...options, poolMax: 8 }, "hm-test-outage")))
  )
})

const unavailableCount = Effect.map(Metric.snapshot, (metrics) =>
  metrics
    .filter(({ id }) => id === "hm_rate_checks_unavailable_total")
    .reduce((sum, { state }) => sum + ("count" in state ? Number(state.count) : 0), 0)
)

it.live(
  "while Postgres hangs each policy fails as it says, the metric counts it, and no process admits more than a burst",
  () =>
    Effect.gen(function* () {
      const database = yield* DatabaseOutage.frozen
      const limits = Context.get(yield* start(database), RateLimits)
      yield* Effect.gen(function* () {
        const numbers = { kind: "gcra", quota: 6, periodMillis: hourMillis, by: ["user"] } as const
        yield* limits.createPolicy({ policy: "open", ...numbers })
        yield* limits.createPolicy({ policy: "closed", whenUnavailable: "closed", ...numbers })
        const check = (policy: string, user: string) =>
          limits.check({ policies: [policy], subject: { user } })
        // On a busy machine the first check may pass its deadline.
        yield* Effect.repeat(check("open", "before"), { until: ({ decidedBy }) => decidedBy === "database" })
        const before = yield* unavailableCount

        yield* database.leave
        const asked = Array.from({ length: 40 })
        // Past the age of policies in memory: the first checks ask for them.
        yield* Effect.sleep("500 millis")
        const answers = yield* Effect.forEach(asked, () => deadlinesOf(deadlineMillis, check("open", "u")), {
          concurrency: 4
        })
        const decisions = answers.map(([, decision]) => decision)
        // The first checks wait for the deadline, then one per 250 ms. The others do not wait, for policies neither.
        const waited = answers.filter(([deadlines]) => deadlines > 0)
        assert.isBelow(waited.length, asked.length / 2)
        assert.strictEqual(decisions.filter(({ allowed }) => allowed).length, 6)
        assert.isTrue(decisions.every(({ decidedBy }) => decidedBy === "process"))
        assert.isTrue(
          decisions.every(({ allowed, retryAfterSeconds }) => allowed || (retryAfterSeconds ?? 0) > 0)
        )
        const refusals = yield* Effect.forEach(asked, () => Effect.flip(check("closed", "u")), {
          concurrency: 4
        })
        assert.isTrue(refusals.every(({ _tag }) => _tag === "RateLimitsUnavailable"))
        assert.strictEqual((yield* unavailableCount) - before, 80)

        yield* database.comeBack
        const again = yield* Effect.exit(check("closed", "v")).pipe(
          Effect.repeat({ until: (exit) => exit._tag === "Success", schedule: poll })
        )
        assert.strictEqual(again._tag, "Success")

        // A database that answers now and then gives no further burst.
        yield* database.leave
        const flapped = yield* Effect.forEach(asked, () => check("open", "u"), { concurrency: 4 })
        const alone = flapped.filter(({ decidedBy }) => decidedBy === "process")
        assert.isAbove(alone.length, 0)
        assert.strictEqual(alone.filter(({ allowed }) => allowed).length, 0)
        yield* database.comeBack
      }).pipe(asTenant)
    }).pipe(Effect.scoped)
)

/** All of ten thousand take minutes on a busy machine. */
const pairs = 1_200
const callers = 24
const kills = 2

it.live("after kill -9 of Postgres the ledger has each acknowledged reserve and commit exactly once", () =>
  Effect.gen(function* () {
    const database = yield* DatabaseOutage.killed
    const context = yield* start(database)
    const quotas = Context.get(context, TenantQuotas)
    const sql = Context.get(context, SqlClient.SqlClient)
    yield* Effect.gen(function* () {
      yield* quotas.createFeature({ feature: "calls", kind: "metered" })
      yield* quotas.grant("calls", { source: "plan", amount: 3 * pairs })
      const maintenance = Context.get(context, QuotaMaintenance)
      yield* maintenance.watch.pipe(Effect.provideService(AllTenants, { actor: "test" }))
      const acknowledged = yield* Ref.make(0)
      /** A caller that is not answered asks again with the same key. */
      const persist = <A, E>(self: Effect.Effect<A, E, Effect.Services<ReturnType<typeof quotas.reserve>>>) =>
        Effect.retry(self, poll)
      const pair = Effect.fnUntraced(function* (index: number) {
        const request = { key: `k${index}`, feature: "calls", amount: 3 }
        const { reservationId } = yield* persist(quotas.reserve(request))
        yield* persist(quotas.commit(reservationId, 2))
        yield* Ref.update(acknowledged, (count) => count + 1)
      })
      const working = Effect.forEach(Array.from({ length: pairs }), (_, index) => pair(index), {
        concurrency: callers,
        discard: true
      })
      const killing = Effect.gen(function* () {
        for (let kill = 1; kill <= kills; kill++) {
          const reached = (kill * pairs) / (kills + 1)
          yield* Ref.get(acknowledged).pipe(
            Effect.repeat({ until: (count) => count >= reached, schedule: poll })
          )
          yield* database.leave
          yield* database.comeBack
        }
      })
      yield* Effect.all([working, killing], { concurrency: 2, discard: true })

      const [ledger] = yield* sql<Record<"reserves" | "commits" | "keys" | "used", number>>`
        SELECT count(*) FILTER (WHERE kind = 'reserve')::int AS reserves,
               count(*) FILTER (WHERE kind = 'commit')::int AS commits,
               count(DISTINCT reservation_id)::int AS keys,
               coalesce(sum(amount) FILTER (WHERE kind = 'commit'), 0)::int AS used
          FROM hm_quota_ledger
      `
      assert.deepStrictEqual({ ...ledger }, { reserves: pairs, commits: pairs, keys: pairs, used: 2 * pairs })
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { used: 2 * pairs, held: 0 })
      // The unlogged tables are empty, and doctor says so.
      const check = QuotasDomain.domain.checks.find(({ name }) => name === "unlogged tables")
      const findings = yield* (check?.run ?? Effect.succeed([])).pipe(Effect.provideContext(context))
      assert.deepStrictEqual(
        findings.map(({ message, status }) => [status, message.split(" ")[0]]),
        [
          ["warn", "hm_api_rate_limit"],
          ["warn", "hm_rate_store"]
        ]
      )
    }).pipe(asTenant)
  }).pipe(Effect.scoped)
)
