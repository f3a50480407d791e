/**
 * The promise that no tenant reads or changes another's things, tried on every endpoint, protocol route and token route. A
 * stranger with every scope, who knows the owner's ids, asks for each of them.
 */
import { assert, type Vitest } from "@effect/vitest"
import { RequiredScope } from "@hypermarket/core/Authorization"
import type { ProtocolRoute } from "@hypermarket/core/ProtocolRoute"
import { SignedToken, type Claims } from "@hypermarket/core/SignedToken"
import { provide, type TenantId } from "@hypermarket/core/Tenant"
import type { TokenRoute } from "@hypermarket/core/TokenRoute"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpBody from "effect/http/HttpBody"
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

/** A write that has happened is in what a second attempt compares with: it would not be seen again. */
export const onceOnly = { retry: 0 }

/** Reads what the owner sees. */
export const readOf = ({ ownerKey, watched }: Pick<Seeded, "ownerKey" | "watched">) =>
  Effect.forEach(
    watched,
    Effect.fnUntraced(function* (path) {
      const answer = yield* HttpClient.get(path, { headers: { authorization: `Bearer ${ownerKey}` } })
      // Two refusals are the same too: what is compared must be there.
      assert.strictEqual(answer.status, 200, `the owner's ${path}`)
      return yield* answer.text
    })
  )

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
          const read = readOf(seeded)
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
        }) as Effect.Effect<void, unknown, R>,
      onceOnly
    )
  }
}

/** A request to a protocol route with the key in the first place where the protocol has it. */
const protocolRequest = (
  route: ProtocolRoute,
  key: string,
  params: Readonly<Record<string, string>>,
  payload: Schema.Json | undefined
): HttpClientRequest.HttpClientRequest => {
  const [place] = route.key
  const kind = place.slice(0, place.indexOf(":"))
  const name = place.slice(place.indexOf(":") + 1)
  const path = fill(route.path, kind === "path" ? { ...params, [name]: key } : params)
  const request = HttpClientRequest.make(route.method)(kind === "query" ? `${path}?${name}=${key}` : path)
  const withBody =
    payload === undefined || route.method === "GET"
      ? request
      : HttpClientRequest.bodyJsonUnsafe(request, payload)
  switch (place) {
    case "bearer":
      return HttpClientRequest.bearerToken(withBody, key)
    case "basic":
      return HttpClientRequest.basicAuth(withBody, "key", key)
    case "bare":
      return HttpClientRequest.setHeader(withBody, "authorization", key)
    case "x-api-key":
      return HttpClientRequest.setHeader(withBody, "x-api-key", key)
    default:
      return withBody
  }
}

/**
 * Registers one test for all protocol routes. `payloads` are by the route's template; `bodies`, which are no JSON, by method and
 * template. A route with parameters refuses the stranger; one without shows nothing of the owner's.
 */
export const protocols = <R>(
  it: Vitest.MethodsNonLive<R>,
  routes: Effect.Effect<ReadonlyArray<ProtocolRoute>, unknown, R>,
  seed: Effect.Effect<Seeded, unknown, R | HttpClient.HttpClient>,
  bodies: Readonly<Record<string, HttpBody.HttpBody>> = {}
): void => {
  it.effect(
    "a stranger gets nothing from any protocol route",
    () =>
      Effect.gen(function* () {
        const list = yield* routes
        assert.isNotEmpty(list)
        for (const route of list) {
          const seeded = yield* seed
          const read = readOf(seeded)
          const before = yield* read
          const name = `${route.method} ${route.path}`
          const ask = Effect.fnUntraced(function* (key: string) {
            const request = protocolRequest(route, key, seeded.params, seeded.payloads[route.path])
            const body = bodies[name]
            const answer = yield* HttpClient.execute(
              body === undefined ? request : HttpClientRequest.setBody(request, body)
            )
            return { status: answer.status, text: yield* answer.text }
          })
          const stranger = yield* ask(seeded.strangerKey)
          const ids = Object.entries(seeded.params)
          if (ids.some(([param]) => route.path.includes(`:${param}`))) {
            assert.isAtLeast(stranger.status, 400, `${name}: ${stranger.text}`)
          } else for (const [, id] of ids) assert.notInclude(stranger.text, id, name)
          assert.deepStrictEqual(yield* read, before, name)
          const owned = yield* ask(seeded.ownerKey)
          assert.isBelow(owned.status, 400, `the owner's ${name}: ${owned.text}`)
        }
      }) as Effect.Effect<void, unknown, R>,
    onceOnly
  )
}

export interface SeededToken {
  readonly owner: TenantId
  readonly stranger: TenantId
  /** The claims of a token that shows or changes something of the owner's. */
  readonly claims: Claims
  /** The body of a form. */
  readonly body?: string
  /** Reads what the owner has. */
  readonly read: Effect.Effect<unknown, unknown>
  /** A text that the answer to the owner's token has, and no other: for a route that shows something. */
  readonly shown?: string
}

/**
 * Registers one test for all token routes: a token of another tenant with the owner's claims, and one of the owner's with another
 * purpose, show and change nothing. The owner's own token does. A route without a seed, by method and template, fails.
 */
export const tokens = <R>(
  it: Vitest.MethodsNonLive<R | SignedToken>,
  routes: Effect.Effect<ReadonlyArray<TokenRoute>, unknown, R>,
  seeds: Readonly<Record<string, Effect.Effect<SeededToken, unknown, R | HttpClient.HttpClient>>>
): void => {
  it.effect(
    "a token of another tenant or purpose shows and changes nothing by any token route",
    () =>
      Effect.gen(function* () {
        const signer = yield* SignedToken
        const list = yield* routes
        assert.isNotEmpty(list)
        for (const route of list) {
          const name = `${route.method} ${route.path}`
          const seed = seeds[name]
          if (seed === undefined) return assert.fail(`no seed for the token route ${name}`)
          const seeded = yield* seed
          const before = yield* seeded.read
          const use = Effect.fnUntraced(function* (tenantId: TenantId, purpose: string) {
            const token = yield* signer
              .make({ purpose, claims: seeded.claims, expiresIn: "1 hour" })
              .pipe(provide(tenantId))
            const request = HttpClientRequest.make(route.method)(fill(route.path, { token }))
            const answer = yield* HttpClient.execute(
              seeded.body === undefined
                ? request
                : HttpClientRequest.bodyText(request, seeded.body, "application/x-www-form-urlencoded")
            )
            return { status: answer.status, text: yield* answer.text }
          })
          const stranger = yield* use(seeded.stranger, route.purpose)
          const otherPurpose = yield* use(seeded.owner, `${route.purpose}.other`)
          assert.isAtLeast(otherPurpose.status, 400, name)
          assert.deepStrictEqual(yield* seeded.read, before, name)
          const owned = yield* use(seeded.owner, route.purpose)
          assert.isBelow(owned.status, 400, name)
          if (route.method !== "GET") assert.notDeepEqual(yield* seeded.read, before, name)
          if (seeded.shown === undefined) continue
          assert.include(owned.text, seeded.shown, name)
          for (const { text } of [stranger, otherPurpose]) assert.notInclude(text, seeded.shown, name)
        }
      }) as Effect.Effect<void, unknown, R | SignedToken>,
    onceOnly
  )
}
