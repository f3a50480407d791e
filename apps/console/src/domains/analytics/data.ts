/** Questions about sales, and the values of their answers. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query"
import { call } from "../../api/call.ts"
import type { Input, Success } from "../../api/Endpoints.ts"
import { nowMillis } from "../../ui/clock.ts"
import { count, day, dayMillis, majorUnits, type Money, money, shiftDay } from "../../ui/Format.ts"

export type SalesQuestion = Input<"POST /v1/analytics/query">["payload"]
export type SalesAnswer = Success<"POST /v1/analytics/query">
export type Row = SalesAnswer["rows"][number]
export type Value = Row[string]
export type Measure = SalesQuestion["measures"][number]
export type Dimension = NonNullable<SalesQuestion["dimensions"]>[number]

export const sales = (question: SalesQuestion) =>
  queryOptions({
    queryKey: ["sales", question],
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => ({
      ...(await call("POST /v1/analytics/query", { payload: question, signal })),
      askedAt: nowMillis()
    })
  })

export const catalogue = queryOptions({
  queryKey: ["sales", "catalogue"],
  staleTime: Number.POSITIVE_INFINITY,
  queryFn: ({ signal }) => call("GET /v1/analytics/catalogue", { signal })
})

/** The zone in which the tenant's days begin. */
export const tenantZone = queryOptions({
  queryKey: ["zone"],
  staleTime: Number.POSITIVE_INFINITY,
  queryFn: ({ signal }) => call("GET /v1/analytics/zone", { signal })
})

const isMoney = (value: Value | undefined): value is Money => typeof value === "object" && value !== null

/** Returns the place of a value on a chart: major units of money, the number of a count. */
export const sizeOf = (value: Value | undefined): number =>
  isMoney(value) ? majorUnits(value) : typeof value === "number" ? value : 0

/** Returns a value in full. */
export const shown = (value: Value | undefined): string =>
  isMoney(value) ? money(value) : typeof value === "number" ? count(value) : (value ?? "–")

/** Returns the change as a share of what was before, which is none where nothing was. */
export const changeOf = (now: Value | undefined, before: Value | undefined): number | undefined => {
  const was = sizeOf(before)
  return was === 0 ? undefined : (sizeOf(now) - was) / Math.abs(was)
}

export const currencyOf = (row: Row | undefined): string | undefined => {
  const currency = row?.["currency"]
  return typeof currency === "string" ? currency : undefined
}

export const ofCurrency = (rows: ReadonlyArray<Row>, currency: string | undefined): ReadonlyArray<Row> =>
  rows.filter((row) => currencyOf(row) === currency)

/** How the figures of the tenant were last compared with their facts. */
export const freshness = queryOptions({
  queryKey: ["sales", "freshness"],
  staleTime: 60_000,
  queryFn: ({ signal }) => call("GET /v1/analytics/freshness", { signal })
})

/** Sales further back are not looked for. */
const yearsBack = 20
const yearDays = 366

const newest = async (from: string, until: string, granularity: "month" | "day", signal: AbortSignal) => {
  const { rows } = await call("POST /v1/analytics/query", {
    payload: {
      measures: ["units"],
      timeDimension: { from, until, granularity },
      order: [{ by: "time", direction: "desc" }],
      limit: 1
    },
    signal
  })
  const time = rows[0]?.["time"]
  return typeof time === "string" ? time.slice(0, 10) : undefined
}

const daysOfMonth = 31

/** The last day with sales up to yesterday: a shop that closed, or a sample, is shown where its figures are. */
export const lastDay = queryOptions({
  queryKey: ["sales", "last day"],
  staleTime: 60_000,
  queryFn: async ({ signal }) => {
    const today = day(nowMillis())
    const month = await newest(day(nowMillis() - yearsBack * yearDays * dayMillis), today, "month", signal)
    if (month === undefined) return null
    const after = shiftDay(month, daysOfMonth)
    return (await newest(month, after < today ? after : today, "day", signal)) ?? null
  }
})
