/**
 * A handle that assigns in process: synchronous, without a query. It follows changes of the experiments, sends exposures in
 * batches, records facts of metrics and takes looks.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import { type InvalidArgument, invalidArgument } from "@hypermarket/core/CallError"
import type * as Condition from "@hypermarket/core/Condition"
import { AdopterId } from "@hypermarket/core/Identifier"
import { errorsOf } from "@hypermarket/core/InputErrors"
import { Currency } from "@hypermarket/core/Money"
import * as Now from "@hypermarket/core/Now"
import type { Tenant } from "@hypermarket/core/Tenant"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { isObject } from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import * as Assignment from "./Assignment.ts"
import { Environment } from "./Experiment.ts"
import { ExperimentLooks } from "./ExperimentLooks.ts"
import { Key } from "./ExperimentMetric.ts"
import { ExperimentMetrics } from "./ExperimentMetrics.ts"
import { Experiments } from "./Experiments.ts"
import { batchMax, type Exposure, Fact, FactValue, Recorded } from "./ExperimentUnit.ts"
import { ExperimentUnits } from "./ExperimentUnits.ts"
import * as HandleLook from "./internal/handleLook.ts"

/**
 * Options of a handle.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Options = Schema.Struct({ environment: Environment })

/** As for amounts: 10^15. */
const integerMax = 1_000_000_000_000_000

/**
 * The value of a fact: money in minor units, or an integer.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Value = Schema.Union([
  Schema.Struct({ amount: FactValue, currency: Currency }),
  BoundedInt.make({ minimum: -integerMax, maximum: integerMax })
])

/**
 * A value as callers pass it: an amount is decimal text or `bigint`.
 *
 * @category models
 * @since 0.1.0
 */
export type PassedValue = number | { readonly amount: string | bigint; readonly currency: string }

/**
 * Options of a fact.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RecordOptions = Schema.Struct({
  /** The fact's id among those of the metric's source: a repeated call with it changes nothing. */
  key: AdopterId,
  /** A higher version of the same key replaces it. 1 when it is left out. */
  version: Fact.fields.version,
  /** The present, when it is left out. */
  at: Schema.optionalKey(Fact.fields.at),
  /** `customer`, when it is left out. */
  unitKind: Fact.fields.unitKind,
  /** The fact did not happen after all: send it with a higher version. */
  withdrawn: Fact.fields.withdrawn
})

/**
 * Options as callers pass them: an instant is RFC 3339 text or `Date`.
 *
 * @category models
 * @since 0.1.0
 */
export type PassedOptions = Omit<typeof RecordOptions.Encoded, "at"> & { readonly at?: string | Date }

const RecordArguments = Schema.Tuple([Key, AdopterId, Value, RecordOptions])
const LookArguments = Schema.Tuple([Key, Schema.UndefinedOr(BoundedInt.PositiveInt4)])

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
  /**
   * Records a fact about a unit for a metric, by the metric's key. Resolves with what was accepted, repeated or rejected. A call with
   * the same `key` again changes nothing, and neither does one whose fact has come from an order. Rejects with `InvalidArgument`
   * or `MetricNotFound`.
   */
  readonly record: (
    metric: string,
    unit: string,
    value: PassedValue,
    options: PassedOptions
  ) => Promise<typeof Recorded.Encoded>
  /**
   * Sends the exposures that wait, and takes the next look, which is stored and never changes. Of a plan with `lookEverySeconds` it
   * resolves with the planned look that came last, which is taken unless the worker has taken it. With a number it resolves with that
   * look, which is taken if it is the next one. Rejects with `InvalidArgument`, `ExperimentNotFound`, `ExperimentStatusWrong` or
   * `LookUnavailable`.
   *
   * The type argument has the keys of the metrics: `look<"revenue">("ranking-2027")`.
   */
  readonly look: <Metrics extends string = string>(
    experiment: string,
    number?: number
  ) => Promise<HandleLook.Look<Metrics>>
}

const decoderOf = <A>(method: string, schema: Schema.Codec<A, unknown>) => {
  const decode = Schema.decodeUnknownEffect(schema, { onExcessProperty: "error", errors: "all" })
  return (values: ReadonlyArray<unknown>): Effect.Effect<A, InvalidArgument> =>
    Effect.mapError(decode(values), (error) => invalidArgument(method, ...errorsOf(error)))
}

const decodeRecord = decoderOf("experiments.record", RecordArguments)
const decodeLook = decoderOf("experiments.look", LookArguments)
const encodeRecorded = Schema.encodeSync(Recorded)

/** Turns what JavaScript has and JSON has not into text: `bigint` and `Date`. What is not valid stays, and is refused. */
const toText = (value: unknown): unknown =>
  typeof value === "bigint"
    ? String(value)
    : value instanceof Date && Number.isFinite(value.getTime())
      ? value.toISOString()
      : value

const withText = (value: unknown, field: string): unknown =>
  isObject(value) && field in value ? { ...value, [field]: toText(Reflect.get(value, field)) } : value

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
): Effect.fn.Return<
  ExperimentHandle,
  SqlError,
  ExperimentLooks | ExperimentMetrics | Experiments | ExperimentUnits | Tenant | Scope.Scope
> {
  const experiments = yield* Experiments
  const units = yield* ExperimentUnits
  const metrics = yield* ExperimentMetrics
  const looks = yield* ExperimentLooks
  const runPromise = Effect.runPromiseWith(yield* Effect.context<Tenant>())
  const now = yield* Now.Now
  const read = Effect.map(experiments.definitions(options.environment), Assignment.compile)
  let evaluator = yield* read
  const waiting = new Map<string, Exposure>()
  let dropped = 0
  // A metric never changes, and a tenant has a bounded number of them.
  const sources = new Map<string, string>()

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

  const sourceOf = Effect.fnUntraced(function* (metric: string) {
    const existing = sources.get(metric)
    if (existing !== undefined) return existing
    const { source } = yield* metrics.getByKey(metric)
    sources.set(metric, source)
    return source
  })

  const record = Effect.fn("ExperimentHandle.record")(function* (values: ReadonlyArray<unknown>) {
    const [metric, unit, value, { key, ...more }] = yield* decodeRecord(values)
    const recorded = yield* units.record([
      {
        ...more,
        source: yield* sourceOf(metric),
        factId: key,
        unit,
        at: more.at ?? DateTime.makeUnsafe(yield* now),
        ...(typeof value === "number"
          ? { value: BigInt(value) }
          : { value: value.amount, currency: value.currency })
      }
    ])
    return encodeRecorded(recorded)
  })

  const look = Effect.fn("ExperimentHandle.look")(function* (values: ReadonlyArray<unknown>) {
    const [key, number] = yield* decodeLook(values)
    yield* flushAll
    const { experimentId } = yield* experiments.getByKey(key)
    return yield* number === undefined ? looks.planned(experimentId) : looks.look(experimentId, number)
  })

  return {
    record: (metric, unit, value, passed) =>
      runPromise(record([metric, unit, withText(value, "amount"), withText(passed, "at")])),
    look: <Metrics extends string>(experiment: string, number?: number) =>
      runPromise(Effect.map(look([experiment, number]), (taken) => HandleLook.lookOf<Metrics>(taken))),
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
