/**
 * Creates a database per test file, cloned from a migrated template, and fails when connections to it are left.
 */
import { PgClient } from "@effect/sql-pg"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as SqlClient from "effect/sql/SqlClient"
import { createHash, randomUUID } from "node:crypto"

/** Where the database of this test is. */
export class TestDatabase extends Context.Service<
  TestDatabase,
  { readonly url: string; readonly options: Database.Options }
>()("@hypermarket/testing/TestDatabase") {}

const adminUrl = Config.String("HM_TEST_DATABASE_URL")

const urlOf = (admin: string, database: string): string => {
  const url = new URL(admin)
  url.pathname = `/${database}`
  return url.toString()
}

/** The settings of a process that uses this database, at their defaults. */
export const optionsOf = (url: string): Database.Options => ({
  url: Redacted.make(url),
  directUrl: Redacted.make(url),
  ownerUrl: Redacted.make(url),
  prepare: true,
  schema: "public",
  poolMax: 5,
  multiplex: false,
  statementTimeout: Duration.seconds(30),
  lockTimeout: Duration.seconds(5),
  idleTransactionTimeout: Duration.seconds(30)
})

/** With `HM_TEST_EXTRA_COLUMN=1` every table has a column that this release does not know, as the next one may add. */
const extraColumn = Config.withDefault(Config.Boolean("HM_TEST_EXTRA_COLUMN"), false)

const addExtraColumns = Effect.gen(function* () {
  const sql = yield* PgClient.PgClient
  const tables = yield* sql<{ readonly name: string }>`
    SELECT c.relname AS name
      FROM pg_class c
     WHERE c.relkind IN ('r', 'p')
       AND NOT c.relispartition
       AND c.relname LIKE 'hm\_%'
  `
  for (const { name } of tables) yield* sql`ALTER TABLE ${sql(name)} ADD COLUMN of_next_release text`
})

const templateNameOf = (sets: ReadonlyArray<Migrations.MigrationSet>, isExtended: boolean): string =>
  `hm_template_${createHash("sha256")
    .update(JSON.stringify([isExtended, sets.map((set) => [Migrations.bookkeepingStatement(set), set])]))
    .digest("hex")
    .slice(0, 16)}`

const client = (url: string, maxConnections: number) =>
  PgClient.layer({ url: Redacted.make(url), applicationName: "hm-test-admin", maxConnections })

const ensureTemplate = Effect.fn("TestDatabase.ensureTemplate")(function* (
  admin: string,
  sets: ReadonlyArray<Migrations.MigrationSet>
) {
  const sql = yield* PgClient.PgClient
  const isExtended = yield* extraColumn
  const name = templateNameOf(sets, isExtended)
  // Test files run in parallel processes: only one of them may build the template.
  const build = Effect.gen(function* () {
    yield* sql`SELECT pg_advisory_xact_lock(hashtextextended(${name}, 0))`
    const ready = yield* sql`
      SELECT 1
        FROM pg_database
       WHERE datname = ${name} AND datistemplate
    `
    if (ready.length > 0) return
    // CREATE DATABASE refuses to run inside the transaction that holds the lock.
    const side = Context.get(yield* Layer.build(client(admin, 1)), PgClient.PgClient)
    yield* side`DROP DATABASE IF EXISTS ${side(name)}`
    yield* side`CREATE DATABASE ${side(name)}`
    yield* Migrations.run(sets, "public").pipe(
      Effect.andThen(isExtended ? addExtraColumns : Effect.void),
      Effect.provide(client(urlOf(admin, name), 1))
    )
    yield* side`ALTER DATABASE ${side(name)} IS_TEMPLATE true`
  })
  yield* sql.withTransaction(Effect.scoped(build))
  return name
})

interface Leftover {
  readonly application_name: string
  readonly state: string
  readonly query: string
}

/** A backend needs a moment to go after its client has closed. */
const leftoverPatience = "10 seconds"

const assertNoConnections = Effect.fnUntraced(function* (name: string) {
  const sql = yield* PgClient.PgClient
  const read = sql<Leftover>`
    SELECT application_name, state, query
      FROM pg_stat_activity
     WHERE datname = ${name} AND backend_type = 'client backend'
  `
  const leftovers = yield* read.pipe(
    Effect.repeat({
      until: (rows) => rows.length === 0,
      schedule: Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: leftoverPatience }))
    }),
    Effect.andThen(read)
  )
  if (leftovers.length > 0) {
    return yield* Effect.die(new Error(`connections are left open: ${JSON.stringify(leftovers)}`))
  }
})

/** A database with the migrations applied; `TestDatabase` tells its URL. */
export const layerDatabase = (...sets: ReadonlyArray<Migrations.MigrationSet>) =>
  Layer.effect(
    TestDatabase,
    Effect.gen(function* () {
      const admin = yield* adminUrl
      const sql = Context.get(yield* Layer.build(client(admin, 2)), PgClient.PgClient)
      const provided = Effect.provideService(PgClient.PgClient, sql)
      const name = `hm_test_${randomUUID().replaceAll("-", "")}`
      const template = yield* ensureTemplate(admin, sets).pipe(provided)
      yield* Effect.acquireRelease(
        sql`CREATE DATABASE ${sql(name)} TEMPLATE ${sql(template)} STRATEGY FILE_COPY`,
        () =>
          assertNoConnections(name).pipe(
            provided,
            Effect.ensuring(sql`DROP DATABASE IF EXISTS ${sql(name)} WITH (FORCE)`.pipe(Effect.orDie)),
            Effect.orDie
          )
      )
      const url = urlOf(admin, name)
      return { url, options: optionsOf(url) }
    })
  )

/**
 * Creates a role that can log in, with the password of the test's own user, and drops it with all it owns when the scope
 * ends. Returns the URL of the test's database for it.
 */
export const loginRole = Effect.fn("TestDatabase.loginRole")(function* (role: string) {
  const { url } = yield* TestDatabase
  const sql = yield* PgClient.PgClient
  const roleUrl = new URL(url)
  roleUrl.username = role
  const password = decodeURIComponent(roleUrl.password)
  // CREATE ROLE takes no parameters, and roles belong to the server, not to the database that goes with the test.
  yield* Effect.acquireRelease(
    password === ""
      ? sql`CREATE ROLE ${sql(role)} LOGIN`
      : sql`CREATE ROLE ${sql(role)} LOGIN PASSWORD ${sql.literal(`'${password.replaceAll("'", "''")}'`)}`,
    () => Effect.ignore(Effect.andThen(sql`DROP OWNED BY ${sql(role)} CASCADE`, sql`DROP ROLE ${sql(role)}`))
  )
  return roleUrl.href
})

/**
 * Creates a role with the rights of the test's own user, whose sessions are limited: the server refuses it more, as it does
 * when all connections are spent. Returns the URL for it, and how to change the limit.
 */
export const limitedRole = Effect.fn("TestDatabase.limitedRole")(function* (limit: number) {
  const sql = yield* PgClient.PgClient
  const role = `hm_few_${randomUUID().replaceAll("-", "")}`
  const url = yield* loginRole(role)
  yield* sql`GRANT ${sql(decodeURIComponent(new URL((yield* TestDatabase).url).username))} TO ${sql(role)}`
  const setLimit = (connections: number) =>
    Effect.asVoid(sql`ALTER ROLE ${sql(role)} CONNECTION LIMIT ${sql.literal(String(connections))}`)
  yield* setLimit(limit)
  return { role, url, setLimit }
})

/** A migrated database and a pool to it. */
export const layer = (
  ...sets: ReadonlyArray<Migrations.MigrationSet>
): Layer.Layer<TestDatabase | PgClient.PgClient | SqlClient.SqlClient> =>
  Layer.unwrap(Effect.map(TestDatabase, ({ options }) => Database.layer(options, "hm-test"))).pipe(
    Layer.provideMerge(layerDatabase(...sets)),
    Layer.orDie
  )
