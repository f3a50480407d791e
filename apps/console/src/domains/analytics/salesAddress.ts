/** The state of the page of sales, which is its address. */
import { oneOf, type Raw, textOf, textsOf } from "../../ui/address.ts"
import { shiftDay } from "../../ui/Format.ts"
import type { Dimension, Measure, SalesQuestion } from "./data.ts"
import { type Comparison, comparisons, type Period } from "./Period.ts"

export interface Tab {
  readonly measure: Measure
  readonly label: string
  /** A figure of which more is neither good nor bad has no colour. */
  readonly better: "more" | "neither"
}

export const tabs: ReadonlyArray<Tab> = [
  { measure: "net", label: "Net revenue", better: "more" },
  { measure: "orders", label: "Orders", better: "more" },
  { measure: "units", label: "Units", better: "more" },
  { measure: "discount", label: "Discounts", better: "neither" },
  { measure: "averageOrderValue", label: "Average order", better: "neither" }
]

export const dimensions: ReadonlyArray<{ readonly value: Dimension; readonly label: string }> = [
  { value: "category", label: "Category" },
  { value: "product", label: "Product" },
  { value: "region", label: "Region" },
  { value: "seller", label: "Seller" },
  { value: "channel", label: "Channel" }
]

/** The dimension that is looked at after one has been narrowed. */
const finer: Readonly<Record<string, Dimension>> = {
  category: "product",
  seller: "category",
  region: "category",
  channel: "category",
  product: "region"
}

export const finerOf = (dimension: Dimension): Dimension => finer[dimension] ?? "category"

const periodDays = 90

export interface SalesAddress {
  readonly period: Period
  readonly measure: Measure
  readonly by: Dimension
  readonly comparison: Comparison
  readonly currency: string | undefined
  /** `dimension:value`, one for each that is narrowed. */
  readonly filters: ReadonlyArray<string>
  readonly asOf: string | undefined
}

const dayPattern = /^\d{4}-\d{2}-\d{2}$/

const dayIn = (raw: Raw, name: string): string | undefined => {
  const text = textOf(raw, name)
  return text !== undefined && dayPattern.test(text) ? text : undefined
}

export const readAddress = (raw: Raw, lastDay: string): SalesAddress => {
  const until = dayIn(raw, "until") ?? shiftDay(lastDay, 1)
  return {
    period: { from: dayIn(raw, "from") ?? shiftDay(until, -periodDays), until },
    measure:
      oneOf(
        raw,
        "measure",
        tabs.map(({ measure }) => measure)
      ) ?? "net",
    by:
      oneOf(
        raw,
        "by",
        dimensions.map(({ value }) => value)
      ) ?? "category",
    comparison: oneOf(raw, "compare", comparisons) ?? "before",
    currency: textOf(raw, "currency"),
    filters: textsOf(raw, "filter"),
    asOf: textOf(raw, "asOf")
  }
}

type Filters = NonNullable<SalesQuestion["filters"]>

export const splitFilter = (filter: string): readonly [string, string] => {
  const at = filter.indexOf(":")
  return [filter.slice(0, at), filter.slice(at + 1)]
}

/** Returns the dimensions that are narrowed. */
export const narrowed = (filters: ReadonlyArray<string>): ReadonlyArray<Dimension> =>
  filters.flatMap((filter) => {
    const [name] = splitFilter(filter)
    return dimensions.filter(({ value }) => value === name).map(({ value }) => value)
  })

export const filtersOf = (filters: ReadonlyArray<string>): Filters =>
  filters.flatMap((filter) => {
    const [name, value] = splitFilter(filter)
    return dimensions
      .filter((dimension) => dimension.value === name)
      .map((dimension) => ({ dimension: dimension.value, operator: "equals" as const, values: [value] }))
  })
