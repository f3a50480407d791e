/** The benchmarks that packages bring, and the names that `pnpm bench` takes. */
import { assert, describe, it } from "@effect/vitest"
import * as Bench from "@hypermarket/bench/Bench"
import * as PackagePrograms from "@hypermarket/testing/PackagePrograms"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"

const main = Path.resolve(import.meta.dirname, "../src/main.ts")

/** Runs `pnpm bench` to its end. */
const benchWith = (args: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const service = yield* ServiceProcess.start(main, args, {})
      const { code } = yield* service.exit
      return { code, output: service.output(), log: service.log() }
    })
  )

const programs = PackagePrograms.find("benchmark")

describe("Every benchmark", () => {
  for (const { file, folder, name } of programs) {
    it.live(`is exported by its file, with targets beside it: ${folder} ${name}`, () =>
      Effect.gen(function* () {
        const loaded: { readonly bench?: Partial<Bench.Bench> } = yield* Effect.promise(
          () => import(pathToFileURL(file).href)
        )
        assert.isFunction(loaded.bench?.run)
        const { figures } = yield* Bench.readTargets(name)
        assert.isNotEmpty(figures)
        // A figure that was not measured is in the result, and its target is not met.
        const rows = yield* Bench.evaluate(name, [])
        assert.deepStrictEqual(
          rows.map(({ figure, met }) => ({ figure, met })),
          figures.map(({ figure }) => ({ figure, met: false }))
        )
      })
    )
  }
})

describe("pnpm bench", () => {
  it.live("refuses an unknown name with those of all benchmarks", () =>
    Effect.gen(function* () {
      const { code, log, output } = yield* benchWith(["parcels"])
      assert.strictEqual(code, 2)
      assert.strictEqual(output, "")
      assert.include(log, `pnpm bench <${programs.map(({ name }) => name).join("|")}> [--only`)
    })
  )

  it.live("says that a package brings none", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* benchWith(["queue", "--json"]), {
        code: 0,
        output: "",
        log: "packages/queue brings no benchmark: a file packages/queue/benchmark/<name>.ts would be one.\n"
      })
    })
  )

  it.live("names the benchmarks of a package that brings two, of which a part can be of one only", () =>
    Effect.gen(function* () {
      for (const option of [["--only", "decide"], ["--figures", "kept.json"], ["--json"]]) {
        const { code, log } = yield* benchWith(["platform", ...option])
        assert.strictEqual(code, 2)
        assert.include(log, "--only, --figures and --json need one benchmark: audit or flags")
      }
    })
  )
})
