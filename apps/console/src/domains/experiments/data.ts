/** Experiments, their looks, and the words for both. */
import type { Success } from "../../api/Endpoints.ts"
import type { Tone } from "../../ui/Badge.tsx"
import { percent } from "../../ui/Format.ts"

export type Experiment = Success<"GET /v1/experiments/experiments">["items"][number]
export type Look = Success<"GET /v1/experiments/experiments/:experimentId/looks">["items"][number]
export type Metric = Look["metrics"][number]
export type Comparison = Metric["comparisons"][number]

export const experimentPlace = (experimentId: string) => ({
  to: `/experiments/${encodeURIComponent(experimentId)}`
})

export const statusTones: Readonly<Record<Experiment["status"], Tone>> = {
  draft: "plain",
  running: "accent",
  paused: "warn",
  stopped: "plain"
}

export const recommendations: Readonly<
  Record<Look["recommendation"]["outcome"], { readonly tone: Tone; readonly words: string }>
> = {
  ship: { tone: "good", words: "Ship" },
  "roll-back": { tone: "bad", words: "Roll back" },
  "keep-going": { tone: "accent", words: "Keep going" },
  "do-not-trust": { tone: "warn", words: "Do not trust these figures" }
}

/** Weights are in hundredths of a percent. */
const weightsSum = 10_000

export const weightWords = (weight: number): string => percent(weight / weightsSum)

/** Returns an estimate with its sign, as a share of the control where there is one. */
export const signed = (value: number | null): string =>
  value === null ? "?" : `${value >= 0 ? "+" : "−"}${percent(Math.abs(value))}`

/** Returns the largest distance from 0 of all intervals, so that one scale holds for all. */
export const reachOf = (metrics: ReadonlyArray<Metric>): number => {
  const ends = metrics.flatMap(({ comparisons }) =>
    comparisons.flatMap(({ relative }) =>
      relative === null ? [] : [relative.low ?? relative.estimate, relative.high ?? relative.estimate]
    )
  )
  return Math.max(0.01, ...ends.map(Math.abs))
}
