/**
 * Rate limits of several processes under load while Postgres hangs or is stopped.
 *
 * A policy that fails open must be decided by each process alone, and one that fails closed must be refused. No check may outlast
 * two deadlines, the metric must count each check that the database did not decide, and no process may admit more than a burst and
 * what its rate adds meanwhile.
 */
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import type * as Report from "@hypermarket/soak/Report"
import * as DatabaseOutage from "@hypermarket/testing/DatabaseOutage"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import { deadlinesOf, tooMany } from "./deadlines.ts"

export type Rule = "unavailable_answer" | "slow" | "uncounted" | "over_burst" | "under_burst"

/** How the server leaves: its connections stay open, or are closed. */
export type Outage = "frozen" | "shutDown"

const deadlineMillis = 100
const burst = 35
const ratePerSecond = 4
const processes = 2
const callers = 12
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
        Layer.provide(Database.layer({ ...TestDatabase.optionsOf(url), poolMax: 4 }, "hm-soak-outage"))
      )
    )
  ).pipe(Effect.map((context) => Context.get(context, RateLimits)))

interface Asked {
  readonly policy: "open" | "closed"
  /** How many deadlines it has waited for. */
  readonly deadlines: number
  readonly millis: number
  /** `process`: allowed or denied by the process alone. */
  readonly outcome: "database" | "process allowed" | "process denied" | "unavailable" | "other error"
}

/** The value that a share of the numbers does not exceed. */
const quantile = (sorted: ReadonlyArray<number>, share: number): number =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)

export const run = Effect.fn("OutageRun.run")(
  function* (seed: number, how: Outage, outageMillis: number) {
    const before = yield* Clock.currentTimeMillis
    const database = yield* how === "frozen" ? DatabaseOutage.frozen : DatabaseOutage.shutDown
    const options = TestDatabase.optionsOf(database.server.url)
    yield* Migrations.run([CoreDomain.migrations, QuotasDomain.domain.migrations], options.schema).pipe(
      Effect.provide(Database.layerDirect(options))
    )
    const services = yield* Effect.forEach(Array.from({ length: processes }), () =>
      startProcess(database.server.url)
    )
    const numbers = {
      kind: "gcra",
      quota: ratePerSecond,
      burst,
      periodMillis: 1_000,
      by: ["user"]
    } as const
    for (const limits of services.slice(0, 1)) {
      yield* limits.createPolicy({ policy: "open", ...numbers })
      yield* limits.createPolicy({ policy: "closed", whenUnavailable: "closed", ...numbers })
    }

    let asked: Array<Asked> = []
    const ask = Effect.fnUntraced(function* (limits: RateLimits["Service"], policy: Asked["policy"]) {
      const check = limits.check({ policies: [policy], subject: { user: "everybody" } })
      const [deadlines, [elapsed, result]] = yield* deadlinesOf(
        deadlineMillis,
        Effect.timed(Effect.result(check))
      )
      const millis = Duration.toMillis(elapsed)
      const outcome: Asked["outcome"] = Result.match(result, {
        onFailure: ({ _tag }): Asked["outcome"] =>
          _tag === "RateLimitsUnavailable" ? "unavailable" : "other error",
        onSuccess: ({ allowed, decidedBy }): Asked["outcome"] => {
          if (decidedBy === "database") return "database"
          return allowed ? "process allowed" : "process denied"
        }
      })
      asked.push({ policy, deadlines, millis, outcome })
      yield* pause
      return outcome
    })
    const policies = ["open", "closed"] as const
    const decided = (policy: Asked["policy"]) =>
      Effect.forEach(services, (limits) =>
        Effect.repeat(ask(limits, policy), { until: (outcome) => outcome === "database" })
      )
    yield* Effect.forEach(policies, decided, { discard: true })

    const countBefore = yield* unavailableCount
    asked = []
    const load = Effect.forEach(
      services.flatMap((limits) => Array.from({ length: callers }, (_, index) => ({ index, limits }))),
      ({ index, limits }) => Effect.forever(ask(limits, policies[index % 2] ?? "open")),
      { concurrency: "unbounded", discard: true }
    )
    // Until both policies have been decided without the database, and the open one has admitted its burst.
    const bothDecided = Effect.repeat(pause, {
      until: () =>
        asked.some(({ outcome, policy }) => policy === "closed" && outcome !== "database") &&
        asked.filter(({ outcome, policy }) => policy === "open" && outcome !== "database").length >
          processes * burst
    })
    const leaving = Effect.all([database.leave, Effect.sleep(outageMillis), bothDecided], { discard: true })
    const [elapsed] = yield* Effect.timed(Effect.raceFirst(load, leaving))
    const answers = asked
    const alone = answers.filter(({ outcome }) => outcome !== "database")
    const allowed = alone.filter(({ outcome }) => outcome === "process allowed").length
    const counted = (yield* unavailableCount) - countBefore
    yield* database.comeBack
    yield* Effect.forEach(policies, decided, { discard: true })

    const violations: Array<Report.Violation<Rule>> = []
    const violated = (rule: Rule, count: number, example: string) => {
      if (count > 0) violations.push({ rule, count, example })
    }
    const wrong = alone.filter(({ outcome, policy }) =>
      policy === "open" ? !outcome.startsWith("process") : outcome !== "unavailable"
    )
    violated("unavailable_answer", wrong.length, `${wrong[0]?.policy}: ${wrong[0]?.outcome}`)
    const slow = alone.filter(({ deadlines }) => deadlines >= tooMany)
    violated("slow", slow.length, `${slow[0]?.policy}: ${slow[0]?.millis} ms`)
    // Checks that the end of the load has interrupted may be counted too.
    const isCounted = counted >= alone.length && counted <= alone.length + processes * callers
    violated("uncounted", isCounted ? 0 : 1, `${counted} for ${alone.length}`)
    const most = Math.floor(processes * (burst + ratePerSecond * Duration.toSeconds(elapsed)))
    violated("over_burst", allowed - most, `${allowed} of at most ${most}`)
    violated("under_burst", burst - allowed, `${allowed}`)

    const millis = alone.map((answer) => answer.millis).toSorted((a, b) => a - b)
    const report: Report.Report<Rule> = {
      ok: violations.length === 0,
      seed,
      violations,
      counts: {
        outageMillis: Math.round(Duration.toMillis(elapsed)),
        checks: answers.length,
        alone: alone.length,
        waited: alone.filter(({ deadlines }) => deadlines > 0).length,
        counted,
        allowed,
        allowedMax: most,
        p50Millis: quantile(millis, 0.5),
        p99Millis: quantile(millis, 0.99),
        maxMillis: quantile(millis, 1)
      },
      millis: (yield* Clock.currentTimeMillis) - before
    }
    return report
  },
  Effect.scoped,
  provide(TenantId.make("acme"))
)
