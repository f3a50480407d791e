import { NodeHttpServer } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as Api from "@hypermarket/core/Api"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as Authorization from "@hypermarket/core/Authorization"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { Credentials } from "@hypermarket/core/Credentials"
import * as Now from "@hypermarket/core/Now"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as WorkQueue from "@hypermarket/core/WorkQueue"
import {
  EventGroup,
  EventsApi,
  QueueGroup,
  ScheduleGroup,
  SubscriptionGroup
} from "@hypermarket/events/EventsApi"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventsHttp from "@hypermarket/events/EventsHttp"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiMiddleware } from "effect/http-api"
import { SqlClient } from "effect/sql"

const acme = TenantId.make("acme")

/** Keys of this file: the tenant's name is the secret. */
const TestCredentials = Layer.succeed(Credentials, {
  authenticate: (secret) => {
    const tenantId = Redacted.value(secret)
    return Effect.succeed(
      Option.some({
        keyId: tenantId,
        kind: "server",
        tenantId: Option.some(TenantId.make(tenantId)),
        isTenantActive: true,
        scopes: new Set(["events:admin", "events:write", "events:read"])
      })
    )
  }
})

const TestServer = ApiServer.layer(
  HttpApiBuilder.layer(EventsApi).pipe(
    Layer.provide(EventsHttp.layer),
    Layer.provide([Authorization.layer, HttpApiMiddleware.layerProblemDetails({ includeDetails: true })])
  )
).pipe(
  Layer.provide([AccessLog.layerDiscard, Shutdown.layer, TestCredentials]),
  Layer.provideMerge(EventsDomain.layer),
  Layer.provideMerge(Layer.mergeAll(Wakeup.layerSilent, Now.layerTest)),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations)),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

interface Sent {
  readonly body?: Schema.Json
  readonly headers?: Record<string, string>
}

const send = Effect.fnUntraced(function* (
  method: "GET" | "POST" | "PATCH" | "DELETE",
  path: string,
  tenant: string,
  options: Sent = {}
) {
  const request = HttpClientRequest.make(method)(path).pipe(HttpClientRequest.bearerToken(tenant))
  const withBody =
    options.body === undefined
      ? request
      : HttpClientRequest.bodyText(request, JSON.stringify(options.body), "application/json")
  const response = yield* HttpClient.execute(HttpClientRequest.setHeaders(withBody, options.headers ?? {}))
  const text = yield* response.text
  const body =
    text === ""
      ? {}
      : yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))(text)
  return { status: response.status, headers: response.headers, body }
})

const publish = (
  tenant: string,
  contentType: string,
  body: Schema.Json,
  headers: Record<string, string> = {}
) => send("POST", "/v1/events", tenant, { body, headers: { "content-type": contentType, ...headers } })

const event = (id: string, rest: Record<string, Schema.Json> = {}) => ({
  specversion: "1.0",
  id,
  source: "/shop",
  type: "com.example.thing.happened",
  ...rest
})

const batchType = "application/cloudevents-batch+json"

let schedules = 0

/** A queue with a job that waits and a dead one. */
const fill = Effect.fnUntraced(function* (queue: string) {
  const sql = yield* SqlClient.SqlClient
  const jobs = yield* WorkQueue.make({ prefix: "hm_event" })
  const [jobId = ""] = yield* jobs.enqueue([{ queue, type: "waits", payload: null }])
  yield* sql`
    INSERT INTO hm_event_dead (tenant_id, queue, job_id, type, attempt, errors, died_at)
    SELECT 'acme', ${queue}, gen_random_uuid(), 'dead ' || n % 2, 3, '[{"error":"no"}]', now() + n * interval '1 minute'
      FROM generate_series(1, 6) n
  `
  return jobId
})

layer(TestServer, { excludeTestServices: true })("EventsHttp", (it) => {
  TenantIsolation.suite(
    it,
    // Without the facts' schemas, which are the same for everybody.
    HttpApi.make(Api.id).add(EventGroup).add(QueueGroup).add(SubscriptionGroup).add(ScheduleGroup),
    Effect.gen(function* () {
      const queue = "isolated"
      const jobId = yield* fill(queue).pipe(provide(acme))
      const made = yield* send("POST", "/v1/events/subscriptions", "acme", {
        body: { name: "isolated", queue, filters: [] }
      })
      const schedule = yield* send("POST", "/v1/events/schedules", "acme", {
        body: { name: `isolated ${jobId}`, queue, type: "t", everySeconds: 60 }
      })
      return {
        ownerKey: "acme",
        strangerKey: "globex",
        params: {
          queue,
          jobId,
          subscriptionId: String(made.body.subscriptionId),
          scheduleId: String(schedule.body.scheduleId)
        },
        payloads: {
          changeQueue: { weight: 2 },
          redrive: {},
          discard: {},
          createSubscription: { name: "x", queue: "strangers", filters: [] },
          changeSubscription: { status: "paused" },
          createSchedule: { name: `x ${schedules++}`, queue: "strangers", type: "t", everySeconds: 60 },
          changeSchedule: { paused: true }
        },
        watched: [
          `/v1/events/queues/${queue}/dead`,
          `/v1/events/queues/${queue}/jobs/${jobId}`,
          `/v1/events/subscriptions/${String(made.body.subscriptionId)}`,
          `/v1/events/schedules/${String(schedule.body.scheduleId)}`
        ]
      }
    })
  )

  it.effect("publishes in each of CloudEvents' content modes, and calls the same event a duplicate", () =>
    Effect.gen(function* () {
      // A client that is traced sends another traceparent each time: it is the same event.
      const structured = yield* publish(
        "modes",
        "application/cloudevents+json; charset=utf-8",
        event("1", { data: { a: "ä" } })
      )
      assert.deepStrictEqual(
        [structured.status, structured.body],
        [202, { items: [{ id: "1", state: "accepted" }] }]
      )
      const binary = yield* publish(
        "modes",
        "application/json",
        { a: "ä" },
        {
          "ce-specversion": "1.0",
          "ce-id": "1",
          "ce-source": "/shop",
          "ce-type": "com.example.thing.happened"
        }
      )
      assert.deepStrictEqual(binary.body, { items: [{ id: "1", state: "duplicate" }] })
      const batch = yield* publish("modes", batchType, [event("1", { data: { a: "ä" } }), event("2")])
      assert.deepStrictEqual(batch.body, {
        items: [
          { id: "1", state: "duplicate" },
          { id: "2", state: "accepted" }
        ]
      })
      const conflict = yield* publish("modes", batchType, [event("3"), event("2", { data: "other" })])
      assert.strictEqual(conflict.status, 409)
      assert.deepInclude(conflict.body, { source: "/shop", id: "2" })
      assert.deepStrictEqual((yield* publish("modes", batchType, [event("3")])).body, {
        items: [{ id: "3", state: "accepted" }]
      })
    })
  )

  it.effect("refuses what is malformed, naming index and path, and stores nothing of the batch", () =>
    Effect.gen(function* () {
      const pathOf = (answer: { readonly body: Record<string, Schema.Json> }) => {
        const errors = Schema.decodeUnknownSync(
          Schema.Array(Schema.Struct({ path: Schema.Array(Schema.Json) }))
        )(answer.body.errors)
        return errors[0]?.path
      }
      const cases: ReadonlyArray<
        readonly [path: ReadonlyArray<string | number>, bad: Record<string, Schema.Json>]
      > = [
        [[1, "id"], event("")],
        [[1, "specversion"], event("x", { specversion: "0.3" })],
        [[1, "time"], event("x", { time: "yesterday" })],
        [[1, "surprise"], event("x", { surprise: 1 })],
        [[1, "type"], event("x", { type: "com.hypermarket.shop.order.eaten.v1" })],
        [[1, "data", "orderId"], event("x", { type: "com.hypermarket.shop.order.placed.v1", data: {} })],
        [[1, "data"], event("x", { data: "x".repeat(256 * 1024) })]
      ]
      for (const [path, bad] of cases) {
        const answer = yield* publish("malformed", batchType, [event("good"), bad])
        assert.strictEqual(answer.status, 400, JSON.stringify(path))
        assert.deepStrictEqual(pathOf(answer), path, JSON.stringify(answer.body))
      }
      const many = yield* publish(
        "malformed",
        batchType,
        Array.from({ length: 1_001 }, (_, n) => event(String(n)))
      )
      assert.deepStrictEqual([many.status, pathOf(many)], [400, [1_000]])
      const wrong = yield* publish("malformed", "text/plain", event("good"))
      assert.strictEqual(wrong.status, 415)
      assert.deepStrictEqual((yield* publish("malformed", batchType, [event("good")])).body, {
        items: [{ id: "good", state: "accepted" }]
      })
    })
  )

  it.effect("gives the schema of each fact, which refuses what publishing refuses", () =>
    Effect.gen(function* () {
      const answer = yield* send("GET", "/v1/events/schemas/com.hypermarket.shop.order.placed.v1", "acme")
      assert.strictEqual(answer.status, 200)
      assert.include(String(answer.body.$schema), "2020-12")
      assert.strictEqual(
        (yield* send("GET", "/v1/events/schemas/com.hypermarket.shop.order.eaten.v1", "acme")).status,
        404
      )
    })
  )

  it.effect("shows a queue, pauses and limits it, and wants the version that it was read with", () =>
    Effect.gen(function* () {
      yield* fill("shown").pipe(provide(acme))
      const path = "/v1/events/queues/shown"
      const before = yield* send("GET", path, "acme")
      assert.deepInclude(before.body, {
        ready: 1,
        dead: 6,
        leased: 0,
        paused: false,
        weight: 1,
        rate: null,
        version: 0
      })
      assert.strictEqual(before.headers.etag, '"0"')
      assert.strictEqual((yield* send("PATCH", path, "acme", { body: { weight: 2 } })).status, 428)
      const body = { concurrencyMax: 5, rate: { max: 10, periodMillis: 1_000 } }
      const changed = yield* send("PATCH", path, "acme", { body, headers: { "if-match": '"0"' } })
      assert.strictEqual(changed.status, 200)
      assert.deepInclude(changed.body, { ...body, weight: 1, version: 1 })
      assert.strictEqual(
        (yield* send("PATCH", path, "acme", { body, headers: { "if-match": '"0"' } })).status,
        412
      )
      assert.strictEqual((yield* send("POST", `${path}/pause`, "acme")).status, 204)
      assert.deepInclude((yield* send("GET", path, "acme")).body, {
        paused: true,
        version: 2,
        concurrencyMax: 5
      })
      assert.strictEqual((yield* send("POST", `${path}/resume`, "acme")).status, 204)
      const lifted = yield* send("PATCH", path, "acme", {
        body: { concurrencyMax: null },
        headers: { "if-match": '"3"' }
      })
      assert.deepInclude(lifted.body, { concurrencyMax: null, rate: body.rate, paused: false })
      for (const wrong of [{ weight: 0 }, { rate: { max: 1, periodMillis: 1 } }, { surprise: 1 }]) {
        const answer = yield* send("PATCH", path, "acme", { body: wrong, headers: { "if-match": '"4"' } })
        assert.strictEqual(answer.status, 400, JSON.stringify(wrong))
      }
      const list = yield* send("GET", "/v1/events/queues", "acme")
      assert.include(JSON.stringify(list.body), '"shown"')
      assert.strictEqual((yield* send("GET", "/v1/events/queues/unheard-of", "acme")).status, 404)
    })
  )

  it.effect("finds a job and takes it back", () =>
    Effect.gen(function* () {
      const jobId = yield* fill("cancelled").pipe(provide(acme))
      const path = `/v1/events/queues/cancelled/jobs/${jobId}`
      assert.deepInclude((yield* send("GET", path, "acme")).body, {
        jobId,
        state: "ready",
        type: "waits",
        runAt: null
      })
      assert.strictEqual((yield* send("POST", `${path}/cancel`, "acme")).status, 204)
      assert.strictEqual((yield* send("POST", `${path}/cancel`, "acme")).status, 404)
      assert.strictEqual((yield* send("GET", path, "acme")).status, 404)
    })
  )

  it.effect("brings the dead back by filter, at once or spread, and removes them", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* fill("dead").pipe(provide(acme))
      const path = "/v1/events/queues/dead"
      const page = yield* send("GET", `${path}/dead?limit=4`, "acme")
      assert.lengthOf(Schema.decodeUnknownSync(Schema.Array(Schema.Json))(page.body.items), 4)
      assert.isString(page.body.nextCursor)
      const redriven = yield* send("POST", `${path}/redrive`, "acme", { body: { type: "dead 0", limit: 2 } })
      assert.deepStrictEqual(redriven.body, { redriven: 2 })
      const spread = yield* send("POST", `${path}/redrive`, "acme", {
        body: { type: "dead 1", perSecond: 2 }
      })
      assert.deepStrictEqual(spread.body, { redriven: 3 })
      const [times] = yield* sql<{ readonly seconds: number; readonly attempts: number }>`
        SELECT extract(epoch FROM max(run_at) - min(run_at))::float8 AS seconds, max(attempt)::int AS attempts
          FROM hm_event_delayed WHERE tenant_id = 'acme' AND queue = 'dead'
      `
      assert.deepStrictEqual(times, { seconds: 1, attempts: 0 })
      const discarded = yield* send("POST", `${path}/discard`, "acme", {
        body: { diedFrom: "2000-01-01T00:00:00Z" }
      })
      assert.deepStrictEqual(discarded.body, { discarded: 1 })
      assert.deepInclude((yield* send("GET", path, "acme")).body, { dead: 0, ready: 3, delayed: 3 })
    })
  )
})
