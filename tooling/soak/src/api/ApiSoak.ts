/**
 * `pnpm soak api [--drill rolling|storm|faults|poison|fuzz] [--facts N] [--answers N] [--requests N] [--json]`, each drill on
 * its own Postgres. Ends with 1 when a promise was broken. CI runs a short form of each.
 */
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { parseArgs } from "node:util"
import * as RetryStorm from "./RetryStorm.ts"
import * as RollingRestart from "./RollingRestart.ts"
import * as TestDrill from "./TestDrill.ts"

class UsageWrong extends Schema.TaggedError<UsageWrong>()("UsageWrong", { message: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 2
}

class SoakFailed extends Schema.TaggedError<SoakFailed>()("SoakFailed", { drill: Schema.String }) {
  // The lines of the drills have said it.
  override readonly [Runtime.errorReported] = false
}

const Options = Schema.Struct({
  drill: Schema.Literals(["all", "rolling", "storm", "faults", "poison", "fuzz"]),
  facts: Schema.FiniteFromString,
  answers: Schema.FiniteFromString,
  requests: Schema.FiniteFromString,
  json: Schema.Boolean
})

const read = Effect.try(() =>
  parseArgs({
    args: process.argv.slice(3),
    options: {
      drill: { type: "string", default: "all" },
      facts: { type: "string", default: "2400" },
      answers: { type: "string", default: "3000" },
      requests: { type: "string", default: "20000" },
      json: { type: "boolean", default: false }
    }
  })
).pipe(
  Effect.flatMap(({ values }) => Schema.decodeUnknownEffect(Options)({ ...values })),
  Effect.mapError(
    (cause) =>
      new UsageWrong({
        message: `pnpm soak api [--drill rolling|storm|faults|poison|fuzz] [--facts N] [--answers N] [--requests N] [--json]\n${String(cause)}`
      })
  )
)

export const program = Effect.gen(function* () {
  const { answers, drill, facts, json, requests } = yield* read
  const drills = {
    rolling: (url: string) => Effect.scoped(RollingRestart.run(url, facts)),
    storm: (url: string) => Effect.scoped(RetryStorm.run(url, answers)),
    faults: (url: string) => TestDrill.run(url, TestDrill.faults),
    poison: (url: string) => TestDrill.run(url, TestDrill.poison),
    fuzz: (url: string) => TestDrill.run(url, TestDrill.fuzz, { HM_HOSTILE_REQUESTS: String(requests) })
  }
  for (const name of ["rolling", "storm", "faults", "poison", "fuzz"] as const) {
    if (drill !== "all" && drill !== name) continue
    const server = yield* EmbeddedPostgres.start()
    const report = yield* drills[name](server.url)
    const isKept = report.failures.length === 0 && (!("facts" in report) || report.facts === report.stored)
    yield* Console.log(
      json
        ? JSON.stringify({ drill: name, ...report })
        : `${name}: ${isKept ? "kept" : "BROKEN"} ${JSON.stringify(report)}`
    )
    if (!isKept) return yield* new SoakFailed({ drill: name })
  }
}).pipe(Effect.scoped)
