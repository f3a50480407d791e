/**
 * A question about sales, measures by dimensions and time, and its answer. Schemas and errors; the service is
 * `SalesQueries`.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import { Day } from "@hypermarket/core/Instant"
import * as Money from "@hypermarket/core/Money"
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import * as Catalogue from "./Catalogue.ts"
import { CloseId } from "./SalesClose.ts"

/**
 * Maximum rows of an answer. 5,000 cells take about 20 ms, half of it to transfer the rows.
 *
 * @category limits
 * @since 0.1.0
 */
export const rowsMax = 10_000

/**
 * @category schemas
 * @since 0.1.0
 */
export const Dimension = Schema.Literals(Catalogue.dimensionNames)

const MeasureName = Schema.Literals(Catalogue.measureNames)

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
  granularity: Schema.optionalKey(
    Schema.Literals(["hour", "day", "week", "isoWeek", "month", "quarter", "year"])
  ),
  zone: Schema.optionalKey(Text.make({ max: 64 })),
  /** The first day of a week, Monday unless it is given. */
  weekStart: Schema.optionalKey(Schema.Literals(["monday", "saturday", "sunday"])),
  /** The month in which years and quarters begin, 1 unless it is given. */
  fiscalYearStart: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: 12 }))
})

/**
 * The most rows of time that a rolling window adds up: a year of days.
 *
 * @category limits
 * @since 0.1.0
 */
export const windowSizeMax = 366

/**
 * The days that each row adds up. `cumulative` adds up all days from `from` on. `rolling` adds up the row and the `size - 1` before it,
 * also before `from`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Window = Schema.Union([
  Schema.Struct({ kind: Schema.Literal("cumulative") }),
  Schema.Struct({
    kind: Schema.Literal("rolling"),
    size: BoundedInt.make({ minimum: 2, maximum: windowSizeMax })
  })
])

/**
 * A bound of a measure that is asked for. Rows that do not meet it are left out. Amounts are minor units.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Having = Schema.Struct({
  measure: MeasureName,
  operator: Schema.Literals(["gt", "gte", "lt", "lte"]),
  value: Schema.String.check(
    Schema.isPattern(/^-?\d{1,18}(\.\d{1,9})?$/, { message: "Expected a decimal number as text" })
  )
})

/**
 * Rows of an answer that can be passed over. A page further on costs what all pages before it cost.
 *
 * @category limits
 * @since 0.1.0
 */
export const offsetMax = 100_000

/**
 * A condition on a dimension. `contains`, `notContains` and `startsWith` compare parts of the text, with case. `gt`, `gte`,
 * `lt` and `lte` compare by code points with one value.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Filter = Schema.Struct({
  dimension: Dimension,
  operator: Schema.Literals([
    "equals",
    "notEquals",
    "contains",
    "notContains",
    "startsWith",
    "gt",
    "gte",
    "lt",
    "lte"
  ]),
  values: Schema.Array(Text.make({ min: 0, max: 500 })).check(Schema.isMinLength(1), Schema.isMaxLength(100))
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
  /** Figures as a close keeps them, for days of its period. */
  asOf: Schema.optionalKey(CloseId),
  /** By time and then by the dimensions unless it says otherwise. */
  order: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        by: Schema.Union([MeasureName, Dimension, Schema.Literal("time")]),
        direction: Schema.Literals(["asc", "desc"])
      })
    ).check(Schema.isMaxLength(5))
  ),
  /** Adds up more than the row's own time. */
  window: Schema.optionalKey(Window),
  /**
   * Counts over all currencies, with each measure of money once per currency, as `net.EUR`.
   *
   * @default false
   */
  byCurrency: Schema.optionalKey(Schema.Boolean),
  having: Schema.optionalKey(Schema.Array(Having).check(Schema.isMaxLength(10))),
  limit: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: rowsMax })),
  offset: Schema.optionalKey(BoundedInt.make({ minimum: 0, maximum: offsetMax })),
  /** Rows of 0 for times without figures, of each group of the answer; a row of 0 for an empty answer without groups. */
  fill: Schema.optionalKey(Schema.Boolean),
  /** Other days of the same question, answered in `comparison` with their own times. */
  compareWith: Schema.optionalKey(Schema.Struct({ from: Day, until: Day }))
})

/**
 * @category models
 * @since 0.1.0
 */
export type SalesQuery = typeof SalesQuery.Type

/**
 * A query over HTTP. `csv` is answered as `text/csv`, whole or not at all: without a `limit` it has up to 10,000 rows, and is
 * refused above that.
 *
 * @category models
 * @since 0.1.0
 */
export const SalesRequest = Schema.Struct({
  ...SalesQuery.fields,
  format: Schema.optionalKey(Schema.Literals(["json", "csv"]))
})

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
  /** The rows of `compareWith`. */
  comparison: Schema.optionalKey(
    Schema.Struct({ rows: Schema.Array(Schema.Record(Schema.String, Value)), isComplete: Schema.Boolean })
  ),
  /**
   * Present when customers were estimated from a share of them. `relativeError` is the standard error of the row with the
   * fewest customers, relative to it: the true number is within twice of it in 95 of 100 rows.
   */
  estimate: Schema.optionalKey(Schema.Struct({ share: Schema.Number, relativeError: Schema.Number })),
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
