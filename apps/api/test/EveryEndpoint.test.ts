/** Requests that must not open the API, tried on every endpoint of it. */
import { assert, layer } from "@effect/vitest"
import * as AccessScope from "@hypermarket/core/AccessScope"
import { provide } from "@hypermarket/core/Tenant"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import { Effect, Layer } from "effect"
import { HttpClientRequest } from "effect/http"
import { acme, assertProblem, endpoints, issue, layerServer, path, send, sessionOf } from "./composedApi.ts"

/** The scopes that endpoints ask keys of tenants for, and those of data, which no endpoint asks for. */
const scopes = new Set([
  ...endpoints
    .map(({ scope }) => scope)
    .filter((scope) => scope !== AccessScope.systemAdmin && scope !== AccessScope.everyKey),
  ...AccessScope.ofData
])

/** Every scope but those that include this one. Every scope there is opens an endpoint that takes any key. */
const without = (scope: string): ReadonlyArray<string> =>
  Array.from(scopes).filter(
    (held) => scope === AccessScope.everyKey || !AccessScope.includes(new Set([held]), scope)
  )

const requestOf = ({ endpoint }: (typeof endpoints)[number]) =>
  HttpClientRequest.make(endpoint.method)(path(endpoint))

layer(layerServer(Layer.empty), { excludeTestServices: true })("Every endpoint", (it) => {
  it.effect("answers 403 and the scope to a key, and to a session, that has every scope but its own", () =>
    Effect.gen(function* () {
      for (const scope of new Set(endpoints.map((walked) => walked.scope))) {
        const { apiKeyId, secret } = yield* issue(acme, { scopes: without(scope) })
        const { through } = yield* sessionOf(apiKeyId)
        for (const walked of endpoints.filter((each) => each.scope === scope)) {
          const name = `${walked.endpoint.method} ${walked.endpoint.path}`
          for (const answer of [
            yield* send(requestOf(walked), secret),
            yield* through(requestOf(walked), acme)
          ]) {
            if (scope === AccessScope.everyKey) {
              assert.notInclude([401, 403], answer.status, name)
              continue
            }
            assert.strictEqual(answer.status, 403, `${name}: ${answer.text}`)
            assert.strictEqual(answer.problem.type, "urn:hypermarket:problem:core:scope-missing", name)
            assert.strictEqual(answer.problem.scope, scope, name)
          }
        }
      }
    })
  )

  it.effect("answers 403 to the cookie alone, and to requests that another site or port sends with it", () =>
    Effect.gen(function* () {
      const { apiKeyId } = yield* issue(acme, { scopes: Array.from(scopes) })
      const { cookie } = yield* sessionOf(apiKeyId)
      for (const walked of endpoints) {
        for (const headers of [
          {},
          { "x-hypermarket-console": "1", "sec-fetch-site": "cross-site" },
          { "x-hypermarket-console": "1", "sec-fetch-site": "same-site" }
        ]) {
          const answer = yield* send(
            HttpClientRequest.setHeaders(requestOf(walked), {
              cookie,
              "x-hypermarket-tenant": acme,
              ...headers
            })
          )
          assertProblem(answer, 403)
          assert.strictEqual(answer.problem.type, "urn:hypermarket:problem:console:not-of-console")
        }
      }
    })
  )

  it.effect("is closed to a key that was good until it was revoked, and to its session", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const { apiKeyId, secret } = yield* issue(acme, { scopes: Array.from(scopes) })
      const { through } = yield* sessionOf(apiKeyId)
      const probe = HttpClientRequest.get("/v1/platform/keys")
      assert.strictEqual((yield* send(probe, secret)).status, 200)
      assert.strictEqual((yield* through(probe, acme)).status, 200)
      yield* keys.revoke(apiKeyId, 1, "sold with an old laptop").pipe(provide(acme))
      for (const ask of [send(probe, secret), through(probe, acme)]) {
        const out = Effect.filterOrFail(ask, ({ status }) => status === 401)
        yield* Effect.eventually(Effect.delay(out, "100 millis"))
      }
      for (const walked of endpoints) {
        assertProblem(yield* send(requestOf(walked), secret), 401)
        assertProblem(yield* through(requestOf(walked), acme), 401)
      }
    })
  )
})
