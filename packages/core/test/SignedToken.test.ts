import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import * as Secrets from "@hypermarket/core/Secrets"
import * as SignedToken from "@hypermarket/core/SignedToken"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { withKeys } from "./secretKeys.ts"

const acme = TenantId.make("acme")
const zeta = TenantId.make("zeta")

const processWith = (...ids: ReadonlyArray<string>) =>
  Effect.map(
    Layer.build(
      Layer.fresh(SignedToken.SignedToken.layer.pipe(Layer.provide(Layer.fresh(Secrets.Secrets.layer))))
    ),
    Context.get(SignedToken.SignedToken)
  ).pipe(withKeys(...ids))

const emptied = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DELETE FROM hm_secret_key`)

const claims = { recipient: "r-1", category: "news", n: 1 }
const unsubscribe = { purpose: "unsubscribe", claims, expiresIn: "365 days" } as const

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

/** The token with one character replaced, removed, doubled or cut off. */
const altered = (token: string, index: number): string => {
  const at = index % token.length
  const character = alphabet[(index * 7) % alphabet.length] ?? "A"
  const kind = Math.floor(index / token.length) % 4
  if (kind === 0)
    return token.slice(0, at) + (character === token[at] ? "~" : character) + token.slice(at + 1)
  if (kind === 1) return token.slice(0, at) + token.slice(at + 1)
  if (kind === 2) return `${token.slice(0, at)}${character}${token.slice(at)}`
  return token.slice(0, at)
}

layer(Layer.mergeAll(TestDatabase.layer(CoreDomain.migrations), Now.layerTest), {
  excludeTestServices: true
})("SignedToken", (it) => {
  it.effect("returns tenant and claims, from a text that a URL takes as it is", () =>
    Effect.gen(function* () {
      yield* emptied
      const tokens = yield* processWith("k1")
      const token = yield* tokens.make(unsubscribe).pipe(provide(acme))
      assert.strictEqual(encodeURIComponent(token), token)
      const { expiresAt, ...read } = yield* tokens.read("unsubscribe", token)
      assert.deepStrictEqual(read, { tenant: acme, claims })
      assert.isAbove(expiresAt.getTime(), (yield* Now.now).getTime())
    }).pipe(Effect.scoped)
  )

  it.effect("refuses each of 1,000 altered tokens, alike", () =>
    Effect.gen(function* () {
      yield* emptied
      const tokens = yield* processWith("k1")
      const token = yield* tokens.make(unsubscribe).pipe(provide(acme))
      const texts = Array.from({ length: 1_000 }, (_, index) => altered(token, index))
      assert.isFalse(texts.includes(token))
      for (const text of [...texts, "", ".", "v1...", `${token} `, `${token}=`, "v1.".padEnd(5_000, "A")]) {
        const error = yield* Effect.flip(tokens.read("unsubscribe", text))
        assert.deepInclude(error, { _tag: "TokenInvalid", reason: "invalid" }, text)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("refuses another spelling of the signature's last character", () =>
    Effect.gen(function* () {
      yield* emptied
      const tokens = yield* processWith("k1")
      const token = yield* tokens.make(unsubscribe).pipe(provide(acme))
      const last = token.slice(-1)
      const spelled = alphabet
        .split("")
        .filter(
          (character) =>
            character !== last &&
            Buffer.from(token.slice(-43, -1) + character, "base64url").equals(
              Buffer.from(token.slice(-43), "base64url")
            )
        )
      assert.isAbove(spelled.length, 0)
      for (const character of spelled) {
        yield* Effect.flip(tokens.read("unsubscribe", token.slice(0, -1) + character))
      }
    }).pipe(Effect.scoped)
  )

  it.effect("opens for its purpose and tenant alone, and makes no key for a forged one", () =>
    Effect.gen(function* () {
      yield* emptied
      const sql = yield* SqlClient.SqlClient
      const tokens = yield* processWith("k1")
      const token = yield* tokens.make(unsubscribe).pipe(provide(acme))
      yield* tokens.make({ ...unsubscribe, purpose: "preferences" }).pipe(provide(acme))
      const ofZeta = yield* tokens.make(unsubscribe).pipe(provide(zeta))
      assert.deepInclude(yield* Effect.flip(tokens.read("preferences", token)), { reason: "invalid" })
      const [version, keyId, body, signature] = token.split(".")
      const [, keyIdOfZeta, bodyOfZeta] = ofZeta.split(".")
      const forged = Buffer.from(JSON.stringify(["nowhere", 9_999_999_999_999, claims])).toString("base64url")
      for (const parts of [
        [version, keyId, bodyOfZeta, signature],
        [version, keyIdOfZeta, body, signature],
        [version, keyIdOfZeta, bodyOfZeta, signature],
        [version, keyId, forged, signature]
      ]) {
        assert.deepInclude(yield* Effect.flip(tokens.read("unsubscribe", parts.join("."))), {
          reason: "invalid"
        })
      }
      const rows = yield* sql`
        SELECT 1
          FROM hm_secret_key
         WHERE tenant_id = 'nowhere'
      `
      assert.strictEqual(rows.length, 0)
    }).pipe(Effect.scoped)
  )

  it.effect("refuses an expired token as expired, and an altered one never as that", () =>
    Effect.gen(function* () {
      yield* emptied
      const time = yield* Now.TestNow
      const tokens = yield* processWith("k1")
      const token = yield* tokens.make({ ...unsubscribe, expiresIn: "1 hour" }).pipe(provide(acme))
      yield* time.adjust("59 minutes")
      yield* tokens.read("unsubscribe", token)
      yield* time.adjust("1 minute")
      assert.deepInclude(yield* Effect.flip(tokens.read("unsubscribe", token)), { reason: "expired" })
      assert.deepInclude(yield* Effect.flip(tokens.read("unsubscribe", altered(token, token.length - 1))), {
        reason: "invalid"
      })
    }).pipe(Effect.scoped)
  )

  it.effect("reads a token after two rotations, and none after its key is forgotten", () =>
    Effect.gen(function* () {
      yield* emptied
      const token = yield* Effect.flatMap(processWith("k1"), (tokens) =>
        tokens.make(unsubscribe).pipe(provide(acme))
      )
      yield* Secrets.reseal.pipe(withKeys("k2", "k1"))
      yield* Secrets.reseal.pipe(withKeys("k3", "k2"))
      const tokens = yield* processWith("k3")
      assert.deepStrictEqual((yield* tokens.read("unsubscribe", token)).claims, claims)
      const secrets = yield* Effect.map(
        Layer.build(Secrets.Secrets.layer),
        Context.get(Secrets.Secrets)
      ).pipe(withKeys("k3"))
      yield* secrets.forget("token.unsubscribe").pipe(provide(acme))
      yield* tokens.make(unsubscribe).pipe(provide(acme))
      assert.deepInclude(yield* Effect.flip(tokens.read("unsubscribe", token)), { reason: "invalid" })
    }).pipe(Effect.scoped)
  )
})
