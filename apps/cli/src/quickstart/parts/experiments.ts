/**
 * Experiments: a test of ranking on the demo shop's customers. The effect is simulated, and marked as such: which customers
 * buy is decided by a hash, with a fifth more buyers in the new arm.
 */
import * as Bucketing from "@hypermarket/core/Bucketing"
import { Experiment } from "@hypermarket/experiments/Experiment"
import { ExperimentLook } from "@hypermarket/experiments/ExperimentLook"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Schema from "effect/Schema"
import { failed } from "../../CommandFailed.ts"
import type { Installation, Part } from "../Part.ts"

const unitCount = 4_000
const batchMax = 1_000
const oldRate = 0.3
const newRate = 0.36
const key = "demo-ranking"
const plotWidth = 41

const units = Array.from({ length: unitCount }, (_, index) => `simulated-${index}`)

/** Half of the simulated customers each, by the index: the figures are the same in every installation. */
const variantOf = (index: number): "old" | "new" => (index % 2 === 0 ? "old" : "new")

const buyers = units.filter((unit, index) => {
  const rate = variantOf(index) === "old" ? oldRate : newRate
  return Bucketing.bucket("murmur3", "demo-ranking-buys", unit) < rate
})

const post = Effect.fnUntraced(function* (
  { apiKey, apiUrl }: Installation,
  path: string,
  body: Schema.Json,
  headers: Readonly<Record<string, string>> = {}
) {
  const client = yield* HttpClient
  return yield* client.execute(
    HttpClientRequest.post(`${apiUrl}/v1/experiments/${path}`).pipe(
      HttpClientRequest.bearerToken(apiKey),
      HttpClientRequest.setHeaders(headers),
      HttpClientRequest.bodyJsonUnsafe(body)
    )
  )
})

const chunks = <A>(items: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(items.length / batchMax) }, (_, index) =>
    items.slice(index * batchMax, (index + 1) * batchMax)
  )

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

/** An interval on a scale from -0.4 to +0.4, with 0 in the middle. */
const plot = (low: number, estimate: number, high: number): string => {
  const place = (value: number) =>
    Math.min(plotWidth - 1, Math.max(0, Math.round(((value + 0.4) / 0.8) * (plotWidth - 1))))
  return Array.from({ length: plotWidth }, (_, index) =>
    index === place(estimate)
      ? "●"
      : index === place(0)
        ? "│"
        : index >= place(low) && index <= place(high)
          ? "━"
          : "·"
  ).join("")
}

export const experiments: Part = {
  domain: "experiments",
  title: "Experiment on ranking (simulated effect)",
  run: Effect.fnUntraced(function* (installation) {
    const metric = yield* post(
      installation,
      "metrics",
      { key: "demo-purchases", kind: "conversion", source: "demo.purchase" },
      { "idempotency-key": "quickstart-experiment-metric" }
    )
    if (metric.status !== 201 && metric.status !== 409) {
      return yield* failed(`POST /v1/experiments/metrics answered ${metric.status}: ${yield* metric.text}`)
    }
    const list = yield* Effect.flatMap(HttpClient, (client) =>
      client.execute(
        HttpClientRequest.get(`${installation.apiUrl}/v1/experiments/experiments`).pipe(
          HttpClientRequest.bearerToken(installation.apiKey)
        )
      )
    )
    const { items } = yield* HttpClientResponse.schemaBodyJson(
      Schema.Struct({ items: Schema.Array(Experiment) })
    )(list)
    let experiment = items.find((item) => item.key === key)
    if (experiment === undefined) {
      const created = yield* post(installation, "experiments", {
        key,
        name: "Ranking, simulated",
        hypothesis: "Ranking by margin finds more buyers.",
        variants: [
          { key: "old", weight: 5_000 },
          { key: "new", weight: 5_000 }
        ],
        metrics: [{ metric: "demo-purchases", role: "goal" }],
        plan: { unitsPlanned: unitCount }
      })
      if (created.status !== 201) {
        return yield* failed(
          `POST /v1/experiments/experiments answered ${created.status}: ${yield* created.text}`
        )
      }
      experiment = yield* HttpClientResponse.schemaBodyJson(Experiment)(created)
    }
    const { experimentId } = experiment
    if (experiment.status === "draft") {
      yield* post(
        installation,
        `experiments/${experimentId}/start`,
        {},
        {
          "if-match": `"${experiment.version}"`
        }
      )
      for (const batch of chunks(
        units.map((unit, index) => ({ experiment: key, unit, variant: variantOf(index) }))
      )) {
        yield* post(installation, "exposures", { exposures: batch })
      }
      const at = new Date(experiment.recordedAt.epochMilliseconds + 60 * 60 * 1000).toISOString()
      for (const batch of chunks(buyers)) {
        yield* post(installation, "facts", {
          facts: batch.map((unit) => ({ source: "demo.purchase", factId: unit, unit, at }))
        })
      }
    }
    const answer = yield* post(installation, `experiments/${experimentId}/looks`, { look: 1 })
    if (answer.status !== 200) {
      return yield* failed(
        `POST /v1/experiments/experiments/{id}/looks answered ${answer.status}: ${yield* answer.text}`
      )
    }
    const look = yield* HttpClientResponse.schemaBodyJson(ExperimentLook)(answer)
    const [purchases] = look.metrics
    const relative = purchases?.comparisons[0]?.relative
    const [first, second] = purchases?.arms ?? []
    const low = relative?.low ?? 0
    const high = relative?.high ?? 0
    const estimate = relative?.estimate ?? 0
    return {
      figures: {
        units: look.units.map((arm) => arm.units),
        buyers: look.units.map((arm, index) => Math.round(arm.units * (purchases?.arms[index]?.value ?? 0))),
        lift: estimate,
        low,
        high,
        outcome: look.recommendation.outcome
      },
      screen: [
        `Old ${percent(first?.value ?? 0)}, new ${percent(second?.value ?? 0)}: lift ${percent(estimate)} (${percent(low)} to ${percent(high)}), ${look.recommendation.outcome} (simulated)`
      ],
      lines: [
        `${unitCount.toLocaleString("en-US")} simulated customers; the new ranking has ${percent(newRate / oldRate - 1)} more buyers by construction`,
        `old ${percent(first?.value ?? 0)}, new ${percent(second?.value ?? 0)}; sample ratio p ${look.sampleRatio.p.toFixed(2)}`,
        `lift ${percent(estimate)} (${percent(low)} to ${percent(high)})`,
        `-40 % ${plot(low, estimate, high)} +40 %`,
        `${look.recommendation.outcome}: ${look.recommendation.because}`
      ],
      next: [
        `curl -H "Authorization: Bearer $HM_API_KEY" $HM_API_URL/v1/experiments/experiments/${experimentId}/looks`
      ]
    }
  })
}
