/**
 * `pnpm soak webhooks [--runs N] [--seed S] [--events N] [--incidents N] [--workers N] [--pause millis] [--json]`.
 * Ends with 1 when a rule was broken.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { parseArgs } from "node:util"
import * as Run from "../Run.ts"
import * as WebhookRun from "./WebhookRun.ts"

class UsageWrong extends Schema.TaggedError<UsageWrong>()("UsageWrong", { message: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 2
}

class SoakFailed extends Schema.TaggedError<SoakFailed>()("SoakFailed", { seeds: Schema.Array(Schema.Int) }) {
  // The lines of the runs have said it.
  override readonly [Runtime.errorReported] = false
}

const usage =
  "pnpm soak webhooks [--runs N] [--seed S] [--events N] [--incidents N] [--workers N] [--pause millis] [--json]"

const Options = Schema.Struct({
  runs: Schema.FiniteFromString,
  seed: Schema.FiniteFromString,
  events: Schema.FiniteFromString,
  incidents: Schema.FiniteFromString,
  workers: Schema.FiniteFromString,
  pause: Schema.FiniteFromString,
  json: Schema.Boolean
})

const read = Effect.try(() =>
  parseArgs({
    args: process.argv.slice(3),
    options: {
      runs: { type: "string", default: "1" },
      seed: { type: "string", default: String(process.pid) },
      events: { type: "string", default: "500" },
      incidents: { type: "string", default: "12" },
      workers: { type: "string", default: "3" },
      pause: { type: "string", default: "12000" },
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
  const { events, incidents, json, pause, runs, seed: first, workers } = yield* read
  const size = { events, incidents, workers, pauseMillisMax: pause }
  const reports: Array<Run.Report> = []
  for (let n = 0; n < runs; n++) {
    const seed = first + n
    yield* Run.say(`run ${n + 1} of ${runs}, --seed ${seed}`)
    const report = yield* WebhookRun.run(seed, size)
    reports.push(report)
    yield* Run.say(lineOf(report))
  }
  const failed = reports.filter(({ ok }) => !ok)
  yield* json
    ? Console.log(JSON.stringify({ size, runs: reports }, null, 2))
    : Console.log(`${reports.length - failed.length} of ${reports.length} runs kept every promise`)
  if (failed.length > 0) return yield* new SoakFailed({ seeds: failed.map(({ seed }) => seed) })
})
