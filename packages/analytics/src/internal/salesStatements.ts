/**
 * The statement of a planned question. One statement is one snapshot: the summary and what is not merged yet, or the
 * lines.
 */
import type * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import * as Catalogue from "../Catalogue.ts"
import * as Measures from "./measures.ts"
import type { Filter, Granularity, Planned } from "./salesPlan.ts"

export type Row = Readonly<Record<string, unknown>>

const columnOf: Readonly<Record<Catalogue.DimensionName, string>> = {
  currency: "currency",
  region: "region",
  channel: "channel",
  seller: "seller_id",
  category: "category",
  product: "product_id"
}

/** What is grouped and ordered by: to compare dates is a fraction of the cost of comparing texts that begin alike. */
const bucketOf: Readonly<Record<Granularity, string>> = {
  hour: "date_trunc('hour', moment)",
  day: "bucket",
  week: "date_trunc('week', bucket)",
  month: "date_trunc('month', bucket)",
  quarter: "date_trunc('quarter', bucket)",
  year: "date_trunc('year', bucket)"
}

const textOf = (granularity: Granularity): string =>
  granularity === "hour"
    ? `to_char(${bucketOf.hour}, 'YYYY-MM-DD"T"HH24":00"')`
    : `${bucketOf[granularity]}::date::text`

/** Every name a statement may carry, made once: what a caller sends never becomes SQL text. */
export const make = (sql: SqlClient.SqlClient) => {
  const literals = <K extends string>(names: ReadonlyArray<K>, text: (name: K) => string) =>
    new Map<K, Fragment>(names.map((name) => [name, sql.literal(text(name))]))
  const empty = sql.literal("")
  const of = <K>(fragments: ReadonlyMap<K, Fragment>, name: K): Fragment => fragments.get(name) ?? empty

  const columns = literals(Catalogue.dimensionNames, (name) => columnOf[name])
  const selected = literals(Catalogue.dimensionNames, (name) => `${columnOf[name]} AS "${name}"`)
  const measured = literals(
    Catalogue.measureNames,
    (name) => `${Catalogue.measureOf(name).expression} AS "${name}"`
  )
  const quoted = new Map([
    ...literals(Catalogue.measureNames, (name) => `"${name}"`),
    ...literals(Catalogue.dimensionNames, (name) => `"${name}"`)
  ])
  const stored = literals(Measures.measures, (name) => name)
  const isLeft = literals(Measures.measures, (name) => `hm_sum(${name}) <> 0`)
  const granularities: ReadonlyArray<Granularity> = ["hour", "day", "week", "month", "quarter", "year"]
  const buckets = literals(granularities, (name) => bucketOf[name])
  const times = literals(granularities, (name) => `${textOf(name)} AS time`)
  const first = sql.literal("1")
  const ascending = sql.literal("ASC")
  const descending = sql.literal("DESC NULLS LAST")
  const ofLine = sql.literal(Measures.ofLine)
  const ofRefund = sql.literal(Measures.ofRefund)
  const ofBooking = sql.literal(Measures.ofBooking)

  const matching = (filters: ReadonlyArray<Filter>): ReadonlyArray<Fragment> =>
    filters.map((filter) =>
      filter.operator === "equals"
        ? sql`${of(columns, filter.dimension)} = ANY (${filter.values}::text[])`
        : sql`${of(columns, filter.dimension)} <> ALL (${filter.values}::text[])`
    )

  /** The summary and what it does not hold yet, each filtered by itself: a predicate over both would read all of either. */
  const summarised = (tenantId: string, planned: Planned, grain: number) => {
    const names = sql.csv(storedOf(planned).map((name) => of(stored, name)))
    const own = sql.csv(
      Array.from(new Set([...planned.dimensions, ...planned.filters.map(({ dimension }) => dimension)])).map(
        (name) => of(columns, name)
      )
    )
    const isBySeller = grain === 2
    const dimensions = planned.dimensions.length + planned.filters.length === 0 ? empty : sql`, ${own}`
    const day = isBySeller ? sql.literal("seller_day") : sql.literal("tenant_day")
    const bucket = grain === 5 ? sql`date_trunc('month', tenant_day)::date` : day
    // The key begins with the seller: grains without one are found under ''.
    const seller = isBySeller ? [] : [sql`seller_id = ''`]
    const summary = sql.and([
      sql`tenant_id = ${tenantId}`,
      sql`grain = ${grain}`,
      ...seller,
      sql`bucket >= ${planned.from}::date`,
      sql`bucket < ${planned.until}::date`,
      ...matching(planned.filters)
    ])
    const delta = sql.and([
      sql`tenant_id = ${tenantId}`,
      sql`seq >= coalesce((SELECT hint FROM hm_order_merge WHERE tenant_id = ${tenantId}), 0)`,
      sql`${day} >= ${planned.from}::date`,
      sql`${day} < ${planned.until}::date`,
      ...matching(planned.filters)
    ])
    return sql`
      SELECT bucket${dimensions}, ${names} FROM hm_order_summary WHERE ${summary}
      UNION ALL
      SELECT ${bucket} AS bucket${dimensions}, ${names} FROM hm_order_delta WHERE ${delta}
    `
  }

  const line = sql.literal(
    "l.order_id, l.line_id, l.seller_id, l.product_id, l.category, l.region, l.channel, l.currency"
  )

  /** Instants or stored days, of the order or of the booking, within the range; a little wider for the index. */
  const within = (planned: Planned, instant: Fragment, day: Fragment) =>
    planned.isFromInstants
      ? sql`${instant} >= ${planned.from}::timestamp AT TIME ZONE ${planned.zone ?? "UTC"}
            AND ${instant} < ${planned.until}::timestamp AT TIME ZONE ${planned.zone ?? "UTC"}`
      : sql`${day} >= ${planned.from}::date AND ${day} < ${planned.until}::date
            AND ${instant} >= ${planned.from}::date - 2 AND ${instant} < ${planned.until}::date + 2`

  const timesOf = (planned: Planned, instant: Fragment, day: Fragment) =>
    planned.isFromInstants
      ? sql`${instant} AT TIME ZONE ${planned.zone ?? "UTC"} AS moment,
            (${instant} AT TIME ZONE ${planned.zone ?? "UTC"})::date AS bucket`
      : sql`${instant} AS moment, ${day} AS bucket`

  const fromLines = (tenantId: string, planned: Planned) => {
    const isBySeller = planned.zone === null
    const ordered = sql.literal("l.ordered_at")
    const orderedDay = sql.literal(isBySeller ? "l.seller_day" : "l.tenant_day")
    const booked = sql.literal("a.booked_at")
    const bookedDay = sql.literal(isBySeller ? "a.seller_day" : "a.tenant_day")
    const filters = matching(planned.filters)
    const filtered = filters.length === 0 ? sql`true` : sql.and(filters)
    const lines = sql`
      SELECT moment, bucket, seller_id, product_id, category, region, channel, currency, ${ofLine}
        FROM (SELECT l.*, ${timesOf(planned, ordered, orderedDay)}
                FROM hm_order_line l
               WHERE l.tenant_id = ${tenantId} AND ${within(planned, ordered, orderedDay)}) l
       WHERE ${filtered}
    `
    const refunds = sql`
      SELECT moment, bucket, seller_id, product_id, category, region, channel, currency, ${ofRefund}
        FROM (SELECT ${line}, ${timesOf(planned, ordered, orderedDay)}, a.units AS adjusted_units,
                     a.amount AS adjusted_amount
                FROM hm_order_line l
                JOIN hm_order_adjustment a
                  ON a.tenant_id = ${tenantId} AND a.order_id = l.order_id AND a.line_id = l.line_id
                 AND a.kind = 'refund'
               WHERE l.tenant_id = ${tenantId} AND ${within(planned, ordered, orderedDay)}) l
       WHERE ${filtered}
    `
    const bookings = sql`
      SELECT moment, bucket, seller_id, product_id, category, region, channel, currency, ${ofBooking}
        FROM (SELECT ${line}, ${timesOf(planned, booked, bookedDay)}, a.kind, a.units AS adjusted_units,
                     a.amount AS adjusted_amount
                FROM hm_order_adjustment a
                JOIN hm_order_line l
                  ON l.tenant_id = ${tenantId} AND l.order_id = a.order_id AND l.line_id = a.line_id
               WHERE a.tenant_id = ${tenantId} AND ${within(planned, booked, bookedDay)}) l
       WHERE ${filtered}
    `
    const needed = storedOf(planned)
    const branches = [
      lines,
      ...(needed.some((name) => name.startsWith("refund")) ? [refunds] : []),
      ...(needed.some((name) => name.startsWith("booked") || name === "shipped_units") ? [bookings] : [])
    ]
    return sql.join(" UNION ALL ", false)(branches)
  }

  const select = (tenantId: string, planned: Planned) => {
    const { grain } = planned.source
    const relation = grain === undefined ? fromLines(tenantId, planned) : summarised(tenantId, planned, grain)
    const bucket = planned.granularity === undefined ? [] : [of(buckets, planned.granularity)]
    const grouped = [...bucket, ...planned.dimensions.map((name) => of(columns, name))]
    const listed = sql.csv([
      ...(planned.granularity === undefined ? [] : [of(times, planned.granularity)]),
      ...planned.dimensions.map((name) => of(selected, name)),
      ...planned.measures.map((name) => of(measured, name))
    ])
    const direction = (given: "asc" | "desc") => (given === "asc" ? ascending : descending)
    const ordered = [
      ...planned.order.map((one) =>
        one.by === "time"
          ? sql`${sql.csv(bucket)} ${direction(one.direction)}`
          : sql`${quoted.get(one.by) ?? first} ${direction(one.direction)}`
      ),
      ...bucket,
      ...planned.dimensions.map((name) => sql`${quoted.get(name) ?? first}`)
    ]
    // A cell from which everything was taken back is none.
    const left = sql.or(storedOf(planned).map((name) => of(isLeft, name)))
    return sql<Row>`
      SELECT ${listed}
        FROM (${relation}) q
       ${grouped.length === 0 ? empty : sql`GROUP BY ${sql.csv(grouped)}`}
      HAVING ${left}
       ${ordered.length === 0 ? empty : sql`ORDER BY ${sql.csv(ordered)}`}
       LIMIT ${planned.limit + 1}
    `
  }

  return { select }
}

const storedOf = (planned: Planned): ReadonlyArray<Measures.StoredMeasure> =>
  Array.from(new Set(planned.measures.flatMap((name) => Catalogue.measureOf(name).of)))
