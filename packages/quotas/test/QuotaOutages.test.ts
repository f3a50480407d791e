/** A database that hangs or is killed while limits are checked and quotas are reserved. */
import { assert, it } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import * as BrokenBuild from "@hypermarket/soak/BrokenBuild"
import * as Run from "@hypermarket/soak/Run"
import * as DatabaseOutage from "@hypermarket/testing/DatabaseOutage"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Layer, Metric, Schedule } from "effect"
import { breaks } from "../soak/quotas/breaks.ts"
import { deadlinesOf } from "../soak/quotas/deadlines.ts"
import * as QuotaRun from "../soak/quotas/QuotaRun.ts"

const seed = process.pid
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

it.live("after kill -9 of Postgres the ledger has each acknowledged reserve and commit exactly once", () =>
  Effect.gen(function* () {
    yield* Run.say(`--seed ${seed}`)
    const report = yield* QuotaRun.runLedger(seed, { pairs: 1_200, callers: 24, kills: 2 })
    assert.deepStrictEqual(report.violations, [])
    assert.strictEqual(report.counts["entries"], 2_400)
  })
)

it.live(
  "a reserve or commit that is acknowledged before it is on disk is lost, and the harness says so",
  () =>
    Effect.map(BrokenBuild.check("durability", breaks.durability, seed), (found) => assert.isNotEmpty(found))
)
