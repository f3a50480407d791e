/** The guards of every test run can fail: each of them is shown a file that breaks what it guards. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Command from "@hypermarket/testing/Command"
import { Report } from "@hypermarket/testing/VitestReport"
import { Context, Effect, FileSystem, Layer, Schema } from "effect"
import * as Path from "node:path"

const fixtures = `${import.meta.dirname}/fixtures`

interface Result {
  readonly isGreen: boolean
  /** The failures, in vitest's words. */
  readonly said: string
}

/** The result of each file by its name, and the whole output: the report is silent on hooks of a block. */
class Results extends Context.Service<
  Results,
  { readonly files: ReadonlyMap<string, Result>; readonly output: string }
>()("test/Results") {
  static readonly layer = Layer.effect(
    Results,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* fs.makeTempDirectoryScoped({ prefix: "hm-guards-" })}/report.json`
      const reporters = ["--reporter=default", "--reporter=json", `--outputFile=${file}`]
      const { stderr, stdout } = yield* Command.run("vitest", ["run", "--root", fixtures, ...reporters], {
        cwd: fixtures
      })
      const report = yield* Effect.flatMap(fs.readFileString(file), Schema.decodeEffect(Report))
      const files = new Map(
        report.testResults.map(({ assertionResults, message, name, status }) => {
          const failed = assertionResults.filter((result) => result.status !== "passed")
          const said = failed.flatMap(({ failureMessages, title }) => [title, ...(failureMessages ?? [])])
          return [
            Path.basename(name, ".fixture.ts"),
            { isGreen: status === "passed", said: [message, ...said].join("\n") }
          ]
        })
      )
      return { files, output: stdout + stderr }
    })
  ).pipe(Layer.provide(NodeServices.layer), Layer.orDie)
}

const faults: ReadonlyArray<readonly [string, string, string]> = [
  ["a fibre that sleeps on", "fibre", "this file leaves resources open: Timeout: 1"],
  ["a child process that runs on", "childProcess", "this file leaves resources open: ProcessWrap: 1"],
  ["a socket that listens on", "server", "this file leaves resources open: TCPServerWrap: 1"],
  ["a connection to its database", "connection", ""],
  ["a listing of everybody's things", "isolation-lists", "a stranger gets nothing from GET /notes"],
  ["an id that opens anybody's thing", "isolation-reads", "a stranger gets nothing from GET /notes/:noteId"],
  ["a refused write that happened", "isolation-writes", "a stranger gets nothing from PUT /notes/:noteId"],
  ["a stranger who asks for what nobody has", "isolation-seed", "the owner's GET /notes/n3"]
]

layer(Results.layer, { excludeTestServices: true })("the guards of a test run", (it) => {
  it.effect("let files pass that break nothing", () =>
    Effect.gen(function* () {
      const { files } = yield* Results
      for (const name of ["sound", "isolation-none"]) {
        assert.deepStrictEqual(files.get(name), { isGreen: true, said: "" })
      }
      assert.lengthOf(Array.from(files), faults.length + 2)
    })
  )

  for (const [what, name, said] of faults) {
    it.effect(`fail a file with ${what}`, () =>
      Effect.gen(function* () {
        const result = (yield* Results).files.get(name)
        assert.isFalse(result?.isGreen)
        assert.include(result?.said, said)
      })
    )
  }

  it.effect("name the connections that are left", () =>
    Effect.gen(function* () {
      const { output } = yield* Results
      assert.match(output, /connections are left open: .*"application_name":"hypermarket"/)
    })
  )
})
