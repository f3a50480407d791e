/**
 * A handle that evaluates flags in process: synchronous, without a query. It follows changes within 500 ms.
 *
 * @since 0.1.0
 */
import type { Json } from "@hypermarket/core/AsyncService"
import type { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { Environment } from "./FeatureFlag.ts"
import type { Attributes, ErrorCode, FlagEvaluation, FlagExplanation, Reason } from "./FlagEvaluation.ts"
import { FlagEvaluations } from "./FlagEvaluations.ts"
import type { FlagEvaluator } from "./FlagEvaluator.ts"
import { changedKeys } from "./flags/changedKeys.ts"

/**
 * Options of a handle.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Options = Schema.Struct({ environment: Environment })

/**
 * The outcome of a flag with the value to use: the flag's, or the caller's where the flag has none. `TYPE_MISMATCH`: the
 * flag's value is of another type than the caller's.
 *
 * @category models
 * @since 0.1.0
 */
export interface FlagOutcome<Value> {
  readonly value: Value
  readonly variant: string | undefined
  readonly reason: typeof Reason.Type
  readonly ruleId: string | undefined
  readonly errorCode: typeof ErrorCode.Type | "TYPE_MISMATCH" | undefined
  readonly errorDetails: string | undefined
}

/**
 * Is called with the environment's revision and the keys of the flags that may evaluate otherwise than before.
 *
 * @category models
 * @since 0.1.0
 */
export type Listener = (revision: number, keys: ReadonlyArray<string>) => void

/**
 * Methods throw a `TypeError` that names the argument when the key is no text or the context no object.
 *
 * @category models
 * @since 0.1.0
 */
export interface FlagHandle {
  /** Returns the flag's value, or `fallback` where it has none of this type. */
  readonly boolean: (flagKey: string, fallback: boolean, context?: Attributes) => boolean
  /** Returns the flag's value, or `fallback` where it has none of this type. */
  readonly string: (flagKey: string, fallback: string, context?: Attributes) => string
  /** Returns the flag's value, or `fallback` where it has none of this type. */
  readonly number: (flagKey: string, fallback: number, context?: Attributes) => number
  /** Returns the flag's value of any type, or `fallback` where it has none. */
  readonly json: (flagKey: string, fallback: Json, context?: Attributes) => Json
  /** Returns the value with its variant, the reason and the rule that decided. */
  readonly evaluate: Evaluate
  /** Returns every rule of the flag with its outcome. Slower than `evaluate`. */
  readonly explain: (flagKey: string, context?: Attributes) => FlagExplanation
  /** Calls the listener after each change until the returned function is called. What it throws is logged. */
  readonly onChange: (listener: Listener) => () => void
  /** The revision that is evaluated; it grows with every change. */
  readonly revision: () => number
  /** Milliseconds since the revision was known to be the newest. It grows while the database is unavailable. */
  readonly ageMillis: () => number
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Evaluate {
  (flagKey: string, fallback: boolean, context?: Attributes): FlagOutcome<boolean>
  (flagKey: string, fallback: string, context?: Attributes): FlagOutcome<string>
  (flagKey: string, fallback: number, context?: Attributes): FlagOutcome<number>
  (flagKey: string, fallback: Json, context?: Attributes): FlagOutcome<Json>
}

const nobody: Attributes = {}

/** A JavaScript program may pass anything; a promise for a context would match no rule, silently. */
const checkArguments = (method: string, flagKey: unknown, context: unknown): void => {
  if (typeof flagKey !== "string") throw new TypeError(`flags.${method}: expected flagKey to be text`)
  if (typeof context !== "object" || context === null || Array.isArray(context) || "then" in context) {
    throw new TypeError(`flags.${method}: expected context to be an object of attributes`)
  }
}

const outcomeOf = <Value extends Json>(
  evaluation: FlagEvaluation,
  fallback: Value,
  isOfType: (value: Schema.Json | Value) => value is Value
): FlagOutcome<Value> => {
  const { errorCode, errorDetails, reason, ruleId, value = fallback, variant } = evaluation
  return isOfType(value)
    ? { value, variant, reason, ruleId, errorCode, errorDetails }
    : {
        value: fallback,
        variant: undefined,
        reason: "ERROR",
        ruleId,
        errorCode: "TYPE_MISMATCH",
        errorDetails: `The flag's value is of type ${typeof value}`
      }
}

const isBoolean = (value: unknown): value is boolean => typeof value === "boolean"
const isString = (value: unknown): value is string => typeof value === "string"
const isNumber = (value: unknown): value is number => typeof value === "number"
const isAny = (_value: Json): _value is Json => true

/** The methods that evaluate, over whichever flags are the newest. */
const evaluating = (latest: () => FlagEvaluator) => {
  const find = (method: string, flagKey: string, context: Attributes): FlagEvaluation => {
    checkArguments(method, flagKey, context)
    return latest().evaluate(flagKey, context)
  }
  function evaluate(flagKey: string, fallback: boolean, context?: Attributes): FlagOutcome<boolean>
  function evaluate(flagKey: string, fallback: string, context?: Attributes): FlagOutcome<string>
  function evaluate(flagKey: string, fallback: number, context?: Attributes): FlagOutcome<number>
  function evaluate(flagKey: string, fallback: Json, context?: Attributes): FlagOutcome<Json>
  function evaluate(flagKey: string, fallback: Json, context: Attributes = nobody): FlagOutcome<Json> {
    const evaluation = find("evaluate", flagKey, context)
    switch (typeof fallback) {
      case "boolean":
        return outcomeOf(evaluation, fallback, isBoolean)
      case "string":
        return outcomeOf(evaluation, fallback, isString)
      case "number":
        return outcomeOf(evaluation, fallback, isNumber)
      default:
        return outcomeOf<Json>(evaluation, fallback, isAny)
    }
  }
  const valueBy =
    <Value extends Json>(method: string, isOfType: (value: unknown) => value is Value) =>
    (flagKey: string, fallback: Value, context: Attributes = nobody): Value => {
      const { value } = find(method, flagKey, context)
      return isOfType(value) ? value : fallback
    }
  return {
    boolean: valueBy("boolean", isBoolean),
    string: valueBy("string", isString),
    number: valueBy("number", isNumber),
    json: (flagKey: string, fallback: Json, context: Attributes = nobody): Json =>
      find("json", flagKey, context).value ?? fallback,
    evaluate,
    explain: (flagKey: string, context: Attributes = nobody): FlagExplanation => {
      checkArguments("explain", flagKey, context)
      return latest().explain(flagKey, context)
    }
  }
}

/**
 * Opens a handle. The flags are read before this returns; they are kept in memory, and followed, until the scope ends. While
 * the database is unavailable, the handle goes on at the last revision and `ageMillis` grows.
 *
 * @category constructors
 * @since 0.1.0
 */
export const open = Effect.fn("FlagHandle.open")(function* (
  options: typeof Options.Type
): Effect.fn.Return<FlagHandle, SqlError, FlagEvaluations | Tenant | Scope.Scope> {
  const evaluations = yield* FlagEvaluations
  let latest = yield* evaluations.evaluator(options.environment)
  const age = yield* evaluations.age
  const listeners = new Set<Listener>()

  const notify = (listener: Listener, revision: number, keys: ReadonlyArray<string>) =>
    Effect.try(() => listener(revision, keys)).pipe(
      Effect.catchCause((cause) => Effect.logWarning("A listener of flags has thrown", cause))
    )
  const follow = Effect.fnUntraced(function* (next: FlagEvaluator) {
    const before = latest
    if (next.revision <= before.revision) return
    latest = next
    if (listeners.size === 0) return
    const keys = changedKeys(before.source(), next.source())
    for (const listener of Array.from(listeners)) yield* notify(listener, Number(next.revision), keys)
  })
  yield* Stream.runForEach(evaluations.changes(options.environment), follow).pipe(Effect.forkScoped)

  return {
    ...evaluating(() => latest),
    onChange: (listener) => {
      // Wrapped, because the same listener may be added twice.
      const added: Listener = (revision, keys) => listener(revision, keys)
      listeners.add(added)
      return () => void listeners.delete(added)
    },
    revision: () => Number(latest.revision),
    ageMillis: age
  }
})
