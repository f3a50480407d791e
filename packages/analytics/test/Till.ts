/** Orders, refunds and credits of one shop, and the figures that are read of them. */
import { assert } from "@effect/vitest"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import type * as Catalogue from "@hypermarket/analytics/Catalogue"
import { OrderFact } from "@hypermarket/analytics/OrderFact"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { SalesQueries } from "@hypermarket/analytics/SalesQueries"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Schema } from "effect"

export const TestLayer = AnalyticsDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, AnalyticsDomain.domain.migrations))
)

export const as = (tenant: string) => provide(TenantId.make(tenant))

export const decodeFacts = Schema.decodeUnknownSync(Schema.Array(OrderFact))

/** Records facts in the order in which they arrive. Versions of one fact go in separate calls. */
export const tell = (...facts: ReadonlyArray<unknown>) =>
  Effect.flatMap(OrderFacts, (service) =>
    Effect.forEach(decodeFacts(facts), (fact) => service.record([fact]), { discard: true })
  )

interface Line {
  readonly lineId?: string
  readonly sellerId?: string
  readonly quantity?: number
  readonly cancelledQuantity?: number
  readonly unitPrice?: string
  readonly discount?: string
  readonly tax?: string
  readonly shipping?: string
}

export const order = (
  type: "order.placed" | "order.changed" | "order.cancelled",
  version: number,
  lines: ReadonlyArray<Line>,
  further: object = {}
) => ({
  type,
  data: {
    orderId: "o1",
    version,
    status: "told",
    channel: "app",
    region: "AT",
    currency: "EUR",
    placedAt: "2026-05-06T09:00:00Z",
    lines: lines.map((line, index) => ({
      lineId: `${index + 1}`,
      productId: `p-${index + 1}`,
      sellerId: "s-8",
      category: "books",
      quantity: 1,
      unitPrice: "2500",
      ...line
    })),
    ...further
  }
})

export const refund = (lines: ReadonlyArray<object>, further: object = {}) => ({
  type: "order.refunded",
  data: {
    orderId: "o1",
    refundId: "r1",
    version: 1,
    at: "2026-06-09T09:00:00Z",
    reason: "returned",
    lines: lines.map((line) => ({ lineId: "1", quantity: 1, ...line })),
    ...further
  }
})

export const deleted = (version: number) => ({
  type: "order.deleted",
  data: { orderId: "o1", version, reason: "test order" }
})

export const credit = (creditId: string, amount: string, further: object = {}) => ({
  type: "order.refunded",
  data: {
    refundId: creditId,
    version: 1,
    at: "2026-06-20T09:00:00Z",
    reason: "goodwill",
    region: "AT",
    currency: "EUR",
    lines: [{ lineId: "1", quantity: 1, amount }],
    ...further
  }
})

const year = { from: "2026-01-01", until: "2027-01-01" } as const

type Figures = Readonly<Record<string, number | string | null>>

export const asNumber = (value: unknown): number | string | null =>
  typeof value === "object" && value !== null && "amount" in value
    ? Number(value.amount)
    : typeof value === "number" || typeof value === "string"
      ? value
      : null

export const rowsOf = Effect.fnUntraced(function* (
  measures: ReadonlyArray<Catalogue.MeasureName>,
  options: {
    readonly granularity?: "month"
    readonly dimensions?: ReadonlyArray<Catalogue.DimensionName>
    readonly currency?: string
  } = {}
) {
  const sales = yield* SalesQueries
  const { currency = "EUR", dimensions = [], granularity } = options
  const { rows } = yield* sales.run({
    measures,
    dimensions,
    timeDimension: { ...year, ...(granularity === undefined ? {} : { granularity }) },
    filters: [{ dimension: "currency", operator: "equals", values: [currency] }],
    limit: 100
  })
  return rows.map((row): Figures =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, asNumber(value)]))
  )
})

export const figures = Effect.fnUntraced(function* (...measures: ReadonlyArray<Catalogue.MeasureName>) {
  const [row] = yield* rowsOf(measures)
  return row ?? {}
})

export const isExact = Effect.gen(function* () {
  const summaries = yield* OrderSummaries
  assert.deepStrictEqual(yield* summaries.differences("1970-01-01", "2100-01-01"), [])
})
