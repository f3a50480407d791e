/** A small shop, as the examples of the API reference find it. */
import * as AccessScope from "@hypermarket/core/AccessScope"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { FlagChangeRequests } from "@hypermarket/platform/FlagChangeRequests"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { EventSubscriptions } from "@hypermarket/events/EventSubscriptions"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import * as OrderFact from "@hypermarket/analytics/OrderFact"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { SalesCloses } from "@hypermarket/analytics/SalesCloses"
import { NotificationPreferences } from "@hypermarket/notifications/NotificationPreferences"
import * as NotificationsDomain from "@hypermarket/notifications/NotificationsDomain"
import { NotificationTemplates } from "@hypermarket/notifications/NotificationTemplates"
import { ErrorProjects } from "@hypermarket/observability/ErrorProjects"
import * as ErrorReports from "@hypermarket/observability/ErrorReports"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import { SearchBuilds } from "@hypermarket/search/SearchBuild"
import { SearchDocuments } from "@hypermarket/search/SearchDocuments"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import { IndexName, products } from "@hypermarket/search/SearchIndex"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import { UserBehaviors } from "@hypermarket/search/UserBehaviors"
import { Context, Effect, Layer, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { SqlClient } from "effect/sql"

const acme = TenantId.make("acme")

export interface Keys {
  readonly system: string
  readonly tenant: string
}

/** The services that the shop is made with. */
export const layerServices = Layer.mergeAll(
  PlatformDomain.layer,
  EventsDomain.layer,
  SearchDomain.layer,
  AnalyticsDomain.layer,
  ObservabilityDomain.layer,
  NotificationsDomain.layer
)

const asSystem = Effect.provideService(AllTenants, { actor: "reference" })

/** A queue whose subscription copies orders to it, with one job that waits and three dead ones. */
const makeQueue = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const subscriptions = yield* EventSubscriptions
  yield* subscriptions.create({
    name: "Order mails",
    queue: "mails",
    filters: [{ exact: { type: "com.example.order.placed" } }]
  })
  yield* sql`
    INSERT INTO hm_event_delayed (tenant_id, queue, run_at, job_id, type, payload)
    VALUES (${acme}, 'mails', '2099-01-01T00:00:00Z', '0199a000-0000-7000-8000-000000000001',
            'com.example.order.placed', '{}')
  `
  const errors = JSON.stringify([
    { attempt: 25, at: "2026-03-10T12:00:00Z", error: "The mail server refused the address" }
  ])
  yield* sql`
    INSERT INTO hm_event_dead (tenant_id, queue, job_id, type, attempt, errors, died_at)
    VALUES (${acme}, 'mails', '0199a000-0000-7000-8000-000000000002', 'com.example.order.placed', 25, ${errors}::text::json, now()),
           (${acme}, 'mails', '0199a000-0000-7000-8000-000000000003', 'com.example.order.shipped', 25, ${errors}::text::json, now()),
           (${acme}, 'mails', '0199a000-0000-7000-8000-000000000004', 'com.example.order.shipped', 25, ${errors}::text::json, now())
  `
})

/** A webhook endpoint that fails, with one delivery that has used up its attempts. */
const makeWebhook = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO hm_webhook_endpoint (tenant_id, endpoint_id, url, description, filters, compiled, ordered, status,
                                     failing_since, last_error, recorded_at, updated_at)
    VALUES (${acme}, '0199a000-0000-7000-8000-000000000010', 'https://mails.example/hooks', 'Mails',
            '[{"exact":{"type":"com.example.mail.sent"}}]', '$.type == "com.example.mail.sent"', false, 'enabled',
            '2026-03-10T12:00:00Z', 'Answered 500', '2026-03-01T12:00:00Z', '2026-03-01T12:00:00Z')
  `
  yield* sql`
    INSERT INTO hm_webhook_message (tenant_id, message_id, source, event_id, type, subject, body, recorded_at)
    VALUES (${acme}, '0199a000-0000-7000-8000-000000000011', '/shop', 'm-1:sent', 'com.example.mail.sent', 'o-1001',
            '{}', '2026-03-10T12:00:00Z')
  `
  yield* sql`
    INSERT INTO hm_webhook_delivery (tenant_id, delivery_id, endpoint_id, message_id, subject, state, attempts, sends, next_at,
                                     first_failed_at, last_status, last_error, recorded_at, finished_at)
    VALUES (${acme}, '0199a000-0000-7000-8000-000000000012', '0199a000-0000-7000-8000-000000000010',
            '0199a000-0000-7000-8000-000000000011', 'o-1001', 'dead', 10, 10, '2026-03-13T15:40:00Z', '2026-03-10T12:00:00Z',
            500, 'Answered 500', '2026-03-10T12:00:00Z', '2026-03-13T15:40:00Z')
  `
  yield* sql`
    INSERT INTO hm_webhook_attempt (tenant_id, delivery_id, attempted_at, number, status, error, duration_millis, answer)
    VALUES (${acme}, '0199a000-0000-7000-8000-000000000012', '2026-03-13T15:40:00Z', 10, 500, 'Answered 500', 41,
            convert_to('{"message":"The mail server is down"}', 'UTF8'))
  `
})

/** An execution that was killed after it had weighed a parcel. */
const makeWorkflow = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO hm_workflow_execution (tenant_id, execution_id, name, version, state, payload, result, recorded_at, updated_at,
                                       finished_at)
    VALUES (${acme}, '0f7c2b1d9a3e4c5f8b6a7d8e9f0a1b2c', 'ship', 1, 'killed', '{}', 'null', '2026-03-10T12:00:00Z',
            '2026-03-10T12:00:00Z', '2026-03-10T12:00:00Z')
  `
  yield* sql`
    INSERT INTO hm_workflow_task (tenant_id, execution_id, kind, name, outcome, result, recorded_at, finished_at)
    VALUES (${acme}, '0f7c2b1d9a3e4c5f8b6a7d8e9f0a1b2c', 'activity', 'weigh', 'succeeded', '{"value":410}',
            '2026-03-10T12:00:00Z', '2026-03-10T12:00:00Z')
  `
})

const lamps = IndexName.make("lamps")

/** Builds everything that was started. */
const buildAll = Effect.flatMap(SearchBuilds, (builds) =>
  Effect.repeat(builds.buildNext, { while: (worked) => worked })
).pipe(asSystem)

/** Two indexes with documents and a version to return to. `products` has another version that is ready. */
const makeIndexes = Effect.gen(function* () {
  const indexes = yield* SearchIndexes
  const documents = yield* SearchDocuments
  const versions = yield* SearchIndexVersions
  const behaviors = yield* UserBehaviors
  for (const indexName of [products, lamps]) {
    yield* indexes.create({ indexName, automatic: false })
    yield* documents.write(indexName, {
      upserts: [
        {
          id: "lamp-1",
          version: 1,
          fields: { title: "Brass desk lamp", brand: "Lumo", price: 4_900, stock: 3 }
        },
        { id: "lamp-2", version: 1, fields: { title: "Floor lamp", brand: "Lumo", price: 9_900, stock: 0 } },
        { id: "chair-1", version: 1, fields: { title: "Oak chair", brand: "Stuhl", price: 12_900, stock: 7 } }
      ]
    })
    const { versionId } = yield* versions.start(indexName, {})
    yield* buildAll
    yield* versions.activate(indexName, versionId)
  }
  yield* versions.start(products, {})
  yield* buildAll
  yield* behaviors.recordQueries("/shop", products, [{ id: "first-visit", query: "desk lamp" }])
})

/** A category, a published template, and a message that was filtered. */
const makeNotifications = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const preferences = yield* NotificationPreferences
  const templates = yield* NotificationTemplates
  yield* preferences.setCategory({ category: "orders", name: "Orders", kind: "required" })
  const { templateVersion } = yield* templates.draft({
    template: "order-confirmation",
    contents: [
      {
        subject: "Order {{ order.id }}",
        text: "Thank you: {{ order.total | money: order.currency }}."
      }
    ]
  })
  yield* templates.publish("order-confirmation", templateVersion)
  yield* sql`
    INSERT INTO hm_notification_queue (tenant_id, notification_id, trigger_id, recipient_kind, recipient_id, channel,
                                       category, state, reason, history, recorded_at, updated_at)
    VALUES (${acme}, '0199a000-0000-7000-8000-00000000000a', '0199a000-0000-7000-8000-00000000000b', 'customer', 'c-9',
            'email', 'orders', 'filtered', 'no-address',
            '[{"state":"filtered","reason":"no-address","at":"2026-03-10T12:00:00.000Z"}]',
            '2026-03-10T12:00:00Z', '2026-03-10T12:00:00Z')
  `
})

/** An export of a customer's data that is done. */
const makeExport = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const requestId = "0199a000-0000-7000-8000-000000000020"
  yield* sql`
    INSERT INTO hm_platform_subject_request (tenant_id, request_id, kind, state, rows, domains, parts, due_at, recorded_at,
                                             updated_at, finished_at)
    VALUES (${acme}, ${requestId}::uuid, 'export', 'done', 1, '{"analytics": 1}', 1, '2026-03-10T12:00:00Z',
            '2026-03-10T12:00:00Z', '2026-03-10T12:00:20Z', '2026-03-10T12:00:20Z')
  `
  yield* sql`
    INSERT INTO hm_platform_subject_part (tenant_id, request_id, number, lines)
    VALUES (${acme}, ${requestId}::uuid, 1,
            '{"domain":"analytics","table":"hm_order_line","row":{"order_id":"o-1000","customer_id":"c-7"}}')
  `
})

const decodeFact = Schema.decodeUnknownEffect(OrderFact.OrderFact)

/** An order of February, and the close of February. */
const makeClose = Effect.gen(function* () {
  const facts = yield* OrderFacts
  const closes = yield* SalesCloses
  const fact = yield* decodeFact({
    type: "order.placed",
    data: {
      orderId: "o-1000",
      version: 1,
      status: "placed",
      channel: "web",
      region: "DE",
      currency: "EUR",
      placedAt: "2026-02-10T12:00:00Z",
      lines: [{ lineId: "l-1", productId: "lamp-1", sellerId: "s-1", quantity: 2, unitPrice: "4900" }]
    }
  })
  yield* facts.record([fact])
  yield* closes.close("month", "2026-02-01")
})

const failures = [
  { type: "TypeError", value: "cart is undefined", function: "checkout", events: 3 },
  { type: "PaymentError", value: "Card declined for order 1042", function: "pay", events: 2 },
  { type: "StockError", value: "Nothing is left of lamp-2", function: "reserve", events: 1 }
]

/** Three issues of the project `shop`, as an SDK reports them. */
const makeErrors = Effect.fnUntraced(function* (key: string) {
  const projects = yield* ErrorProjects
  const { projectId } = yield* projects.create({ slug: "shop" })
  let ids = 0
  for (const { events, function: name, type, value } of failures) {
    for (let event = 0; event < events; event++) {
      const eventId = (++ids).toString(16).padStart(32, "0")
      const frames = [{ function: name, filename: `/app/src/${name}.js`, lineno: 12, in_app: true }]
      const payload = {
        event_id: eventId,
        platform: "node",
        level: "error",
        release: "shop@2.9.0",
        environment: "live",
        user: { id: `customer-${event}` },
        tags: { order_id: `o-${1_000 + event}` },
        exception: { values: [{ type, value, stacktrace: { frames } }] }
      }
      const answer = yield* HttpClient.execute(
        HttpClientRequest.post(`/sentry/api/${projectId}/envelope/?sentry_key=${key}`).pipe(
          HttpClientRequest.bodyText(
            `{"event_id":"${eventId}"}\n{"type":"event"}\n${JSON.stringify(payload)}\n`
          )
        )
      )
      if (answer.status !== 200) return yield* Effect.die(new Error(yield* answer.text))
    }
  }
  const checkIn = {
    check_in_id: "c0ffee00000000000000000000000001",
    monitor_slug: "close-orders",
    environment: "live",
    status: "ok",
    duration: 12.5,
    monitor_config: {
      schedule: { type: "interval", value: 1, unit: "day" },
      checkin_margin: 10
    }
  }
  const answer = yield* HttpClient.execute(
    HttpClientRequest.post(`/sentry/api/${projectId}/envelope/?sentry_key=${key}`).pipe(
      HttpClientRequest.bodyText(`{}\n{"type":"check_in"}\n${JSON.stringify(checkIn)}\n`)
    )
  )
  if (answer.status !== 200) return yield* Effect.die(new Error(yield* answer.text))
})

/** An issue of the installation, as the API reports it in process. */
const makeSystemIssue = Effect.gen(function* () {
  const error = new RangeError("More leases than workers")
  error.stack = `RangeError: More leases than workers\n    at lease (/app/src/lease.js:31:9)`
  const reports = ErrorReports.layerSystem({ release: "hypermarket@0.9.0" }).pipe(
    Layer.provide(ObservabilityDomain.layerIntake)
  )
  // The end of the scope waits until it is stored.
  yield* Effect.flatMap(Layer.build(reports), (context) =>
    Effect.sync(() => Context.get(context, ErrorReports.ErrorReports).capture(error))
  ).pipe(Effect.scoped)
})

/** A flag, and a change of it that a colleague has proposed. */
const makeFlagRequest = Effect.gen(function* () {
  const flags = yield* FeatureFlags
  const requests = yield* FlagChangeRequests
  const rules = [{ ruleId: "some", percentage: 5, serve: { variant: "on" } }]
  const live = { isEnabled: true, rules, otherwise: { variant: "off" } }
  yield* flags.create({ flagKey: "gift-wrap", kind: "boolean", environments: { live } })
  yield* requests.create({
    flagKey: "gift-wrap",
    baseVersion: 1,
    steps: [{ does: { environment: "live", ruleId: "some", percentage: 10 } }]
  })
})

/** Makes the shop, and returns the keys of the operator and of the shop, which has the scopes. */
export const make = Effect.fnUntraced(function* (scopes: ReadonlyArray<string>) {
  const accounts = yield* TenantAccounts
  const apiKeys = yield* ApiKeys
  yield* asSystem(accounts.create({ tenantId: acme, name: "Acme", region: "DE" }))
  const system = yield* asSystem(apiKeys.createSystem("operator"))
  const tenant = yield* apiKeys
    .create(
      { name: "reference", scopes: Array.from(new Set([...scopes, ...AccessScope.ofData])) },
      "operator"
    )
    .pipe(provide(acme))
  yield* Effect.all([
    makeQueue,
    makeWebhook,
    makeWorkflow,
    makeIndexes,
    makeClose,
    makeNotifications,
    makeExport,
    makeFlagRequest
  ]).pipe(provide(acme))
  yield* makeErrors(tenant.secret ?? "").pipe(provide(acme))
  yield* makeSystemIssue
  return { system: system.secret ?? "", tenant: tenant.secret ?? "" } satisfies Keys
})
