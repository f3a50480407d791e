import { assert, describe, it } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Result } from "effect"
import { SqlClient } from "effect/sql"

const { migration } = Migrations

const first = migration(["CREATE TABLE hm_a_thing (tenant_id text, PRIMARY KEY (tenant_id))"])
const second = migration(["ALTER TABLE hm_a_thing ADD COLUMN note text"])
const one = Migrations.make("a", { "0001_thing": first })
const two = Migrations.make("a", { "0001_thing": first, "0002_note": second })

/** A direct connection of its own, as each process has one. */
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
    assert.throws(
      () => Migrations.make("a", { "0001_x": first, "0003_y": second }),
      /0003_y should be number 2/
    )
    assert.throws(() => Migrations.make("a", { "0002_x": first }), /should be number 1/)
    assert.throws(() => Migrations.make("a", { "1_x": first }), /NNNN_name/)
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
      const broken = Migrations.make("a", {
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
      const indexed = Migrations.make("a", {
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
      Migrations.make("a", {
        "0001_thing": migration(["CREATE TABLE hm_a_other (tenant_id text)"]),
        "0002_note": second
      }),
      "edited"
    ],
    ["newer_schema", one, "newer version"],
    ["renamed", Migrations.make("a", { "0001_other": first, "0002_note": second }), "0001"]
  ]
  for (const [reason, set] of refusals) {
    it.live(`refuses ${reason} and changes nothing`, () =>
      Effect.gen(function* () {
        yield* run([two])
        const error = yield* Effect.flip(run([set]))
        assert.strictEqual(error._tag, "MigrationRefused")
        assert.propertyVal(error, "reason", reason)
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
})
