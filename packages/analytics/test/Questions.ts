/** Sales that are placed by day, and questions about them. */
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { SalesQueries } from "@hypermarket/analytics/SalesQueries"
import type { SalesQuery } from "@hypermarket/analytics/SalesQuery"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import * as Shop from "./Shop.ts"

export const TestLayer = AnalyticsDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, AnalyticsDomain.domain.migrations))
)

export const as = (tenant: string) => provide(TenantId.make(tenant))

export const ask = (query: SalesQuery) => Effect.flatMap(SalesQueries, (sales) => sales.run(query))
export const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
export const valuesOf = (query: SalesQuery) =>
  Effect.map(ask(query), ({ rows }) => rows.map((row) => Object.values(row).map((value) => plain(value))))
export const refusal = (query: SalesQuery) =>
  ask(query).pipe(
    Effect.flip,
    Effect.map((error) => (error._tag === "SalesQueryInvalid" ? error.errors[0]?.path : error))
  )

export const inEuros = { dimension: "currency", operator: "equals", values: ["EUR"] } as const
export const euros = (amount: string) => ({ amount, currency: "EUR" })

interface Sale {
  readonly orderId: string
  readonly day: string
  readonly region: string
  readonly customerId: string | undefined
}

const dayMillis = 24 * 60 * 60 * 1000
export const shifted = (day: string, days: number): string =>
  new Date(Date.parse(day) + days * dayMillis).toISOString().slice(0, 10)

const factOf = ({ customerId, day, orderId, region }: Sale) => {
  const { customerId: _, ...guest } = Shop.order(orderId, { region, placedAt: `${day}T12:00:00Z` })
  return {
    type: "order.placed" as const,
    data: customerId === undefined ? guest : { ...guest, customerId }
  }
}

export const place = (sales: ReadonlyArray<Sale>) =>
  Effect.flatMap(OrderFacts, (facts) => facts.record(sales.map(factOf)))

export const randomSales = (seed: number, count: number, from: string, days: number): ReadonlyArray<Sale> => {
  const dice = OrderMix.random(seed)
  return Array.from({ length: count }, (_, n) => ({
    orderId: `o${n}`,
    day: shifted(from, dice.below(days)),
    region: dice.pick(["AT", "DE", "FR"]),
    customerId: dice.next() < 0.2 ? undefined : `c${dice.below(40)}`
  }))
}

export const distinct = (values: ReadonlyArray<string | undefined>): number =>
  new Set(values.filter((value) => value !== undefined)).size
