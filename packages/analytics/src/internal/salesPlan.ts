/**
 * Which relation answers a question, and why a question is refused. Pure.
 */
import * as Catalogue from "../Catalogue.ts"

export const granularities = ["hour", "day", "week", "month", "quarter", "year"] as const

export type Granularity = (typeof granularities)[number]

/** Rows of an answer. */
export const rowsMax = 10_000
const limitDefault = 1_000
/** What is answered from the lines reads each of them. */
const linesDaysMax = 400

export interface Query {
  readonly measures: ReadonlyArray<Catalogue.MeasureName>
  readonly dimensions?: ReadonlyArray<Catalogue.DimensionName>
  readonly timeDimension: {
    readonly from: string
    readonly until: string
    readonly granularity?: Granularity
    readonly zone?: string
  }
  readonly filters?: ReadonlyArray<Filter>
  readonly order?: ReadonlyArray<Order>
  readonly limit?: number
}

export interface Filter {
  readonly dimension: Catalogue.DimensionName
  readonly operator: "equals" | "notEquals"
  readonly values: ReadonlyArray<string>
}

export interface Order {
  readonly by: Catalogue.MeasureName | Catalogue.DimensionName | "time"
  readonly direction: "asc" | "desc"
}

/** A summary by its number, or the lines. */
export type Source =
  | { readonly name: string; readonly grain: number; readonly has: ReadonlyArray<Catalogue.DimensionName> }
  | { readonly name: "lines"; readonly grain: undefined }

export interface Planned {
  readonly _tag: "Planned"
  readonly source: Source
  readonly measures: ReadonlyArray<Catalogue.MeasureName>
  readonly dimensions: ReadonlyArray<Catalogue.DimensionName>
  readonly filters: ReadonlyArray<Filter>
  readonly order: ReadonlyArray<Order>
  readonly from: string
  readonly until: string
  readonly granularity: Granularity | undefined
  /** Of all rows, when a filter leaves one. */
  readonly currency: string | undefined
  readonly limit: number
  /** Null where each seller's days are used. */
  readonly zone: string | null
  /** From the instants of the lines, and not from the days that were stored with them. */
  readonly isFromInstants: boolean
}

export interface Refused {
  readonly _tag: "Refused"
  readonly errors: ReadonlyArray<{ readonly path: ReadonlyArray<string | number>; readonly message: string }>
}

const summaries: ReadonlyArray<Source & { readonly has: ReadonlyArray<Catalogue.DimensionName> }> = [
  { name: "tenant day", grain: 6, has: ["currency"] },
  { name: "tenant day by region and channel", grain: 1, has: ["currency", "region", "channel"] },
  { name: "seller day", grain: 2, has: ["currency", "seller"] },
  { name: "category month", grain: 5, has: ["currency", "region", "category"] }
]

const isWholeMonths = (query: Query): boolean => {
  const { from, granularity, until } = query.timeDimension
  const isCoarse = granularity === undefined || ["month", "quarter", "year"].includes(granularity)
  return isCoarse && from.endsWith("-01") && until.endsWith("-01")
}

const daysOf = (query: Query): number =>
  (Date.parse(query.timeDimension.until) - Date.parse(query.timeDimension.from)) / 86_400_000

const bucketsOf = (query: Query): number => {
  const days = daysOf(query)
  switch (query.timeDimension.granularity) {
    case undefined:
      return 1
    case "hour":
      return days * 25
    case "day":
      return days
    default:
      return days / 7
  }
}

export const plan = (query: Query, ownZone: string): Planned | Refused => {
  const dimensions = query.dimensions ?? []
  const filters = query.filters ?? []
  const named = new Set([...dimensions, ...filters.map((filter) => filter.dimension)])
  const { from, granularity, until, zone } = query.timeDimension
  const isBySeller = named.has("seller")
  const isFromInstants = granularity === "hour" || (zone !== undefined && (zone !== ownZone || isBySeller))
  const fits = summaries.find(
    (summary) =>
      !isFromInstants &&
      Array.from(named).every((dimension) => summary.has.includes(dimension)) &&
      (summary.grain !== 5 || isWholeMonths(query))
  )
  const source: Source = fits ?? { name: "lines", grain: undefined }
  const errors = [
    ...timeErrors(query, source),
    ...additivityErrors(query, named),
    ...currencyErrors(query),
    ...boundErrors(query),
    ...orderErrors(query)
  ]
  if (errors.length > 0) return { _tag: "Refused", errors }
  return {
    _tag: "Planned",
    source,
    measures: query.measures,
    dimensions,
    filters,
    order: query.order ?? [],
    from,
    until,
    granularity,
    currency: currencyOf(filters),
    limit: query.limit ?? limitDefault,
    zone: zone ?? (isBySeller && !isFromInstants ? null : ownZone),
    isFromInstants
  }
}

/** The one value that filters leave, if they leave one. */
const oneOf = (filters: ReadonlyArray<Filter>, dimension: Catalogue.DimensionName): string | undefined => {
  const filter = filters.find(
    (one) => one.dimension === dimension && one.operator === "equals" && one.values.length === 1
  )
  return filter?.values[0]
}

const currencyOf = (filters: ReadonlyArray<Filter>) => oneOf(filters, "currency")

type Errors = Refused["errors"]

const timeErrors = (query: Query, source: Source): Errors => {
  const days = daysOf(query)
  if (days <= 0) return [{ path: ["timeDimension", "until"], message: "Expected a day after from" }]
  if (bucketsOf(query) > rowsMax) {
    return [
      {
        path: ["timeDimension", "granularity"],
        message: `This is more than ${rowsMax} rows; choose a coarser one`
      }
    ]
  }
  return source.grain === undefined && days > linesDaysMax
    ? [
        {
          path: ["timeDimension"],
          message: `No summary has this, and what is answered from the lines covers at most ${linesDaysMax} days`
        }
      ]
    : []
}

const additivityErrors = (query: Query, named: ReadonlySet<Catalogue.DimensionName>): Errors =>
  query.measures.flatMap((name, index) => {
    const measure = Catalogue.measureOf(name)
    const over = measure.notOver.find((dimension) => named.has(dimension))
    if (over !== undefined) {
      const instead =
        over === "seller" && name === "orders" ? "; ask for sellerOrders" : "; ask for lines or units"
      return [{ path: ["measures", index], message: `${name} does not add up over ${over}${instead}` }]
    }
    const { only } = measure
    if (only === undefined || (query.dimensions ?? []).includes(only)) return []
    return oneOf(query.filters ?? [], only) !== undefined
      ? []
      : [{ path: ["measures", index], message: `${name} adds up for one ${only} only: make it a dimension` }]
  })

const currencyErrors = (query: Query): Errors => {
  if ((query.dimensions ?? []).includes("currency") || currencyOf(query.filters ?? []) !== undefined)
    return []
  return query.measures.flatMap((name, index) => {
    const { of, unit } = Catalogue.measureOf(name)
    const isMoney = unit === "money" || of.some((stored) => stored === "gross" || stored.endsWith("amount"))
    return isMoney
      ? [
          {
            path: ["measures", index],
            message: `${name} is never added over currencies: make currency a dimension, or filter it to one`
          }
        ]
      : []
  })
}

const withoutBound: ReadonlyArray<Catalogue.DimensionName> = ["seller", "product"]

const boundErrors = (query: Query): Errors => {
  if (query.limit !== undefined) return []
  return (query.dimensions ?? []).flatMap((dimension, index) => {
    const isFiltered = (query.filters ?? []).some(
      (filter) => filter.dimension === dimension && filter.operator === "equals"
    )
    return withoutBound.includes(dimension) && !isFiltered
      ? [
          {
            path: ["dimensions", index],
            message: `There is no bound to ${dimension}: give a limit, or filter it`
          }
        ]
      : []
  })
}

const orderErrors = (query: Query): Errors =>
  (query.order ?? []).flatMap(({ by }, index) => {
    const asked: ReadonlyArray<string> = [
      ...query.measures,
      ...(query.dimensions ?? []),
      ...(query.timeDimension.granularity === undefined ? [] : ["time"])
    ]
    return asked.includes(by) ? [] : [{ path: ["order", index, "by"], message: `${by} is not asked for` }]
  })
