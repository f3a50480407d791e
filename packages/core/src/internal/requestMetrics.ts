/** Counts the requests of a process by the group of their route and the class of their status. */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"

const requestCounter = Metric.counter("hm_api_requests_total", {
  description: "Requests answered, by group of routes and status class",
  incremental: true
})

const durationHistogram = Metric.histogram("hm_api_request_duration_seconds", {
  description: "From the first byte of the request to the response's head, in seconds, by group of routes",
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
})

/** `/v1/events/queues/:queue` is of the group `events`, and `/health/ready` of `health`: routes are few, paths are not. */
const groupOf = (route: string | undefined): string =>
  route === undefined ? "none" : (/^\/(?:v1\/)?([^/:*]+)/.exec(route)?.[1] ?? "root")

const makeGroup = (group: string) => ({
  byClass: ["1xx", "2xx", "3xx", "4xx", "5xx"].map((status) =>
    Metric.withAttributes(requestCounter, { group, status })
  ),
  duration: Metric.withAttributes(durationHistogram, { group })
})

export interface Answered {
  /** The template of its route; undefined when no route has its path. */
  readonly route: string | undefined
  readonly status: number
  readonly durationMillis: number
}

/**
 * Makes a function that records a response. It keeps one series per group, which the routes bound. The context has the
 * registry of the metrics.
 */
export const make = (context: Context.Context<never>) => {
  const groups = new Map<string | undefined, ReturnType<typeof makeGroup>>()
  return ({ durationMillis, route, status }: Answered): void => {
    const known = groups.get(route) ?? makeGroup(groupOf(route))
    groups.set(route, known)
    known.byClass[Math.floor(status / 100) - 1]?.updateUnsafe(1, context)
    known.duration.updateUnsafe(durationMillis / 1000, context)
  }
}
