import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, layer } from "@effect/vitest"
import { Api } from "@hypermarket/api/endpoints"
import * as Server from "@hypermarket/api/Server"
import * as AccessScope from "@hypermarket/core/AccessScope"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as Commerce from "@hypermarket/core/Commerce"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { migrationSets } from "@hypermarket/installation/domains"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import { products } from "@hypermarket/search/SearchIndex"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import * as HostileRequests from "@hypermarket/testing/HostileRequests"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Context, Effect, Layer, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpMethod } from "effect/http"
import { HttpApi, OpenApi } from "effect/http-api"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"

const TestServer = Server.layerRoutes(Layer.empty).pipe(
  Layer.provide([
    Shutdown.layer,
    ConfigProvider.layer(
      ConfigProvider.fromUnknown({
        HM_API_ACCESS_LOG: "false",
        HM_METRICS_TOKEN: "scrape",
        HM_SECRETS_KEYS: `hostile:${randomBytes(32).toString("base64")}`
      })
    )
  ]),
  Layer.provideMerge(Layer.mergeAll(PlatformDomain.layer, SearchIndexes.layer)),
  Layer.provide(Wakeup.layerSend),
  Layer.provideMerge(TestDatabase.layer(...migrationSets)),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

/** `HM_HOSTILE_REQUESTS=20000` for an hour's run, `HM_HOSTILE_SEED` to repeat one. */
const requests = Number(process.env.HM_HOSTILE_REQUESTS ?? 400)

/** Per request three times what it takes on a busy machine of two cores: a guard, never a statement about speed. */
const hangGuardMillis = Math.max(600_000, requests * 100)
const seed = Number(process.env.HM_HOSTILE_SEED ?? crypto.getRandomValues(new Uint32Array(1))[0])

const acme = TenantId.make("acme")
/** The tenant that operations of the installation name: one that is suspended by them answers nothing any more. */
const changed = TenantId.make("changed")

/** A fact of each type, as JSON Schema. */
const facts = Object.entries(Commerce.facts).map(([name, schema]) => {
  const { definitions, schema: root } = Schema.toJsonSchemaDocument(schema)
  return { name, root, definitions }
})

const definitions = Object.assign({}, ...facts.map((fact) => fact.definitions))

const eventOf = (type: string, data: unknown) => ({
  type: "object",
  properties: {
    specversion: { const: "1.0" },
    id: { type: "string" },
    source: { const: "/shop" },
    type: { const: type },
    subject: { type: "string" },
    time: { type: "string", format: "date-time" },
    data
  },
  required: ["specversion", "id", "source", "type", "data"]
})

const events = [
  ...facts.map(({ name, root }) => eventOf(`com.hypermarket.shop.${name}.v1`, root)),
  eventOf("com.example.thing.happened", {})
]

const orderFacts = facts
  .filter(({ name }) => /^order\.(placed|changed|cancelled|shipped|refunded)$/.test(name))
  .map(({ name, root }) => ({
    type: "object",
    properties: { type: { const: name }, data: root },
    required: ["type", "data"]
  }))

const bodies: HostileRequests.Options["bodies"] = {
  "POST /v1/events": [
    {
      contentType: "application/cloudevents-batch+json",
      schema: { type: "array", items: { anyOf: events } },
      definitions
    },
    { contentType: "application/cloudevents+json", schema: { anyOf: events }, definitions }
  ],
  "POST /v1/analytics/facts": [
    {
      contentType: "application/json",
      schema: {
        type: "object",
        properties: { facts: { type: "array", items: { anyOf: orderFacts } } },
        required: ["facts"]
      },
      definitions
    }
  ]
}

const uuid = "0199a000-0000-7000-8000-000000000000"

/** Right values by the name of a field, where a pattern or the data decide. */
const hints = {
  amount: "100",
  apiKeyId: uuid,
  closeId: uuid,
  country: "DE",
  cron: "* * * * *",
  currency: "EUR",
  discount: "1",
  emailBaseHash: "a".repeat(64),
  emailHash: "a".repeat(64),
  environment: "test",
  everySeconds: 60,
  expiresAt: "2098-01-01T00:00:00Z",
  fees: "1",
  from: "2026-03-01",
  fromDay: "2026-03-01",
  "idempotency-key": "k1",
  "if-match": '"1"',
  indexName: products,
  ip: "127.0.0.1",
  jobId: uuid,
  jobIds: [uuid],
  limit: "10",
  locale: "de",
  productId: "p1",
  queue: "mails",
  region: "DE",
  runAt: "2090-12-31T00:00:00Z",
  scheduleId: uuid,
  scopes: ["events:read"],
  shipping: "1",
  signal: "margin",
  subscriptionId: uuid,
  tax: "1",
  tenantId: changed,
  timeZone: "Europe/Berlin",
  unitPrice: "100",
  until: "2026-04-01",
  versionId: "1",
  zone: "Europe/Berlin"
}

const packages = Path.resolve(import.meta.dirname, "../../../packages")

/** The names of all lists, from the sources: each is in the cursors of its list. */
const lists = Fs.globSync("*/src/**/*.ts", { cwd: packages, exclude: ["client/**"] }).flatMap((file) =>
  Array.from(
    Fs.readFileSync(Path.join(packages, file), "utf8").matchAll(/\blist: "([\w.-]+)"/g),
    ([, name = ""]) => name
  )
)

/** Every scope that the API asks a tenant's key for, and the operations of the installation, as the document names them. */
const { ofSystem, scopes } = (() => {
  const required = new Set<string>()
  const operations = new Set<string>()
  HttpApi.reflect(Api, {
    onGroup: () => undefined,
    onEndpoint: ({ endpoint, mergedAnnotations }) => {
      const scope = Context.get(mergedAnnotations, RequiredScope)
      if (scope === AccessScope.systemAdmin) {
        operations.add(`${endpoint.method} ${endpoint.path.replaceAll(/:(\w+)/g, "{$1}")}`)
      } else if (scope !== AccessScope.everyKey) required.add(scope)
    }
  })
  return { ofSystem: operations, scopes: Array.from(required) }
})()

const makeKeys = Effect.gen(function* () {
  const accounts = yield* TenantAccounts
  const keys = yield* ApiKeys
  const indexes = yield* SearchIndexes
  const asOperator = Effect.provideService(AllTenants, { actor: "test" })
  for (const tenantId of [acme, changed]) {
    yield* accounts.create({ tenantId, name: tenantId }).pipe(asOperator, Effect.ignore)
  }
  yield* indexes.ensure(products).pipe(provide(acme))
  const tenant = yield* keys.create({ name: "test", scopes }, "operator").pipe(provide(acme))
  const system = yield* keys.createSystem("hostile").pipe(asOperator)
  return { tenant: tenant.secret ?? "", system: system.secret ?? "" }
})

layer(TestServer, { excludeTestServices: true })("API", (it) => {
  it.effect(
    `answers ${requests} requests with a hostile value each, and none with a 5xx (seed ${seed})`,
    () =>
      Effect.gen(function* () {
        const keys = yield* makeKeys
        assert.isAbove(new Set(lists).size, 30)
        assert.isAbove(ofSystem.size, 5)
        const outcome = yield* HostileRequests.run({
          document: OpenApi.fromApi(Api),
          seed,
          requests,
          hints,
          bodies,
          lists,
          send: Effect.fnUntraced(function* ({ body, headers, method, operation, url }) {
            const secret = ofSystem.has(operation) ? keys.system : keys.tenant
            if (!HttpMethod.isHttpMethod(method)) return yield* Effect.die(`Expected a method, got ${method}`)
            const request = HttpClientRequest.make(method)(url).pipe(HttpClientRequest.bearerToken(secret))
            const withBody =
              body === undefined
                ? request
                : HttpClientRequest.bodyText(request, body, headers["content-type"] ?? "application/json")
            const response = yield* HttpClient.execute(HttpClientRequest.setHeaders(withBody, headers))
            return { status: response.status, text: yield* response.text }
          })
        })
        yield* Effect.logInfo("Answers by status", Object.fromEntries(outcome.statuses))
        assert.deepStrictEqual(outcome.failures, [])
        assert.strictEqual(
          outcome.statuses.get(401),
          undefined,
          "each operation is tried with a key of its kind"
        )
        // Requests that are right but for one value come through often: the schemas are not all that is tried.
        const accepted = [...outcome.statuses].filter(([status]) => status < 300)
        assert.isAbove(
          accepted.reduce((sum, [, count]) => sum + count, 0),
          requests / 40
        )
        assert.isAbove(outcome.reached.size, 20)
      }),
    hangGuardMillis
  )
})
