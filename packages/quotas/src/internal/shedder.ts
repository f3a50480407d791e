/**
 * Sheds requests of this process before they cost anything: the last places are kept for critical routes, and a growing share of
 * the others is refused while the event loop is busy.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"

export interface Settings {
  /** Requests in flight that the process has places for; 0 for no bound. */
  readonly requestsMax: number
  /** Percent of the places that only critical routes get. */
  readonly reservePercent: number
  /** Percent of the event loop's time above which requests are shed; 0 for no bound. */
  readonly utilisationMaxPercent: number
  readonly criticalRoutes: ReadonlySet<string>
}

export type Reason = "concurrency" | "reserve" | "utilisation"

const shedTotal = Metric.counter("hm_rate_requests_shed_total", {
  description: "Requests refused because of the load of this process, by reason",
  incremental: true
})

/** Long enough that a burst of a few requests is not taken for load. */
const sampleInterval = "1 second"

/** The share that is shed grows and shrinks by this step per sample, so that it settles and does not swing. */
const shareStep = 0.1

/** Below this part of the bound the share shrinks; between both it stays. */
const calmPart = 0.9

export interface Shedder {
  /** False when no setting bounds the load. */
  readonly isOn: boolean
  /** Claims a place, or returns why there is none. */
  readonly enter: (route: string) => Effect.Effect<Reason | undefined>
  /** Returns a place. */
  readonly leave: Effect.Effect<void>
}

/** Starts the samples of a process. They end with the scope. */
export const make = Effect.fnUntraced(function* (settings: Settings, utilisationPercent: () => number) {
  const { criticalRoutes, requestsMax, reservePercent, utilisationMaxPercent } = settings
  const openMax = Math.floor((requestsMax * (100 - reservePercent)) / 100)
  let inFlight = 0
  let share = 0

  if (utilisationMaxPercent > 0) {
    const sample = Effect.sync(() => {
      const percent = utilisationPercent()
      if (percent > utilisationMaxPercent) share = Math.min(1, share + shareStep)
      else if (percent < utilisationMaxPercent * calmPart) share = Math.max(0, share - shareStep)
    })
    yield* Effect.forkScoped(Effect.repeat(sample, Schedule.spaced(sampleInterval)))
  }

  const reasonFor = (isCritical: boolean, chance: number): Reason | undefined => {
    if (requestsMax > 0 && inFlight >= requestsMax) return "concurrency"
    if (isCritical) return undefined
    if (requestsMax > 0 && inFlight >= openMax) return "reserve"
    return chance < share ? "utilisation" : undefined
  }

  const shedder: Shedder = {
    isOn: requestsMax > 0 || utilisationMaxPercent > 0,
    enter: Effect.fnUntraced(function* (route) {
      const chance = share === 0 ? 1 : yield* Random.next
      const reason = reasonFor(criticalRoutes.has(route), chance)
      if (reason === undefined) inFlight++
      else yield* Metric.update(Metric.withAttributes(shedTotal, { reason }), 1)
      return reason
    }),
    leave: Effect.sync(() => {
      inFlight--
    })
  }
  return shedder
})
