/**
 * A handle that assigns in process: synchronous, without a query. It follows changes of the experiments and sends
 * exposures in batches.
 *
 * @since 0.1.0
 */
import type * as Condition from "@hypermarket/core/Condition"
import * as Now from "@hypermarket/core/Now"
import type { Tenant } from "@hypermarket/core/Tenant"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import * as Assignment from "./Assignment.ts"
import { Environment } from "./Experiment.ts"
import { Experiments } from "./Experiments.ts"
import { batchMax, type Exposure } from "./ExperimentUnit.ts"
import { ExperimentUnits } from "./ExperimentUnits.ts"

/**
 * Options of a handle.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Options = Schema.Struct({ environment: Environment })

/**
 * @category models
 * @since 0.1.0
 */
export interface Assigned extends Assignment.Assignment {
  /** Records that the variant was shown. Call it when it is; a unit counts once however often it is called. */
  readonly exposed: () => void
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ExperimentHandle {
  /** Returns the unit's variant, or undefined when the unit is not in the experiment. Logs nothing. */
  readonly assign: (
    experiment: string,
    unit: string,
    attributes?: Condition.Attributes,
    options?: Assignment.Options
  ) => Assigned
}

/** A change reaches a process within some seconds, at one small query per handle. */
const refreshInterval = "5 seconds"
/** An exposure is stored a second after it was shown. */
const flushInterval = "1 second"
/** Exposures that wait while the database is unavailable: some megabytes. Later ones are dropped, and the log counts them. */
const waitingMax = 50_000

/**
 * Opens a handle. It answers from a snapshot that is read before this returns, and is closed with its scope, which sends
 * the exposures that wait. Exposures of a preview (`forced`) are not recorded.
 *
 * @category constructors
 * @since 0.1.0
 */
export const open = Effect.fn("ExperimentHandle.open")(function* (
  options: typeof Options.Type
): Effect.fn.Return<ExperimentHandle, SqlError, Experiments | ExperimentUnits | Tenant | Scope.Scope> {
  const experiments = yield* Experiments
  const units = yield* ExperimentUnits
  const now = yield* Now.Now
  const read = Effect.map(experiments.definitions(options.environment), Assignment.compile)
  let evaluator = yield* read
  const waiting = new Map<string, Exposure>()
  let dropped = 0

  const refresh = Effect.flatMap(read, (next) =>
    Effect.sync(() => {
      evaluator = next
    })
  ).pipe(Effect.catch((error) => Effect.logWarning("Experiments are answered from an older snapshot", error)))

  const flush = Effect.gen(function* () {
    const batch = Array.from(waiting.entries()).slice(0, batchMax)
    if (dropped > 0) yield* Effect.logWarning(`${dropped} exposures were dropped`)
    dropped = 0
    if (batch.length === 0) return
    yield* units.expose(batch.map(([, exposure]) => exposure))
    for (const [place, exposure] of batch) if (waiting.get(place) === exposure) waiting.delete(place)
  }).pipe(Effect.catch((error) => Effect.logWarning(`${waiting.size} exposures wait`, error)))

  const flushAll = Effect.gen(function* () {
    const rounds = Math.ceil(waiting.size / batchMax)
    for (let round = 0; round < rounds; round++) yield* flush
  })

  yield* Effect.addFinalizer(() => flushAll)
  yield* refresh.pipe(Effect.repeat(Schedule.spaced(refreshInterval)), Effect.forkScoped)
  yield* flushAll.pipe(Effect.repeat(Schedule.spaced(flushInterval)), Effect.forkScoped)

  return {
    assign: (experiment, unit, attributes, more) => {
      const assignment = evaluator.assign(experiment, unit, attributes, more)
      return {
        ...assignment,
        exposed: () => {
          const { reason, variant } = assignment
          if (variant === undefined || reason === "forced") return
          const place = JSON.stringify([experiment, unit, variant])
          if (waiting.has(place)) return
          if (waiting.size >= waitingMax) {
            dropped++
            return
          }
          waiting.set(place, { experiment, unit, variant, at: DateTime.makeUnsafe(Effect.runSync(now)) })
        }
      }
    }
  }
})
