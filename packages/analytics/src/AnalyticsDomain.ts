/**
 * Analytics as a domain.
 *
 * @since 0.1.0
 */
import * as Check from "@hypermarket/core/Check"
import * as Commerce from "@hypermarket/core/Commerce"
import * as Domain from "@hypermarket/core/Domain"
import * as Job from "@hypermarket/core/Job"
import { now } from "@hypermarket/core/Now"
import type { Event } from "@hypermarket/core/Outbox"
import * as Setting from "@hypermarket/core/Setting"
import * as Subscription from "@hypermarket/core/Subscription"
import type { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as Config from "effect/Config"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { migrations } from "./AnalyticsMigrations.ts"
import * as OrderFacts from "./OrderFacts.ts"
import { OrderSummaries, waitingMax } from "./OrderSummaries.ts"
import { OrderZones } from "./OrderZones.ts"
import { SalesCloses } from "./SalesClose.ts"
import { SalesQueries } from "./SalesQuery.ts"

const closeAfterDays = Setting.make({
  name: "HM_ANALYTICS_CLOSE_AFTER_DAYS",
  doc: "How many days after its end a month's figures are closed for every tenant.",
  read: (name) => Config.Int(name),
  defaultValue: 5
})

/**
 * The services of this package.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  OrderFacts.OrderFacts | OrderSummaries | OrderZones | SalesCloses | SalesQueries,
  never,
  SqlClient.SqlClient
> = Layer.mergeAll(
  OrderFacts.OrderFacts.layer,
  OrderZones.layer,
  SalesQueries.layer,
  SalesCloses.layerNoDeps.pipe(Layer.provideMerge(OrderSummaries.layer))
)

/** A handler's or job's service, over the worker's client: it must write in the handler's transaction. */
const using = <I, S, A, E, R>(
  service: Context.Service<I, S>,
  layer_: Layer.Layer<I, never, SqlClient.SqlClient>,
  use: (service: S) => Effect.Effect<A, E, R>
) => Effect.flatMap(service, use).pipe(Effect.provide(layer_))

/**
 * A version told twice with two contents, and what the figures cannot take, must not hold up the facts behind them: the
 * first content stays, the rest is left out, and the log says so.
 */
const handleFacts = Effect.fnUntraced(function* (events: ReadonlyArray<Event>) {
  const facts = yield* Effect.forEach(events, (event) =>
    OrderFacts.fromEvent(event.type, event.data).pipe(
      Effect.catchTag("OrderFactInvalid", (error) =>
        Effect.as(
          Effect.logWarning(`The figures leave out ${event.source} ${event.id}`, error.errors),
          undefined
        )
      )
    )
  )
  yield* using(OrderFacts.OrderFacts, OrderFacts.OrderFacts.layer, (service) =>
    service.record(
      facts.filter((fact) => fact !== undefined),
      { conflicts: "keep" }
    )
  )
})

const facts = Subscription.make<SqlClient.SqlClient | Tenant>({
  name: "analytics.order_fact",
  types: [
    Commerce.typeOf("order.placed"),
    Commerce.typeOf("order.changed"),
    Commerce.typeOf("order.cancelled"),
    Commerce.typeOf("order.shipped"),
    Commerce.typeOf("order.refunded")
  ],
  handler: handleFacts
})

const merge = Job.scheduled<SqlClient.SqlClient | AllTenants>({
  name: "analytics.order.merge",
  every: "1 second",
  run: using(OrderSummaries, OrderSummaries.layer, ({ mergeDue }) => Effect.asVoid(mergeDue))
})

const close = Job.scheduled<SqlClient.SqlClient | AllTenants>({
  name: "analytics.sales.close",
  every: "1 hour",
  deadline: "10 minutes",
  run: Effect.flatMap(closeAfterDays.config, (days) =>
    using(SalesCloses, SalesCloses.layer, ({ closeDue }) => Effect.asVoid(closeDue(days)))
  )
})

const prove = Job.scheduled<SqlClient.SqlClient | AllTenants>({
  name: "analytics.order.prove",
  every: "1 day",
  deadline: "1 hour",
  run: using(OrderSummaries, OrderSummaries.layer, ({ proveAll }) => Effect.asVoid(proveAll))
})

const waitingWarnSeconds = 60

const backlog = Check.make(
  "order delta",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const moment = yield* now
    const [row] = yield* sql<{ readonly waiting: number; readonly oldest: number | null }>`
      SELECT count(*)::int AS waiting,
             extract(epoch FROM ${moment}::timestamptz - min(recorded_at))::float8 AS oldest
        FROM hm_order_delta
    `
    const waiting = row?.waiting ?? 0
    const oldest = Math.round(row?.oldest ?? 0)
    const message = `${waiting} rows wait for a merge, the oldest for ${oldest} s`
    return [
      waiting > waitingMax || oldest > waitingWarnSeconds
        ? {
            status: "warn" as const,
            message,
            hint: "figures are exact all the same, reading them is slower; is a worker running?"
          }
        : { status: "ok" as const, message }
    ]
  })
)

const proofs = Check.make(
  "order proof",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ readonly tenantId: string; readonly differences: number; readonly at: Date }>`
      SELECT tenant_id AS "tenantId", differences::int AS differences, proved_at AS at
        FROM (SELECT DISTINCT ON (tenant_id) * FROM hm_order_proof ORDER BY tenant_id, proved_at DESC) p
       WHERE differences > 0 LIMIT 5
    `
    return rows.length === 0
      ? [{ status: "ok" as const, message: "every summary equalled its facts when it was last recomputed" }]
      : rows.map(({ at, differences, tenantId }) => ({
          status: "fail" as const,
          message: `${differences} cells of ${tenantId} differed from their facts at ${at.toISOString()}`,
          hint: "report it with the log's lines of that time: this must not happen"
        }))
  })
)

/**
 * @category domains
 * @since 0.1.0
 */
export const domain: Domain.Domain<SqlClient.SqlClient | Tenant | AllTenants> = Domain.make<
  SqlClient.SqlClient | Tenant | AllTenants
>({
  name: "analytics",
  migrations,
  jobs: [merge, close, prove],
  subscriptions: [facts],
  checks: [backlog, proofs],
  settings: [closeAfterDays]
})
