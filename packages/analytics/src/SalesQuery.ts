/**
 * Questions about sales: measures by dimensions and time, answered from the smallest summary that has them, or from the
 * lines themselves, and exact to the last commit either way.
 *
 * @since 0.1.0
 */
import { Tenant } from "@hypermarket/core/Tenant"
import * as Money from "@hypermarket/core/Money"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Catalogue from "./Catalogue.ts"
import * as SalesPlan from "./internal/salesPlan.ts"
import * as SalesStatements from "./internal/salesStatements.ts"
import * as ZoneNames from "./internal/zoneNames.ts"

/**
 * The most rows of an answer: 5,000 cells take some 20 ms, half of it for the rows alone.
 *
 * @category limits
 * @since 0.1.0
 */
export const rowsMax = SalesPlan.rowsMax

/**
 * @category schemas
 * @since 0.1.0
 */
export const Dimension = Schema.Literals(Catalogue.dimensionNames)

const MeasureName = Schema.Literals(Catalogue.measureNames)

const Day = Schema.String.check(
  Schema.isPattern(/^(19[7-9]\d|20\d\d)-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/, {
    message: "Expected a day from 1970-01-01 to 2099-12-31"
  }),
  Schema.makeFilter((day) =>
    new Date(`${day}T00:00:00Z`).toISOString().startsWith(day) ? undefined : "There is no such day"
  )
)

/**
 * Days from `from` to before `until`, in the tenant's zone, or in each seller's where the seller is a dimension or
 * filtered; in `zone` when it is given. Without a granularity there is one row for all of the time.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimeDimension = Schema.Struct({
  from: Day,
  until: Day,
  granularity: Schema.optionalKey(Schema.Literals(SalesPlan.granularities)),
  zone: Schema.optionalKey(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(64)))
})

/**
 * @category schemas
 * @since 0.1.0
 */
export const Filter = Schema.Struct({
  dimension: Dimension,
  operator: Schema.Literals(["equals", "notEquals"]),
  values: Schema.Array(Schema.String.check(Schema.isMaxLength(500))).check(
    Schema.isMinLength(1),
    Schema.isMaxLength(100)
  )
})

/**
 * @category models
 * @since 0.1.0
 */
export const SalesQuery = Schema.Struct({
  measures: Schema.Array(MeasureName).check(Schema.isMinLength(1), Schema.isMaxLength(20)),
  dimensions: Schema.optionalKey(Schema.Array(Dimension).check(Schema.isMaxLength(4))),
  timeDimension: TimeDimension,
  filters: Schema.optionalKey(Schema.Array(Filter).check(Schema.isMaxLength(10))),
  /** By time and then by the dimensions unless it says otherwise. */
  order: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        by: Schema.Union([MeasureName, Dimension, Schema.Literal("time")]),
        direction: Schema.Literals(["asc", "desc"])
      })
    ).check(Schema.isMaxLength(5))
  ),
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: rowsMax })))
})

/**
 * @category models
 * @since 0.1.0
 */
export type SalesQuery = typeof SalesQuery.Type

/**
 * Dimensions are text, counts and ratios numbers, money minor units with their currency; a ratio over nothing is null.
 *
 * @category models
 * @since 0.1.0
 */
export const Value = Schema.Union([Schema.String, Schema.Number, Money.Money, Schema.Null])

/**
 * @category models
 * @since 0.1.0
 */
export type Value = typeof Value.Type

/**
 * @category models
 * @since 0.1.0
 */
export const SalesAnswer = Schema.Struct({
  rows: Schema.Array(Schema.Record(Schema.String, Value)),
  /** False when there are more rows than the limit. */
  isComplete: Schema.Boolean,
  /** The summary that answered, or `lines`. */
  source: Schema.String,
  /** The zone in which days begin; null where each seller's own is used. */
  zone: Schema.NullOr(Schema.String)
})

/**
 * @category models
 * @since 0.1.0
 */
export type SalesAnswer = typeof SalesAnswer.Type

/**
 * The question has no sensible answer, or no bounded one.
 *
 * @category errors
 * @since 0.1.0
 */
export class SalesQueryInvalid extends HttpApiError.Problem<SalesQueryInvalid>()(
  "SalesQueryInvalid",
  {
    type: "urn:hypermarket:problem:analytics:sales-query-invalid",
    status: 400,
    title: "The query cannot be answered"
  },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}

/**
 * @category services
 * @since 0.1.0
 */
export class SalesQueries extends Context.Service<
  SalesQueries,
  {
    readonly run: (query: SalesQuery) => Effect.Effect<SalesAnswer, SalesQueryInvalid | SqlError, Tenant>
  }
>()("@hypermarket/analytics/SalesQueries") {
  static readonly layer: Layer.Layer<SalesQueries, never, SqlClient.SqlClient> = Layer.effect(
    SalesQueries,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const statements = SalesStatements.make(sql)

      const zoneNames = ZoneNames.make(sql)

      const ownZone = (tenantId: string) =>
        sql<{ readonly zone: string }>`
          SELECT zone FROM hm_order_zone WHERE tenant_id = ${tenantId} AND seller_id = ''
        `.pipe(Effect.map(([row]) => row?.zone ?? "UTC"))

      const run = Effect.fn("SalesQueries.run")(function* (query: SalesQuery) {
        const tenant = yield* Tenant
        const { zone } = query.timeDimension
        if (zone !== undefined && !(yield* zoneNames).has(zone)) {
          return yield* new SalesQueryInvalid({
            errors: [{ path: ["timeDimension", "zone"], message: "The database knows no such time zone" }]
          })
        }
        const own = yield* ownZone(tenant.id)
        const planned = SalesPlan.plan(query, own)
        if (planned._tag === "Refused") return yield* new SalesQueryInvalid({ errors: planned.errors })
        const rows = yield* statements.select(tenant.id, planned)
        return {
          rows: rows.slice(0, planned.limit).map((row) => toRow(planned, row)),
          isComplete: rows.length <= planned.limit,
          source: planned.source.name,
          zone: planned.zone
        }
      })

      return SalesQueries.of({ run })
    })
  )
}

const toRow = (planned: SalesPlan.Planned, row: SalesStatements.Row): Readonly<Record<string, Value>> => {
  const values: Record<string, Value> = {}
  if (planned.granularity !== undefined) values["time"] = textOf(row["time"])
  for (const dimension of planned.dimensions) values[dimension] = textOf(row[dimension])
  const currency = planned.currency ?? textOf(row["currency"])
  for (const name of planned.measures) values[name] = measureOf(name, row[name], currency)
  return values
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "")

/** Our own tables checked them: to decode thousands of cells would take a third of the answer's time. */
const moneyOf = (amount: bigint, currency: string): Money.Money =>
  new Money.Money(
    { amount, currency: Money.Currency.make(currency, { disableChecks: true }) },
    { disableChecks: true }
  )

const measureOf = (name: Catalogue.MeasureName, value: unknown, currency: string): Value => {
  if (value === null || value === undefined) return null
  if (Catalogue.measureOf(name).unit === "money") {
    return moneyOf(typeof value === "bigint" ? value : BigInt(String(value)), currency)
  }
  return Number(value)
}
