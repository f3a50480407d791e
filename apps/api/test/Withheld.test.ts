/** The answers to a key with every scope but those of data, for everything that holds data of customers. */
import { assert, layer } from "@effect/vitest"
import { Api } from "@hypermarket/api/endpoints"
import * as AccessScope from "@hypermarket/core/AccessScope"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide } from "@hypermarket/core/Tenant"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import { ConsoleSessions } from "@hypermarket/platform/ConsoleSessions"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import { Context, Effect, Layer, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpServer } from "effect/http"
import { HttpApi } from "effect/http-api"
import { SqlClient } from "effect/sql"
import {
  acme,
  body,
  deliveryId,
  endpointId,
  errorEvent,
  eventId,
  executionId,
  jobId,
  makeRows,
  person
} from "./customerData.ts"
import { TestServer } from "./customerDataServer.ts"

const endpoints = (() => {
  const walked: Array<{ readonly method: string; readonly path: string; readonly scope: string }> = []
  HttpApi.reflect(Api, {
    onGroup: () => undefined,
    onEndpoint: ({ endpoint, mergedAnnotations }) => {
      const scope = Context.get(mergedAnnotations, RequiredScope)
      walked.push({ method: endpoint.method, path: endpoint.path, scope })
    }
  })
  return walked
})()

/** Every scope of the composed API but those of data. */
const operatorScopes = Array.from(
  new Set(
    endpoints.flatMap(({ scope }) =>
      scope.startsWith("system:") || scope === AccessScope.everyKey || scope === AccessScope.payload
        ? []
        : [scope.replace(/:.*/, ":admin")]
    )
  )
)

const send = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest) {
  const response = yield* HttpClient.execute(request)
  return { status: response.status, text: yield* response.text }
})

const get = (key: string, path: string) =>
  send(HttpClientRequest.bearerToken(HttpClientRequest.get(path), key))

const post = Effect.fnUntraced(function* (key: string, path: string, payload: unknown) {
  const answer = yield* send(
    HttpClientRequest.post(path).pipe(
      HttpClientRequest.bearerToken(key),
      HttpClientRequest.setHeader("idempotency-key", path),
      HttpClientRequest.bodyJsonUnsafe(payload)
    )
  )
  assert.isBelow(answer.status, 300, answer.text)
  return answer.text
})

const decodeSchedule = Schema.decodeEffect(
  Schema.fromJsonString(Schema.Struct({ scheduleId: Schema.String }))
)
const decodeDecision = Schema.decodeEffect(
  Schema.fromJsonString(Schema.Struct({ decisionId: Schema.String }))
)
const decodeProject = Schema.decodeEffect(Schema.fromJsonString(Schema.Struct({ projectId: Schema.Number })))
const decodeIssues = Schema.decodeEffect(
  Schema.fromJsonString(Schema.Struct({ items: Schema.Array(Schema.Struct({ issueId: Schema.String })) }))
)

/** The places at which the data is, by the name of the parameter. */
class Things extends Context.Service<
  Things,
  {
    readonly params: Readonly<Record<string, string>>
    readonly open: string
    readonly bare: string
    /** Returns a key with the operator's scopes and one more. */
    readonly with: (scope: string) => Effect.Effect<string>
    readonly cookie: string
  }
>()("@hypermarket/api/test/Withheld/Things") {
  static readonly layer = Layer.effect(
    Things,
    Effect.gen(function* () {
      const accounts = yield* TenantAccounts
      const keys = yield* ApiKeys
      const sessions = yield* ConsoleSessions
      const { address } = yield* HttpServer.HttpServer
      yield* accounts
        .create({ tenantId: acme, name: "Acme" })
        .pipe(Effect.provideService(AllTenants, { actor: "test" }))
      const issue = (scopes: ReadonlyArray<string>) =>
        keys.create({ name: "test", scopes }, "operator").pipe(provide(acme), Effect.orDie)
      const everything = yield* issue([...operatorScopes, ...AccessScope.ofData])
      const open = everything.secret ?? ""
      const bare = (yield* issue(operatorScopes)).secret ?? ""
      yield* makeRows
      const schedule = yield* post(open, "/v1/events/schedules", {
        name: "nightly",
        queue: "exports",
        type: "com.acme.export",
        payload: { note: body },
        everySeconds: 86_400
      })
      yield* post(open, "/v1/notifications/profiles", {
        to: { customer: "c-9" },
        email: `${person}@example.org`,
        name: person,
        locale: "fr"
      })
      const { projectId } = yield* Effect.flatMap(
        post(open, "/v1/observability/projects", { slug: "shop" }),
        decodeProject
      )
      const sent = yield* send(
        HttpClientRequest.post(`/sentry/api/${projectId}/envelope/?sentry_key=${open}`).pipe(
          HttpClientRequest.bodyText(
            `{"event_id":"${eventId}"}\n{"type":"event"}\n${JSON.stringify(errorEvent)}\n`
          )
        )
      )
      assert.strictEqual(sent.status, 200, sent.text)
      const { items } = yield* Effect.flatMap(get(open, "/v1/observability/issues"), ({ text }) =>
        decodeIssues(text)
      )
      const { decisionId } = yield* Effect.flatMap(
        post(open, "/v1/risk/decisions", {
          kind: "payment",
          subject: "try-9",
          deadlineMillis: 10_000,
          entities: { account: "c-9" },
          attributes: { cardholder: person }
        }),
        decodeDecision
      )
      const { token } = yield* sessions.open({
        apiKeyId: everything.apiKey.apiKeyId,
        label: "Ann",
        userAgent: undefined,
        address: "127.0.0.1",
        replaces: undefined
      })
      return {
        params: {
          queue: "exports",
          decisionId,
          jobId,
          endpointId,
          deliveryId,
          executionId,
          scheduleId: (yield* decodeSchedule(schedule)).scheduleId,
          kind: "customer",
          recipientId: "c-9",
          id: "c-9",
          projectId: String(projectId),
          eventId: eventId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
          issueId: items[0]?.issueId ?? ""
        },
        open,
        bare,
        with: (scope) => Effect.map(issue([...operatorScopes, scope]), ({ secret }) => secret ?? ""),
        cookie: `hm_console_${"port" in address ? address.port : 0}=${Redacted.value(token)}`
      }
    })
  )
}

/** Parameters whose names mean something else elsewhere. */
const ownParams: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "/v1/risk/signals/:kind/:subject": { kind: "payment", subject: "try-9" }
}

/** The paths of reading endpoints whose parameters are all known here. */
const pathsOf = (shared: Readonly<Record<string, string>>) =>
  endpoints.flatMap(({ method, path, scope }) => {
    const params = { ...shared, ...ownParams[path] }
    const names = Array.from(path.matchAll(/:(\w+)/g), ([, name = ""]) => name)
    const isRead = method === "GET" && !scope.startsWith("system:") && !path.endsWith("/live")
    return isRead && names.every((name) => name in params)
      ? [{ template: path, path: path.replaceAll(/:(\w+)/g, (_, name: string) => params[name] ?? "") }]
      : []
  })

const decodeAnswer = Schema.decodeEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))

layer(Things.layer.pipe(Layer.provideMerge(TestServer)), { excludeTestServices: true })(
  "data of customers",
  (it) => {
    it.effect("is in no answer to a key with every other scope, on any endpoint that reads", () =>
      Effect.gen(function* () {
        const { bare, open, params } = yield* Things
        const shown: Array<string> = []
        for (const { path, template } of pathsOf(params)) {
          const { status, text } = yield* get(bare, path)
          assert.include([200, 400, 403, 404], status, `${path}: ${text}`)
          assert.notInclude(text, body, path)
          assert.notInclude(text, person, path)
          const full = yield* get(open, path)
          if (full.text.includes(body) || full.text.includes(person)) shown.push(template)
        }
        assert.deepStrictEqual(shown.toSorted(), [
          "/v1/events/queues/:queue/jobs/:jobId/payload",
          "/v1/events/schedules",
          "/v1/events/schedules/:scheduleId",
          "/v1/events/webhooks/:endpointId/deliveries/:deliveryId/attempts",
          "/v1/events/workflows/:executionId",
          "/v1/events/workflows/:executionId/tasks",
          "/v1/notifications/profiles/:kind/:recipientId",
          "/v1/observability/projects/:projectId/events/:eventId",
          "/v1/risk/decisions",
          "/v1/risk/decisions/:decisionId",
          "/v1/risk/signals/:kind/:subject"
        ])
      })
    )

    it.effect("is left out of a row that is there otherwise, with the scope that shows it", () =>
      Effect.gen(function* () {
        const { bare, params } = yield* Things
        const read = (path: string) =>
          Effect.flatMap(get(bare, path), ({ status, text }) => {
            assert.strictEqual(status, 200, text)
            return decodeAnswer(text)
          })
        const workflow = yield* read(`/v1/events/workflows/${executionId}`)
        assert.include(workflow, { payload: null, result: null })
        assert.deepStrictEqual(workflow["withheld"], ["events:payload"])
        const schedule = yield* read(`/v1/events/schedules/${params["scheduleId"]}`)
        assert.include(schedule, { name: "nightly", payload: null })
        assert.deepStrictEqual(schedule["withheld"], ["events:payload"])
        const profile = yield* read("/v1/notifications/profiles/customer/c-9")
        assert.include(profile, { email: null, name: null, locale: "fr" })
        assert.deepStrictEqual(profile["withheld"], ["customers:contact"])
        const event = yield* read(
          `/v1/observability/projects/${params["projectId"]}/events/${params["eventId"]}`
        )
        assert.include(JSON.stringify(event["data"]), "/app/pay.js")
        assert.deepStrictEqual(event["withheld"], ["events:payload", "customers:contact"])
        const payload = yield* get(bare, `/v1/events/queues/exports/jobs/${jobId}/payload`)
        assert.strictEqual(payload.status, 403)
        assert.include(payload.text, '"scope":"events:payload"')
        assert.strictEqual((yield* get(bare, `/v1/events/queues/exports/jobs/${jobId}`)).status, 200)
      })
    )

    it.effect("shows with each of the two scopes what the other one does not", () =>
      Effect.gen(function* () {
        const { params, ...things } = yield* Things
        const path = `/v1/observability/projects/${params["projectId"]}/events/${params["eventId"]}`
        const withPayload = yield* get(yield* things.with(AccessScope.payload), path)
        assert.include(withPayload.text, body)
        assert.notInclude(withPayload.text, person)
        assert.include(withPayload.text, '"withheld":["customers:contact"]')
        const withContact = yield* get(yield* things.with(AccessScope.contact), path)
        assert.include(withContact.text, person)
        assert.notInclude(withContact.text, body)
        assert.include(withContact.text, '"withheld":["events:payload"]')
      })
    )

    it.effect("is not in the answer to a key that writes it without the scope", () =>
      Effect.gen(function* () {
        const { bare } = yield* Things
        const profile = yield* post(bare, "/v1/notifications/profiles", {
          to: { customer: "c-10" },
          email: `${person}@example.org`,
          locale: "fr-CH"
        })
        assert.include(profile, '"locale":"fr-CH"')
        assert.notInclude(profile, person)
        const signal = yield* post(bare, "/v1/risk/signals/payment/try-9/completion", { result: "declined" })
        assert.include(signal, '"result":"declined"')
        assert.include(signal, '"withheld":["customers:contact"]')
        assert.notInclude(signal, person)
      })
    )

    it.effect("is given by no key that does not have the scope", () =>
      Effect.gen(function* () {
        const { bare } = yield* Things
        const answer = yield* send(
          HttpClientRequest.post("/v1/platform/keys").pipe(
            HttpClientRequest.bearerToken(bare),
            HttpClientRequest.setHeader("idempotency-key", "wider"),
            HttpClientRequest.bodyJsonUnsafe({ name: "wider", scopes: ["events:payload"] })
          )
        )
        assert.strictEqual(answer.status, 403, answer.text)
        assert.include(answer.text, "scope-too-wide")
      })
    )

    it.effect("leaves an entry per view in the activity log when a person reads it through the console", () =>
      Effect.gen(function* () {
        const { cookie, open, params } = yield* Things
        const sql = yield* SqlClient.SqlClient
        const testNow = yield* Now.TestNow
        // Views of other tests are over.
        yield* testNow.adjust("2 minutes")
        const begunAt = yield* Now.now
        const read = sql<{ readonly action: string; readonly target: string; readonly actor: string }>`
          SELECT action, target_type || ' ' || (detail::json ->> 'targetId') AS target, actor::text AS actor
            FROM hm_platform_activity_log
           WHERE tenant_id = ${acme} AND action LIKE '%-read' AND recorded_at >= ${begunAt}
           ORDER BY action, target_type, recorded_at
        `
        const workflow = `/v1/events/workflows/${executionId}`
        const paths = [
          `/v1/events/queues/exports/jobs/${jobId}/payload`,
          "/v1/events/schedules",
          `/v1/events/schedules/${params["scheduleId"]}`,
          `/v1/events/webhooks/${endpointId}/deliveries/${deliveryId}/attempts`,
          workflow,
          `${workflow}/tasks`,
          "/v1/notifications/profiles/customer/c-9",
          `/v1/observability/projects/${params["projectId"]}/events/${params["eventId"]}`,
          "/v1/risk/decisions",
          `/v1/risk/decisions/${params["decisionId"]}`,
          "/v1/risk/signals/payment/try-9"
        ]
        for (const path of paths) assert.strictEqual((yield* get(open, path)).status, 200)
        assert.deepStrictEqual(yield* read, [])
        const view = (path: string) =>
          Effect.gen(function* () {
            const answer = yield* send(
              HttpClientRequest.get(path).pipe(
                HttpClientRequest.setHeaders({
                  cookie,
                  "x-hypermarket-console": "1",
                  "x-hypermarket-tenant": acme
                })
              )
            )
            assert.strictEqual(answer.status, 200, answer.text)
            assert.match(answer.text, new RegExp(`${body}|${person}`))
          })
        // A page asks for its parts at the same time, and again every ten seconds.
        for (let polls = 0; polls < 13; polls++) {
          yield* Effect.forEach([...paths, ...paths], view, { concurrency: "unbounded", discard: true })
          yield* testNow.adjust("10 seconds")
        }
        const entries = yield* read
        assert.deepStrictEqual(
          entries.map(({ action, target }) => [action, target]),
          [
            ["error-event.data-read", `error-event ${params["eventId"]}`],
            ["fraud-signal.attributes-read", "fraud-signal payment/try-9"],
            ["job.payload-read", `job ${jobId}`],
            ["profile.contact-read", "customer c-9"],
            ["risk-decision.attributes-read", `risk-decision ${params["decisionId"]}`],
            ["risk-decision.attributes-read", "risk-decisions all"],
            ["schedule.payload-read", `schedule ${params["scheduleId"]}`],
            ["schedule.payload-read", "schedules all"],
            ["webhook-delivery.answers-read", `webhook-delivery ${deliveryId}`],
            ["workflow.payload-read", `workflow ${executionId}`]
          ]
        )
        for (const { actor } of entries) assert.include(actor, "console: Ann")
        // Who comes back after a while looks again.
        yield* testNow.adjust("2 minutes")
        for (let polls = 0; polls < 2; polls++) yield* view(workflow)
        assert.deepStrictEqual(
          (yield* read).slice(-2).map(({ target }) => target),
          [`workflow ${executionId}`, `workflow ${executionId}`]
        )
        assert.strictEqual((yield* read).length, entries.length + 1)
      })
    )

    it.effect(
      "is not shown to a person whose reading cannot be recorded, however often it is asked for",
      () =>
        Effect.gen(function* () {
          const { cookie } = yield* Things
          const sql = yield* SqlClient.SqlClient
          const testNow = yield* Now.TestNow
          yield* testNow.adjust("2 minutes")
          yield* sql`ALTER TABLE hm_platform_activity_log RENAME TO hm_platform_activity_log_away`
          const view = send(
            HttpClientRequest.get(`/v1/events/workflows/${executionId}`).pipe(
              HttpClientRequest.setHeaders({
                cookie,
                "x-hypermarket-console": "1",
                "x-hypermarket-tenant": acme
              })
            )
          )
          const refused = yield* Effect.forEach([view, view, view, view], (one) => one, {
            concurrency: "unbounded"
          })
          for (const { status, text } of [...refused, yield* view]) {
            assert.isAtLeast(status, 500)
            assert.notInclude(text, body)
          }
          yield* sql`ALTER TABLE hm_platform_activity_log_away RENAME TO hm_platform_activity_log`
          assert.include((yield* view).text, body)
        })
    )
  }
)
