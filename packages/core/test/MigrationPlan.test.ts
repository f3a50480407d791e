import { assert, layer } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import * as MigrationPlan from "@hypermarket/core/MigrationPlan"
import * as Migrations from "@hypermarket/core/Migrations"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"

const first = Migrations.migration(
  [
    `
    CREATE TABLE hm_a (
      tenant_id text NOT NULL,
      day       date NOT NULL,
      PRIMARY KEY (tenant_id, day)
    ) PARTITION BY RANGE (day)
    `,
    "CREATE TABLE hm_a_default PARTITION OF hm_a DEFAULT",
    "CREATE TABLE hm_other (tenant_id text PRIMARY KEY)"
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
const brief = Migrations.migration(
  [
    "-- hm_other is only spoken of\nALTER TABLE hm_a ADD COLUMN note text CONSTRAINT not_quote CHECK (note <> ';')"
  ],
  { since: "0.2.0", oldestRelease: "0.1.0", locks: "brief" }
)
const apart = Migrations.migration(
  [
    "DROP INDEX CONCURRENTLY IF EXISTS hm_other_index",
    "CREATE INDEX CONCURRENTLY hm_other_index ON hm_other (tenant_id)"
  ],
  { since: "0.2.0", oldestRelease: "0.1.0", locks: "none", transactional: false }
)
const one = Migrations.make("a", { "0001_a": first }, { release: "0.1.0" })
const all = Migrations.make(
  "a",
  { "0001_a": first, "0002_note": brief, "0003_index": apart },
  { release: "0.2.0" }
)

const direct = Effect.provide(
  Layer.unwrap(
    Effect.map(TestDatabase.TestDatabase, ({ options }) =>
      Layer.fresh(Database.layerDirect(options, "hm-test-direct"))
    )
  )
)

layer(TestDatabase.layer(one), { excludeTestServices: true })("MigrationPlan", (it) => {
  it.effect("names the tables that a migration touches, with the rows of all partitions", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO hm_a
        SELECT 'acme', day
          FROM generate_series('2026-01-01'::date, '2026-03-31', '1 day') AS day
      `
      yield* sql`ANALYZE hm_a_default`
      const [note, index] = yield* Effect.flatMap(Migrations.plan([all]), MigrationPlan.describe)
      assert.deepInclude(note, {
        domain: "a",
        id: 2,
        name: "note",
        since: "0.2.0",
        oldestRelease: "0.1.0",
        locks: "brief",
        transactional: true,
        tables: [{ table: "hm_a", rows: 90 }]
      })
      assert.isTrue(note?.sql.endsWith("CHECK (note <> ';');"))
      assert.deepInclude(index, { transactional: false, tables: [{ table: "hm_other", rows: 0 }] })
    })
  )
})

// A database per test: the second migrates.
layer(TestDatabase.layer(one), { excludeTestServices: true })("A file of migrations", (it) => {
  it.effect("makes a file that leaves the database as migrating does", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const file = MigrationPlan.script([all], yield* Migrations.plan([all]), "public")
      assert.include(file, "SET LOCAL lock_timeout = '200ms';\n-- hm_other is only spoken of")
      // As psql does: its own command is not sent, and statements are sent one by one.
      const statements = file.replace(String.raw`\set ON_ERROR_STOP on`, "").split(/;$/m)
      yield* Effect.flatMap(SqlClient.SqlClient, (client) =>
        Effect.forEach(
          statements.filter((text) => text.trim() !== ""),
          (text) => client.unsafe(text)
        )
      ).pipe(direct)
      yield* Migrations.requireApplied([all])
      const applied = yield* sql`
        SELECT id, oldest_release, applied_by
          FROM hm_a_migrations
         ORDER BY id
      `
      assert.deepStrictEqual(applied, [
        { id: 1, oldest_release: "0.1.0", applied_by: "0.1.0" },
        { id: 2, oldest_release: "0.1.0", applied_by: "0.2.0" },
        { id: 3, oldest_release: "0.1.0", applied_by: "0.2.0" }
      ])
      assert.strictEqual(MigrationPlan.script([all], [], "public"), "-- nothing is pending")
    })
  )
})
