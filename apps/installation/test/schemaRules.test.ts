import { assert, layer } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import { migrationSets } from "@hypermarket/installation/domains"
import * as SchemaRules from "@hypermarket/testing/SchemaRules"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Reference tables on Citus: every process reads them before it knows a tenant. */
const globals = [
  "hm_tenant",
  "hm_api_key",
  "hm_api_key_use",
  "hm_event_handler",
  "hm_event_worker_queue",
  "hm_console_session",
  "hm_console_session_key",
  "hm_console_code"
]

/** A queue numbers the jobs of all its tables from one. */
const sequences = ["hm_event_seq"]

/** Returns the findings of the rules on statements that are rolled back. */
const found = (...statements: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    for (const statement of statements) yield* sql.unsafe(statement)
    const violations = yield* SchemaRules.violations(globals, { sequences })
    yield* Effect.fail({ _tag: "Undone" as const, violations })
  }).pipe(
    Database.transaction,
    Effect.catchTag("Undone", ({ violations }) => Effect.succeed(violations)),
    Effect.map((violations) => violations ?? [])
  )

layer(TestDatabase.layer(...migrationSets), { excludeTestServices: true })(
  "the schema of all domains",
  (it) => {
    it.effect(
      "begins every table with tenant_id, carries it first in every key, can be replicated, and has no trigger",
      () =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* SchemaRules.violations(globals, { sequences }), [])
        })
    )

    it.effect("is looked at: a global table that is not named as one is found", () =>
      Effect.gen(function* () {
        const violations = yield* SchemaRules.violations([], { sequences })
        assert.include(violations, "hm_api_key begins with api_key_id uuid, not with tenant_id text")
        assert.include(violations, "hm_api_key_pkey of hm_api_key does not carry tenant_id first")
      })
    )

    const planted: ReadonlyArray<readonly [string, ReadonlyArray<string>, string]> = [
      [
        "a table that begins with something else",
        ["CREATE TABLE hm_planted (note text, tenant_id text PRIMARY KEY)"],
        "hm_planted begins with note text, not with tenant_id text"
      ],
      [
        "a tenant_id of another type",
        ["CREATE TABLE hm_planted (tenant_id uuid PRIMARY KEY)"],
        "hm_planted begins with tenant_id uuid, not with tenant_id text"
      ],
      [
        "a primary key without the tenant",
        ["CREATE TABLE hm_planted (tenant_id text, id uuid PRIMARY KEY)"],
        "hm_planted_pkey of hm_planted does not carry tenant_id first"
      ],
      [
        "a unique index that carries it last",
        [
          "CREATE TABLE hm_planted (tenant_id text PRIMARY KEY, note text)",
          "CREATE UNIQUE INDEX hm_planted_note ON hm_planted (note, tenant_id)"
        ],
        "hm_planted_note of hm_planted does not carry tenant_id first"
      ],
      [
        "a unique index over an expression",
        [
          "CREATE TABLE hm_planted (tenant_id text PRIMARY KEY, note text)",
          "CREATE UNIQUE INDEX hm_planted_note ON hm_planted (lower(note))"
        ],
        "hm_planted_note of hm_planted does not carry tenant_id first"
      ],
      [
        "a foreign key without the tenant",
        [
          "CREATE TABLE hm_planted (tenant_id text PRIMARY KEY, key_id uuid CONSTRAINT of_key REFERENCES hm_api_key)"
        ],
        "of_key of hm_planted does not carry tenant_id first"
      ],
      [
        "a partitioned table's key",
        ["CREATE TABLE hm_planted (tenant_id text, at date PRIMARY KEY) PARTITION BY RANGE (at)"],
        "hm_planted_pkey of hm_planted does not carry tenant_id first"
      ],
      [
        "a trigger",
        [
          "CREATE TABLE hm_planted (tenant_id text PRIMARY KEY)",
          `CREATE TRIGGER planted BEFORE UPDATE ON hm_planted
            FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`
        ],
        "there is a trigger planted"
      ],
      [
        "a table without a key",
        ["CREATE TABLE hm_planted (tenant_id text)"],
        "hm_planted has neither a primary key nor a replica identity"
      ],
      [
        "a replica identity of nothing",
        [
          "CREATE TABLE hm_planted (tenant_id text PRIMARY KEY)",
          "ALTER TABLE hm_planted REPLICA IDENTITY NOTHING"
        ],
        "hm_planted has neither a primary key nor a replica identity"
      ],
      [
        "a partition that has not its table's replica identity",
        [
          "CREATE TABLE hm_planted (tenant_id text, at date) PARTITION BY RANGE (at)",
          "ALTER TABLE hm_planted REPLICA IDENTITY FULL",
          "CREATE TABLE hm_planted_1 PARTITION OF hm_planted FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')"
        ],
        "hm_planted_1 has neither a primary key nor a replica identity"
      ],
      [
        "a sequence that no column owns",
        ["CREATE SEQUENCE hm_planted_seq"],
        "no column owns the sequence hm_planted_seq"
      ]
    ]
    for (const [what, statements, violation] of planted) {
      it.effect(`is refused for ${what}`, () =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* found(...statements), [violation])
        })
      )
    }

    it.effect("may have bookkeeping tables, partitions and sequences of a column", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(
          yield* found(
            "CREATE TABLE hm_planted_migrations (id integer PRIMARY KEY, seq bigint GENERATED ALWAYS AS IDENTITY)",
            "CREATE TABLE hm_planted (tenant_id text, at date, PRIMARY KEY (tenant_id, at)) PARTITION BY RANGE (at)",
            "CREATE TABLE hm_planted_1 PARTITION OF hm_planted FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')"
          ),
          []
        )
      })
    )
  }
)
