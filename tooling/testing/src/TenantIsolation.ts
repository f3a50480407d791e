/**
 * The promise that no tenant reads or changes another's things, tried on every endpoint of an API: a stranger with every
 * scope, who knows the owner's ids, asks for each of them.
 */
import { assert, type Vitest } from "@effect/vitest"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import type * as Schema from "effect/Schema"

export interface Seeded {
  readonly ownerKey: string
  /** A key of another tenant with every scope. */
  readonly strangerKey: string
  /** The owner's ids, by the name of the path parameter that takes them. */
  readonly params: Readonly<Record<string, string>>
  /** Valid bodies, by the identifier of the endpoint. */
  readonly payloads: Readonly<Record<string, Schema.Json>>
  /** Paths whose answers to the owner must be the same before and after. */
  readonly watched: ReadonlyArray<string>
}

interface Target {
  readonly endpoint: HttpApiEndpoint.Top
  readonly scope: string
}

const targetsOf = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>
): ReadonlyArray<Target> => {
  const targets: Array<Target> = []
  HttpApi.reflect(api, {
    onGroup: () => undefined,
    onEndpoint: ({ endpoint, mergedAnnotations }) => {
      targets.push({ endpoint, scope: Context.get(mergedAnnotations, RequiredScope) })
    }
  })
  // The tenant-less credential sees every tenant: that is what it is for.
  return targets.filter(({ scope }) => !scope.startsWith("system:"))
}

const fill = (path: string, params: Readonly<Record<string, string>>): string =>
  path.replaceAll(/:(\w+)/g, (_, name: string) => {
    const value = params[name]
    if (value === undefined) throw new TypeError(`seed: no value for the path parameter ${name}`)
    return encodeURIComponent(value)
  })

const send = (key: string, { endpoint }: Target, path: string, payload: Schema.Json | undefined) => {
  const request = HttpClientRequest.make(endpoint.method)(path).pipe(
    HttpClientRequest.bearerToken(key),
    // The version is guessed right: a refusal must not hang on it.
    HttpClientRequest.setHeader("if-match", '"1"')
  )
  const withBody =
    endpoint.method === "GET" || endpoint.method === "DELETE"
      ? request
      : HttpClientRequest.bodyJsonUnsafe(request, payload ?? {})
  return HttpClient.execute(withBody)
}

/**
 * Registers one test an endpoint. `seed` makes the owner's things and the two keys.
 */
export const suite = <Id extends string, Groups extends HttpApiGroup.Constraint, R>(
  it: Vitest.MethodsNonLive<R>,
  api: HttpApi.HttpApi<Id, Groups>,
  seed: Effect.Effect<Seeded, unknown, R | HttpClient.HttpClient>
): void => {
  for (const target of targetsOf(api)) {
    const { endpoint } = target
    it.effect(
      `a stranger gets nothing from ${endpoint.method} ${endpoint.path}`,
      () =>
        Effect.gen(function* () {
          const seeded = yield* seed
          const read = Effect.forEach(
            seeded.watched,
            Effect.fnUntraced(function* (path) {
              const answer = yield* HttpClient.get(path, {
                headers: { authorization: `Bearer ${seeded.ownerKey}` }
              })
              // Two refusals are the same too: what is compared must be there.
              assert.strictEqual(answer.status, 200, `the owner's ${path}`)
              return yield* answer.text
            })
          )
          const before = yield* read
          const path = fill(endpoint.path, seeded.params)
          const payload = seeded.payloads[endpoint.identifier]
          const answer = yield* send(seeded.strangerKey, target, path, payload)
          const text = yield* answer.text
          if (path !== endpoint.path) assert.strictEqual(answer.status, 404, text)
          else for (const id of Object.values(seeded.params)) assert.notInclude(text, id)
          assert.deepStrictEqual(yield* read, before)
          // Last, because it may change things: the same request finds them with the owner's key.
          const owned = yield* send(seeded.ownerKey, target, path, payload)
          assert.notStrictEqual(owned.status, 404, `the owner's ${endpoint.method} ${path}`)
        }) as Effect.Effect<void, unknown, R>
    )
  }
}
