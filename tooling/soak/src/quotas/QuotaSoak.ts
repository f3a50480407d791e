/**
 * `pnpm soak quotas [--seed S] [--pairs N] [--kills N] [--callers N] [--keys N] [--json]`. Ends with 1 when a rule was broken.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { parseArgs } from "node:util"
import * as Run from "../Run.ts"
import * as QuotaRun from "./QuotaRun.ts"

class UsageWrong extends Schema.TaggedError<UsageWrong>()("UsageWrong", { message: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 2
}

class SoakFailed extends Schema.TaggedError<SoakFailed>()("SoakFailed", { seed: Schema.Int }) {
  // The line of the run has said it.
  override readonly [Runtime.errorReported] = false
}

const usage = "pnpm soak quotas [--seed S] [--pairs N] [--kills N] [--callers N] [--keys N] [--json]"

const Options = Schema.Struct({
  seed: Schema.FiniteFromString,
  pairs: Schema.FiniteFromString,
  kills: Schema.FiniteFromString,
  callers: Schema.FiniteFromString,
  keys: Schema.FiniteFromString,
  json: Schema.Boolean
})

const read = Effect.try(() =>
  parseArgs({
    args: process.argv.slice(3),
    options: {
      seed: { type: "string", default: String(process.pid) },
      pairs: { type: "string", default: "10000" },
      kills: { type: "string", default: "6" },
      callers: { type: "string", default: "24" },
      keys: { type: "string", default: "10000000" },
      json: { type: "boolean", default: false }
    }
  })
).pipe(
  Effect.flatMap(({ values }) => Schema.decodeUnknownEffect(Options)({ ...values })),
  Effect.mapError((cause) => new UsageWrong({ message: `${usage}\n${String(cause)}` }))
)

const lineOf = ({ counts, millis, seed, violations }: QuotaRun.Report): string => {
  const verdict =
    violations.length === 0 ? "ok" : violations.map(({ example, rule }) => `${rule} (${example})`).join("; ")
  const numbers = Object.entries(counts).map(([name, count]) => `${name} ${count}`)
  return `seed ${seed}: ${verdict} | ${numbers.join(", ")} | ${(millis / 1000).toFixed(1)} s`
}

export const program = Effect.gen(function* () {
  const { json, seed, ...size } = yield* read
  const report = yield* QuotaRun.run(seed, size)
  yield* Run.say(lineOf(report))
  yield* Console.log(json ? JSON.stringify({ size, ...report }, null, 2) : lineOf(report))
  if (report.violations.length > 0) return yield* new SoakFailed({ seed })
})
