/** The options, seeds and endings that all soaks share, and what a run says that stands still. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Migrations from "@hypermarket/core/Migrations"
import * as QueueMigrations from "@hypermarket/queue/QueueMigrations"
import * as Run from "@hypermarket/soak/Run"
import * as SoakProgram from "@hypermarket/soak/SoakProgram"
import * as Standstill from "@hypermarket/soak/Standstill"
import * as PackagePrograms from "@hypermarket/testing/PackagePrograms"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as SqlClient from "effect/sql/SqlClient"
import * as Path from "node:path"

/** Its runs break a rule for odd seeds. */
const soakOf = (seeds: Array<number>) =>
  ({
    name: "example",
    modes: { values: ["long", "short"] },
    sizes: { jobs: { default: { long: 70, short: 7 } }, kills: { default: 3, min: 0 } },
    breaks: { kinds: ["fence"], check: () => Effect.succeed([]) },
    run: (seed: number, size: { readonly jobs: number; readonly kills: number }) =>
      Effect.sync(() => {
        seeds.push(seed)
        const violations = seed % 2 === 1 ? [{ rule: "lost", count: 1, example: "job 4" }] : []
        return { seed, ok: violations.length === 0, violations, counts: size, millis: 12 }
      })
  }) satisfies SoakProgram.Soak<"jobs" | "kills", "long" | "short", "fence">

const main = Path.resolve(import.meta.dirname, "../src/main.ts")

/** Runs `pnpm soak` to its end. */
const soakWith = (args: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const service = yield* ServiceProcess.start(main, args, {})
      const { code } = yield* service.exit
      return { code, output: service.output(), log: service.log() }
    })
  )

describe("pnpm soak", () => {
  it.live("loads every soak that a package brings, and refuses an unknown name with the options of all", () =>
    Effect.gen(function* () {
      const { code, log } = yield* soakWith(["parcels"])
      assert.strictEqual(code, 2)
      for (const { name } of PackagePrograms.find("soak")) assert.include(log, `pnpm soak ${name} [`)
    })
  )

  it.live("finds what a package of another name brings, and says that one brings none", () =>
    Effect.gen(function* () {
      // The option is refused by the soak of the package.
      const found = yield* soakWith(["observability", "--senders", "many"])
      assert.strictEqual(found.code, 2)
      assert.include(found.log, "pnpm soak errors")
      assert.include(found.log, "--senders: expected an integer")
      const none = yield* soakWith(["risk"])
      assert.deepStrictEqual(none, {
        code: 0,
        output: "",
        log: "packages/risk brings no soak: a file packages/risk/soak/<name>.ts would be one.\n"
      })
    })
  )
})

describe("A soak's program", () => {
  it.effect("has defaults by mode, and takes options", () =>
    Effect.gen(function* () {
      const soak = soakOf([])
      const usual = yield* SoakProgram.read(soak, [])
      assert.deepInclude(usual, { runs: 1, mode: "long", size: { jobs: 70, kills: 3 }, json: false })
      const text = "--mode=short --runs 4 --seed 4294967295 --kills 0 --break fence --json"
      const given = yield* SoakProgram.read(soak, text.split(" "))
      assert.deepStrictEqual(given, {
        runs: 4,
        seed: 4_294_967_295,
        mode: "short",
        broken: "fence",
        json: true,
        size: { jobs: 7, kills: 0 }
      })
    })
  )

  it.effect("refuses what it does not understand, and a run of nothing, by the option's name", () =>
    Effect.gen(function* () {
      const wrong = [
        ["--runs", "0"],
        ["--runs", "1.5"],
        ["--seed", "-1"],
        ["--seed", "x"],
        ["--jobs", "0"],
        ["--jobs", ""],
        ["--kills", "1e3"],
        ["--mode", "kill"],
        ["--break", "order"],
        ["--job", "4"]
      ] as const
      for (const args of wrong) {
        const { message } = yield* Effect.flip(SoakProgram.read(soakOf([]), args))
        assert.include(message, args[0])
        assert.include(
          message,
          "pnpm soak example [--mode long|short] [--runs N] [--seed S] [--jobs N] [--kills N] [--break fence] [--json]"
        )
      }
    })
  )

  it.effect("runs seeds that follow each other, and fails with those that broke a rule", () =>
    Effect.gen(function* () {
      const seeds: Array<number> = []
      const { run } = SoakProgram.make(soakOf(seeds))
      const failed = yield* Effect.flip(run(["--runs", "4", "--seed", "10", "--json"]))
      assert.deepStrictEqual(seeds, [10, 11, 12, 13])
      assert.instanceOf(failed, SoakProgram.SoakFailed)
      assert.deepInclude(failed, { seeds: [11, 13] })
      yield* run(["--seed", "6"])
    }).pipe(Effect.scoped)
  )
})

/** The queue of the events domain, whose soaks depend on this package. */
const queueMigrations = Migrations.make(
  "event",
  Object.fromEntries(
    Array.from({ length: QueueMigrations.lastStep }, (_, index) => [
      `000${index + 1}_queue`,
      QueueMigrations.migration(index + 1, "hm_event", { since: "0.1.0", oldestRelease: "0.1.0" })
    ])
  ),
  { release: "0.1.0" }
)

layer(TestDatabase.layer(CoreDomain.migrations, queueMigrations), {
  excludeTestServices: true
})("A run that stands still", (it) => {
  it.effect("is not held up by a statement that is wrong, and outlasts a server that is away", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const wrong = sql`SELECT nothing`
      const exits = [
        yield* Effect.exit(Run.persist(wrong)),
        yield* Effect.exit(Run.persist(Effect.sandbox(Effect.orDie(wrong))))
      ]
      for (const exit of exits) {
        assert.include(
          Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "",
          'column "nothing" does not exist'
        )
      }
      let calls = 0
      const away = Effect.suspend(() =>
        ++calls < 3 ? sql`SELECT pg_terminate_backend(pg_backend_pid())` : sql`SELECT 7 AS n`
      )
      assert.deepStrictEqual(yield* Run.persist(away), [{ n: 7 }])
      assert.strictEqual(calls, 3)
    })
  )

  it.effect("ends without an answer, and names the jobs that are dead-lettered", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO hm_event_dead (tenant_id, queue, seq, job_id, type, attempt, errors, died_at)
        SELECT 'birch', 'notifications.email', n, ('00000000-0000-7000-8000-00000000000' || n)::uuid, 't', n,
               '[{"error":"the worker was lost"}]', now()
          FROM generate_series(3, 5) AS n
      `
      const isDone = yield* Run.untilDone({
        look: Effect.succeed({ left: 3, progress: "same" }),
        stuckMillis: 50
      })
      assert.isFalse(isDone)
      const lines = yield* Standstill.lines
      assert.include(
        lines,
        "3 jobs are dead-lettered in notifications.email, last 00000000-0000-7000-8000-000000000005 of birch after 5 attempts: the worker was lost"
      )
      assert.isTrue(
        yield* Run.untilDone({ look: Effect.succeed({ left: 0, progress: "" }), stuckMillis: 50 })
      )
    })
  )
})
