/** Sales figures of the facts that were posted once: revenue by year, region and category. */
import { SalesAnswer } from "@hypermarket/analytics/SalesQuery"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import type * as Schema from "effect/Schema"
import { failed } from "../../CommandFailed.ts"
import * as Output from "../../Output.ts"
import type { Installation, Part } from "../Part.ts"

/** The sample's years. */
const whole = { from: "2014-01-01", until: "2019-01-01" }
const topMax = 5
const barWidth = 30

const ask = Effect.fnUntraced(function* (
  { apiKey, apiUrl }: Installation,
  query: Readonly<Record<string, Schema.Json>>
) {
  const client = yield* HttpClient
  const answer = yield* client.execute(
    HttpClientRequest.post(`${apiUrl}/v1/analytics/query`).pipe(
      HttpClientRequest.bearerToken(apiKey),
      HttpClientRequest.bodyJsonUnsafe({ measures: ["net"], dimensions: ["currency"], ...query })
    )
  )
  if (answer.status !== 200) {
    return yield* failed(`A question about sales answered ${answer.status}: ${yield* answer.text}`)
  }
  return (yield* HttpClientResponse.schemaBodyJson(SalesAnswer)(answer)).rows
})

interface Bar {
  readonly label: string
  readonly cents: bigint
}

const barsOf = (rows: Effect.Success<ReturnType<typeof ask>>, label: string): ReadonlyArray<Bar> =>
  rows.map((row) => {
    const net = row["net"]
    return {
      label: String(row[label]),
      cents: typeof net === "object" && net !== null ? net.amount : 0n
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
    const most = { order: [{ by: "net", direction: "desc" }], timeDimension: whole, limit: topMax }
    const byRegion = barsOf(
      yield* ask(installation, { ...most, dimensions: ["currency", "region"] }),
      "region"
    )
    const byCategory = barsOf(
      yield* ask(installation, { ...most, dimensions: ["currency", "category"] }),
      "category"
    )
    return {
      figures: {
        netByYear: figuresOf(byYear),
        netByRegion: figuresOf(byRegion),
        netByCategory: figuresOf(byCategory)
      },
      lines: [
        "Net revenue by year",
        ...chart(byYear),
        `the ${topMax} regions that sold most`,
        ...chart(byRegion),
        `the ${topMax} categories that sold most`,
        ...chart(byCategory)
      ],
      next: [
        `curl -H "Authorization: Bearer $HM_API_KEY" -H "content-type: application/json" $HM_API_URL/v1/analytics/query -d '{"measures":["orders","net"],"dimensions":["currency"],"timeDimension":{"from":"2017-01-01","until":"2018-01-01","granularity":"month"}}'`
      ]
    }
  })
}
