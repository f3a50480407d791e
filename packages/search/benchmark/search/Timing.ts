/**
 * How searches are timed: several rounds over the same requests, after one to warm up.
 */
import * as Bench from "@hypermarket/bench/Bench"
import type { Delta } from "@hypermarket/search/internal/engine/Delta"
import type * as SearchRequest from "@hypermarket/search/internal/engine/SearchRequest"
import * as Ours from "./Ours.ts"

export const rounds = 5

export interface Latencies {
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

const quantiles = (values: ReadonlyArray<number>): Latencies => ({
  p50: Bench.quantile(values, 0.5),
  p95: Bench.quantile(values, 0.95),
  p99: Bench.quantile(values, 0.99)
})

/**
 * A query's figure is its median over the rounds. Beside it stands its best: on a machine that others use, what it costs
 * by itself.
 */
export const ofRounds = (byRound: ReadonlyArray<ReadonlyArray<number>>) => {
  const over = (of: (values: ReadonlyArray<number>) => number) =>
    quantiles((byRound[0] ?? []).map((_, n) => of(byRound.map((round) => round[n] ?? Number.NaN))))
  return { wall: over(Bench.median), best: over((values) => Math.min(...values)) }
}

/**
 * By request, milliseconds of the clock; for all of them together, this thread's processor time, which has too coarse a
 * tick for one.
 */
export const time = (
  requests: ReadonlyArray<Partial<SearchRequest.SearchRequest>>,
  version: Ours.Version,
  delta?: Delta
) => {
  const wall: Array<ReadonlyArray<number>> = []
  const perCpuSecond: Array<number> = []
  for (let round = 0; round <= rounds; round++) {
    const before = process.threadCpuUsage()
    const measured = requests.map((request) => {
      const startedAt = performance.now()
      Ours.search(version, request, delta)
      return performance.now() - startedAt
    })
    const { system, user } = process.threadCpuUsage(before)
    // The first round warms up.
    if (round === 0) continue
    wall.push(measured)
    perCpuSecond.push((requests.length * 1e6) / (system + user))
  }
  return { ...ofRounds(wall), perCpuSecond: Bench.median(perCpuSecond) }
}
