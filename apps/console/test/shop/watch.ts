/** Errors as an SDK reports them, and messages to customers. */
import { Tenant } from "@hypermarket/core/Tenant"
import { Effect, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { SqlClient } from "effect/sql"
import { post } from "./door.ts"

const decodeProject = Schema.decodeUnknownEffect(Schema.Struct({ projectId: Schema.Number }))

const failures = [
  { type: "RangeError", value: "quantity is negative", name: "addLine", events: 2 },
  { type: "PaymentError", value: "The card has expired", name: "pay", events: 1 }
]

/** Of the person whose request failed, which a session without the scopes of data does not show. */
export const buyer = "ida@example.org"
export const voucher = "SUMMER-4711"

/** The issue that a test resolves. */
export const resolvedTitle = "PaymentError: The card has expired"

const makeErrors = Effect.fnUntraced(function* (secret: string) {
  const made = yield* post(secret, "/v1/observability/projects", { slug: "storefront" })
  const { projectId } = yield* decodeProject(made)
  let number = 0
  for (const { events, name, type, value } of failures) {
    for (let event = 0; event < events; event++) {
      const eventId = (++number).toString(16).padStart(32, "0")
      const payload = {
        event_id: eventId,
        platform: "node",
        level: "error",
        release: "storefront@4.1.0",
        environment: "live",
        user: { id: `customer-${event}`, email: buyer },
        request: { url: "https://shop.example/basket", data: { voucher } },
        exception: {
          values: [
            {
              type,
              value,
              stacktrace: {
                frames: [{ function: name, filename: "/app/src/basket.js", lineno: 31, in_app: true }]
              }
            }
          ]
        }
      }
      const answer = yield* HttpClient.execute(
        HttpClientRequest.post(`/sentry/api/${projectId}/envelope/?sentry_key=${secret}`).pipe(
          HttpClientRequest.bodyText(
            `{"event_id":"${eventId}"}\n{"type":"event"}\n${JSON.stringify(payload)}\n`
          )
        )
      )
      if (answer.status !== 200) return yield* Effect.die(new Error(yield* answer.text))
    }
  }
  const checkIn = {
    monitor_slug: "close-baskets",
    environment: "live",
    status: "ok",
    monitor_config: { schedule: { type: "crontab", value: "15 4 * * *" }, timezone: "Europe/Berlin" }
  }
  yield* HttpClient.execute(
    HttpClientRequest.post(`/sentry/api/${projectId}/envelope/?sentry_key=${secret}`).pipe(
      HttpClientRequest.bodyText(`{}\n{"type":"check_in"}\n${JSON.stringify(checkIn)}\n`)
    )
  )
})

export const notificationId = "0199b000-0000-7000-8000-00000000000a"

const makeMessages = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { id } = yield* Tenant
  yield* sql`
    INSERT INTO hm_notification_queue (tenant_id, notification_id, trigger_id, recipient_kind, recipient_id, channel,
                                       category, state, reason, history, recorded_at, updated_at)
    VALUES (${id}, ${notificationId}::uuid, '0199b000-0000-7000-8000-00000000000b', 'customer', 'c-77',
            'email', 'parcels', 'filtered', 'no-address',
            '[{"state":"pending","reason":null,"at":"2026-03-10T11:59:00.000Z"},
              {"state":"filtered","reason":"no-address","at":"2026-03-10T12:00:00.000Z"}]',
            '2026-03-10T11:59:00Z', '2026-03-10T12:00:00Z')
  `
})

const decodeIssues = Schema.decodeUnknownEffect(
  Schema.Struct({ items: Schema.Array(Schema.Struct({ issueId: Schema.String })) })
)

/** Returns the id of the issue that no test changes. */
export const make = Effect.fnUntraced(function* (secret: string) {
  yield* makeErrors(secret)
  yield* makeMessages
  const found = yield* HttpClient.execute(
    HttpClientRequest.get("/v1/observability/issues?query=quantity").pipe(
      HttpClientRequest.bearerToken(secret)
    )
  )
  const { items } = yield* decodeIssues(yield* found.json)
  return items[0]?.issueId ?? ""
})
