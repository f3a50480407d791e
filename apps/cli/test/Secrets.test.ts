import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { Secrets } from "@hypermarket/core/Secrets"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Layer, Redacted } from "effect"
import { createHash } from "node:crypto"
import * as Cli from "./Cli.ts"

const keys = (...ids: ReadonlyArray<string>) =>
  ids.map((id) => `${id}:${createHash("sha256").update(id).digest("base64")}`).join(",")

const withKeys = (...ids: ReadonlyArray<string>) =>
  Effect.provide(
    Layer.fresh(Secrets.layer).pipe(
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ HM_SECRETS_KEYS: keys(...ids) })))
    )
  )

const rotate = Effect.fnUntraced(function* (...ids: ReadonlyArray<string>) {
  const { url } = yield* TestDatabase.TestDatabase
  return yield* Cli.run(["secrets", "rotate"], { DATABASE_URL: url, HM_SECRETS_KEYS: keys(...ids) })
})

layer(TestDatabase.layer(CoreDomain.migrations), { excludeTestServices: true })("secrets rotate", (it) => {
  it.effect("seals every data key with the newest key, so that the older one can go", () =>
    Effect.gen(function* () {
      const acme = provide(TenantId.make("acme"))
      const sealed = yield* Effect.flatMap(Secrets, (secrets) =>
        secrets.seal("hm_example.secret", Redacted.make("sesame"))
      ).pipe(acme, withKeys("2026-10"))
      const rotated = yield* rotate("2026-11", "2026-10")
      assert.strictEqual(rotated.code, 0, rotated.stderr)
      assert.include(rotated.stdout, "HM_SECRETS_KEYS: 1\n")
      const again = yield* rotate("2026-11")
      assert.include(again.stdout, "HM_SECRETS_KEYS: 0\n")
      const opened = yield* Effect.flatMap(Secrets, (secrets) =>
        secrets.open("hm_example.secret", sealed)
      ).pipe(acme, withKeys("2026-11"))
      assert.strictEqual(Redacted.value(opened), "sesame")
      const lost = yield* rotate("2026-12")
      assert.strictEqual(lost.code, 1)
      assert.include(lost.stderr, "opens: 1. Add the key")
    })
  )

  it.effect("fails without keys, and names the setting", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const { code, stderr } = yield* Cli.run(["secrets", "rotate"], { DATABASE_URL: url })
      assert.strictEqual(code, 1)
      assert.include(stderr, "HM_SECRETS_KEYS is not set")
    })
  )
})
