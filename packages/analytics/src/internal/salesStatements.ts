/**
 * The statement of a planned question. One statement is one snapshot: the summary and what is not merged yet, or the
 * lines.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import * as Catalogue from "../Catalogue.ts"
import type * as Grains from "./grains.ts"
import { expressions } from "./measureExpressions.ts"
import * as Measures from "./measures.ts"
import { calendars, granularities, labelOf, nameOf, startOf } from "./salesCalendar.ts"
import { isPerCurrency } from "./salesFilters.ts"
import { customerParts, type Filter, type Planned } from "./salesPlan.ts"
import * as SalesTimes from "./salesTimes.ts"

export type Row = Readonly<Record<string, unknown>>

export interface Answers {
  readonly rows: ReadonlyArray<Row>
  readonly compared: ReadonlyArray<Row>
}

const columnOf: Readonly<Record<Catalogue.DimensionName, string>> = {
  currency: "currency",
  region: "region",
  channel: "channel",
  seller: "seller_id",
  category: "category",
  product: "product_id"
}

/** Every name a statement may carry, made once: what a caller sends never becomes SQL text. */
export const make = (sql: SqlClient.SqlClient) => {
  const literals = <K extends string>(names: ReadonlyArray<K>, text: (name: K) => string) =>
    new Map<K, Fragment>(names.map((name) => [name, sql.literal(text(name))]))
  const empty = sql.literal("")
  const of = <K>(fragments: ReadonlyMap<K, Fragment>, name: K): Fragment => fragments.get(name) ?? empty

  const columns = literals(Catalogue.dimensionNames, (name) => columnOf[name])
  const selected = literals(Catalogue.dimensionNames, (name) => `${columnOf[name]} AS "${name}"`)
  const measured = literals(Catalogue.measureNames, (name) => `${expressions[name]} AS "${name}"`)
  const quoted = new Map([
    ...literals(Catalogue.measureNames, (name) => `"${name}"`),
    ...literals(Catalogue.dimensionNames, (name) => `"${name}"`)
  ])
  const stored = literals(Measures.measures, (name) => name)
  const isLeft = literals(Measures.measures, (name) => `hm_sum(${name}) <> 0`)
  const summed = literals(Measures.measures, (name) => `hm_sum(${name}) AS ${name}`)
  const hasCustomers = sql.literal("count(customer_id) > 0")
  const hasRows = sql.literal("count(*) > 0")
  const customers = [sql.literal("customer_id"), sql.literal("new_customer_id")]
  const perName = literals(Catalogue.measureNames, (name) => `${expressions[name]} AS "per ${name}"`)
  const gathered = literals(
    Catalogue.measureNames,
    (name) => `json_object_agg(currency, "per ${name}"::text ORDER BY currency) AS "${name}"`
  )
  const starts = new Map(
    calendars.map(({ calendar, granularity }) => [
      nameOf(granularity, calendar),
      sql.literal(startOf(granularity, calendar))
    ])
  )
  const labels = new Map(
    calendars.map(({ calendar, granularity }) => [
      nameOf(granularity, calendar),
      sql.literal(`${labelOf(granularity, startOf(granularity, calendar))} AS time`)
    ])
  )
  const startLabels = literals(granularities, (name) => `${labelOf(name, "bucket")} AS time`)
  const start = sql.literal("bucket")
  const valued = literals(Catalogue.measureNames, (name) => `(${expressions[name]})`)
  const operators = literals(
    ["gt", "gte", "lt", "lte"],
    (name) => ({ gt: ">", gte: ">=", lt: "<", lte: "<=" })[name]
  )
  const first = sql.literal("1")
  const ascending = sql.literal("ASC")
  const descending = sql.literal("DESC NULLS LAST")
  const ofLine = sql.literal(Measures.ofLine)
  const ofRefund = sql.literal(Measures.ofRefund)
  const ofBooking = sql.literal(Measures.ofBooking)
  const ofCredit = sql.literal(Measures.ofCredit)

  const containsAny = (column: Fragment, values: ReadonlyArray<string>) =>
    sql.or(values.map((value) => sql`strpos(${column}, ${value}) > 0`))
  const matches = ({ dimension, operator, values }: Filter): Fragment => {
    const column = of(columns, dimension)
    const [value = ""] = values
    switch (operator) {
      case "equals":
        return sql`${column} = ANY (${values}::text[])`
      case "notEquals":
        return sql`${column} <> ALL (${values}::text[])`
      case "contains":
        return containsAny(column, values)
      case "notContains":
        return sql`NOT ${containsAny(column, values)}`
      case "startsWith":
        return sql.or(values.map((value) => sql`starts_with(${column}, ${value})`))
      default:
        return sql`${column} ${of(operators, operator)} ${value}::text COLLATE "C"`
    }
  }
  const matching = (filters: ReadonlyArray<Filter>): ReadonlyArray<Fragment> => filters.map(matches)

  /** The summary and what it does not hold yet, each filtered by itself: a predicate over both would read all of either. */
  const summarised = (tenantId: string, planned: Planned, grain: Grains.Grain) => {
    const names = sql.csv(storedOf(planned).map((name) => of(stored, name)))
    const queried = new Set([
      ...planned.dimensions,
      ...planned.filters.map(({ dimension }) => dimension),
      ...(planned.isByCurrency ? (["currency"] as const) : [])
    ])
    const dimensions =
      queried.size === 0 ? empty : sql`, ${sql.csv(Array.from(queried, (name) => of(columns, name)))}`
    const isBySeller = grain.columns.includes("seller_id")
    const day = sql.literal(grain.bucket === "month" ? "tenant_day" : grain.bucket)
    const bucket = grain.bucket === "month" ? sql`date_trunc('month', ${day})::date` : day
    // The key begins with the seller: grains without one are found under ''.
    const seller = isBySeller ? [] : [sql`seller_id = ''`]
    const summary = sql.and([
      sql`tenant_id = ${tenantId}`,
      sql`grain = ${grain.number}`,
      ...seller,
      sql`bucket >= ${planned.readFrom}::date`,
      sql`bucket < ${planned.until}::date`,
      ...matching(planned.filters)
    ])
    const delta = sql.and([
      sql`tenant_id = ${tenantId}`,
      sql`seq >= coalesce((SELECT hint FROM hm_order_merge WHERE tenant_id = ${tenantId}), 0)`,
      sql`${day} >= ${planned.readFrom}::date`,
      sql`${day} < ${planned.until}::date`,
      ...matching(planned.filters)
    ])
    if (planned.closed !== undefined) {
      return sql`
        SELECT bucket${dimensions}, ${names}
          FROM hm_sales_analytics_snapshot
         WHERE close_id = ${planned.closed.closeId}::uuid AND ${summary}
      `
    }
    return sql`
      SELECT bucket${dimensions}, ${names}
        FROM hm_order_summary
       WHERE ${summary}
      UNION ALL
      SELECT ${bucket} AS bucket${dimensions}, ${names}
        FROM hm_order_delta
       WHERE ${delta}
    `
  }

  /**
   * Days within the range, of the order or of the booking, stored or in the zone that is asked for; instants a little wider for
   * the index. Days are compared, and not the instants at which they begin: at midnight of a day that begins twice there are two.
   */
  const within = (planned: Planned, instant: Fragment, day: Fragment) => {
    const compared = planned.isFromInstants
      ? sql`(${instant} AT TIME ZONE ${planned.zone ?? "UTC"})::date`
      : day
    return sql`${compared} >= ${planned.readFrom}::date AND ${compared} < ${planned.until}::date
               AND ${instant} >= ${planned.readFrom}::date - 2 AND ${instant} < ${planned.until}::date + 2`
  }

  const timesOf = (planned: Planned, instant: Fragment, day: Fragment) =>
    planned.isFromInstants
      ? sql`${instant} AT TIME ZONE ${planned.zone ?? "UTC"} AS moment,
            (${instant} AT TIME ZONE ${planned.zone ?? "UTC"})::date AS bucket`
      : sql`${instant} AS moment, ${day} AS bucket`

  /** The orders of a line's customer before it, found by the customer. */
  const ordersBefore = (tenantId: string) => sql`
    SELECT
      FROM hm_order_line e
     WHERE e.tenant_id = ${tenantId} AND ${partOf("e")} = ${partOf("l")} AND e.customer_id = l.customer_id
       AND e.is_first AND e.ordered_at < l.ordered_at
  `

  /** The part of all customers that a line's customer is in. */
  const partOf = (table: "e" | "l") =>
    sql.literal(`(hashtextextended(${table}.customer_id, 0) & ${customerParts - 1})`)

  const sampled = ({ sampledParts }: Planned) =>
    sampledParts === undefined
      ? sql`true`
      : sql`l.is_first AND l.customer_id IS NOT NULL AND ${partOf("l")} < ${sampledParts}`

  const fromLines = (tenantId: string, planned: Planned) => {
    const isBySeller = planned.zone === null
    const ordered = sql.literal("l.ordered_at")
    const orderedDay = sql.literal(isBySeller ? "l.seller_day" : "l.tenant_day")
    const booked = sql.literal("a.booked_at")
    const bookedDay = sql.literal(isBySeller ? "a.seller_day" : "a.tenant_day")
    const filters = matching(planned.filters)
    const filtered = filters.length === 0 ? sql`true` : sql.and(filters)
    const isNew = needsNew(planned) ? sql`NOT removed AND NOT EXISTS (${ordersBefore(tenantId)})` : sql`false`
    const lines = sql`
      SELECT moment, bucket, seller_id, product_id, category, region, channel, currency,
             CASE WHEN NOT removed THEN customer_id END AS customer_id,
             CASE WHEN ${isNew} THEN customer_id END AS new_customer_id, ${ofLine}
        FROM (
             SELECT l.*, ${timesOf(planned, ordered, orderedDay)}
               FROM hm_order_line l
              WHERE l.tenant_id = ${tenantId} AND ${within(planned, ordered, orderedDay)}
                AND ${sampled(planned)}) l
       WHERE ${filtered}
    `
    const refunds = sql`
      SELECT moment, bucket, seller_id, product_id, category, region, channel, currency, NULL, NULL, ${ofRefund}
        FROM (
             SELECT l.*, ${timesOf(planned, ordered, orderedDay)}, a.*
               FROM hm_order_line l
              CROSS JOIN LATERAL (
                    SELECT hm_sum(units) AS adjusted_units, hm_sum(amount) AS adjusted_amount,
                           hm_sum(tax) AS adjusted_tax, hm_sum(shipping) AS adjusted_shipping,
                           hm_sum(fees) AS adjusted_fees, 0 AS refunded_before
                      FROM hm_order_adjustment
                     WHERE tenant_id = ${tenantId} AND order_id = l.order_id AND line_id = l.line_id
                       AND kind = 'refund') a
              WHERE l.tenant_id = ${tenantId} AND ${within(planned, ordered, orderedDay)}
             ) l
       WHERE ${filtered}
    `
    const bookings = sql`
      SELECT moment, bucket, seller_id, product_id, category, region, channel, currency, NULL, NULL, ${ofBooking}
        FROM (
             SELECT a.*, ${timesOf(planned, booked, bookedDay)}, a.units AS adjusted_units,
                    a.amount AS adjusted_amount, a.tax AS adjusted_tax, a.shipping AS adjusted_shipping,
                    a.fees AS adjusted_fees
               FROM hm_order_adjustment a
              WHERE a.tenant_id = ${tenantId} AND a.currency IS NOT NULL
                AND ${within(planned, booked, bookedDay)}
             ) l
       WHERE ${filtered}
    `
    const credits = sql`
      SELECT moment, bucket, seller_id, product_id, category, region, channel, currency, NULL, NULL, ${ofCredit}
        FROM (
             SELECT a.*, '' AS product_id, '' AS category, '' AS channel, ${timesOf(planned, booked, bookedDay)}
               FROM hm_order_credit a
              WHERE a.tenant_id = ${tenantId} AND ${within(planned, booked, bookedDay)}
             ) l
       WHERE ${filtered}
    `
    const needed = storedOf(planned)
    const isOfRefunds = needed.some((name) => name.startsWith("refund"))
    const isOfBookings = needed.some((name) => name.startsWith("booked"))
    const branches = [
      lines,
      ...(isOfRefunds ? [refunds] : []),
      ...(isOfBookings || needed.includes("shipped_units") ? [bookings] : []),
      ...(isOfRefunds || isOfBookings ? [credits] : [])
    ]
    return sql.join(" UNION ALL ", false)(branches)
  }

  /** The columns by which the rows of a relation are told apart, beside their day. */
  const keysOf = (planned: Planned) => [
    ...planned.dimensions.map((name) => of(columns, name)),
    ...(planned.isByCurrency ? [of(columns, "currency")] : []),
    ...(isDistinct(planned) ? customers : [])
  ]

  const sumsOf = (planned: Planned) => storedOf(planned).map((name) => of(summed, name))

  /** Each row's window over the days, added up per day before they are joined. */
  const windowed = (planned: Planned, relation: Fragment) => {
    const { begins, ends, starts: first } = SalesTimes.windowsOf(planned)
    const keys = keysOf(planned)
    return sql`
      SELECT w.bucket, ${sql.csv([...keys, ...storedOf(planned).map((name) => of(stored, name))])}
        FROM unnest(${first}::date[], ${begins}::date[], ${ends}::date[]) AS w (bucket, begins, ends)
        JOIN (
             SELECT bucket AS day, ${sql.csv([...keys, ...sumsOf(planned)])}
               FROM (${relation}) r
              GROUP BY ${sql.csv([start, ...keys])}) d
          ON d.day >= w.begins AND d.day < w.ends
    `
  }

  /** One row per currency of each row, with its values of money. */
  const perCurrency = (planned: Planned, relation: Fragment, rowStart: ReadonlyArray<Fragment>) => {
    const keys = keysOf(planned)
    const money = planned.measures.filter(isPerCurrency)
    return sql`
      SELECT ${sql.csv([
        ...rowStart.map((fragment) => sql`${fragment} AS bucket`),
        ...keys,
        ...sumsOf(planned),
        ...money.map((name) => of(perName, name))
      ])}
        FROM (${relation}) c
       GROUP BY ${sql.csv([...rowStart, ...keys])}
      HAVING ${sql.or(storedOf(planned).map((name) => of(isLeft, name)))}
    `
  }

  const select = (tenantId: string, planned: Planned) => {
    const { granularity } = planned
    const { grain } = planned.source
    const cells = grain === undefined ? fromLines(tenantId, planned) : summarised(tenantId, planned, grain)
    const isWindowed = planned.window !== undefined
    const inWindows = isWindowed ? windowed(planned, cells) : cells
    const name = granularity === undefined ? "" : nameOf(granularity, planned)
    const rowStart = granularity === undefined ? [] : [isWindowed ? start : of(starts, name)]
    const relation = planned.isByCurrency ? perCurrency(planned, inWindows, rowStart) : inWindows
    // A relation of rows has their first days.
    const isOfRows = isWindowed || planned.isByCurrency
    const bucket = isOfRows ? rowStart.map(() => start) : rowStart
    const label =
      granularity === undefined ? [] : [isOfRows ? of(startLabels, granularity) : of(labels, name)]
    const grouped = [...bucket, ...planned.dimensions.map((dimension) => of(columns, dimension))]
    const listed = sql.csv([
      ...label,
      ...planned.dimensions.map((dimension) => of(selected, dimension)),
      ...planned.measures.map((measure) =>
        planned.isByCurrency && isPerCurrency(measure) ? of(gathered, measure) : of(measured, measure)
      )
    ])
    const direction = (order: "asc" | "desc") => (order === "asc" ? ascending : descending)
    const ordered = [
      ...planned.order.map((order) =>
        order.by === "time"
          ? sql`${sql.csv(bucket)} ${direction(order.direction)}`
          : sql`${quoted.get(order.by) ?? first} ${direction(order.direction)}`
      ),
      ...bucket,
      ...planned.dimensions.map((dimension) => sql`${quoted.get(dimension) ?? first}`)
    ]
    // A cell from which everything was taken back is none.
    const left = planned.isByCurrency
      ? hasRows
      : sql.or([
          ...storedOf(planned).map((measure) => of(isLeft, measure)),
          ...(isDistinct(planned) ? [hasCustomers] : [])
        ])
    const bounds = planned.having.map(
      ({ measure, operator, value }) =>
        sql`${of(valued, measure)}::numeric ${of(operators, operator)} ${value}::numeric`
    )
    return sql<Row>`
      SELECT ${listed}
        FROM (${relation}) q
       ${grouped.length === 0 ? empty : sql`GROUP BY ${sql.csv(grouped)}`}
      HAVING ${sql.and([left, ...bounds])}
       ${ordered.length === 0 ? empty : sql`ORDER BY ${sql.csv(ordered)}`}
       LIMIT ${planned.limit + 1}
      OFFSET ${planned.offset}
    `
  }

  /** The rows of two questions of the same columns, in one snapshot. */
  const selectBoth = (tenantId: string, planned: Planned, compared: Planned) =>
    Effect.map(
      sql<Row>`
        SELECT *
          FROM (
               SELECT false AS "isCompared", row_number() OVER () AS place, p.*
                 FROM (${select(tenantId, planned)}) p
               UNION ALL
               SELECT true, row_number() OVER (), c.*
                 FROM (${select(tenantId, compared)}) c) q
         ORDER BY "isCompared", place
      `,
      (rows): Answers => ({
        rows: rows.filter((row) => row["isCompared"] === false),
        compared: rows.filter((row) => row["isCompared"] === true)
      })
    )

  return { select, selectBoth }
}

const isDistinct = ({ measures }: Planned): boolean =>
  measures.some((name) => Catalogue.measureOf(name).isDistinct === true)

const needsNew = ({ measures }: Planned): boolean =>
  measures.includes("newCustomers") || measures.includes("returningCustomers")

/** Sales of nothing but free things are sales: what is made of gross needs the lines too. */
const storedOf = (planned: Planned): ReadonlyArray<Measures.StoredMeasure> => {
  const parts = new Set(planned.measures.flatMap((name) => Catalogue.measureOf(name).of))
  return Array.from(parts.has("gross") ? parts.add("lines") : parts)
}
