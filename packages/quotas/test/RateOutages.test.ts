/**
 * Rate limits under load while Postgres hangs or is stopped, for a twelfth of the 20 s that the figures in docs/benchmarks.md are
 * of. `HM_TEST_OUTAGE_MILLIS=20000` runs it in full.
 */
import { assert, it } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import * as DatabaseOutage from "@hypermarket/testing/DatabaseOutage"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Duration, Effect, Layer, Metric, Result } from "effect"
import { deadlinesOf, tooMany } from "./rateSupport.ts"

const asTenant = provide(TenantId.make("acme"))
const deadlineMillis = 100
const burst = 35
const ratePerSecond = 4
const processes = 2
const callers = 12
const outage = Duration.millis(Number(process.env["HM_TEST_OUTAGE_MILLIS"] ?? 1_700))
const pause = Effect.sleep("4 millis")

const unavailableCount = Effect.map(Metric.snapshot, (metrics) =>
  metrics
    .filter(({ id }) => id === "hm_rate_checks_unavailable_total")
    .reduce((sum, { state }) => sum + ("count" in state ? Number(state.count) : 0), 0)
)

/** The services as one process has them, with the settings of production. */
const startProcess = (url: string) =>
  Layer.build(
    Layer.fresh(
      QuotasDomain.layer.pipe(
        Layer.provide(Database.layer({ ...TestDatabase.optionsOf(url), poolMax: 4 }, "hm-test-outage"))
      )
    )
  ).pipe(Effect.map((context) => Context.get(context, RateLimits)))

interface Asked {
  readonly policy: "open" | "closed"
  /** How many deadlines it has waited for. */
  readonly deadlines: number
  /** `process`: allowed or denied by the process alone. */
  readonly outcome: "database" | "process allowed" | "process denied" | "unavailable"
}

for (const [how, started] of [
  ["hangs", DatabaseOutage.frozen],
  ["is stopped", DatabaseOutage.shutDown]
] as const) {
  it.live(
    `while Postgres ${how} under load each policy fails as it says, within its deadline, and no process admits more than burst + rate x time`,
    () =>
      Effect.gen(function* () {
        const database = yield* started
        const options = TestDatabase.optionsOf(database.server.url)
        yield* Migrations.run([CoreDomain.migrations, QuotasDomain.domain.migrations], options.schema).pipe(
          Effect.provide(Database.layerDirect(options))
        )
        const services = yield* Effect.forEach(Array.from({ length: processes }), () =>
          startProcess(database.server.url)
        )
        const [first] = services
        assert.isDefined(first)
        const numbers = {
          kind: "gcra",
          quota: ratePerSecond,
          burst,
          periodMillis: 1_000,
          by: ["user"]
        } as const
        yield* first.createPolicy({ policy: "open", ...numbers })
        yield* first.createPolicy({ policy: "closed", whenUnavailable: "closed", ...numbers })

        let asked: Array<Asked> = []
        const ask = Effect.fnUntraced(function* (limits: RateLimits["Service"], policy: Asked["policy"]) {
          const [deadlines, result] = yield* deadlinesOf(
            deadlineMillis,
            Effect.result(limits.check({ policies: [policy], subject: { user: "everybody" } }))
          )
          const outcome: Asked["outcome"] = Result.match(result, {
            onFailure: ({ _tag }): Asked["outcome"] => {
              assert.strictEqual(_tag, "RateLimitsUnavailable")
              return "unavailable"
            },
            onSuccess: ({ allowed, decidedBy }): Asked["outcome"] => {
              if (decidedBy === "database") return "database"
              return allowed ? "process allowed" : "process denied"
            }
          })
          asked.push({ policy, deadlines, outcome })
          yield* pause
          return outcome
        })
        const policies = ["open", "closed"] as const
        const decided = (policy: Asked["policy"]) =>
          Effect.forEach(services, (limits) =>
            Effect.repeat(ask(limits, policy), { until: (outcome) => outcome === "database" })
          )
        yield* Effect.forEach(policies, decided, { discard: true })

        const before = yield* unavailableCount
        asked = []
        const load = Effect.forEach(
          services.flatMap((limits) => Array.from({ length: callers }, (_, index) => ({ index, limits }))),
          ({ index, limits }) => Effect.forever(ask(limits, policies[index % 2] ?? "open")),
          { concurrency: "unbounded", discard: true }
        )
        // Until both policies have decided alone, and the open one has admitted its burst.
        const bothDecided = Effect.repeat(pause, {
          until: () =>
            asked.some(({ outcome }) => outcome === "unavailable") &&
            asked.some(({ outcome }) => outcome === "process denied")
        })
        const leaving = Effect.all([database.leave, Effect.sleep(outage), bothDecided], { discard: true })
        const [elapsed] = yield* Effect.timed(Effect.raceFirst(load, leaving))
        const answers = asked
        const ofPolicy = (policy: Asked["policy"]) => answers.filter((answer) => answer.policy === policy)
        const alone = answers.filter(({ outcome }) => outcome !== "database")
        const countOf = (outcome: Asked["outcome"]) =>
          answers.filter((answer) => answer.outcome === outcome).length

        assert.isTrue(ofPolicy("open").every(({ outcome }) => outcome !== "unavailable"))
        assert.isTrue(ofPolicy("closed").every(({ outcome }) => !outcome.startsWith("process")))
        const seconds = Duration.toSeconds(elapsed)
        assert.isAtMost(countOf("process allowed"), processes * (burst + ratePerSecond * seconds))
        assert.isAtLeast(countOf("process allowed"), burst)
        // A request waits for its deadlines at most. Most do not wait.
        assert.isBelow(Math.max(...alone.map(({ deadlines }) => deadlines)), tooMany)
        assert.isBelow(alone.filter(({ deadlines }) => deadlines > 0).length, alone.length / 2)
        // Requests that the end of the load has interrupted may be counted too.
        const counted = (yield* unavailableCount) - before
        assert.isAtLeast(counted, alone.length)
        assert.isAtMost(counted, alone.length + processes * callers)
        yield* database.comeBack
        yield* Effect.forEach(policies, decided, { discard: true })
      }).pipe(Effect.scoped, asTenant)
  )
}
