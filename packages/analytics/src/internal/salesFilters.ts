/**
 * The filters of a question, and the currencies that they leave. Pure.
 */
import * as Catalogue from "../Catalogue.ts"
import type { SalesQuery } from "../SalesQuery.ts"
import type { Errors, Filter } from "./salesPlan.ts"

/** Returns the value to which filters restrict a dimension, if it is a single one. */
export const singleValueOf = (
  filters: ReadonlyArray<Filter>,
  dimension: Catalogue.DimensionName
): string | undefined => {
  const filter = filters.find(
    (candidate) =>
      candidate.dimension === dimension &&
      candidate.operator === "equals" &&
      new Set(candidate.values).size === 1
  )
  return filter?.values[0]
}

export const currencyOf = (filters: ReadonlyArray<Filter>) => singleValueOf(filters, "currency")

const isOfMoney = (name: Catalogue.MeasureName): boolean => {
  const { of, unit } = Catalogue.measureOf(name)
  return unit === "money" || of.some((stored) => stored === "gross" || stored.endsWith("amount"))
}

/** True for a measure that has a value per currency with `byCurrency`. */
export const isPerCurrency = isOfMoney

/** Money is never added over currencies. */
export const currencyErrors = (query: SalesQuery): Errors => {
  const dimensions = query.dimensions ?? []
  if (query.byCurrency === true) return byCurrencyErrors(query, dimensions)
  if (dimensions.includes("currency") || currencyOf(query.filters ?? []) !== undefined) return []
  return query.measures.flatMap((name, index) =>
    isOfMoney(name)
      ? [
          {
            path: ["measures", index],
            message: `${name} is never added over currencies: make currency a dimension, filter it to one, or set byCurrency`
          }
        ]
      : []
  )
}

/** A value per currency has no place in an order or a bound, and a customer of two currencies is one customer. */
const byCurrencyErrors = (query: SalesQuery, dimensions: ReadonlyArray<string>): Errors => [
  ...(dimensions.includes("currency")
    ? [{ path: ["byCurrency"], message: "Expected no dimension currency beside byCurrency" }]
    : []),
  ...query.measures.flatMap((name, index) =>
    Catalogue.measureOf(name).isDistinct === true
      ? [{ path: ["measures", index], message: `Expected no ${name} beside byCurrency` }]
      : []
  ),
  ...(query.order ?? []).flatMap(({ by }, index) =>
    Catalogue.isMeasureName(by) && isOfMoney(by)
      ? [{ path: ["order", index, "by"], message: `${by} has a value per currency` }]
      : []
  ),
  ...(query.having ?? []).flatMap(({ measure }, index) =>
    isOfMoney(measure)
      ? [{ path: ["having", index, "measure"], message: `${measure} has a value per currency` }]
      : []
  )
]

const currencyForm = /^[A-Z]{3}$/

const ranges: ReadonlyArray<Filter["operator"]> = ["gt", "gte", "lt", "lte"]

export const filterErrors = (query: SalesQuery): Errors =>
  (query.filters ?? []).flatMap(({ dimension, operator, values }, index) => {
    const isWhole = operator === "equals" || operator === "notEquals"
    if (dimension === "currency" && isWhole && values.some((value) => !currencyForm.test(value))) {
      return [
        { path: ["filters", index, "values"], message: "Expected currencies of three capitals, such as EUR" }
      ]
    }
    if (ranges.includes(operator) && values.length !== 1) {
      return [{ path: ["filters", index, "values"], message: `Expected one value for ${operator}` }]
    }
    return !isWhole && values.includes("")
      ? [{ path: ["filters", index, "values"], message: `Expected no empty text for ${operator}` }]
      : []
  })
