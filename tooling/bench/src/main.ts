/**
 * `pnpm bench <name> [--only <part>,...] [--scale 0.1] [--rounds 3] [--figures <file>] [--json]`. A table on standard output, or one
 * JSON document and nothing else. With `--figures` what was measured is kept in a file, and what the file has from other
 * parts counts too: a long bench is run in parts.
 */
import * as Main from "@hypermarket/core/Main"
import * as ProcessLog from "@hypermarket/installation/ProcessLog"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as Bench from "./Bench.ts"
import { analytics } from "./benches/analytics.ts"
import { audit } from "./benches/audit.ts"
import { contracts } from "./benches/contracts.ts"
import { errors } from "./benches/errors.ts"
import { events } from "./benches/events.ts"
import { experiments } from "./benches/experiments.ts"
import { flagsBench } from "./benches/flags.ts"
import { http } from "./benches/http.ts"
import { quotas } from "./benches/quotas.ts"
import { notifications } from "./benches/notifications.ts"
import { risk } from "./benches/risk.ts"
import { search } from "./benches/search.ts"
import { webhooks } from "./benches/webhooks.ts"
import { workflows } from "./benches/workflows.ts"

const benches = [
  analytics,
  audit,
  contracts,
  errors,
  events,
  experiments,
  flagsBench,
  http,
  notifications,
  quotas,
  risk,
  search,
  webhooks,
  workflows
]

class UsageWrong extends Schema.TaggedError<UsageWrong>()("UsageWrong", { message: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 2
}

const cell = (values: Readonly<Record<string, unknown>>): string =>
  Object.entries(values)
    .map(([peer, value]) => `${peer} ${String(value)}`)
    .join(", ") || "-"

const table = (rows: ReadonlyArray<Bench.Row>): string =>
  [
    "| figure | unit | ours | peers | ratio | target | met |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    ...rows.map((row) => {
      const target = [row.target, row.targets === undefined ? undefined : cell(row.targets)]
        .filter(Boolean)
        .join("; ")
      const met = target === "" ? "-" : row.met ? "yes" : "no"
      const own = Number.isNaN(row.ours) ? "not measured" : row.ours
      return `| ${row.figure} | ${row.unit} | ${own} | ${cell(row.peers)} | ${cell(row.ratios)} | ${target === "" ? "-" : `(${row.kind}) ${target}`} | ${met} |`
    })
  ].join("\n")

const Arguments = Schema.Struct({
  name: Schema.Literals(benches.map(({ name }) => name)),
  only: Schema.optionalKey(Schema.String),
  scale: Schema.FiniteFromString,
  rounds: Schema.FiniteFromString,
  figures: Schema.optionalKey(Schema.String),
  json: Schema.Boolean
})

const usage = `pnpm bench <${benches.map(({ name }) => name).join("|")}> [--only <part>,...] [--scale 0.1] [--rounds 3] [--figures <file>] [--json]`

const read = Effect.try(() =>
  parseArgs({
    args: process.argv.slice(2),
    allowPositionals: true,
    options: {
      only: { type: "string" },
      scale: { type: "string", default: "1" },
      rounds: { type: "string", default: "3" },
      figures: { type: "string" },
      json: { type: "boolean", default: false }
    }
  })
).pipe(
  Effect.flatMap(({ positionals, values }) =>
    Schema.decodeUnknownEffect(Arguments)({ name: positionals[0], ...values })
  ),
  Effect.mapError(() => new UsageWrong({ message: usage }))
)

const Kept = Schema.fromJsonString(Schema.Array(Bench.Figure))

/** Adds what was measured to a file of figures, in place of what that has of the same name. */
const keep = Effect.fnUntraced(function* (file: string, measured: ReadonlyArray<Bench.Figure>) {
  const kept = existsSync(file) ? yield* Schema.decodeEffect(Kept)(readFileSync(file, "utf8")) : []
  const fresh = new Set(measured.map(({ figure }) => figure))
  const figures = [...kept.filter(({ figure }) => !fresh.has(figure)), ...measured]
  writeFileSync(file, yield* Schema.encodeEffect(Kept)(figures))
  return figures
})

const program = Effect.gen(function* () {
  const options = yield* read
  const bench = benches.find(({ name }) => name === options.name)
  if (bench === undefined) return yield* new UsageWrong({ message: usage })
  const file = options.figures
  const measured = yield* bench.run({
    scale: options.scale,
    rounds: options.rounds,
    only: options.only === undefined ? [] : options.only.split(","),
    measured: (figures) =>
      file === undefined ? Effect.void : Effect.orDie(Effect.asVoid(keep(file, figures)))
  })
  const figures = file === undefined ? measured : yield* keep(file, measured)
  const rows = yield* Bench.evaluate(bench.name, figures)
  const date = DateTime.formatIso(yield* DateTime.now)
  yield* options.json
    ? Console.log(JSON.stringify({ bench: bench.name, machine: Bench.machine(), date, rows }, null, 2))
    : Console.log(`${bench.name}, ${date.slice(0, 10)}, ${Bench.machine()}\n\n${table(rows)}`)
})

// Standard output is for the result: what a bench logs on its way goes to standard error.
Main.run(program.pipe(Effect.scoped, Effect.provide(ProcessLog.layer)))
