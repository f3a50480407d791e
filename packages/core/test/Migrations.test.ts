import { assert, describe, it } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Deferred, Effect, Fiber, Layer, Logger, Result, Schedule } from "effect"
import { SqlClient, type SqlError } from "effect/sql"

/** A migration of the first release, unless the test is about another. */
const migration = (
  statements: ReadonlyArray<string>,
  options: Partial<Parameters<typeof Migrations.migration>[1]> = {}
) => Migrations.migration(statements, { since: "0.1.0", oldestRelease: "0.1.0", locks: "none", ...options })

const make = (migrations: Record<string, Migrations.Migration>, release = "0.1.0") =>
  Migrations.make("a", migrations, { release })

const first = migration(["CREATE TABLE hm_a_thing (tenant_id text, PRIMARY KEY (tenant_id))"])
const second = migration(["ALTER TABLE hm_a_thing ADD COLUMN note text"])
const one = make({ "0001_thing": first })
const two = make({ "0001_thing": first, "0002_note": second })

/** A dedicated direct connection, as each process has one. */
const direct = Layer.unwrap(
  Effect.map(TestDatabase.TestDatabase, ({ options }) => Database.layerDirect(options, "hm-test-direct"))
)

const run = (sets: ReadonlyArray<Migrations.MigrationSet>) =>
  Migrations.run(sets, "public").pipe(Effect.provide(Layer.fresh(direct)))

const fresh = Effect.provide(TestDatabase.layer())

const names = (pending: ReadonlyArray<Migrations.Pending>) =>
  pending.map((each) => `${each.domain} ${each.migration.id}_${each.migration.name}`)

describe("Migrations", () => {
  it("refuses gaps and malformed names when the package is loaded", () => {
    assert.throws(() => make({ "0001_x": first, "0003_y": second }), /0003_y should be number 2/)
    assert.throws(() => make({ "0002_x": first }), /should be number 1/)
    assert.throws(() => make({ "1_x": first }), /NNNN_name/)
  })

  it.live("applies what is pending, once and in order, and shows it before", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(names(yield* Migrations.plan([two])), ["a 1_thing", "a 2_note"])
      assert.deepStrictEqual(names(yield* run([one])), ["a 1_thing"])
      assert.deepStrictEqual(names(yield* run([two])), ["a 2_note"])
      assert.deepStrictEqual(names(yield* run([two])), [])
      yield* Migrations.requireApplied([two])
    }).pipe(fresh)
  )

  it.live("migrates an empty database once when eight processes start together", () =>
    Effect.gen(function* () {
      const applied = yield* Effect.forEach(Array.from({ length: 8 }), () => run([two]), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(applied.flatMap(names).toSorted(), ["a 1_thing", "a 2_note"])
    }).pipe(fresh)
  )

  it.live("leaves nothing of a migration that fails", () =>
    Effect.gen(function* () {
      const broken = make({
        "0001_thing": first,
        "0002_broken": migration(["CREATE TABLE hm_a_half (tenant_id text)", "SELECT no_such_function()"])
      })
      assert.isTrue(Result.isFailure(yield* Effect.result(run([broken]))))
      const sql = yield* SqlClient.SqlClient
      const [found] =
        yield* sql`SELECT to_regclass('hm_a_half') IS NOT NULL AS half, to_regclass('hm_a_thing') IS NOT NULL AS thing`
      assert.deepStrictEqual(found, { half: false, thing: true })
      assert.deepStrictEqual(names(yield* run([two])), ["a 2_note"])
    }).pipe(fresh)
  )

  it.live("runs CREATE INDEX CONCURRENTLY outside a transaction", () =>
    Effect.gen(function* () {
      const indexed = make({
        "0001_thing": first,
        "0002_index": migration(
          [
            "DROP INDEX CONCURRENTLY IF EXISTS hm_a_thing_index",
            "CREATE INDEX CONCURRENTLY hm_a_thing_index ON hm_a_thing (tenant_id)"
          ],
          { transactional: false }
        )
      })
      assert.lengthOf(yield* run([indexed]), 2)
    }).pipe(fresh)
  )

  const refusals: ReadonlyArray<readonly [string, Migrations.MigrationSet, string]> = [
    [
      "checksum_changed",
      make({
        "0001_thing": migration(["CREATE TABLE hm_a_other (tenant_id text)"]),
        "0002_note": second
      }),
      "edited after it was applied"
    ],
    ["renamed", make({ "0001_other": first, "0002_note": second }), "applied as thing"]
  ]
  for (const [reason, set, message] of refusals) {
    it.live(`refuses ${reason} and changes nothing`, () =>
      Effect.gen(function* () {
        yield* run([two])
        const error = yield* Effect.flip(run([set]))
        assert.strictEqual(error._tag, "MigrationRefused")
        assert.propertyVal(error, "reason", reason)
        assert.include(error.message, message)
        assert.deepStrictEqual(names(yield* run([two])), [])
      }).pipe(fresh)
    )
  }

  it.live("tells a process that may not migrate what is behind", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Migrations.requireApplied([two]))
      assert.include(error.message, "hypermarket migrate")
    }).pipe(fresh)
  )

  it("refuses releases out of order and brief locks without a transaction when the package is loaded", () => {
    assert.throws(() => migration([], { oldestRelease: "0.2.0" }), /after the release 0.1.0/)
    assert.throws(() => migration([], { since: "next" }), /"next" is not a release/)
    assert.throws(() => migration([], { locks: "brief", transactional: false }), /needs its transaction/)
    assert.throws(() => make({}, "tomorrow"), /"tomorrow" is no release/)
    assert.throws(
      () => make({ "0001_x": migration([], { since: "0.2.0" }), "0002_y": first }),
      /0002_y is of 0.1.0, the one before it of 0.2.0/
    )
  })

  const noteOf = (oldestRelease: string) =>
    make(
      { "0001_thing": first, "0002_note": migration(second.statements, { since: "0.2.0", oldestRelease }) },
      "0.2.3"
    )

  it.live("starts on the schema of the next release with one warning, and applies nothing there", () =>
    Effect.gen(function* () {
      yield* run([noteOf("0.1.0")])
      const older = Migrations.make(
        "b",
        { "0001_b": migration(["CREATE TABLE hm_b (tenant_id text)"]) },
        { release: "0.1.0" }
      )
      yield* run([older])
      const logs: Array<unknown> = []
      const logger = Logger.make(({ logLevel, message }) => void (logLevel === "Warn" && logs.push(message)))
      const quiet = Effect.provide(Logger.layer([logger]))
      yield* Migrations.requireApplied([one, older]).pipe(quiet)
      assert.deepStrictEqual(logs.splice(0), [
        ["It works, and does not migrate: the schema is of 0.2.3, this is 0.1.0"]
      ])
      assert.deepStrictEqual(names(yield* run([one, older]).pipe(quiet)), [])
      assert.lengthOf(logs, 1)
      const { newer } = yield* Migrations.examine([one, older])
      assert.deepStrictEqual(newer, [{ domain: "a", schemaRelease: "0.2.3", release: "0.1.0" }])
    }).pipe(fresh)
  )

  it.live("does not migrate one package where another is newer: it refuses as behind", () =>
    Effect.gen(function* () {
      yield* run([noteOf("0.1.0")])
      const absent = Migrations.make("b", { "0001_b": first }, { release: "0.1.0" })
      const error = yield* Effect.flip(run([one, absent]))
      assert.propertyVal(error, "reason", "behind")
      assert.include(error.message, "an older release does not migrate")
    }).pipe(fresh)
  )

  it.live("refuses a schema that no longer works with this release, and names the release to install", () =>
    Effect.gen(function* () {
      yield* run([noteOf("0.2.0")])
      const refusals: ReadonlyArray<
        Effect.Effect<
          unknown,
          Migrations.MigrationRefused | SqlError.SqlError,
          TestDatabase.TestDatabase | SqlClient.SqlClient
        >
      > = [run([one]), Migrations.requireApplied([one]), Migrations.plan([one])]
      for (const refusal of refusals) {
        const error = yield* Effect.flip(refusal)
        assert.propertyVal(error, "reason", "newer_schema")
        assert.strictEqual(
          error.message,
          "a: the schema is of 0.2.3, and 0.1.0 does not work with it: install 0.2.0 or newer"
        )
      }
      const edited = make({ "0001_thing": second })
      assert.propertyVal(yield* Effect.flip(run([edited])), "reason", "checksum_changed")
    }).pipe(fresh)
  )

  it.live("compares with the newest of the oldest releases that it does not know", () =>
    Effect.gen(function* () {
      yield* run([
        make(
          {
            "0001_thing": first,
            "0002_x": migration([], { since: "0.2.0", oldestRelease: "0.2.0" }),
            "0003_y": migration([], { since: "0.10.0", oldestRelease: "0.9.0" }),
            "0004_z": migration([], { since: "0.10.0", oldestRelease: "0.8.0" })
          },
          "0.10.1"
        )
      ])
      const known = { "0001_thing": first }
      const error = yield* Effect.flip(run([make(known, "0.8.7")]))
      assert.include(error.message, "install 0.9.0 or newer")
      assert.deepStrictEqual(names(yield* run([make(known, "0.9.0")])), [])
    }).pipe(fresh)
  )

  it.live("refuses the tables of a time before the first release in one line that says what to do", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE hm_a_migrations (id integer PRIMARY KEY, name text, checksum text, applied_at timestamptz)`
      const error = yield* Effect.flip(run([one]))
      assert.propertyVal(error, "reason", "unreleased")
      assert.match(
        error.message,
        /^a: .*remove the database, or the quickstart's data folder, and begin again$/
      )
    }).pipe(fresh)
  )

  it.live("waits for a brief lock in short tries, and lets writers through between them", () =>
    Effect.gen(function* () {
      const { options } = yield* TestDatabase.TestDatabase
      yield* run([one])
      const held = yield* Deferred.make<void>()
      const release = yield* Deferred.make<void>()
      const holder = yield* SqlClient.SqlClient.pipe(
        Effect.flatMap((sql) =>
          sql.withTransaction(
            sql`SELECT FROM hm_a_thing`.pipe(
              Effect.andThen(Deferred.succeed(held, undefined)),
              Effect.andThen(Deferred.await(release))
            )
          )
        ),
        Effect.provide(Layer.fresh(Database.layer(options, "hm-test-holder"))),
        Effect.forkChild
      )
      yield* Deferred.await(held)
      const brief = make({
        "0001_thing": first,
        "0002_note": migration(second.statements, { locks: "brief" })
      })
      const migrating = yield* Effect.forkChild(run([brief]))
      // A writer would wait behind ALTER TABLE as long as the reader stays, if that waited without a limit.
      const sql = yield* SqlClient.SqlClient
      const waiting = sql`
        SELECT
          FROM pg_locks
         WHERE NOT granted AND relation = 'hm_a_thing'::regclass
      `
      yield* waiting.pipe(
        Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("5 millis") })
      )
      yield* sql`INSERT INTO hm_a_thing VALUES ('acme')`
      yield* Deferred.succeed(release, undefined)
      yield* Fiber.join(holder)
      assert.deepStrictEqual(names(yield* Fiber.join(migrating)), ["a 2_note"])
    }).pipe(fresh)
  )
})
