/** `pnpm soak api`: each drill on its own Postgres. CI runs a short form of each. */
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import type * as Report from "@hypermarket/soak/Report"
import * as Run from "@hypermarket/soak/Run"
import * as SoakProgram from "@hypermarket/soak/SoakProgram"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FullDisk from "./api/FullDisk.ts"
import * as RetryStorm from "./api/RetryStorm.ts"
import * as RollingRestart from "./api/RollingRestart.ts"
import * as TestDrill from "./api/TestDrill.ts"

interface Size {
  readonly facts: number
  readonly answers: number
  readonly requests: number
}

const names = ["rolling", "storm", "disk", "faults", "poison", "fuzz"] as const

/** The usage of each drill. */
const about = {
  rolling: "rolling restart of two APIs and two workers under load",
  storm: "retry storm of 100 clients against an API with a processor quota",
  disk: "full disk under Postgres, for writes that are acknowledged or refused",
  faults: TestDrill.faultsTried,
  poison: "one bad row of each kind in every loop over all tenants, and doctor's line for it",
  fuzz: "generated requests with a hostile value each, none answered 5xx"
}
/** Least number of refusals while the disk is full. */
const refusedMin = 200

const drillsOf = (seed: number, { answers, facts, requests }: Size) => ({
  rolling: (url: string) =>
    Effect.map(Effect.scoped(RollingRestart.run(url, facts)), ({ failures, ...counts }) => ({
      counts,
      failures:
        counts.facts === counts.stored
          ? failures
          : [...failures, `${counts.stored} of ${counts.facts} facts are stored`]
    })),
  storm: (url: string) =>
    Effect.map(
      Effect.scoped(RetryStorm.run(url, answers)),
      ({ answers: byStatus, failures, gateClosed, notReady }) => ({
        counts: { ...byStatus, notReady, gateClosed: Number(gateClosed) },
        failures
      })
    ),
  // On a separate server, whose disk it fills.
  disk: () =>
    FullDisk.isPossible
      ? Effect.map(Effect.scoped(FullDisk.run(refusedMin)), ({ failures, ...counts }) => ({
          counts,
          failures
        }))
      : Effect.succeed({ counts: { skipped: 1 }, failures: [] }),
  ...TestDrill.drills(requests, seed)
})

const run = Effect.fn("ApiSoak.run")(function* (
  seed: number,
  size: Size,
  drill: "all" | (typeof names)[number]
) {
  const startedAt = yield* Clock.currentTimeMillis
  const drills = drillsOf(seed, size)
  const counts: Record<string, number> = {}
  const violations: Array<Report.Violation> = []
  for (const name of names) {
    if (drill !== "all" && drill !== name) continue
    const server = yield* EmbeddedPostgres.start()
    const outcome = yield* drills[name](server.url)
    for (const [what, count] of Object.entries(outcome.counts)) counts[`${name}.${what}`] = count
    const [example] = outcome.failures
    if (example !== undefined) violations.push({ rule: name, count: outcome.failures.length, example })
    yield* Run.say(`${name}: ${example === undefined ? "kept" : "BROKEN"}`)
    // The others would be about a build that is known to be broken.
    if (example !== undefined) break
  }
  const report: Report.Report = {
    seed,
    ok: violations.length === 0,
    violations,
    counts,
    millis: (yield* Clock.currentTimeMillis) - startedAt
  }
  return report
}, Effect.scoped)

export const program = SoakProgram.make({
  name: "api",
  modes: { option: "drill", values: ["all", ...names], about },
  sizes: { facts: { default: 2_400 }, answers: { default: 3_000 }, requests: { default: 20_000 } },
  run
})
