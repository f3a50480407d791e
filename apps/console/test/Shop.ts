/** A small shop for the pages: orders, an index with a hostile product, queues with dead jobs. */
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import * as OrderFact from "@hypermarket/analytics/OrderFact"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { SalesCloses } from "@hypermarket/analytics/SalesCloses"
import * as AccessScope from "@hypermarket/core/AccessScope"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { EventSubscriptions } from "@hypermarket/events/EventSubscriptions"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import { SearchDocuments } from "@hypermarket/search/SearchDocuments"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import { products } from "@hypermarket/search/SearchIndex"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { post } from "./shop/door.ts"
import * as Events from "./shop/events.ts"
import * as Release from "./shop/release.ts"
import * as Trust from "./shop/trust.ts"
import * as Watch from "./shop/watch.ts"

export const acme = TenantId.make("acme")
const bare = TenantId.make("bare")

const ofData: ReadonlySet<string> = new Set(AccessScope.ofData)

/** All that an operator may. */
const operatorScopes = [
  "events:admin",
  "events:payload",
  "customers:contact",
  "search:admin",
  "analytics:admin",
  "platform:admin",
  "flags:write",
  "audit:read",
  "policy:admin",
  "quotas:admin",
  "experiments:write",
  "risk:write",
  "observability:write",
  "notifications:admin"
]

export const layerServices = Layer.mergeAll(
  PlatformDomain.layer,
  EventsDomain.layer,
  SearchDomain.layer,
  AnalyticsDomain.layer
)

/** Text that would run if it were taken for markup. */
export const hostileTitle = `<img src=x onerror="document.title='run'"> desk lamp`

const decodeFact = Schema.decodeUnknownEffect(OrderFact.OrderFact)

const order = (orderId: string, day: string, category: string, unitPrice: string) =>
  decodeFact({
    type: "order.placed",
    data: {
      orderId,
      version: 1,
      status: "placed",
      channel: "web",
      region: "DE",
      currency: "EUR",
      placedAt: `${day}T12:00:00Z`,
      lines: [{ lineId: "l-1", productId: "lamp-1", sellerId: "s-1", category, quantity: 2, unitPrice }]
    }
  })

const makeSales = Effect.gen(function* () {
  const facts = yield* OrderFacts
  const closes = yield* SalesCloses
  yield* facts.record(
    yield* Effect.all([
      order("o-1000", "2026-01-10", "Lighting", "4900"),
      order("o-1001", "2026-02-10", "Lighting", "4900"),
      order("o-1002", "2026-02-11", "Seating", "12900")
    ])
  )
  yield* closes.close("month", "2026-01-01")
})

const makeIndex = Effect.gen(function* () {
  const indexes = yield* SearchIndexes
  const documents = yield* SearchDocuments
  yield* indexes.create({ indexName: products, automatic: false })
  yield* documents.write(products, {
    upserts: [
      { id: "lamp-1", version: 1, fields: { title: "Brass desk lamp", price: 4_900, currency: "EUR" } },
      { id: "lamp-2", version: 1, fields: { title: hostileTitle, price: 9_900, currency: "EUR" } }
    ]
  })
})

/** A queue that a test empties of one error. */
export const redriven = "labels"

/** A queue that comes while a page is open. */
export const arriving = "returns"

/** Makes a queue with three dead jobs. */
export const makeQueue = Effect.fnUntraced(function* (queue: string) {
  const sql = yield* SqlClient.SqlClient
  const subscriptions = yield* EventSubscriptions
  yield* subscriptions.create({
    name: `For ${queue}`,
    queue,
    filters: [{ prefix: { type: `com.acme.${queue}` } }]
  })
  const errors = (error: string) => JSON.stringify([{ attempt: 5, at: "2026-03-10T12:00:00Z", error }])
  yield* sql`
    INSERT INTO hm_event_dead (tenant_id, queue, job_id, type, attempt, errors, payload, died_at)
    SELECT ${acme}, ${queue}, gen_random_uuid(), 'com.acme.export', 5,
           (CASE WHEN n = 0 THEN ${errors("Rejected: no tax code")}::text ELSE ${errors("Timeout: no answer\n    at post")}::text END)::json,
           '{}', now()
      FROM generate_series(0, 2) n
  `
})

/** The things whose ids the API makes, by the name that stands for them in an address. */
export type Ids = Readonly<Record<"decisionId" | "experimentId" | "issueId", string>>

/** Makes the shop, and returns the secrets of a key that may everything here, of one that may only search, and of another tenant's. */
export const make = Effect.gen(function* () {
  const accounts = yield* TenantAccounts
  const keys = yield* ApiKeys
  for (const [tenantId, name] of [
    [acme, "Acme"],
    [bare, "Bare"]
  ] as const) {
    yield* accounts.create({ tenantId, name }).pipe(Effect.provideService(AllTenants, { actor: "test" }))
  }
  const issue = (name: string, scopes: ReadonlyArray<string>) =>
    Effect.map(keys.create({ name, scopes }, "operator"), ({ secret }) => secret ?? "")
  const secrets = yield* Effect.gen(function* () {
    const wide = yield* issue("operator", operatorScopes)
    yield* post(wide, "/v1/analytics/zone", { sellerId: null, zone: "Asia/Tokyo" })
    yield* makeSales
    yield* makeIndex
    yield* makeQueue("erp-export")
    yield* makeQueue(redriven)
    yield* Events.make
    const issueId = yield* Watch.make(wide)
    const decisionId = yield* Trust.make(wide)
    const experimentId = yield* Release.make(wide)
    return {
      ids: { decisionId, experimentId, issueId },
      wide,
      /** May all but see data of customers. */
      blind: yield* issue(
        "clerk",
        operatorScopes.filter((scope) => !ofData.has(scope))
      ),
      narrow: yield* issue("search", ["search:read"])
    }
  }).pipe(provide(acme))
  const { secret: system } = yield* keys
    .createSystem("operator")
    .pipe(Effect.provideService(AllTenants, { actor: "test" }))
  return {
    ...secrets,
    system: system ?? "",
    bare: yield* issue("operator", operatorScopes).pipe(provide(bare))
  }
})
