/**
 * Which relation answers a question, and why a question is refused. Pure.
 */
import * as Catalogue from "../Catalogue.ts"
import { rowsMax, type SalesQuery } from "../SalesQuery.ts"
import * as Grains from "./grains.ts"
import { currencyErrors, currencyOf, filterErrors, singleValueOf } from "./salesFilters.ts"
import * as SalesTimes from "./salesTimes.ts"

const limitDefault = 1_000
/** An answer from the lines reads each of them. Over more days than these it is asked first how many they are. */
const linesDaysMax = 400
/** Days that all windows of an answer read together: each is a row of a join, some 100 ms for all. */
const windowDaysMax = 100_000

export type Granularity = NonNullable<SalesQuery["timeDimension"]["granularity"]>

export type WeekStart = NonNullable<SalesQuery["timeDimension"]["weekStart"]>

export type Filter = NonNullable<SalesQuery["filters"]>[number]

/** A summary by its grain, or the lines. */
export interface Source {
  readonly name: string
  readonly grain: Grains.Grain | undefined
}

/** The close of which figures are asked for. */
export interface Closed {
  readonly closeId: string
  readonly period: "day" | "month"
  readonly fromDay: string
  readonly untilDay: string
}

export interface Planned {
  readonly _tag: "Planned"
  readonly source: Source
  readonly measures: ReadonlyArray<Catalogue.MeasureName>
  readonly dimensions: ReadonlyArray<Catalogue.DimensionName>
  readonly filters: ReadonlyArray<Filter>
  readonly order: NonNullable<SalesQuery["order"]>
  readonly from: string
  readonly until: string
  readonly granularity: Granularity | undefined
  /** Of all rows, when a filter leaves one. */
  readonly currency: string | undefined
  readonly limit: number
  readonly offset: number
  readonly having: NonNullable<SalesQuery["having"]>
  readonly weekStart: WeekStart
  readonly fiscalYearStart: number
  readonly window: SalesQuery["window"]
  /** The first day that is read: before `from` for a rolling window. */
  readonly readFrom: string
  readonly isByCurrency: boolean
  readonly isFilled: boolean
  /** Null where each seller's days are used. */
  readonly zone: string | null
  /** From the instants of the lines, and not from the days that were stored with them. */
  readonly isFromInstants: boolean
  /** The close whose figures are read instead of the present ones. */
  readonly closed: Closed | undefined
  /** The parts of the customers that are read, of {@link customerParts}; undefined for all of them. */
  readonly sampledParts: number | undefined
}

/** Limits of the lines that an answer reads. */
export interface Limits {
  /** Lines of more than 400 days that an answer reads: some seconds. */
  readonly linesMax: number
  /** Orders that an estimate of customers reads: some 100 ms, and a standard error below 1 % where most order once. */
  readonly sampledOrdersMax: number
}

export const limits: Limits = { linesMax: 1_000_000, sampledOrdersMax: 100_000 }

/** How much a question from the lines would read. */
export interface Size {
  /** Lines of the days that are asked for. */
  readonly lines: number
  /** Orders of all time. */
  readonly orders: number
}

/** Customers are in as many parts, by a hash of their id. */
export const customerParts = 1_024

/** The question depends on how much it reads. */
export interface Unsized {
  readonly _tag: "Unsized"
  readonly readFrom: string
  readonly until: string
}

export interface Refused {
  readonly _tag: "Refused"
  readonly errors: ReadonlyArray<{ readonly path: ReadonlyArray<string | number>; readonly message: string }>
}

const dimensionOf: Readonly<Record<Grains.Column, Catalogue.DimensionName>> = {
  seller_id: "seller",
  category: "category",
  region: "region",
  channel: "channel",
  currency: "currency"
}

const has = (grain: Grains.Grain, dimension: Catalogue.DimensionName): boolean =>
  grain.columns.some((column) => dimensionOf[column] === dimension)

const isWholeMonths = (query: SalesQuery): boolean => {
  const { from, granularity, until } = query.timeDimension
  const isCoarse = granularity === undefined || ["month", "quarter", "year"].includes(granularity)
  return isCoarse && from.endsWith("-01") && until.endsWith("-01")
}

const dayMillis = 24 * 60 * 60 * 1000

const daysBetween = (from: string, until: string): number =>
  (Date.parse(until) - Date.parse(from)) / dayMillis

const daysOf = ({ timeDimension: { from, until } }: SalesQuery): number => daysBetween(from, until)

const bucketsOf = (query: SalesQuery): number => {
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

export interface Context {
  readonly ownZone: string
  /** The first day whose facts are kept, when facts before it were removed. */
  readonly factsFrom: string | undefined
  readonly closed: Closed | undefined
  /** Undefined until it was asked for. */
  readonly size: Size | undefined
  readonly limits: Limits
}

export const plan = (query: SalesQuery, context: Context): Planned | Refused | Unsized => {
  const { closed, ownZone, size } = context
  const dimensions = query.dimensions ?? []
  const filters = query.filters ?? []
  const isByCurrency = query.byCurrency ?? false
  const named = new Set([
    ...dimensions,
    ...filters.map((filter) => filter.dimension),
    ...(isByCurrency ? (["currency"] as const) : [])
  ])
  const { fiscalYearStart = 1, from, granularity, until, weekStart = "monday", zone } = query.timeDimension
  const isBySeller = named.has("seller")
  const isFromInstants = granularity === "hour" || (zone !== undefined && (zone !== ownZone || isBySeller))
  const isDistinct = query.measures.some((name) => Catalogue.measureOf(name).isDistinct === true)
  const grain = Grains.grains.find(
    (candidate) =>
      !isFromInstants &&
      !isDistinct &&
      Array.from(named).every((dimension) => has(candidate, dimension)) &&
      (candidate.bucket !== "month" || (isWholeMonths(query) && closed?.period !== "day"))
  )
  const source: Source = { name: grain?.title ?? "lines", grain }
  const time = { from, until, granularity, weekStart, fiscalYearStart, window: query.window }
  // A range that ends before it begins is refused below, and has no rows before.
  const readFrom = SalesTimes.readFromOf(time)
  const isLong = source.grain === undefined && linesDaysMax < daysBetween(readFrom, until)
  const errors = [
    ...timeErrors(query),
    ...(isLong && size !== undefined ? sizeErrors(query, named, size, context.limits) : []),
    ...windowErrors(query, time),
    ...closedErrors(query, source, closed, readFrom),
    ...(source.grain === undefined ? removedErrors(query, context, readFrom) : []),
    ...additivityErrors(query, named),
    ...currencyErrors(query),
    ...filterErrors(query),
    ...boundErrors(query),
    ...orderErrors(query),
    ...havingErrors(query),
    ...fillErrors(query)
  ]
  if (errors.length > 0) return { _tag: "Refused", errors }
  if (isLong && size === undefined) return { _tag: "Unsized", readFrom, until }
  return {
    _tag: "Planned",
    source,
    measures: query.measures,
    dimensions,
    filters,
    order: query.order ?? [],
    ...time,
    readFrom,
    isByCurrency,
    currency: currencyOf(filters),
    limit: query.limit ?? limitDefault,
    offset: query.offset ?? 0,
    having: query.having ?? [],
    isFilled: query.fill ?? false,
    zone: zone ?? (isBySeller && !isFromInstants ? null : ownZone),
    isFromInstants,
    closed,
    sampledParts: isLong && size !== undefined ? sampledPartsOf(size, context.limits) : undefined
  }
}

/** A close has the cells of the summaries and no lines. */
const closedErrors = (
  query: SalesQuery,
  source: Source,
  closed: Closed | undefined,
  readFrom: string
): Errors => {
  if (closed === undefined) return []
  const { until } = query.timeDimension
  if (readFrom < closed.fromDay || until > closed.untilDay) {
    return [
      {
        path: ["timeDimension"],
        message: `The close has the days from ${closed.fromDay} to before ${closed.untilDay}`
      }
    ]
  }
  return source.grain === undefined
    ? [{ path: ["asOf"], message: "A close keeps no products, hours, other zones, or other combinations" }]
    : []
}

/** Facts of a day in another zone are of days up to two before it in the tenant's. */
const otherZoneDays = 2

/** Lines that retention has removed cannot be read. */
const removedErrors = (query: SalesQuery, { factsFrom, ownZone }: Context, readFrom: string): Errors => {
  if (factsFrom === undefined) return []
  const { zone = ownZone } = query.timeDimension
  const first = zone === ownZone ? factsFrom : SalesTimes.dayAfter(factsFrom, otherZoneDays)
  const ofAllTime = query.measures.flatMap((name, index) =>
    name === "newCustomers" || name === "returningCustomers"
      ? [
          {
            path: ["measures", index],
            message: `${name} needs the orders of all time, and those before ${factsFrom} were removed`
          }
        ]
      : []
  )
  return readFrom < first
    ? [
        {
          path: ["timeDimension", "from"],
          message: `No summary has this, and the lines of before ${first} were removed: expected no earlier day`
        },
        ...ofAllTime
      ]
    : ofAllTime
}

export type Errors = Refused["errors"]

const timeErrors = (query: SalesQuery): Errors => {
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
  const { granularity, weekStart = "monday" } = query.timeDimension
  return granularity === "isoWeek" && weekStart !== "monday"
    ? [{ path: ["timeDimension", "weekStart"], message: "A week of ISO 8601 begins on Monday" }]
    : []
}

const sampledPartsOf = ({ lines, orders }: Size, { linesMax, sampledOrdersMax }: Limits) =>
  lines <= linesMax
    ? undefined
    : Math.max(1, Math.min(customerParts, Math.floor((customerParts * sampledOrdersMax) / orders)))

const ofOrders: ReadonlyArray<Catalogue.DimensionName> = ["currency", "region", "channel"]

/** Too many lines to read. Customers alone are estimated from a part of them, which is found by the customer. */
const sizeErrors = (
  query: SalesQuery,
  named: ReadonlySet<Catalogue.DimensionName>,
  size: Size,
  { linesMax }: Limits
): Errors => {
  if (size.lines <= linesMax) return []
  const isOfCustomers = query.measures.every((name) => Catalogue.measureOf(name).isDistinct === true)
  if (isOfCustomers && Array.from(named).every((name) => ofOrders.includes(name))) return []
  return [
    {
      path: ["timeDimension"],
      message: `No summary has this, and over more than ${linesDaysMax} days at most ${linesMax} lines are read; these days have ${size.lines}`
    }
  ]
}

const additivityErrors = (query: SalesQuery, named: ReadonlySet<Catalogue.DimensionName>): Errors =>
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
    return singleValueOf(query.filters ?? [], only) !== undefined
      ? []
      : [{ path: ["measures", index], message: `${name} adds up for one ${only} only: make it a dimension` }]
  })

const windowErrors = (query: SalesQuery, time: Parameters<typeof SalesTimes.windowDaysOf>[0]): Errors => {
  const { granularity } = query.timeDimension
  if (query.window === undefined || daysOf(query) <= 0 || bucketsOf(query) > rowsMax) return []
  if (granularity === undefined || granularity === "hour") {
    return [{ path: ["window"], message: "Expected a granularity of a day or more beside window" }]
  }
  return SalesTimes.windowDaysOf(time) > windowDaysMax
    ? [
        {
          path: ["window"],
          message: "The windows are too many for their length; choose a coarser granularity"
        }
      ]
    : []
}

const withoutBound: ReadonlyArray<Catalogue.DimensionName> = ["seller", "product"]

const boundErrors = (query: SalesQuery): Errors => {
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

const orderErrors = (query: SalesQuery): Errors =>
  (query.order ?? []).flatMap(({ by }, index) => {
    const asked: ReadonlyArray<string> = [
      ...query.measures,
      ...(query.dimensions ?? []),
      ...(query.timeDimension.granularity === undefined ? [] : ["time"])
    ]
    return asked.includes(by) ? [] : [{ path: ["order", index, "by"], message: `${by} is not asked for` }]
  })

const havingErrors = (query: SalesQuery): Errors =>
  (query.having ?? []).flatMap(({ measure }, index) =>
    query.measures.includes(measure)
      ? []
      : [{ path: ["having", index, "measure"], message: `${measure} is not asked for` }]
  )

/** A filled answer is whole: an order by value, a page or a bound would leave out rows that then come back as 0. */
const fillErrors = (query: SalesQuery): Errors => {
  if (query.fill !== true) return []
  const contradicted = (["order", "offset", "having"] as const).find((name) => query[name] !== undefined)
  if (contradicted !== undefined) {
    return [{ path: [contradicted], message: `Expected no ${contradicted} beside fill` }]
  }
  return query.timeDimension.granularity === "hour"
    ? [{ path: ["fill"], message: "Hours are not filled: some days have 23 or 25" }]
    : []
}
