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

  it.effect("exits with 4 on a database that is newer than the command, and changes nothing", () =>
    Effect.gen(function* () {
      const { command, url } = yield* database
      yield* command("migrate")
      yield* Cli.query(
        url,
        "INSERT INTO hm_core_migrations (id, name, checksum) VALUES (99, 'of_tomorrow', 'x')"
      )
      for (const args of [["migrate"], ["doctor"], ["worker"]]) {
        const refused = yield* command(...args)
        assert.strictEqual(refused.code, 4, `${args.join(" ")}: ${refused.stderr}`)
        assert.include(refused.stderr, "install the newer version")
      }
    }).pipe(empty)
  )
})
