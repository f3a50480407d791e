import { assert, layer } from "@effect/vitest"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Schema } from "effect"
import * as Cli from "./Cli.ts"

const database = Effect.map(TestDatabase.TestDatabase, ({ url }) => ({
  url,
  command: (...args: ReadonlyArray<string>) => Cli.run(args, { DATABASE_URL: url }),
  tables: Cli.query(url, "SELECT relname FROM pg_class WHERE relname LIKE 'hm\\_%' AND relkind = 'r'")
}))

const Findings = Schema.Struct({
  findings: Schema.Array(
    Schema.Struct({
      domain: Schema.String,
      check: Schema.String,
      status: Schema.Literals(["ok", "warn", "fail"]),
      message: Schema.String,
      hint: Schema.optionalKey(Schema.String)
    })
  )
})

const Plan = Schema.Struct({
  migrations: Schema.Array(
    Schema.Struct({
      domain: Schema.String,
      id: Schema.Int,
      name: Schema.String,
      since: Schema.String,
      oldestRelease: Schema.String,
      locks: Schema.Literals(["none", "brief", "writes", "all"]),
      transactional: Schema.Boolean,
      sql: Schema.String,
      tables: Schema.Array(Schema.Struct({ table: Schema.String, rows: Schema.Number }))
    })
  )
})

const empty = Effect.provide(Layer.fresh(TestDatabase.layerDatabase()))

layer(Layer.empty, { excludeTestServices: true })("migrate and doctor", (it) => {
  it.effect("shows the SQL that is pending and changes nothing, then applies it once", () =>
    Effect.gen(function* () {
      const { command, tables } = yield* database
      const planned = yield* command("migrate", "--plan")
      assert.strictEqual(planned.code, 0, planned.stderr)
      assert.match(planned.stdout, /^-- platform 0001_tenant$/m)
      assert.match(planned.stdout, /^CREATE TABLE hm_tenant \(/m)
      assert.isEmpty(yield* tables)

      const applied = yield* command("migrate")
      assert.strictEqual(applied.code, 0, applied.stderr)
      assert.match(applied.stdout, /^Applied:\n {2}core 0001_idempotency_key\n/)
      assert.deepInclude(yield* tables, { relname: "hm_tenant" })

      assert.strictEqual((yield* command("migrate")).stdout, "The schema is up to date\n")
      assert.strictEqual((yield* command("migrate", "--plan")).stdout, "-- nothing is pending\n")
    }).pipe(empty)
  )

  it.effect("doctor exits with 1 and a hint while migrations are pending, and with 0 after", () =>
    Effect.gen(function* () {
      const { command, tables } = yield* database
      const before = yield* command("doctor")
      assert.strictEqual(before.code, 1)
      assert.match(before.stdout, /^fail +core: schema +\d+ migrations are pending$/m)
      assert.include(before.stdout, "-> run `hypermarket migrate`")
      assert.isEmpty(yield* tables)
      yield* command("migrate")
      const after = yield* command("doctor")
      assert.strictEqual(after.code, 0, after.stdout)
      assert.notMatch(after.stdout, /^fail/m)
      const { findings } = yield* Cli.decode(Findings)(yield* command("doctor", "--json"))
      assert.deepInclude(findings[0], { domain: "core", check: "schema", status: "ok" })
      assert.isAbove(findings.length, 1)
    }).pipe(empty)
  )

  it.effect("prints a plan with locks, oldest release and tables, and a file of SQL", () =>
    Effect.gen(function* () {
      const { command } = yield* database
      const { migrations } = yield* Cli.decode(Plan)(yield* command("migrate", "--plan", "--json"))
      const [first] = migrations
      assert.deepInclude(first, {
        domain: "core",
        id: 1,
        name: "idempotency_key",
        since: "0.1.0",
        oldestRelease: "0.1.0",
        locks: "none",
        transactional: true,
        tables: []
      })
      assert.match(first?.sql ?? "", /^-- |^CREATE TABLE hm_idempotency_key \(/)
      const file = yield* command("migrate", "--sql")
      assert.strictEqual(file.code, 0, file.stderr)
      assert.include(
        file.stdout,
        "INSERT INTO hm_search_migrations (id, name, checksum, oldest_release, applied_by)"
      )
      assert.strictEqual((yield* command("migrate", "--json")).code, 2)
      assert.strictEqual((yield* command("migrate", "--plan", "--sql")).code, 2)
    }).pipe(empty)
  )

  const addOfNextRelease = (url: string, oldestRelease: string) =>
    Cli.query(
      url,
      `INSERT INTO hm_core_migrations (id, name, checksum, oldest_release, applied_by)
       VALUES (99, 'of_tomorrow', 'x', '${oldestRelease}', '0.9.4')`
    )

  it.effect(
    "exits with 4 on a schema that this release does not work with, and names the one to install",
    () =>
      Effect.gen(function* () {
        const { command, url } = yield* database
        yield* command("migrate")
        yield* addOfNextRelease(url, "0.9.0")
        for (const args of [["migrate"], ["migrate", "--plan"], ["doctor"], ["worker"]]) {
          const refused = yield* command(...args)
          assert.strictEqual(refused.code, 4, `${args.join(" ")}: ${refused.stderr}`)
          assert.include(
            refused.stderr,
            "the schema is of 0.9.4, and 0.0.0 does not work with it: install 0.9.0 or newer"
          )
        }
      }).pipe(empty)
  )

  it.effect("doctor runs every check on a newer schema that this release works with, and warns", () =>
    Effect.gen(function* () {
      const { command, url } = yield* database
      yield* command("migrate")
      yield* addOfNextRelease(url, "0.0.0")
      const checked = yield* command("doctor", "--json")
      assert.strictEqual(checked.code, 0, checked.stderr)
      const { findings } = yield* Cli.decode(Findings)(checked)
      assert.deepInclude(findings[0], {
        check: "schema",
        status: "warn",
        message: "the schema is of 0.9.4, this is 0.0.0"
      })
      assert.isTrue(findings.some(({ domain }) => domain === "search"))
      const migrated = yield* command("migrate")
      assert.strictEqual(migrated.code, 0, migrated.stderr)
      assert.include(migrated.stderr, "the schema is of 0.9.4, this is 0.0.0")
    }).pipe(empty)
  )

  it.effect("exits with 4 and one line on a database from before the first release", () =>
    Effect.gen(function* () {
      const { command, url } = yield* database
      yield* Cli.query(
        url,
        "CREATE TABLE hm_core_migrations (id integer PRIMARY KEY, name text, checksum text)"
      )
      const refused = yield* command("migrate")
      assert.strictEqual(refused.code, 4)
      assert.match(
        refused.stderr.trim(),
        /^ERROR\n {2}core: the tables are older than the first release.*remove the database.*$/
      )
    }).pipe(empty)
  )
})
