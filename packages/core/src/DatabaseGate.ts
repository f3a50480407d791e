/**
 * Refuses at once what could only time out while the database is unavailable.
 *
 * Requests raise a suspicion, and a probe on a separate connection decides: a request may be slow for many reasons, and
 * none of them may stop the others.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"

/**
 * The answer of one round of probing. `lagged` says nothing about the database: the process's own event loop was late.
 *
 * @category models
 * @since 0.1.0
 */
export type Round = "available" | "unavailable" | "lagged"

/**
 * @category models
 * @since 0.1.0
 */
export interface DatabaseGate {
  readonly isClosed: () => boolean
  /** The server answered a statement, with rows or with an error of the statement itself. */
  readonly answered: () => void
  /** True when the server has answered a statement since then. */
  readonly hasAnsweredSince: (millis: number) => boolean
  /** An outcome points at the server: it refused the connection, is starting or stopping, or did not answer at all. */
  readonly suspected: (reason: string) => Effect.Effect<void>
}

/** Sixteen outcomes in a row, without an answer between them, are no accident of single requests. */
const suspicionOutcomes = 16

const probeInterval = "250 millis"

const closedGauge = Metric.gauge("hm_api_gate_closed", {
  description: "1 while requests are refused because the database is unavailable"
})

/**
 * Makes the gate of a process. Without a probe it never closes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (probe: Effect.Effect<Round> | undefined): Effect.Effect<DatabaseGate> =>
  Effect.map(Clock.Clock, (clock) => {
    let outcomes = 0
    let isProbing = false
    let closedAtMillis: number | undefined
    let answeredAtMillis = -Infinity
    const close = (reason: string) =>
      Effect.suspend(() => {
        if (closedAtMillis !== undefined) return Effect.void
        closedAtMillis = clock.currentTimeMillisUnsafe()
        return Effect.andThen(
          Metric.update(closedGauge, 1),
          Effect.logWarning("The database is unavailable: requests are refused until it answers", { reason })
        )
      })
    const open = Effect.suspend(() => {
      outcomes = 0
      if (closedAtMillis === undefined) return Effect.void
      const closedMillis = clock.currentTimeMillisUnsafe() - closedAtMillis
      closedAtMillis = undefined
      return Effect.andThen(
        Metric.update(closedGauge, 0),
        Effect.logInfo("The database answers again: requests are accepted", { closed_ms: closedMillis })
      )
    })
    const decide = (rounds: Effect.Effect<Round>, reason: string) =>
      rounds.pipe(
        Effect.tap((round) =>
          round === "available" ? open : round === "unavailable" ? close(reason) : Effect.void
        ),
        Effect.repeat({
          // A lagged first round leaves the gate as it is: open.
          while: (round) => round !== "available" && closedAtMillis !== undefined,
          schedule: Schedule.spaced(probeInterval)
        }),
        Effect.ensuring(
          Effect.sync(() => {
            isProbing = false
            outcomes = 0
          })
        )
      )
    return {
      isClosed: () => closedAtMillis !== undefined,
      answered: () => {
        outcomes = 0
        answeredAtMillis = clock.currentTimeMillisUnsafe()
      },
      hasAnsweredSince: (millis) => answeredAtMillis >= millis,
      suspected: (reason) =>
        Effect.suspend(() => {
          if (++outcomes < suspicionOutcomes || isProbing || probe === undefined) return Effect.void
          isProbing = true
          return Effect.asVoid(Effect.forkDetach(decide(probe, reason)))
        })
    }
  })

/**
 * The probe that decides; an app provides {@link module:DatabaseProbe}'s.
 *
 * @category services
 * @since 0.1.0
 */
export const Probe = Context.Reference<Effect.Effect<Round> | undefined>(
  "@hypermarket/core/DatabaseGate/Probe",
  {
    defaultValue: () => undefined
  }
)
