import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as DatabaseSchema from "@hypermarket/core/DatabaseSchema"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Layer, PubSub } from "effect"
import { SqlClient } from "effect/sql"

/** Runs an effect in an installation whose tables are in a schema of this database. */
const inSchema = <A, E, R>(schema: string, effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(TestDatabase.TestDatabase, ({ options }) =>
    effect.pipe(Effect.provide(Layer.fresh(Database.layerDirect({ ...options, schema }, "hm-test-direct"))))
  )

const migrated = (schema: string) => inSchema(schema, Migrations.run([CoreDomain.migrations], schema))

layer(TestDatabase.layer(), { excludeTestServices: true })("two installations in one database", (it) => {
  it.effect("migrate each its own schema, and do not take the other's tables for theirs", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Effect.all([migrated("hm_a"), migrated("hm_b")], { concurrency: 2 })
      const tables = yield* sql`
        SELECT schemaname AS schema
          FROM pg_tables
         WHERE tablename = 'hm_idempotency_key' AND schemaname IN ('hm_a', 'hm_b')
         ORDER BY 1
      `
      assert.deepStrictEqual(tables, [{ schema: "hm_a" }, { schema: "hm_b" }])
    })
  )

  it.effect("are refused a session that looks in the other's schema, or in two", () =>
    Effect.gen(function* () {
      yield* migrated("hm_a")
      yield* migrated("hm_b")
      yield* inSchema("hm_a", DatabaseSchema.requireOnly("hm_a"))
      for (const path of ["hm_b", "hm_b, hm_a", "hm_a, hm_b"]) {
        const looking = Effect.flatMap(SqlClient.SqlClient, (sql) =>
          Effect.andThen(
            sql`SELECT set_config('search_path', ${path}, false)`,
            Effect.flip(DatabaseSchema.requireOnly("hm_a"))
          )
        )
        const error = yield* inSchema("hm_a", looking)
        assert.propertyVal(error, "reason", "search_path")
        assert.include(error.message, `looks for tables in ${path}, and HM_DATABASE_SCHEMA is hm_a`)
      }
    })
  )

  it.effect("do not share a role behind a pooler: the search path of the first is kept", () =>
    Effect.gen(function* () {
      yield* migrated("hm_a")
      const sql = yield* SqlClient.SqlClient
      const [names] = yield* sql<{ readonly database: string; readonly role: string }>`
        SELECT current_database() AS database, current_user AS role
      `
      assert.isDefined(names)
      const alter = (text: string) =>
        sql`ALTER ROLE ${sql(names?.role ?? "")} IN DATABASE ${sql(names?.database ?? "")} ${sql.literal(text)}`
      yield* DatabaseSchema.requireRoleIsFree("hm_b")
      yield* alter("SET search_path = hm_a")
      yield* DatabaseSchema.requireRoleIsFree("hm_a")
      const error = yield* Effect.flip(DatabaseSchema.requireRoleIsFree("hm_b")).pipe(
        Effect.ensuring(Effect.orDie(alter("RESET ALL")))
      )
      assert.include(error.message, "looks for tables in hm_a, where another installation is")
    })
  )

  it.effect("do not wake each other, whatever the length of their schemas' names", () =>
    Effect.gen(function* () {
      const long = `hm_${"x".repeat(60)}`
      const longer = `${long.slice(0, 62)}y`
      yield* migrated(long)
      yield* migrated(longer)
      assert.isAtMost(Wakeup.channelOf(long).length, 63)
      const { options } = yield* TestDatabase.TestDatabase
      const wakeupOf = (schema: string) =>
        Effect.map(
          Layer.build(
            Layer.fresh(
              Wakeup.layer(Database.listen({ ...options, schema })).pipe(
                Layer.provide(
                  Layer.fresh(Database.layer({ ...options, schema, poolMax: 2 }, "hm-test-wakeup"))
                )
              )
            )
          ),
          Context.get(Wakeup.Wakeup)
        )
      const listening = yield* wakeupOf(long)
      const same = yield* wakeupOf(long)
      const other = yield* wakeupOf(longer)
      const signals = yield* listening.signals
      const heard: Array<string> = []
      // The other says everything first: it would be heard before what the same installation says.
      while (!heard.includes("same")) {
        yield* other.signal("test", "other")
        yield* same.signal("test", "same")
        const signal = yield* PubSub.take(signals).pipe(Effect.timeoutOption("100 millis"))
        if (signal._tag === "Some" && signal.value !== undefined) heard.push(signal.value.payload)
      }
      assert.notInclude(heard, "other")
    }).pipe(Effect.scoped)
  )

  it.effect("have a check that fails while the schema is missing, empty or not looked at", () =>
    Effect.gen(function* () {
      const statusOf = (schema: string) =>
        Effect.map(DatabaseSchema.check(schema).run, (findings) => findings.map(({ status }) => status))
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* inSchema("hm_c", statusOf("hm_c")), ["fail"])
      yield* sql`CREATE SCHEMA hm_c`
      assert.deepStrictEqual(yield* inSchema("hm_c", statusOf("hm_c")), ["fail"])
      yield* migrated("hm_c")
      assert.deepStrictEqual(yield* inSchema("hm_c", statusOf("hm_c")), ["ok"])
      assert.deepStrictEqual(yield* inSchema("public", statusOf("hm_c")), ["fail"])
    })
  )

  it.effect("have one identity for each history of each database", () =>
    Effect.gen(function* () {
      const here = yield* Database.identity
      assert.match(here, /^\d+\/[0-9A-F]{8}\/\d+$/)
      assert.strictEqual(yield* inSchema("hm_a", Database.identity), here)
      const elsewhere = yield* Database.identity.pipe(Effect.provide(Layer.fresh(TestDatabase.layer())))
      const [server, timeline] = here.split("/")
      assert.deepStrictEqual(elsewhere.split("/").slice(0, 2), [server, timeline])
      assert.notStrictEqual(elsewhere, here)
    })
  )
})
