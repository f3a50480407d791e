/**
 * `pnpm bench <name> [--json]`. A table on standard output, or one JSON document and nothing else.
 */
import * as Main from "@hypermarket/core/Main"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Bench from "./Bench.ts"
import { contracts } from "./benches/contracts.ts"
import { http } from "./benches/http.ts"

const benches = [contracts, http]

class BenchUnknown extends Schema.TaggedError<BenchUnknown>()("BenchUnknown", { message: Schema.String }) {
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
      return `| ${row.figure} | ${row.unit} | ${row.ours} | ${cell(row.peers)} | ${cell(row.ratios)} | ${target === "" ? "-" : `(${row.kind}) ${target}`} | ${met} |`
    })
  ].join("\n")

const program = Effect.gen(function* () {
  const args = process.argv.slice(2)
  const names = args.filter((arg) => !arg.startsWith("--"))
  const bench = benches.find(({ name }) => name === names[0])
  if (bench === undefined) {
    return yield* new BenchUnknown({
      message: `pnpm bench <${benches.map(({ name }) => name).join("|")}> [--json]`
    })
  }
  const figures = yield* bench.run
  const rows = yield* Bench.evaluate(bench.name, figures)
  const date = DateTime.formatIso(yield* DateTime.now)
  yield* args.includes("--json")
    ? Console.log(JSON.stringify({ bench: bench.name, machine: Bench.machine(), date, rows }, null, 2))
    : Console.log(`${bench.name}, ${date.slice(0, 10)}, ${Bench.machine()}\n\n${table(rows)}`)
})

Main.run(Effect.scoped(program))
