import { assert, describe, it } from "@effect/vitest"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"

const core = Path.resolve(import.meta.dirname, "../src")
const installed = Fs.realpathSync(Path.resolve(import.meta.dirname, "../node_modules/effect"))

/** A project with a copy of effect. Node takes files by their path: a link of a file is another module. */
const project = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = Fs.mkdtempSync(Path.join(tmpdir(), "hm-test-copies-"))
    Fs.mkdirSync(Path.join(folder, "node_modules/effect"), { recursive: true })
    for (const name of ["dist", "package.json"]) {
      const target = Path.join(folder, "node_modules/effect", name)
      execFileSync("cp", ["-r", Path.join(installed, name), target])
    }
    return folder
  }),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
)

/** Migrates as an adopter does, runs a program over the pool, and makes a domain. */
const program = `
import { Effect, Layer, Redacted } from "effect"
import * as CoreDomain from "${core}/CoreDomain.ts"
import * as Database from "${core}/Database.ts"
import * as Domain from "${core}/Domain.ts"
import * as Migrations from "${core}/Migrations.ts"
const options = { ...Effect.runSync(Database.options), multiplex: process.argv[2] === "shared" }
for (let times = 0; times < 2; times++) {
  await Effect.runPromise(Migrations.run([CoreDomain.migrations], "public").pipe(Effect.provide(Database.layerDirect(options))))
  await Effect.runPromise(Effect.void.pipe(Effect.provide(Database.layer(options))))
}
for (const name of ["ours", "ours", "theirs"]) {
  Domain.make({ name, tables: [], migrations: CoreDomain.migrations, layer: name === "ours" ? CoreDomain.domain.layer : Layer.empty })
}
`

const runIn = (folder: string) =>
  Effect.gen(function* () {
    const { url } = yield* TestDatabase.TestDatabase
    const script = Path.join(folder, "program.ts")
    Fs.writeFileSync(script, program)
    const service = yield* ServiceProcess.start(script, [], { DATABASE_URL: url })
    const exit = yield* service.exit
    assert.deepStrictEqual(exit, { code: 0, signal: null }, service.log())
    return service.output() + service.log()
  })

const warning = /Two copies of effect are loaded: (\S+ \S+)( \S+)? has another one/g

describe("a program with a copy of effect that is not core's", () => {
  it.live("is told once, with the place of the other and the commands that find them", () =>
    Effect.gen(function* () {
      const text = yield* Effect.flatMap(project, runIn)
      const who = Array.from(text.matchAll(warning), ([, first, second = ""]) => `${first}${second}`)
      assert.deepStrictEqual(who, ["the program", "the domain theirs"], text)
      assert.include(text, installed)
      for (const command of ["npm ls effect", "pnpm why effect", "yarn why effect"])
        assert.include(text, command)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layerDatabase()))
  )

  it.live("is told nothing when there is one copy", () =>
    Effect.gen(function* () {
      const folder = yield* project
      Fs.rmSync(Path.join(folder, "node_modules/effect"), { recursive: true })
      Fs.symlinkSync(installed, Path.join(folder, "node_modules/effect"))
      assert.notMatch(yield* runIn(folder), warning)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layerDatabase()))
  )
})
