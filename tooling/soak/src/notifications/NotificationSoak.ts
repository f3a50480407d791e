/**
 * `pnpm soak notifications [--runs N] [--seed S] [--mails N] [--incidents N] [--workers N] [--break sending] [--json]`. Ends with
 * 1 when a rule was broken; with `--break`, when the broken build did not do what it must.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { parseArgs } from "node:util"
import * as Run from "../Run.ts"
import * as NotificationRun from "./NotificationRun.ts"

class UsageWrong extends Schema.TaggedError<UsageWrong>()("UsageWrong", { message: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 2
}

class SoakFailed extends Schema.TaggedError<SoakFailed>()("SoakFailed", { seeds: Schema.Array(Schema.Int) }) {
  // The lines of the runs have said it.
  override readonly [Runtime.errorReported] = false
}

const usage =
  "pnpm soak notifications [--runs N] [--seed S] [--mails N] [--incidents N] [--workers N] [--break sending] [--json]"

const Options = Schema.Struct({
  runs: Schema.FiniteFromString,
  seed: Schema.FiniteFromString,
  mails: Schema.FiniteFromString,
  incidents: Schema.FiniteFromString,
  workers: Schema.FiniteFromString,
  break: Schema.optionalKey(Schema.Literal("sending")),
  json: Schema.Boolean
})

const read = Effect.try(() =>
  parseArgs({
    args: process.argv.slice(3),
    options: {
      runs: { type: "string", default: "1" },
      seed: { type: "string", default: String(process.pid) },
      mails: { type: "string", default: "10000" },
      incidents: { type: "string", default: "20" },
      workers: { type: "string", default: "2" },
      break: { type: "string" },
      json: { type: "boolean", default: false }
    }
  })
).pipe(
  Effect.flatMap(({ values }) => Schema.decodeUnknownEffect(Options)({ ...values })),
  Effect.mapError((cause) => new UsageWrong({ message: `${usage}\n${String(cause)}` }))
)

const lineOf = ({ counts, millis, ok, seed, violations }: Run.Report): string => {
  const verdict = ok
    ? "ok"
    : violations.map(({ count, example, rule }) => `${rule} x${count} (${example})`).join("; ")
  const numbers = Object.entries(counts).map(([name, count]) => `${name} ${count}`)
  return `seed ${seed}: ${verdict} | ${numbers.join(", ")} | ${(millis / 1000).toFixed(1)} s`
}

export const program = Effect.gen(function* () {
  const { break: broken, incidents, json, mails, runs, seed: first, workers } = yield* read
  const reports: Array<Run.Report> = []
  for (let n = 0; n < runs; n++) {
    const seed = first + n
    yield* Run.say(`run ${n + 1} of ${runs}, --seed ${seed}`)
    const report = yield* NotificationRun.run(seed, {
      mails,
      incidents,
      workers,
      marksSending: broken === undefined
    })
    reports.push(report)
    yield* Run.say(lineOf(report))
  }
  const failed = reports.filter(({ ok, violations }) =>
    broken === undefined ? !ok : !violations.some(({ rule }) => rule === "sent_twice_uncounted")
  )
  const kept = broken === undefined ? "kept every promise" : "sent twice without a count, as they must"
  yield* json
    ? Console.log(JSON.stringify({ mails, incidents, workers, runs: reports }, null, 2))
    : Console.log(`${reports.length - failed.length} of ${reports.length} runs ${kept}`)
  if (failed.length > 0) return yield* new SoakFailed({ seeds: failed.map(({ seed }) => seed) })
})
