/**
 * Analytics as a domain.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Check from "@hypermarket/core/Check"
import * as Commerce from "@hypermarket/core/Commerce"
import * as Domain from "@hypermarket/core/Domain"
import * as Job from "@hypermarket/core/Job"
import { AdopterId } from "@hypermarket/core/Identifier"
import { Day } from "@hypermarket/core/Instant"
import * as Now from "@hypermarket/core/Now"
import type { Event } from "@hypermarket/core/Outbox"
import * as Page from "@hypermarket/core/Page"
import * as Service from "@hypermarket/core/Service"
import * as Setting from "@hypermarket/core/Setting"
import * as Subscription from "@hypermarket/core/Subscription"
import type { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { migrations } from "./AnalyticsMigrations.ts"
import { batchMax, OrderFact } from "./OrderFact.ts"
import * as OrderFacts from "./OrderFacts.ts"
import { OrderFigures } from "./OrderFigures.ts"
import { OrderRetentions } from "./OrderRetentions.ts"
import { OrderSummaries, waitingMax } from "./OrderSummaries.ts"
import { ZoneName } from "./OrderZone.ts"
import { OrderZones } from "./OrderZones.ts"
import { By, CloseId, Period } from "./SalesClose.ts"
import { SalesCloses } from "./SalesCloses.ts"
import { SalesQueries } from "./SalesQueries.ts"
import { SalesQuery } from "./SalesQuery.ts"
import * as Overview from "./internal/overview.ts"
import { UnplacedFacts } from "./UnplacedFacts.ts"
import * as AnalyticsSubjectData from "./AnalyticsSubjectData.ts"

const closeAfterDays = Setting.make({
  name: "HM_ANALYTICS_CLOSE_AFTER_DAYS",
  doc: "How many days after its end a month's figures are closed for every tenant.",
  read: (name) => Config.Int(name),
  defaultValue: 5
})

/** A hundred years. */
const keepMonthsMax = 1_200

const factsKeepMonths = Setting.make({
  name: "HM_ANALYTICS_FACTS_KEEP_MONTHS",
  doc: "How many whole months the facts of closed months are kept. With 0 they are kept for ever.",
  read: (name) => Config.schema(BoundedInt.fromText({ minimum: 0, maximum: keepMonthsMax }), name),
  defaultValue: 0
})

const CloseAfterDays = BoundedInt.make({ minimum: 0, maximum: 366 })

/**
 * Records facts. One that the figures cannot take is rejected, and the facts behind it are recorded. Of a version with two
 * contents the first stays.
 */
const handleFacts = Effect.fnUntraced(function* (events: ReadonlyArray<Event>) {
  const rejections: Array<Subscription.Rejection> = []
  const facts: Array<OrderFacts.CheckedFact> = []
  for (const event of events) {
    const fact = yield* Effect.result(OrderFacts.fromEvent(event.type, event.data))
    if (Result.isSuccess(fact)) facts.push(fact.success)
    else rejections.push(Subscription.reject(event, "order-fact-invalid", fact.failure.errors))
  }
  const service = yield* OrderFacts.OrderFacts
  yield* service.recordChecked(facts, { conflicts: "keep" })
  return rejections
})

const facts = Subscription.make<OrderFacts.OrderFacts | Tenant>({
  name: "analytics.order_fact",
  types: [
    Commerce.typeOf("order.placed"),
    Commerce.typeOf("order.changed"),
    Commerce.typeOf("order.cancelled"),
    Commerce.typeOf("order.deleted"),
    Commerce.typeOf("order.shipped"),
    Commerce.typeOf("order.refunded")
  ],
  handler: handleFacts
})

const merge = Job.scheduled<OrderSummaries | AllTenants>({
  name: "analytics.order.merge",
  every: "1 second",
  run: Effect.flatMap(OrderSummaries, ({ mergeDue }) => Effect.asVoid(mergeDue))
})

const close = Job.scheduled<SalesCloses | AllTenants>({
  name: "analytics.sales.close",
  every: "1 hour",
  deadline: "10 minutes",
  run: Effect.gen(function* () {
    const closes = yield* SalesCloses
    yield* closes.closeDue(yield* closeAfterDays.config)
  })
})

const prove = Job.scheduled<OrderSummaries | AllTenants>({
  name: "analytics.order.prove",
  every: "1 day",
  deadline: "1 hour",
  run: Effect.flatMap(OrderSummaries, ({ proveAll }) => Effect.asVoid(proveAll))
})

const retain = Job.scheduled<OrderRetentions | AllTenants>({
  name: "analytics.order.retain",
  every: "1 hour",
  deadline: "10 minutes",
  run: Effect.gen(function* () {
    const retentions = yield* OrderRetentions
    yield* retentions.retainDue(yield* factsKeepMonths.config)
  })
})

const waitingWarnSeconds = 60

/** Rows that are not merged into the summaries, of all tenants, and the age of the oldest in seconds. */
const readBacklog = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Now.now
  const [row] = yield* sql<{ readonly waiting: number; readonly oldest: number | null }>`
    SELECT count(*)::int AS waiting,
           extract(epoch FROM ${now}::timestamptz - min(recorded_at))::float8 AS oldest
      FROM hm_order_delta
  `
  return { waiting: row?.waiting ?? 0, oldestSeconds: Math.max(0, row?.oldest ?? 0) }
})

const waitingRows = Metric.gauge("hm_analytics_order_merge_waiting", {
  description: "Rows of all tenants that are not merged into the summaries of orders"
})
const oldestSeconds = Metric.gauge("hm_analytics_order_merge_oldest_seconds", {
  description: "Age of the oldest row that is not merged"
})

const measure = Effect.flatMap(readBacklog, (backlog) =>
  Effect.andThen(
    Metric.update(waitingRows, backlog.waiting),
    Metric.update(oldestSeconds, backlog.oldestSeconds)
  )
)

const backlog = Check.make(
  "order delta",
  Effect.gen(function* () {
    const { oldestSeconds, waiting } = yield* readBacklog
    const oldest = Math.round(oldestSeconds)
    const message = `${waiting} rows wait for a merge, the oldest for ${oldest} s`
    return [
      waiting > waitingMax || oldest > waitingWarnSeconds
        ? {
            status: "warn" as const,
            message,
            hint: "start a worker: figures stay exact, and are slower to read until it has merged them"
          }
        : { status: "ok" as const, message }
    ]
  })
)

/** Two nights: one may be missed. */
const proofWarnHours = 48

const proofs = Check.make(
  "order proof",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const differing = yield* sql<{
      readonly tenantId: string
      readonly month: string
      readonly differences: number
      readonly at: Date
    }>`
      SELECT tenant_id AS "tenantId", to_char(month, 'YYYY-MM') AS month, differences::int AS differences,
             proved_at AS at
        FROM hm_order_month
       WHERE differences > 0
       ORDER BY proved_at
       LIMIT 5
    `
    const unproven = yield* sql<{ readonly tenantId: string }>`
      SELECT tenant_id AS "tenantId"
        FROM hm_order_merge m
       WHERE NOT EXISTS (
                        SELECT
                          FROM hm_order_proof p
                         WHERE p.tenant_id = m.tenant_id
                           AND p.proved_at > ${now}::timestamptz - make_interval(hours => ${proofWarnHours})
                        )
       ORDER BY tenant_id
       LIMIT 5
    `
    return [
      ...differing.map(({ at, differences, month, tenantId }) => ({
        status: "fail" as const,
        message: `${differences} cells of ${tenantId} in ${month} differed from their facts at ${at.toISOString()}`,
        hint: `run hypermarket analytics rebuild ${tenantId} ${month}, and report it with the log's lines of that time`
      })),
      ...unproven.map(({ tenantId }) => ({
        status: "warn" as const,
        message: `the summaries of ${tenantId} were not compared with their facts for ${proofWarnHours} hours`,
        hint: "start a worker: it compares them every night"
      })),
      ...(differing.length + unproven.length === 0
        ? [{ status: "ok" as const, message: "every summary equalled its facts when it was last recomputed" }]
        : [])
    ]
  })
)

const retention = Check.make(
  "order retention",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const blocked = yield* sql<{ readonly tenantId: string; readonly month: string }>`
      SELECT tenant_id AS "tenantId", to_char(blocked_month, 'YYYY-MM') AS month
        FROM hm_order_retention
       WHERE blocked_month IS NOT NULL
       ORDER BY blocked_month, tenant_id
       LIMIT 5
    `
    const [removed] = yield* sql<{ readonly count: number }>`
      SELECT count(*)::int AS count
        FROM hm_order_retention
       WHERE facts_from IS NOT NULL
    `
    return blocked.length === 0
      ? [
          {
            status: "ok" as const,
            message: `old facts of ${removed?.count ?? 0} tenants are removed: these months are not compared any more`
          }
        ]
      : blocked.map(({ month, tenantId }) => ({
          status: "warn" as const,
          message: `facts of ${tenantId} in ${month} are kept beyond their retention: the month is not closed`,
          hint: "close it with POST /v1/analytics/closes"
        }))
  })
)

/** A late fact is a person's to look at; after a week it was seen or does not matter. */
const lateWarnDays = 7

const late = Check.make(
  "order facts that came late",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const rows = yield* sql<{ readonly tenantId: string; readonly count: number }>`
      SELECT tenant_id AS "tenantId", count(*)::int AS count
        FROM hm_order_late
       WHERE received_at > ${now}::timestamptz - make_interval(days => ${lateWarnDays})
       GROUP BY tenant_id
       ORDER BY count DESC
       LIMIT 5
    `
    return rows.length === 0
      ? [{ status: "ok" as const, message: "no fact came after its order's facts were removed" }]
      : rows.map(({ count, tenantId }) => ({
          status: "warn" as const,
          message: `${count} facts of ${tenantId} are in no figure: the facts of their orders were removed`,
          hint: "list them with GET /v1/analytics/unplaced; a new refund is sent as a credit, without its order"
        }))
  })
)

/** An order may be some hours behind its refund, in hours. */
const unplacedWarnHours = 24

const unplaced = Check.make(
  "order facts without an order",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const rows = yield* sql<{ readonly tenantId: string; readonly count: number }>`
      SELECT tenant_id AS "tenantId", count(DISTINCT (order_id, kind, adjustment_id))::int AS count
        FROM hm_order_adjustment a
       WHERE currency IS NULL AND booked_at < ${now}::timestamptz - make_interval(hours => ${unplacedWarnHours})
         AND (units, amount, tax, shipping, fees) <> (0, 0, 0, 0, 0)
         AND (SELECT h.version
                FROM hm_order_head h
               WHERE h.tenant_id = a.tenant_id AND h.order_id = a.order_id) = 0
       GROUP BY tenant_id
       ORDER BY count DESC
       LIMIT 5
    `
    return rows.length === 0
      ? [{ status: "ok" as const, message: "every refund and shipment older than a day has its order" }]
      : rows.map(({ count, tenantId }) => ({
          status: "warn" as const,
          message: `${count} refunds and shipments of ${tenantId} are in no figure: their orders are unknown`,
          hint: "list them with GET /v1/analytics/unplaced and send their orders"
        }))
  })
)

/**
 * The services of this package.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(
  OrderFacts.OrderFacts.layer,
  OrderFigures.layer,
  SalesQueries.layer,
  UnplacedFacts.layer,
  Layer.mergeAll(SalesCloses.layerNoDeps, OrderZones.layerNoDeps, OrderRetentions.layerNoDeps).pipe(
    Layer.provideMerge(OrderSummaries.layer)
  )
)

/**
 * @category domains
 * @since 0.1.0
 */
export const domain = Domain.make({
  name: "analytics",
  tables: ["hm_order_", "hm_sales_"],
  migrations,
  layer,
  timeline: Overview.timeline,
  lookup: Overview.lookup,
  services: {
    orders: Service.make(
      OrderFacts.OrderFacts,
      {
        record: [
          Schema.Array(OrderFact).check(Schema.isMaxLength(batchMax)),
          Service.optional(Schema.Struct({ conflicts: Schema.Literals(["refuse", "keep"]) }))
        ],
        place: [Commerce.Order],
        change: [Commerce.Order],
        cancel: [Commerce.Order],
        ship: [Commerce.Shipment],
        refund: [Commerce.Refund],
        remove: [Commerce.OrderDeleted]
      },
      { internal: ["recordChecked"] }
    ),
    figures: Service.make(OrderFigures, { get: [AdopterId] }),
    sales: Service.make(SalesQueries, { run: [SalesQuery], csv: [SalesQuery], freshness: [] }),
    unplaced: Service.make(UnplacedFacts, { list: [Page.Request] }),
    closes: Service.make(SalesCloses, {
      close: [Period, Day],
      get: [CloseId],
      list: [Page.Request],
      restatement: [CloseId, By],
      closeDue: [CloseAfterDays]
    }),
    zones: Service.make(OrderZones, {
      zone: [],
      setZone: [ZoneName],
      sellerZone: [AdopterId],
      setSellerZone: [AdopterId, ZoneName],
      correctZone: [ZoneName],
      correctSellerZone: [AdopterId, ZoneName]
    })
  },
  internalServices: [OrderSummaries, OrderRetentions],
  jobs: [merge, close, prove, retain],
  subscriptions: [facts],
  checks: [backlog, proofs, unplaced, retention, late],
  measure,
  settings: [closeAfterDays, factsKeepMonths],
  subjectData: AnalyticsSubjectData.subjectData
})
