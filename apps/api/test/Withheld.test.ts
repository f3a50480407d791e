/** The answers to a key with every scope but those of data, for everything that holds data of customers. */
import { assert, layer } from "@effect/vitest"
import * as AccessScope from "@hypermarket/core/AccessScope"
import * as Now from "@hypermarket/core/Now"
import { Effect, Layer } from "effect"
import { HttpClientRequest } from "effect/http"
import { SqlClient } from "effect/sql"
import { acme, body, deliveryId, endpointId, executionId, jobId, person } from "./customerData.ts"
import { TestServer } from "./customerDataServer.ts"
import { send, get, post, Things, pathsOf, decodeAnswer } from "./withheldThings.ts"

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
