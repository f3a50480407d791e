/**
 * `pnpm bench <name> [--only <part>,...] [--scale 0.1] [--rounds 3] [--figures <file>] [--json]`. A table on standard output, or one
 * JSON document and nothing else. With `--figures` what was measured is kept in a file, and what the file has from other
 * parts counts too: a long bench is run in parts.
 *
 * The name is that of a benchmark, or of a package, whose benchmarks then run one after another. For a package that brings
 * none it prints a sentence and exits with 0.
 */
import * as Main from "@hypermarket/core/Main"
import * as PackagePrograms from "@hypermarket/testing/PackagePrograms"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import * as Bench from "./Bench.ts"

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
  name: Schema.String,
  only: Schema.optionalKey(Schema.String),
  scale: Schema.FiniteFromString,
  rounds: Schema.FiniteFromString,
  figures: Schema.optionalKey(Schema.String),
  json: Schema.Boolean
})

const usageWrong = (reason = "") => {
  const names = PackagePrograms.find("benchmark").map(({ name }) => name)
  const usage = `pnpm bench <${names.join("|")}> [--only <part>,...] [--scale 0.1] [--rounds 3] [--figures <file>] [--json]`
  return new UsageWrong({ message: reason === "" ? usage : `${usage}\n${reason}` })
}

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
  Effect.mapError(() => usageWrong())
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

type Arguments = typeof Arguments.Type

/** Runs the benchmark of a file, and prints its result. */
const run = Effect.fnUntraced(function* ({ file, name }: PackagePrograms.Program, options: Arguments) {
  const { bench }: { readonly bench: Bench.Bench } = yield* Effect.promise(
    () => import(pathToFileURL(file).href)
  )
  const kept = options.figures
  const measured = yield* bench.run({
    scale: options.scale,
    rounds: options.rounds,
    only: options.only === undefined ? [] : options.only.split(","),
    measured: (figures) =>
      kept === undefined ? Effect.void : Effect.orDie(Effect.asVoid(keep(kept, figures)))
  })
  const figures = kept === undefined ? measured : yield* keep(kept, measured)
  const rows = yield* Bench.evaluate(name, figures)
  const date = DateTime.formatIso(yield* DateTime.now)
  yield* options.json
    ? Console.log(JSON.stringify({ bench: name, machine: Bench.machine(), date, rows }, null, 2))
    : Console.log(`${name}, ${date.slice(0, 10)}, ${Bench.machine()}\n\n${table(rows)}`)
}, Effect.scoped)

const program = Effect.gen(function* () {
  const options = yield* read
  const choice = PackagePrograms.choose("benchmark", options.name)
  if (choice._tag === "Unknown") return yield* usageWrong()
  if (choice._tag === "BringsNone")
    return yield* Bench.say(PackagePrograms.noneOf("benchmark", choice.folder))
  // Parts and kept figures are of one benchmark, and so is a document.
  if (
    choice.programs.length > 1 &&
    (options.json || options.only !== undefined || options.figures !== undefined)
  ) {
    const names = choice.programs.map(({ name }) => name).join(" or ")
    return yield* usageWrong(`--only, --figures and --json need one benchmark: ${names}`)
  }
  for (const chosen of choice.programs) yield* run(chosen, options)
})

/** Standard output is for the result. Without an exporter spans go nowhere, and making them costs a sixth of a request. */
const layerLog = Layer.mergeAll(
  Logger.layer([Logger.make((entry) => void process.stderr.write(`${Logger.formatJson.log(entry)}\n`))]),
  Layer.succeed(References.TracerEnabled, false)
)

Main.run(program.pipe(Effect.provide(layerLog)))
