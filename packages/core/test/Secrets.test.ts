import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Secrets from "@hypermarket/core/Secrets"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Fiber, Layer, Redacted, Result } from "effect"
import { SqlClient } from "effect/sql"
import { entry, withKeys, withSetting } from "./secretKeys.ts"

const acme = provide(TenantId.make("acme"))
const zeta = provide(TenantId.make("zeta"))

/** A process with these keys, the newest first. */
const processWith = (...ids: ReadonlyArray<string>) =>
  Effect.map(Layer.build(Layer.fresh(Secrets.Secrets.layer)), Context.get(Secrets.Secrets)).pipe(
    withKeys(...ids)
  )

const unconfigured = Effect.map(
  Layer.build(Layer.fresh(Secrets.Secrets.layer)),
  Context.get(Secrets.Secrets)
).pipe(withSetting(undefined))

const emptied = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DELETE FROM hm_secret_key`)

const secret = Redacted.make("whsec_c2VjcmV0 ü")

layer(TestDatabase.layer(CoreDomain.migrations), { excludeTestServices: true })("Secrets", (it) => {
  it.effect("opens what it sealed, and two seals of one value differ", () =>
    Effect.gen(function* () {
      yield* emptied
      const secrets = yield* processWith("k1")
      const sealed = yield* secrets.seal("hm_a.b", secret).pipe(acme)
      assert.strictEqual(
        Redacted.value(yield* secrets.open("hm_a.b", sealed).pipe(acme)),
        Redacted.value(secret)
      )
      assert.notDeepEqual(yield* secrets.seal("hm_a.b", secret).pipe(acme), sealed)
      assert.strictEqual(sealed.byteLength, Buffer.byteLength(Redacted.value(secret)) + 29)
      const empty = yield* secrets.seal("hm_a.b", Redacted.make("")).pipe(acme)
      assert.strictEqual(Redacted.value(yield* secrets.open("hm_a.b", empty).pipe(acme)), "")
    }).pipe(Effect.scoped)
  )

  it.effect("opens many values in their order, and one that was altered or forgotten fails alone", () =>
    Effect.gen(function* () {
      yield* emptied
      const secrets = yield* processWith("k1")
      const sealed = yield* Effect.forEach(["one", "two", "three"], (text) =>
        secrets.seal("hm_a.b", Redacted.make(text)).pipe(acme)
      )
      sealed[1]?.fill(0, 20)
      const opened = yield* secrets.openAll("hm_a.b", sealed).pipe(acme)
      const shown = opened.map((result) =>
        Result.match(result, { onFailure: ({ reason }) => reason, onSuccess: Redacted.value })
      )
      assert.deepStrictEqual(shown, ["one", "unreadable", "three"])
      yield* secrets.forget("hm_a.b").pipe(acme)
      const lost = yield* secrets.openAll("hm_a.b", sealed).pipe(acme)
      assert.deepStrictEqual(
        lost.map((result) => (Result.isFailure(result) ? result.failure.reason : "opened")),
        ["forgotten", "forgotten", "forgotten"]
      )
      assert.deepStrictEqual(yield* secrets.openAll("hm_a.b", []).pipe(acme), [])
    }).pipe(Effect.scoped)
  )

  it.effect("does not open a value in another tenant, table or column, or with any bit altered", () =>
    Effect.gen(function* () {
      yield* emptied
      const secrets = yield* processWith("k1")
      const sealed = yield* secrets.seal("hm_a.b", secret).pipe(acme)
      yield* secrets.seal("hm_a.c", secret).pipe(acme)
      yield* secrets.seal("hm_d.b", secret).pipe(acme)
      yield* secrets.seal("hm_a.b", secret).pipe(zeta)
      const reasonOf = (open: ReturnType<typeof secrets.open>, tenant: typeof acme) =>
        Effect.map(Effect.flip(tenant(open)), (error) =>
          error._tag === "SecretLost" ? error.reason : error._tag
        )
      assert.strictEqual(yield* reasonOf(secrets.open("hm_a.c", sealed), acme), "unreadable")
      assert.strictEqual(yield* reasonOf(secrets.open("hm_d.b", sealed), acme), "unreadable")
      assert.strictEqual(yield* reasonOf(secrets.open("hm_a.b", sealed), zeta), "unreadable")
      for (let bit = 0; bit < sealed.byteLength * 8; bit++) {
        const altered = Uint8Array.from(sealed)
        altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        assert.strictEqual(yield* reasonOf(secrets.open("hm_a.b", altered), acme), "unreadable", String(bit))
      }
      for (const length of [0, 1, 12, 28, sealed.byteLength - 1]) {
        const cut = sealed.subarray(0, length)
        assert.strictEqual(yield* reasonOf(secrets.open("hm_a.b", cut), acme), "unreadable", String(length))
      }
    }).pipe(Effect.scoped)
  )

  it.effect("does not open with a data key that was copied to another tenant or purpose", () =>
    Effect.gen(function* () {
      yield* emptied
      const sql = yield* SqlClient.SqlClient
      const secrets = yield* processWith("k1")
      const sealed = yield* secrets.seal("hm_a.b", secret).pipe(acme)
      yield* sql`
        INSERT INTO hm_secret_key
        SELECT 'zeta', purpose, key_id, master_key_id, sealed_key, created_at, resealed_at
          FROM hm_secret_key
         UNION ALL
        SELECT tenant_id, 'hm_a.c', key_id, master_key_id, sealed_key, created_at, resealed_at
          FROM hm_secret_key
      `
      const elsewhere = yield* Effect.flip(secrets.open("hm_a.b", sealed).pipe(zeta))
      assert.deepInclude(elsewhere, { _tag: "SecretLost", reason: "unreadable" })
      const otherColumn = yield* Effect.flip(secrets.open("hm_a.c", sealed).pipe(acme))
      assert.deepInclude(otherColumn, { _tag: "SecretLost", reason: "unreadable" })
    }).pipe(Effect.scoped)
  )

  it.effect("hashes alike for one tenant and purpose, and differently for any other", () =>
    Effect.gen(function* () {
      yield* emptied
      const secrets = yield* processWith("k1")
      const hashes = yield* Effect.all([
        secrets.hash("hm_a.b", "x").pipe(acme),
        secrets.hash("hm_a.b", "y").pipe(acme),
        secrets.hash("hm_a.c", "x").pipe(acme),
        secrets.hash("hm_a.b", "x").pipe(zeta)
      ])
      assert.deepStrictEqual(yield* secrets.hash("hm_a.b", "x").pipe(acme), hashes[0])
      assert.strictEqual(new Set(hashes.map((hash) => Buffer.from(hash).toString("hex"))).size, 4)
      assert.strictEqual(hashes[0].byteLength, 32)
      const texts = ["y", "", "x", "x"]
      const together = yield* secrets.hashes("hm_a.b", texts).pipe(acme)
      const alone = yield* Effect.forEach(texts, (text) => secrets.hash("hm_a.b", text)).pipe(acme)
      assert.deepStrictEqual(together, alone)
      yield* emptied
      assert.deepStrictEqual(yield* secrets.hashes("hm_a.b", []).pipe(acme), [])
      assert.lengthOf(yield* (yield* SqlClient.SqlClient)`SELECT 1 FROM hm_secret_key`, 0)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "forgets in every process at once; what is sealed later opens, what was sealed before does not",
    () =>
      Effect.gen(function* () {
        yield* emptied
        const secrets = yield* processWith("k1")
        const other = yield* processWith("k1")
        const sealed = yield* secrets.seal("hm_a.b", secret).pipe(acme)
        const kept = yield* secrets.seal("hm_a.b", secret).pipe(zeta)
        yield* other.open("hm_a.b", sealed).pipe(acme)
        yield* secrets.forget("hm_a.b").pipe(acme)
        assert.deepInclude(yield* Effect.flip(other.open("hm_a.b", sealed).pipe(acme)), {
          reason: "forgotten"
        })
        const later = yield* other.seal("hm_a.b", secret).pipe(acme)
        yield* secrets.open("hm_a.b", later).pipe(acme)
        assert.deepInclude(yield* Effect.flip(secrets.open("hm_a.b", sealed).pipe(acme)), {
          reason: "unreadable"
        })
        yield* secrets.open("hm_a.b", kept).pipe(zeta)
      }).pipe(Effect.scoped)
  )

  it.effect("makes one data key when many callers seal for the first time at once", () =>
    Effect.gen(function* () {
      yield* emptied
      const sql = yield* SqlClient.SqlClient
      const secrets = yield* processWith("k1")
      const sealed = yield* Effect.forEach(
        Array.from({ length: 50 }),
        () => sql.withTransaction(secrets.seal("hm_a.b", secret)).pipe(acme),
        { concurrency: 5 }
      )
      yield* Effect.forEach(sealed, (bytes) => secrets.open("hm_a.b", bytes).pipe(acme))
      assert.strictEqual((yield* sql`SELECT 1 FROM hm_secret_key`).length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("commits a new data key with the caller's transaction or not at all", () =>
    Effect.gen(function* () {
      yield* emptied
      const sql = yield* SqlClient.SqlClient
      const secrets = yield* processWith("k1")
      yield* Effect.flip(
        sql.withTransaction(
          Effect.andThen(secrets.seal("hm_a.b", secret).pipe(acme), Effect.fail("roll back"))
        )
      )
      assert.strictEqual((yield* sql`SELECT 1 FROM hm_secret_key`).length, 0)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "refuses to seal without a key, as a problem of status 503, and doctor fails once a key is needed",
    () =>
      Effect.gen(function* () {
        yield* emptied
        const bare = yield* unconfigured
        const error = yield* Effect.flip(bare.seal("hm_a.b", secret).pipe(acme))
        assert.strictEqual(error._tag, "SecretsNotConfigured")
        const findings = Secrets.check.run.pipe(Effect.map((lines) => lines.map(({ status }) => status)))
        assert.deepStrictEqual(yield* findings.pipe(withSetting(undefined)), ["ok"])
        const secrets = yield* processWith("k1")
        const sealed = yield* secrets.seal("hm_a.b", secret).pipe(acme)
        const later = yield* Effect.flip(bare.open("hm_a.b", sealed).pipe(acme))
        assert.strictEqual(later._tag, "SecretsNotConfigured")
        assert.deepStrictEqual(yield* findings.pipe(withSetting(undefined)), ["fail"])
        assert.deepStrictEqual(yield* findings.pipe(withKeys("k2")), ["fail"])
        assert.deepStrictEqual(yield* findings.pipe(withSetting("k1:short")), ["fail"])
        assert.deepStrictEqual(yield* findings.pipe(withKeys("k2", "k1")), ["warn"])
        assert.deepStrictEqual(yield* findings.pipe(withKeys("k1", "k2")), ["ok"])
        yield* bare.forget("hm_a.b").pipe(acme)
        assert.deepStrictEqual(yield* findings.pipe(withSetting(undefined)), ["ok"])
      }).pipe(Effect.scoped)
  )

  it.effect("says which key is missing from the list, and does not start on a malformed one or show it", () =>
    Effect.gen(function* () {
      yield* emptied
      const secrets = yield* processWith("k1")
      const sealed = yield* secrets.seal("hm_a.b", secret).pipe(acme)
      const other = yield* processWith("k2")
      assert.deepInclude(yield* Effect.flip(other.open("hm_a.b", sealed).pipe(acme)), {
        _tag: "SecretLost",
        reason: "key_missing",
        masterKeyId: "k1"
      })
      assert.strictEqual(
        (yield* Effect.flip(other.seal("hm_a.b", secret).pipe(acme)))._tag,
        "SecretsNotConfigured"
      )
      const short = `k1:${Buffer.alloc(16, 7).toString("base64")}`
      const typed = `k1:${Buffer.alloc(32, "a").toString("base64")}`
      for (const text of [
        short,
        typed,
        "k1",
        `${entry("k1")},${entry("k1")}`,
        `${entry("k1")},`,
        `k 1${entry("a")}`
      ]) {
        const error = yield* Effect.flip(
          Layer.build(Layer.fresh(Secrets.Secrets.layer)).pipe(withSetting(text))
        )
        assert.strictEqual(error._tag, "ConfigError")
        assert.notInclude(String(error), text)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("loses nothing in two rotations while processes with either list seal and open", () =>
    Effect.gen(function* () {
      yield* emptied
      const sql = yield* SqlClient.SqlClient
      const first = yield* processWith("k1", "k2", "k3")
      const second = yield* processWith("k2", "k1", "k3")
      const third = yield* processWith("k3", "k2", "k1")
      const sealedRows: Array<{
        readonly tenant: TenantId
        readonly purpose: string
        readonly bytes: Uint8Array
      }> = []
      const load = (secrets: Secrets.Secrets["Service"], seed: number) =>
        Effect.forEach(
          Array.from({ length: 150 }, (_, index) => index + seed),
          Effect.fnUntraced(function* (index) {
            const tenant = TenantId.make(`t${index % 60}`)
            const purpose = `hm_a.c${index % 7}`
            const bytes = yield* secrets.seal(purpose, Redacted.make(String(index))).pipe(provide(tenant))
            sealedRows.push({ tenant, purpose, bytes })
            yield* secrets.open(purpose, bytes).pipe(provide(tenant))
          }),
          { discard: true }
        )
      const rotation = Effect.all([
        Secrets.reseal.pipe(withKeys("k2", "k1", "k3"), Effect.repeat({ times: 20 })),
        Secrets.reseal.pipe(withKeys("k3", "k2", "k1"), Effect.repeat({ times: 20 }))
      ])
      const rotating = yield* Effect.forkChild(rotation)
      yield* Effect.all([load(first, 0), load(second, 75), load(third, 150)], { concurrency: 3 })
      yield* Fiber.join(rotating)
      yield* Secrets.reseal.pipe(withKeys("k3", "k2", "k1"))
      const left = yield* sql<{ readonly id: string }>`SELECT DISTINCT master_key_id AS id FROM hm_secret_key`
      assert.deepStrictEqual(
        left.map(({ id }) => id),
        ["k3"]
      )
      const last = yield* processWith("k3")
      for (const { bytes, purpose, tenant } of sealedRows)
        yield* last.open(purpose, bytes).pipe(provide(tenant))
      assert.strictEqual(sealedRows.length, 450)
    }).pipe(Effect.scoped)
  )

  it.effect("seals every other data key again when one cannot be opened, over several batches", () =>
    Effect.gen(function* () {
      yield* emptied
      const sql = yield* SqlClient.SqlClient
      const secrets = yield* processWith("k1")
      const stranger = yield* processWith("k0")
      yield* stranger.seal("hm_a.b", secret).pipe(provide(TenantId.make("t050")))
      yield* Effect.forEach(
        Array.from({ length: 250 }, (_, index) => TenantId.make(`t${String(index).padStart(3, "0")}`)),
        (tenant) => secrets.seal("hm_a.c", secret).pipe(provide(tenant))
      )
      yield* sql`
        UPDATE hm_secret_key
           SET sealed_key = set_byte(sealed_key, 30, get_byte(sealed_key, 30) # 1)
         WHERE tenant_id = 't100'
      `
      const result = yield* Secrets.reseal.pipe(withKeys("k2", "k1"))
      assert.deepStrictEqual(result, { resealed: 249, unreadable: 2 })
      assert.deepStrictEqual(yield* Secrets.reseal.pipe(withKeys("k2", "k1")), { resealed: 0, unreadable: 2 })
      assert.deepStrictEqual(yield* Secrets.reseal.pipe(withSetting(undefined)), {
        resealed: 0,
        unreadable: 0
      })
    }).pipe(Effect.scoped)
  )
})
