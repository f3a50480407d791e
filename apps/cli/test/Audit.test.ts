import { assert, layer } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import { AllTenants } from "@hypermarket/core/Tenant"
import { migrationSets } from "@hypermarket/installation/domains"
import { ActivitySeals } from "@hypermarket/platform/ActivitySeals"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Layer } from "effect"
import { writeFileSync } from "node:fs"
import * as Cli from "./Cli.ts"

const key = `k1:${Buffer.alloc(32, 7).toString("base64")}`

const command = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const { url } = yield* TestDatabase.TestDatabase
  return yield* Cli.run(args, { DATABASE_URL: url, HM_PLATFORM_AUDIT_KEY: key })
})

const seal = Effect.gen(function* () {
  const { options } = yield* TestDatabase.TestDatabase
  yield* Effect.flatMap(ActivitySeals, (seals) => seals.seal).pipe(
    Effect.provide(
      ActivitySeals.layer.pipe(
        Layer.provideMerge(Database.layer(options, "hm-test-seals")),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ HM_PLATFORM_AUDIT_KEY: key })))
      )
    )
  )
}).pipe(Effect.provideService(AllTenants, { actor: "test" }))

layer(TestDatabase.layerDatabase(...migrationSets), { excludeTestServices: true })("audit", (it) => {
  it.effect(
    "records what the operator does, and verifies it: exits with 1 on a tampered row, and on an end that is missing from a kept head",
    () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase.TestDatabase
        const directory = yield* Cli.folder
        const file = `${directory}/head.json`
        assert.strictEqual((yield* command("tenants", "create", "acme")).code, 0)
        yield* seal
        const head = yield* command("audit", "head", "acme")
        writeFileSync(file, head.stdout)
        const rows = yield* Cli.query(
          url,
          "SELECT actor_type AS type, actor FROM hm_platform_activity_log WHERE tenant_id = 'acme'"
        )
        assert.deepStrictEqual(rows, [{ type: "operator", actor: '{"id":"cli"}' }])

        yield* Cli.query(
          url,
          "UPDATE hm_platform_activity_log SET action = 'tenant.changed' WHERE tenant_id = 'acme'"
        )
        const tampered = yield* command("audit", "verify")
        assert.strictEqual(tampered.code, 1)
        assert.match(
          tampered.stdout,
          /^acme: NOT INTACT.*\n {2}row [0-9a-f-]{36} of checkpoint 1: it was changed$/m
        )
        assert.include(tampered.stdout, "_system: intact")

        yield* Cli.query(url, "DELETE FROM hm_platform_activity_log WHERE tenant_id = 'acme'")
        yield* Cli.query(url, "DELETE FROM hm_platform_activity_checkpoint WHERE tenant_id = 'acme'")
        const dropped = yield* command("audit", "verify", "acme", "--head", file)
        assert.strictEqual(dropped.code, 1)
        assert.include(dropped.stdout, "later ones were dropped")
      }).pipe(Effect.scoped),
    120_000
  )
})
