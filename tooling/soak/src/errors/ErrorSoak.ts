/**
 * `pnpm soak errors [--runs N] [--seed S] [--rounds N] [--senders N] [--outage SECONDS] [--break acknowledgement|adoption]
 * [--json]`. Ends with 1 when a rule was broken; with `--break`, when the broken build did not do what it must.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { parseArgs } from "node:util"
import * as BrokenBuild from "../BrokenBuild.ts"
import * as Run from "../Run.ts"
import * as ErrorRun from "./ErrorRun.ts"

class UsageWrong extends Schema.TaggedError<UsageWrong>()("UsageWrong", { message: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 2
}

class SoakFailed extends Schema.TaggedError<SoakFailed>()("SoakFailed", { seeds: Schema.Array(Schema.Int) }) {
  // The lines of the runs have said it.
  override readonly [Runtime.errorReported] = false
}

const usage =
  "pnpm soak errors [--runs N] [--seed S] [--rounds N] [--senders N] [--outage SECONDS] [--break acknowledgement|adoption] [--json]"

const Options = Schema.Struct({
  runs: Schema.FiniteFromString,
  seed: Schema.FiniteFromString,
  rounds: Schema.FiniteFromString,
  senders: Schema.FiniteFromString,
  outage: Schema.FiniteFromString,
  break: Schema.optionalKey(Schema.Literals(["acknowledgement", "adoption"])),
  json: Schema.Boolean
})

const read = Effect.try(() =>
  parseArgs({
    args: process.argv.slice(3),
    options: {
      runs: { type: "string", default: "1" },
      seed: { type: "string", default: String(process.pid) },
      rounds: { type: "string", default: "5" },
      senders: { type: "string", default: "16" },
      outage: { type: "string", default: "20" },
      break: { type: "string" },
      json: { type: "boolean", default: false }
    }
  })
).pipe(
  Effect.flatMap(({ values }) => Schema.decodeUnknownEffect(Options)({ ...values })),
  Effect.mapError((cause) => new UsageWrong({ message: `${usage}\n${String(cause)}` }))
)

const lineOf = ({ counts, millis, ok, seed, violations }: ErrorRun.Report): string => {
  const verdict = ok
    ? "ok"
    : violations.map(({ count, example, rule }) => `${rule} x${count} (${example})`).join("; ")
  const numbers = Object.entries(counts).map(([name, count]) => `${name} ${count}`)
  return `seed ${seed}: ${verdict} | ${numbers.join(", ")} | ${(millis / 1000).toFixed(1)} s`
}

export const program = Effect.gen(function* () {
  const options = yield* read
  if (options.break !== undefined) {
    const found = yield* BrokenBuild.check(options.break, options.seed)
    const text = found.map(({ count, rule }) => `${rule} x${count}`).join(", ")
    return yield* Console.log(`without ${options.break} the run finds: ${text}, as it must`)
  }
  const { json, outage, rounds, runs, seed: first, senders } = options
  const size = { rounds, senders, outageSeconds: outage }
  const reports: Array<ErrorRun.Report> = []
  for (let n = 0; n < runs; n++) {
    const seed = first + n
    yield* Run.say(`run ${n + 1} of ${runs}, --seed ${seed}`)
    const report = yield* ErrorRun.run(seed, size)
    reports.push(report)
    yield* Run.say(lineOf(report))
  }
  const failed = reports.filter(({ ok }) => !ok)
  yield* json
    ? Console.log(JSON.stringify({ size, runs: reports }, null, 2))
    : Console.log(`${reports.length - failed.length} of ${reports.length} runs kept every promise`)
  if (failed.length > 0) return yield* new SoakFailed({ seeds: failed.map(({ seed }) => seed) })
})
