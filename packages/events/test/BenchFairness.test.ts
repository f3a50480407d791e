import { assert, describe, it, layer } from "@effect/vitest"
import * as Bench from "@hypermarket/bench/Bench"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { fork } from "node:child_process"
import { once } from "node:events"
import { syncBuiltinESMExports } from "node:module"
import * as Path from "node:path"
import v8 from "node:v8"
import { vi } from "vitest"
import * as Engine from "../benchmark/events/Engine.ts"
import * as Fairness from "../benchmark/events/Fairness.ts"
import { migrations } from "../benchmark/events/ownTables.ts"

const script = Path.join(import.meta.dirname, "benchProcess.js")

interface Started {
  readonly execArgv: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

/** Starts a process as the engine's, and returns its options and environment without the settings of the engine. */
const startedAs = (engine: Engine.Engine) =>
  Effect.promise(async (): Promise<Started> => {
    const child = fork(script, [], Fairness.processOptions(engine, "postgres://bench", { command: "work" }))
    const [{ execArgv, env }] = await once(child, "message")
    await once(child, "exit")
    const { BENCH_SETTINGS, ...others } = env
    assert.include(BENCH_SETTINGS, `"command":"work"`)
    return { execArgv, env: others }
  })

describe("Processes of the engines", () => {
  it.effect("start with the same options and environment, and with ours of V8 where the name says so", () =>
    Effect.gen(function* () {
      const plain = yield* startedAs(Engine.ours)
      for (const engine of [Engine.oursSynchronous, Engine.graphileWorker, Engine.pgBoss]) {
        assert.deepStrictEqual(yield* startedAs(engine), plain, engine.name)
      }
      assert.deepStrictEqual(
        plain.execArgv.filter((option) => Fairness.ownFlags.includes(option)),
        []
      )
      for (const engine of [Engine.graphileWorkerFlagged, Engine.pgBossFlagged]) {
        const { env, execArgv } = yield* startedAs(engine)
        assert.deepStrictEqual(env, plain.env, engine.name)
        assert.deepStrictEqual(execArgv, [...plain.execArgv, ...Fairness.ownFlags], engine.name)
        assert.isTrue(engine.name.endsWith(Engine.flaggedSuffix))
      }
    })
  )

  it.effect("of the peers can have each option of V8 that our worker sets", () =>
    Effect.gen(function* () {
      const set = vi.spyOn(v8, "setFlagsFromString").mockImplementation(() => undefined)
      syncBuiltinESMExports()
      yield* Fairness.boundHeap
      const flags = set.mock.calls.map(([flag]) => flag)
      set.mockRestore()
      syncBuiltinESMExports()
      assert.deepStrictEqual(flags.toSorted(), Fairness.ownFlags.toSorted())
    })
  )
})

describe("A run", () => {
  it.live("ends with an engine whose jobs a crash could lose, and says which table", () =>
    Effect.gen(function* () {
      const server = yield* EmbeddedPostgres.start({ durability: "production" })
      yield* Effect.gen(function* () {
        const engines = yield* Engine.make(server.url)
        const engine = {
          name: "volatile",
          script: Path.join(import.meta.dirname, "benchUnlogged.ts"),
          settings: {}
        }
        const refused = yield* Effect.flip(engines.enqueue(engine, { jobs: 7, bytes: 30, chunk: 7 }))
        assert.strictEqual(refused.message, "volatile could lose committed jobs: volatile_job is not logged")
      }).pipe(Effect.provide(Engine.adminLayer(server.url)))
    }).pipe(Effect.scoped)
  )
})

describe("Targets beside the peers", () => {
  it.effect("are compared with a synchronous commit, and memory with the same options of V8", () =>
    Effect.gen(function* () {
      const { figures } = yield* Bench.readTargets("events")
      const compared = figures.filter((figure) => "targets" in figure).map(({ figure }) => figure)
      for (const what of ["no-op jobs", "1,000 tenants"]) {
        const named = compared.filter((figure) => figure.startsWith(what))
        assert.isNotEmpty(named)
        for (const figure of named) assert.match(figure, /, synchronous claim$/)
      }
      const memory = compared.filter((figure) => figure.startsWith("worker memory"))
      assert.isNotEmpty(memory)
      for (const figure of memory) assert.match(figure, /, peers with our V8 options$/)
    })
  )
})

layer(TestDatabase.layer(migrations), { excludeTestServices: true })("The database of an engine", (it) => {
  it.effect(
    "keeps each committed row of our queue, and is refused with a table or a commit that does not",
    () =>
      Effect.gen(function* () {
        const { options, url } = yield* TestDatabase.TestDatabase
        const sql = yield* SqlClient.SqlClient
        const found = Fairness.undurable.pipe(Effect.provide(Engine.adminLayer(url)), Effect.scoped)
        // The server of the tests is itself started without fsync.
        const ofServer = yield* found
        assert.deepStrictEqual(
          ofServer.filter((reason) => !/^(fsync|full_page_writes) = off$/.test(reason)),
          []
        )
        const added = Effect.map(found, (reasons) => reasons.filter((reason) => !ofServer.includes(reason)))
        yield* sql`CREATE UNLOGGED TABLE peer_job (id int PRIMARY KEY)`
        assert.deepStrictEqual(yield* added, ["peer_job is not logged", "peer_job_pkey is not logged"])
        yield* sql`DROP TABLE peer_job`
        const [{ name = "" } = {}] = yield* sql<{ readonly name: string }>`SELECT current_database() AS name`
        yield* sql`ALTER DATABASE ${sql(name)} SET synchronous_commit = local`
        assert.deepStrictEqual(yield* added, ["synchronous_commit = local"])
        yield* sql`ALTER DATABASE ${sql(name)} RESET synchronous_commit`
        assert.deepStrictEqual(yield* added, [])

        const commitOf = (commit: "synchronous" | "asynchronous") =>
          Effect.flatMap(ClaimClient, (claims) => claims`SHOW synchronous_commit`).pipe(
            Effect.provide(ClaimClient.layer(options, commit)),
            Effect.scoped
          )
        assert.deepStrictEqual(yield* commitOf("synchronous"), [{ synchronous_commit: "on" }])
        assert.deepStrictEqual(yield* commitOf("asynchronous"), [{ synchronous_commit: "off" }])
      })
  )
})
