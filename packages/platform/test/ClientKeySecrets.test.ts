/** Everything that a client key opens, searched for the values of rules and segments. */
import { assert, layer } from "@effect/vitest"
import type { Condition } from "@hypermarket/core/Condition"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { FlagsApi } from "@hypermarket/platform/FlagsApi"
import { FlagSegments } from "@hypermarket/platform/FlagSegments"
import * as GrowthbookProtocol from "@hypermarket/platform/GrowthbookProtocol"
import * as KeyCredentials from "@hypermarket/platform/KeyCredentials"
import * as OfrepProtocol from "@hypermarket/platform/OfrepProtocol"
import * as UnleashProtocol from "@hypermarket/platform/UnleashProtocol"
import { Effect, Option, type Schema, Stream } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApi } from "effect/http-api"
import { createHash } from "node:crypto"
import { flagOf } from "./exportedFlags.ts"
import { keyOf, layerServer, layerTokens } from "./flagServer.ts"

const tenantId = TenantId.make("client-secrets")

/** Values that are in no request of this test. */
const secrets = {
  texts: ["LI", "platinum-7", "vip.person@example.com", "Zürich-Ost", "SM", "trial/secret"],
  numbers: [48_211.25, 917_533],
  instants: ["2031-07-19T11:42:00Z"],
  versions: ["17.48.203"],
  networks: ["198.51.100.0/27"],
  patterns: ["^acct-[0-9]{7}$"],
  ids: ["employee-90417", "employee-90418"]
}
const values = Object.values(secrets).flat().map(String)

const comparisons: ReadonlyArray<Condition> = [
  { attribute: "country", operator: "in", values: [secrets.texts[0] ?? ""] },
  { attribute: "plan", operator: "equals", value: secrets.texts[1] ?? "" },
  { attribute: "email", operator: "endsWith", values: [secrets.texts[2] ?? ""] },
  { attribute: "city", operator: "contains", values: [secrets.texts[3] ?? ""], ignoreCase: true },
  { attribute: "tags", operator: "includesAll", values: [secrets.texts[4] ?? ""] },
  { attribute: "path", operator: "startsWith", values: [secrets.texts[5] ?? ""] },
  { attribute: "spent", operator: "gt", value: secrets.numbers[0] ?? 0 },
  { attribute: "orders", operator: "numberEquals", value: secrets.numbers[1] ?? 0 },
  { attribute: "since", operator: "before", value: secrets.instants[0] ?? "" },
  { attribute: "app", operator: "versionGte", value: secrets.versions[0] ?? "" },
  { attribute: "ip", operator: "network", values: secrets.networks },
  { attribute: "account", operator: "matches", pattern: secrets.patterns[0] ?? "" },
  { attribute: "targetingKey", operator: "in", values: secrets.ids }
]
const condition: Condition = { any: comparisons }

const rule = (part: Condition) => ({ ruleId: "staff-only-rule", condition: part, serve: { variant: "on" } })
const hashings = ["murmur3", "gb_v2", "unleash"] as const

/** Flags of every hashing, by condition and by segment, one that is broken, and one that is not boolean. */
const makeFlags = Effect.gen(function* () {
  const flags = yield* FeatureFlags
  const segments = yield* FlagSegments
  yield* segments.create({ segmentKey: "insiders", condition })
  for (const hashing of hashings) {
    yield* flags.create(flagOf(`direct-${hashing}`, { rules: [rule(condition)] }, { hashing }))
    const byOthers = { all: [{ segment: "insiders" }, { not: condition }] }
    yield* flags.create(flagOf(`segment-${hashing}`, { rules: [rule(byOthers)] }, { hashing }))
    yield* flags.create(
      flagOf(
        `number-${hashing}`,
        { rules: [{ ...rule(condition), percentage: 50 }], otherwise: null },
        {
          hashing,
          kind: "number",
          variants: [
            { name: "on", value: 1 },
            { name: "off", value: 2 }
          ]
        }
      )
    )
  }
  // Alone, so that an export that cannot express one of them has the others.
  for (const [index, part] of comparisons.entries()) {
    yield* flags.create(flagOf(`part-${index}`, { rules: [rule(part)] }))
  }
  const open = { attribute: "country", operator: "in" as const, values: ["PUBLIC-VALUE"] }
  yield* flags.create(flagOf("open", { rules: [rule(open)], hasPublicRules: true }))
})

const digests = (text: string) =>
  ["md5", "sha1", "sha256", "sha512"].flatMap((algorithm) => {
    const digest = createHash(algorithm).update(text).digest()
    return [digest.toString("hex"), digest.toString("base64"), digest.toString("base64url")]
  })

/** A value as it may be written in text, JSON, a URL, base64 or a pattern. Two letters may be anywhere by chance: quoted only. */
const formsOf = (value: string): ReadonlyArray<string> => {
  if (value.length <= 2) return [JSON.stringify(value)]
  const bytes = Buffer.from(value)
  return [
    value,
    value.toLowerCase(),
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    value.replaceAll(".", "\\."),
    bytes.toString("hex"),
    bytes.toString("base64").replace(/=+$/, "")
  ]
}

const found = (answer: Buffer, salts: ReadonlyArray<string>): ReadonlyArray<string> =>
  values.filter((value) =>
    [
      ...formsOf(value),
      ...["", ...salts].flatMap((salt) => [...digests(salt + value), ...digests(value + salt)])
    ].some((form) => answer.includes(form))
  )

const bodies: Readonly<Record<string, Schema.Json>> = {
  "/ofrep/v1/evaluate/flags": { context: { targetingKey: "u-1" } },
  "/ofrep/v1/evaluate/flags/:key": { context: { targetingKey: "u-1" } },
  "/growthbook/api/eval/:key": { attributes: { id: "u-1" } },
  "/unleash/api/frontend": { context: { userId: "u-1" } },
  "/unleash/api/frontend/client/register": { appName: "web" },
  "/unleash/api/frontend/client/metrics": { bucket: { toggles: {} } }
}

const routes = Effect.all([OfrepProtocol.routes, GrowthbookProtocol.routes, UnleashProtocol.routes]).pipe(
  Effect.map((lists) => lists.flat()),
  Effect.provide([KeyCredentials.layer, Shutdown.layer, layerTokens]),
  Effect.scoped
)

const request = (method: string, path: string, key: string, body: Schema.Json | undefined) => {
  const made = HttpClientRequest.get(path).pipe(
    HttpClientRequest.setHeaders({ authorization: `Bearer ${key}`, "x-api-key": key })
  )
  return method === "GET"
    ? made
    : HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.setMethod(made, "POST"), body ?? {})
}

/** The whole answer with its headers, or the first event of a stream. */
const fetched = Effect.fnUntraced(function* (made: HttpClientRequest.HttpClientRequest, isStream: boolean) {
  const response = yield* HttpClient.execute(made)
  const body = isStream
    ? Option.getOrElse(yield* Stream.runHead(response.stream), () => new Uint8Array())
    : new Uint8Array(yield* response.arrayBuffer)
  return {
    status: response.status,
    bytes: Buffer.concat([Buffer.from(JSON.stringify(response.headers)), body])
  }
})

layer(layerServer, { excludeTestServices: true })("A client key", (it) => {
  it.effect("fetches no value of a rule or segment that is not public, in the clear or hashed", () =>
    Effect.gen(function* () {
      yield* makeFlags.pipe(provide(tenantId))
      const key = yield* keyOf(tenantId, { kind: "client" })
      const serverKey = yield* keyOf(tenantId)
      const answers: Array<{ readonly name: string; readonly bytes: Buffer }> = []
      const opened: Array<string> = []
      for (const route of yield* routes) {
        const keys = route.path.startsWith("/ofrep")
          ? [...hashings.flatMap((hashing) => [`direct-${hashing}`, `number-${hashing}`]), "none"]
          : [key]
        for (const parameter of route.path.includes(":key") ? keys : [""]) {
          const path = route.path.replace(":key", encodeURIComponent(parameter))
          const made = request(route.method, path, key, bodies[route.path])
          // Unleash's SDKs send the key without a scheme.
          const sent = path.startsWith("/unleash")
            ? HttpClientRequest.setHeader(made, "authorization", key)
            : made
          const { bytes, status } = yield* fetched(sent, route.stream === true)
          answers.push({ name: `${route.method} ${path}`, bytes })
          if (status < 300) opened.push(`${route.method} ${route.path}`)
          assert.strictEqual(status === 403, !route.clientKeys, `${route.method} ${path} ${status}`)
        }
      }
      const [bulk] = answers
      const stream = /\/ofrep\/v1\/streams\/[\w.~-]+/.exec(bulk?.bytes.toString() ?? "")?.[0] ?? ""
      const events = yield* fetched(HttpClientRequest.get(stream), true)
      assert.strictEqual(events.status, 200)
      answers.push({ name: "the stream of OFREP", bytes: events.bytes })
      // The services' own endpoints are not for client keys.
      const paths: Array<string> = []
      HttpApi.reflect(FlagsApi, {
        onGroup: () => undefined,
        onEndpoint: ({ endpoint }) => {
          if (endpoint.method === "GET") paths.push(endpoint.path)
        }
      })
      for (const path of paths) {
        const filled = path.replace(":flagKey", "direct-gb_v2").replace(":segmentKey", "insiders")
        const { bytes, status } = yield* fetched(request("GET", filled, key, undefined), false)
        assert.strictEqual(status, 403, filled)
        answers.push({ name: filled, bytes })
      }
      assert.includeMembers(Array.from(new Set(opened)), [
        "POST /ofrep/v1/evaluate/flags",
        "POST /growthbook/api/eval/:key",
        "GET /growthbook/api/features/:key",
        "GET /growthbook/sub/:key",
        "GET /unleash/api/frontend",
        "POST /unleash/api/frontend"
      ])
      const salts = hashings.flatMap((hashing) => [
        `direct-${hashing}`,
        `segment-${hashing}`,
        `number-${hashing}`
      ])
      for (const { bytes, name } of answers) {
        assert.deepStrictEqual(found(bytes, salts), [], name)
        assert.isFalse(bytes.includes("insiders"), name)
      }
      // The search finds them where they are: in the payload of a server key, and what is public in that of a client key.
      const payload = (secret: string) =>
        Effect.map(
          fetched(HttpClientRequest.get(`/growthbook/api/features/${secret}`), false),
          ({ bytes }) => bytes
        )
      assert.include((yield* payload(key)).toString(), "PUBLIC-VALUE")
      const segment = yield* fetched(
        request("GET", "/v1/platform/segments/insiders", serverKey, undefined),
        false
      )
      assert.sameMembers(Array.from(found(segment.bytes, salts)), values)
    })
  )
})
