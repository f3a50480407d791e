/**
 * `pnpm soak search [--mode switch|kill] [--runs N] [--seed S] [--products N] [--searches N] [--clients N] [--writers N]
 * [--incidents N] [--switches N] [--json]`. Ends with 1 when a rule was broken.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { parseArgs } from "node:util"
import * as SearchRun from "./SearchRun.ts"

class UsageWrong extends Schema.TaggedError<UsageWrong>()("UsageWrong", { message: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 2
}

class SoakFailed extends Schema.TaggedError<SoakFailed>()("SoakFailed", { seeds: Schema.Array(Schema.Int) }) {
  // The lines of the runs have said it.
  override readonly [Runtime.errorReported] = false
}

const usage =
  "pnpm soak search [--mode switch|kill] [--runs N] [--seed S] [--products N] [--searches N] [--clients N] [--writers N] [--incidents N] [--switches N] [--json]"

const defaults = {
  switch: { products: 100_000, searches: 10_000, clients: 32, writers: 0, incidents: 0, switches: 3 },
  kill: { products: 5_000, searches: 500, clients: 8, writers: 2, incidents: 12, switches: 8 }
} as const

const Count = Schema.optionalKey(Schema.FiniteFromString)

const Options = Schema.Struct({
  mode: Schema.Literals(["switch", "kill"]),
  runs: Schema.FiniteFromString,
  seed: Schema.FiniteFromString,
  products: Count,
  searches: Count,
  clients: Count,
  writers: Count,
  incidents: Count,
  switches: Count,
  json: Schema.Boolean
})

const read = Effect.try(() =>
  parseArgs({
    args: process.argv.slice(3),
    options: {
      mode: { type: "string", default: "kill" },
      runs: { type: "string", default: "1" },
      seed: { type: "string", default: String(process.pid) },
      products: { type: "string" },
      searches: { type: "string" },
      clients: { type: "string" },
      writers: { type: "string" },
      incidents: { type: "string" },
      switches: { type: "string" },
      json: { type: "boolean", default: false }
    }
  })
).pipe(
  Effect.flatMap(({ values }) => Schema.decodeUnknownEffect(Options)({ ...values })),
  Effect.mapError((cause) => new UsageWrong({ message: `${usage}\n${String(cause)}` }))
)

const say = (text: string) => Effect.sync(() => void process.stderr.write(`${text}\n`))

const lineOf = ({ counts, millis, ok, seed, violations }: SearchRun.Report): string => {
  const verdict = ok
    ? "ok"
    : violations.map(({ count, example, rule }) => `${rule} x${count} (${example})`).join("; ")
  const numbers = Object.entries(counts).map(([name, count]) => `${name} ${count}`)
  return `seed ${seed}: ${verdict} | ${numbers.join(", ")} | ${(millis / 1000).toFixed(1)} s`
}

export const program = Effect.gen(function* () {
  const { json, mode, runs, seed: first, ...given } = yield* read
  const size: SearchRun.Size = { ...defaults[mode], ...given }
  const reports: Array<SearchRun.Report> = []
  for (let n = 0; n < runs; n++) {
    const seed = first + n
    yield* say(`run ${n + 1} of ${runs}, --mode ${mode} --seed ${seed}`)
    const report = yield* SearchRun.run(seed, size)
    reports.push(report)
    yield* say(lineOf(report))
  }
  const failed = reports.filter(({ ok }) => !ok)
  yield* json
    ? Console.log(JSON.stringify({ mode, size, runs: reports }, null, 2))
    : Console.log(`${reports.length - failed.length} of ${reports.length} runs kept every promise`)
  if (failed.length > 0) return yield* new SoakFailed({ seeds: failed.map(({ seed }) => seed) })
})
