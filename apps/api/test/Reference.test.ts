/**
 * Sends every example of the API reference to the composed API, and compares the responses.
 *
 * With `HM_UPDATE_EXAMPLES=1` the responses that differ are written to the `XApi.examples.json` of their domain. A status is
 * written by hand, because a change of it is a change of the API.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it, layer } from "@effect/vitest"
import { coreProblems } from "@hypermarket/api/coreProblems"
import { Api, references } from "@hypermarket/api/endpoints"
import * as Server from "@hypermarket/api/Server"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as EndpointRules from "@hypermarket/core/Endpoint"
import * as Reference from "@hypermarket/core/Reference"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as CloudEvent from "@hypermarket/events/CloudEvent"
import * as CloudEventRequest from "@hypermarket/events/CloudEventRequest"
import { migrationSets } from "@hypermarket/installation/domains"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Config, ConfigProvider, Context, Effect, Layer, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApi, type HttpApiEndpoint, OpenApi } from "effect/http-api"
import { SqlClient } from "effect/sql"
import { randomBytes } from "node:crypto"
import * as DemoShop from "./DemoShop.ts"
import { type Answer, formOf, formOfAnswer, update } from "./exampleAnswers.ts"
import * as FailingLog from "./failingLog.ts"
import * as SentSecrets from "./sentSecrets.ts"

/** A value that is taken from another response. Templates of Liquid have spaces in their braces. */
const placeholder = /\{\{[\w.]+\//

const layerConfig = ConfigProvider.layer(
  ConfigProvider.fromUnknown({
    HM_API_ACCESS_LOG: "false",
    HM_QUOTAS_CHECK_DEADLINE: "30 seconds",
    HM_SECRETS_KEYS: `reference:${randomBytes(32).toString("base64")}`
  })
)

const layerServer = Server.layerRoutes(Layer.empty).pipe(
  Layer.provide([Shutdown.layer, layerConfig]),
  // The services are built once, for the server and for the shop.
  Layer.provideMerge(Layer.provide(DemoShop.layerServices, layerConfig)),
  Layer.provide(Wakeup.layerSend),
  Layer.provideMerge(TestDatabase.layer(...migrationSets)),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

interface Endpoint {
  readonly endpoint: HttpApiEndpoint.Top
  readonly scope: string
  readonly isOfSystem: boolean
}

const endpoints = new Map<string, Endpoint>()
HttpApi.reflect(Api, {
  onGroup: () => undefined,
  onEndpoint: ({ endpoint, group, mergedAnnotations }) => {
    const scope = Context.get(mergedAnnotations, RequiredScope)
    endpoints.set(`${group.identifier}.${endpoint.identifier}`, {
      endpoint,
      scope,
      isOfSystem: scope.startsWith("system:")
    })
  }
})

/** The action of each audited endpoint. */
const audited = EndpointRules.auditedActions(Api)

const operations = new Map(
  references.flatMap((reference) => reference.operations).map((operation) => [operation.name, operation])
)

const decodeBody = Schema.decodeEffect(Schema.fromJsonString(Schema.Json))

const send = Effect.fnUntraced(function* (
  { endpoint, isOfSystem }: Endpoint,
  example: Reference.Example,
  keys: DemoShop.Keys
) {
  const path = endpoint.path.replaceAll(/:(\w+)/g, (_, name: string) =>
    encodeURIComponent(example.params?.[name] ?? "")
  )
  const request = HttpClientRequest.make(endpoint.method)(path).pipe(
    HttpClientRequest.setUrlParams(example.query ?? {}),
    HttpClientRequest.bearerToken(isOfSystem ? keys.system : keys.tenant)
  )
  const withBody =
    example.body === undefined
      ? request
      : HttpClientRequest.bodyText(request, JSON.stringify(example.body), "application/json")
  const response = yield* HttpClient.execute(HttpClientRequest.setHeaders(withBody, example.headers ?? {}))
  const text = yield* response.text
  if (text === "") return { status: response.status, body: undefined }
  const isText = /^(?:application\/x-ndjson|text\/csv)/.test(response.headers["content-type"] ?? "")
  return { status: response.status, body: isText ? text : yield* decodeBody(text) }
})

const isUpdating = Config.Boolean("HM_UPDATE_EXAMPLES").pipe(Config.withDefault(false))

/** The examples in the order of their groups and operations, each with its own name. */
const examples = Array.from(endpoints, ([operation, endpoint]) =>
  (operations.get(operation)?.examples ?? []).map((example) => ({
    name: `${operation}/${example.name}`,
    operation,
    endpoint,
    example
  }))
).flat()

/** The activity log after the examples. */
interface Recorded {
  /** The answers of the protocols' routes. */
  readonly protocols: ReadonlyArray<readonly [url: string, status: number]>
  /** Audited examples that succeeded and left no entry with the action of their endpoint. */
  readonly missing: ReadonlyArray<string>
  /** Audited operations with an example that succeeded. */
  readonly shown: ReadonlySet<string>
  /** Audited examples that succeeded though the log refused their entry. */
  readonly notUndone: ReadonlyArray<string>
  /** Secrets, keys and tokens of all requests and responses. */
  readonly secrets: ReadonlyArray<string>
  /** The rows as text. */
  readonly rows: ReadonlyArray<string>
}

/** Requests of protocols that have the key in a header, in the path or in the query. */
const protocolRequests = (key: string) => [
  HttpClientRequest.post("/ofrep/v1/evaluate/flags").pipe(
    HttpClientRequest.bearerToken(key),
    HttpClientRequest.bodyJsonUnsafe({ context: {} })
  ),
  HttpClientRequest.get(`/growthbook/api/features/${key}`),
  HttpClientRequest.get("/unleash/api/client/features").pipe(
    HttpClientRequest.setHeader("authorization", key)
  ),
  HttpClientRequest.get("/api/0/organizations/acme/chunk-upload/").pipe(HttpClientRequest.bearerToken(key)),
  HttpClientRequest.post(`/sentry/api/1/envelope/?sentry_key=${key}`).pipe(
    HttpClientRequest.bodyText("{}\n", "application/x-sentry-envelope")
  )
]

/** The activity log after the examples of one run. */
class Log extends Context.Service<Log, Recorded>()("@hypermarket/api/test/Reference/Log") {}

/** The answers of one run. Examples depend on earlier ones, and tests run in any order. */
class Answers extends Context.Service<Answers, ReadonlyMap<string, Answer>>()(
  "@hypermarket/api/test/Reference/Answers"
) {
  static readonly layer = Layer.effectContext(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const entriesOf = (action: string) =>
        Effect.map(
          sql<{ readonly count: number }>`
            SELECT count(*)::int AS count
              FROM hm_platform_activity_log
             WHERE action = ${action}
          `,
          ([row]) => row?.count ?? 0
        )
      const missing: Array<string> = []
      const shown = new Set<string>()
      const notUndone: Array<string> = []
      const readState = yield* FailingLog.stateReader
      /** Sends a request whose entry the log refuses, and returns its status. Fails when a table has changed. */
      const tryRefused = Effect.fnUntraced(function* (
        name: string,
        request: Effect.Effect<Answer, unknown, HttpClient.HttpClient>
      ) {
        const before = yield* readState
        const { status } = yield* FailingLog.withFailingLog(request)
        const after = yield* readState
        const changed = Object.keys(after).filter((table) => after[table] !== before[table])
        // At once: later examples would not find what they need.
        assert.deepStrictEqual(changed, [], `${name} changed tables though its entry was refused`)
        return status
      })
      const scopes = Array.from(endpoints.values()).flatMap(({ isOfSystem, scope }) =>
        isOfSystem ? [] : [scope]
      )
      const keys = yield* DemoShop.make(Array.from(new Set(scopes)))
      const answers = new Map<string, Answer>()
      const secrets = Array.from(SentSecrets.find([keys.system, keys.tenant]))
      for (const { endpoint, example, name, operation } of examples) {
        const filled = Reference.fill(example, (earlier) => answers.get(earlier)?.body)
        assert.notMatch(
          JSON.stringify({ ...filled, response: null }),
          placeholder,
          `${name}: no earlier answer has it`
        )
        const action = audited.get(operation)
        const request = send(endpoint, filled, keys)
        const isAudited = action !== undefined && filled.status < 300
        // Once per operation: each reads all tables twice.
        const refused = isAudited && !shown.has(operation) ? yield* tryRefused(name, request) : undefined
        const before = isAudited ? yield* entriesOf(action) : 0
        const answer = yield* request
        answers.set(name, answer)
        secrets.push(...SentSecrets.find([filled.body ?? null, answer.body ?? null]))
        // A request that repeats one is answered from its record, and an unchanged setting stays.
        if (!isAudited || answer.status >= 300) continue
        shown.add(operation)
        const leavesEntry = (yield* entriesOf(action)) > before
        if (!leavesEntry) missing.push(`${name} left no entry ${action}`)
        if (leavesEntry && refused !== undefined && refused < 500)
          notUndone.push(`${name} answered ${refused}`)
      }
      const protocols = yield* Effect.forEach(protocolRequests(keys.tenant), (request) =>
        Effect.map(
          HttpClient.execute(request),
          ({ status }) => [request.url.replace(keys.tenant, "<key>"), status] as const
        )
      )
      const rows = yield* sql<{ readonly text: string }>`
        SELECT log::text AS text
          FROM hm_platform_activity_log AS log
      `
      if (yield* isUpdating) update(answers)
      return Context.make(Answers, answers).pipe(
        Context.add(Log, {
          protocols,
          missing,
          shown,
          notUndone,
          secrets,
          rows: rows.map(({ text }) => text)
        })
      )
    })
  )
}

layer(Answers.layer.pipe(Layer.provide(layerServer)), { excludeTestServices: true })(
  "The API reference",
  (it) => {
    it.effect("shows of each audited operation a request that leaves an entry in the activity log", () =>
      Effect.gen(function* () {
        const { missing, shown } = yield* Log
        assert.deepStrictEqual(missing, [])
        assert.deepStrictEqual(
          Array.from(audited.keys()).filter((operation) => !shown.has(operation)),
          [],
          "add an example that succeeds to the XApi.examples.json of the operation"
        )
      })
    )

    it.effect("undoes the change of each audited operation whose entry cannot be written", () =>
      Effect.gen(function* () {
        const { notUndone } = yield* Log
        assert.deepStrictEqual(notUndone, [])
      })
    )

    it.effect("brings no secret, key or token of any request or response into the activity log", () =>
      Effect.gen(function* () {
        const { protocols, rows, secrets } = yield* Log
        assert.deepStrictEqual(
          protocols.filter(([, status]) => status !== 200),
          []
        )
        assert.isAbove(new Set(secrets).size, 10)
        const found = Array.from(new Set(secrets)).filter((secret) =>
          rows.some((row) => row.includes(secret))
        )
        assert.deepStrictEqual(found, [])
      })
    )

    for (const { example, name, operation } of examples) {
      it.effect(`\`${operation}\` ${example.name} answers ${example.status} as written`, () =>
        Effect.gen(function* () {
          const answers = yield* Answers
          const answer = answers.get(name) ?? { status: 0, body: undefined }
          assert.deepStrictEqual(
            formOfAnswer(answer),
            formOfAnswer({ status: example.status, body: example.response })
          )
        })
      )
    }
  }
)

const document = JSON.stringify(OpenApi.fromApi(Api))
const isOperation = Schema.is(
  Schema.Struct({
    operationId: Schema.String,
    summary: Schema.String,
    description: Schema.String,
    parameters: Schema.Array(Schema.Struct({ name: Schema.String, schema: Schema.Json }))
  })
)

const isProblem = Schema.is(
  Schema.Struct({
    properties: Schema.Struct({ type: Schema.Json, status: Schema.Json, title: Schema.Json }),
    required: Schema.Array(Schema.String)
  })
)

/** Every object of the document that is an operation with its prose. */
const documented = new Map<
  string,
  typeof isOperation extends ((value: unknown) => value is infer A) ? A : never
>()
JSON.parse(document, (_, value: unknown) => {
  if (isOperation(value)) documented.set(value.operationId, value)
  return value
})

const Samples = Schema.Struct({
  schema: Schema.Json,
  examples: Schema.Record(Schema.String, Schema.Struct({ value: Schema.Json }))
})

const Paths = Schema.Struct({
  paths: Schema.Struct({
    "/v1/events": Schema.Struct({
      post: Schema.Struct({
        requestBody: Schema.Struct({ content: Schema.Record(Schema.String, Samples) })
      })
    })
  })
})

const publication = Schema.decodeSync(Schema.fromJsonString(Paths))(document).paths["/v1/events"].post
  .requestBody

/** An event of CloudEvents 1.0 with all attributes that it must have. */
const isEvent = Schema.is(Schema.toEncoded(CloudEvent.CloudEvent))

describe("The document", () => {
  it("has a summary and a description of every operation", () => {
    assert.strictEqual(documented.size, endpoints.size)
  })

  it("names operations without the noun of their group, as the services in process do", () => {
    for (const name of ["queues.list", "indexes.get", "policy.list", "queues.deadGroups"]) {
      assert.isTrue(documented.has(name), name)
    }
  })

  it("has bearer in lower case, and no bound that is only that of a safe integer", () => {
    assert.include(document, '"scheme":"bearer"')
    assert.notInclude(document, String(Number.MAX_SAFE_INTEGER))
  })

  it("has integers of a query as integers, with their range", () => {
    const limit = documented.get("keys.list")?.parameters.find(({ name }) => name === "limit")
    assert.deepStrictEqual(limit?.schema, { type: "integer", minimum: 1, maximum: 200 })
  })

  it("has the content types of a publication", () => {
    assert.include(document, '"application/cloudevents+json":{')
    assert.include(document, '"application/cloudevents-batch+json":{')
  })

  it("has samples of a publication that are whole events, the one that is accepted first", () => {
    const { content } = publication
    assert.deepStrictEqual(Object.keys(content), Array.from(CloudEventRequest.contentTypes))
    for (const [type, { examples: samples, schema }] of Object.entries(content)) {
      const names = Object.keys(samples)
      const sent = (operations.get("events.publish")?.examples ?? []).filter(({ name }) =>
        names.includes(name)
      )
      assert.strictEqual(sent[0]?.status, 202, type)
      for (const { body, headers, name } of sent) {
        // Sent as it is shown: the type of its body and no attribute beside it.
        assert.deepStrictEqual(headers, { "content-type": type }, name)
        assert.deepStrictEqual(samples[name]?.value, body)
        for (const event of [body].flat()) assert.isTrue(isEvent(event), name)
      }
      assert.include(JSON.stringify(schema), '"specversion":{"type":"string","enum":["1.0"]}')
    }
  })

  it("requires the title of every problem", () => {
    const required: Array<ReadonlyArray<string>> = []
    JSON.parse(document, (_, value: unknown) => {
      if (isProblem(value)) required.push(value.required)
      return value
    })
    assert.isAtLeast(required.length, Object.keys(coreProblems).length)
    assert.deepStrictEqual(
      required.filter((names) => !names.includes("title")),
      []
    )
  })
})

describe("An example", () => {
  it("has a problem among the examples of its group", () => {
    const groups = Map.groupBy(operations.values(), ({ name }) => name.slice(0, name.indexOf(".")))
    for (const [group, members] of groups) {
      const statuses = members.flatMap(({ examples }) => examples.map(({ status }) => status))
      assert.isTrue(
        statuses.some((status) => status >= 400),
        `${group} has no example of a problem`
      )
    }
  })

  it("that differs from the response in anything but its form is noticed", () => {
    const run = {
      id: "0199a000-0000-7000-8000-000000000000",
      at: "2026-01-01T00:00:00.000Z",
      version: 3,
      found: 2
    }
    const later = {
      id: "0199b000-0000-7000-8000-000000000001",
      at: "2027-01-01T00:00:00Z",
      version: 4,
      found: 2
    }
    assert.deepStrictEqual(formOf(run), formOf(later))
    assert.notDeepEqual(formOf(run), formOf({ ...later, found: 3 }))
    assert.notDeepEqual(formOf(run), formOf({ ...later, at: null }))
  })

  it("is in the document with the values that it takes from another", () => {
    assert.notMatch(document, placeholder)
  })
})
