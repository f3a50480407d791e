/** Sales figures of the facts that were posted once: revenue by year, region and category. */
import type { Client } from "@hypermarket/client"
import * as Effect from "effect/Effect"
import * as ApiClient from "../../ApiClient.ts"
import * as Output from "../../Output.ts"
import type { Installation, Part } from "../Part.ts"

/** The sample's years. */
const whole = { from: "2014-01-01", until: "2019-01-01" }
const topMax = 5
const barWidth = 30

type Query = Parameters<Client["sales"]["run"]>[0]["body"]

const ask = (installation: Installation, query: Partial<Query> & Pick<Query, "timeDimension">) =>
  ApiClient.make(installation)(({ sales }, options) =>
    sales.run({ body: { measures: ["net"], dimensions: ["currency"], ...query } }, options)
  ).pipe(
    ApiClient.orCommandFailed("Asking for sales"),
    Effect.map(({ rows }) => rows)
  )

/** The first month of the sample. */
const closedMonth = "2014-01-01"

/** Closes the month, unless an earlier run or the worker has. Returns the closes of the tenant. */
const close = Effect.fnUntraced(function* (installation: Installation) {
  const call = ApiClient.make(installation)
  const body = { period: "month", fromDay: closedMonth } as const
  yield* call(({ closes }, options) => closes.close({ body }, options)).pipe(
    Effect.catchIf(
      ({ response }) => response?.is("urn:hypermarket:problem:analytics:close-exists") === true,
      () => Effect.void
    )
  )
  const { items } = yield* call(({ closes }, options) => closes.list({ limit: 200 }, options))
  return items.some(({ fromDay }) => fromDay === closedMonth)
}, ApiClient.orCommandFailed("Closing a month"))

interface Bar {
  readonly label: string
  readonly cents: bigint
}

const barsOf = (rows: Effect.Success<ReturnType<typeof ask>>, label: string): ReadonlyArray<Bar> =>
  rows.map((row) => {
    const net = row["net"]
    return {
      label: String(row[label]),
      cents: typeof net === "object" && net !== null ? BigInt(net.amount) : 0n
    }
  })

const dollars = (cents: bigint): string => `$${(Number(cents / 100n) || 0).toLocaleString("en-US")}`

/** Bars in eighths of a character. */
const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

const bar = (share: number): string => {
  const parts = Math.round(share * barWidth * eighths.length)
  return "█".repeat(Math.floor(parts / eighths.length)) + (eighths[parts % eighths.length] ?? "")
}

const chart = (bars: ReadonlyArray<Bar>): ReadonlyArray<string> => {
  const most = bars.reduce((max, { cents }) => (cents > max ? cents : max), 1n)
  const widest = Math.max(...bars.map(({ cents }) => dollars(cents).length))
  return Output.columns(
    bars.map(({ cents, label }) => [
      label,
      dollars(cents).padStart(widest),
      bar(Number(cents) / Number(most))
    ])
  ).split("\n")
}

const figuresOf = (bars: ReadonlyArray<Bar>) =>
  Object.fromEntries(bars.map(({ cents, label }) => [label, String(cents)]))

export const analytics: Part = {
  domain: "analytics",
  title: "Sales figures",
  run: Effect.fnUntraced(function* (installation) {
    const byYear = barsOf(
      yield* ask(installation, { timeDimension: { ...whole, granularity: "year" } }),
      "time"
    ).map((one) => ({ ...one, label: one.label.slice(0, 4) }))
    const most = { order: [{ by: "net", direction: "desc" }], timeDimension: whole, limit: topMax } as const
    const byRegion = barsOf(
      yield* ask(installation, { ...most, dimensions: ["currency", "region"] }),
      "region"
    )
    const byCategory = barsOf(
      yield* ask(installation, { ...most, dimensions: ["currency", "category"] }),
      "category"
    )
    const isClosed = yield* close(installation)
    return {
      figures: {
        closedMonth: isClosed ? closedMonth : null,
        netByYear: figuresOf(byYear),
        netByRegion: figuresOf(byRegion),
        netByCategory: figuresOf(byCategory)
      },
      screen: [
        ...chart(byYear),
        `Most in ${byRegion
          .slice(0, 2)
          .map(({ cents, label }) => `${label} (${dollars(cents)})`)
          .join(", ")}; of ${byCategory
          .slice(0, 2)
          .map(({ cents, label }) => `${label.split("/").at(-1)} (${dollars(cents)})`)
          .join(", ")}`
      ],
      lines: [
        "Net revenue by year",
        ...chart(byYear),
        `the ${topMax} regions that sold most`,
        ...chart(byRegion),
        `the ${topMax} categories that sold most`,
        ...chart(byCategory),
        `January 2014 is closed: its figures are kept as they are`
      ],
      next: [
        `curl -H "Authorization: Bearer $HM_API_KEY" -H "content-type: application/json" $HM_API_URL/v1/analytics/query -d '{"measures":["orders","net"],"dimensions":["currency"],"timeDimension":{"from":"2014-01-01","until":"2018-01-01","granularity":"year"}}'`
      ]
    }
  })
}
