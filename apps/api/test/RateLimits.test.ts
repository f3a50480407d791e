/** Rate limits of requests at processes of the API: who is charged, and what a client can read. */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Api } from "@hypermarket/api/endpoints"
import { RequiredScope } from "@hypermarket/core/Authorization"
import { migrationSets } from "@hypermarket/installation/domains"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Redacted } from "effect"
import { HttpApi } from "effect/http-api"
import * as ServiceApi from "./apiProcess.ts"

const hourMillis = 3_600_000
const addressQuota = 900

interface Route {
  readonly name: string
  readonly method: string
  readonly path: string
}

const scopes = new Set<string>()

/** Every endpoint of a tenant, its parameters filled. */
const routes: ReadonlyArray<Route> = (() => {
  const walked: Array<Route> = []
  HttpApi.reflect(Api, {
    onGroup: () => undefined,
    onEndpoint: ({ endpoint, group, mergedAnnotations }) => {
      const scope = Context.get(mergedAnnotations, RequiredScope)
      if (!/^[a-z]+:(read|write|admin)$/.test(scope) || scope.startsWith("system:")) return
      scopes.add(scope)
      const path = endpoint.path.replaceAll(/:\w+/g, "0199a000-0000-7000-8000-000000000000")
      walked.push({ name: `${group.identifier}.${endpoint.identifier}`, method: endpoint.method, path })
    }
  })
  return walked
})()

interface Answer {
  readonly status: number
  readonly headers: Headers
}

/** Sends a request and reads the head of its answer: a stream has no end. */
const send = (url: string, init: RequestInit = {}): Effect.Effect<Answer> =>
  Effect.promise(async (signal) => {
    const ending = new AbortController()
    signal.addEventListener("abort", () => ending.abort())
    const { headers, status } = await fetch(url, { ...init, signal: ending.signal })
    ending.abort()
    return { headers, status }
  })

const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

const createPolicy = (url: string, key: string, policy: object) =>
  Effect.map(
    send(`${url}/v1/quotas/policies`, {
      method: "POST",
      headers: { ...bearer(key), "content-type": "application/json" },
      body: JSON.stringify({ kind: "gcra", periodMillis: hourMillis, ...policy })
    }),
    ({ status }) => assert.isTrue(status < 300, String(status))
  )

/** The API decides by the database however busy the machine is. */
const startApi = (env: Readonly<Record<string, string>> = {}) =>
  Effect.flatMap(TestDatabase.TestDatabase, ({ url }) =>
    ServiceApi.startApi(url, {
      env: { HM_API_ACCESS_LOG: "false", HM_QUOTAS_CHECK_DEADLINE: "30 seconds", ...env }
    })
  )

const keyOf = (
  tenant: string,
  options: { readonly scopes: ReadonlyArray<string>; readonly kind?: "client" }
) => Effect.flatMap(TestDatabase.TestDatabase, ({ url }) => ServiceApi.makeKey(url, { tenant, ...options }))

layer(TestDatabase.layer(...migrationSets), { excludeTestServices: true })("rate limits of the API", (it) => {
  it.effect("the first request of each route in each process is charged", () =>
    Effect.gen(function* () {
      const key = yield* keyOf("acme", { scopes: Array.from(scopes) })
      const first = yield* startApi()
      yield* createPolicy(first.url, key, { policy: "default", quota: 7, by: ["tenant", "route"] })
      const restOf = Effect.fnUntraced(function* (url: string, { method, path }: Route) {
        const { headers } = yield* send(`${url}${path}`, { method, headers: bearer(key) })
        return headers.get("ratelimit")?.split(";")[1]
      })
      const probe = { name: "", method: "GET", path: "/v1/quotas/features/none" }
      // This process has known that there is no policy. The other one knows nothing.
      yield* Effect.repeat(restOf(first.url, probe), { until: (rest) => rest !== undefined })
      const second = yield* startApi()
      const asked = routes.filter(({ name }) => name !== "quotas.getFeature")
      assert.isAbove(asked.length, 150)
      for (const [url, expected] of [
        [first.url, "r=6"],
        [second.url, "r=5"]
      ] as const) {
        const uncharged: Array<string> = []
        for (const route of asked) {
          const rest = yield* restOf(url, route)
          if (rest !== expected) uncharged.push(`${route.name}: ${rest}`)
        }
        assert.deepStrictEqual(uncharged, [])
      }
    }).pipe(Effect.scoped)
  )

  it.effect("401s and 404s are limited by address, with Retry-After", () =>
    Effect.gen(function* () {
      const { url } = yield* startApi({ HM_QUOTAS_ADDRESS_QUOTA: String(addressQuota) })
      const statuses = new Map<number, number>()
      let refused: Answer | undefined
      for (let sent = 0; refused === undefined; sent++) {
        assert.isBelow(sent, 20 * addressQuota)
        const answers = yield* Effect.forEach(
          ["/v1/quotas/features", "/v1/nothing/here", "/v1/quotas/policies"],
          (path) => send(`${url}${path}`, { headers: bearer("hm_guessed") }),
          { concurrency: 3 }
        )
        for (const answer of answers) {
          statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
          if (answer.status === 429) refused = answer
        }
      }
      assert.sameMembers(Array.from(statuses.keys()), [401, 404, 429])
      assert.match(refused.headers.get("retry-after") ?? "", /^[1-9]\d*$/)
      assert.strictEqual(refused.headers.get("ratelimit-policy"), `"address";q=${addressQuota};w=60`)
    }).pipe(Effect.scoped)
  )

  it.effect("a script of another origin can read the fields of an answer and of a refusal", () =>
    Effect.gen(function* () {
      const { url } = yield* startApi()
      const admin = yield* keyOf("globex", { scopes: ["quotas:admin", "quotas:read"] })
      const key = yield* keyOf("globex", { scopes: ["search:read"], kind: "client" })
      yield* createPolicy(url, admin, { policy: 'a"b\\c', quota: 2, by: ["key"] })
      const search = send(`${url}/v1/search/indexes/products/search`, {
        method: "POST",
        headers: { ...bearer(key), origin: "https://shop.example", "content-type": "application/json" },
        body: "{}"
      })
      const answers = [yield* Effect.repeat(search, { until: ({ headers }) => headers.has("ratelimit") })]
      while (answers.at(-1)?.status !== 429) answers.push(yield* search)
      for (const { headers } of answers) {
        assert.strictEqual(headers.get("access-control-allow-origin"), "*")
        const exposed = (headers.get("access-control-expose-headers") ?? "").toLowerCase().split(/, */)
        assert.includeMembers(exposed, ["ratelimit", "ratelimit-policy", "retry-after"])
        assert.strictEqual(headers.get("ratelimit-policy"), '"a\\"b\\\\c";q=2;w=3600')
      }
      assert.strictEqual(answers.at(-1)?.headers.get("retry-after"), "1800")
    }).pipe(Effect.scoped)
  )

  it.effect("checks use connections apart from those of requests", () =>
    Effect.gen(function* () {
      const { url: databaseUrl } = yield* TestDatabase.TestDatabase
      const { url } = yield* startApi()
      const key = yield* keyOf("initech", { scopes: ["quotas:read"] })
      yield* send(`${url}/v1/quotas/features`, { headers: bearer(key) })
      const sessions = yield* Effect.flatMap(
        Effect.service(PgClient.PgClient),
        (sql) => sql`
          SELECT 1
            FROM pg_stat_activity
           WHERE datname = current_database() AND application_name = 'hypermarket-limits'
        `
      ).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(databaseUrl), maxConnections: 1 })))
      assert.isAbove(sessions.length, 0)
    }).pipe(Effect.scoped)
  )
})
