/**
 * Velocity features: counts, sums, averages and distinct counts of an entity over a sliding window, as rules name them.
 *
 * ```cel
 * count("card", "1h", "payment", "declined") >= 5 && distinct("card", "account", "7d") > 2
 * ```
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { LiteralFunction } from "./cel/Checker.ts"
import * as Type from "./cel/Type.ts"
import { EntityKind, SignalKind, SignalResult } from "./FraudSignal.ts"

/**
 * The windows. A window holds what happened after its beginning and up to the signal's time, without the signal itself.
 *
 * @category models
 * @since 0.1.0
 */
export const windows = ["1h", "24h", "7d", "30d"] as const

/**
 * @category models
 * @since 0.1.0
 */
export type Window = (typeof windows)[number]

/**
 * @category models
 * @since 0.1.0
 */
export const windowHours: Readonly<Record<Window, number>> = { "1h": 1, "24h": 24, "7d": 168, "30d": 720 }

/**
 * - `count`: signals of the entity.
 * - `sum`: their amounts in the currency of the present signal, in minor units.
 * - `average`: the mean of these amounts; missing when there are none.
 *
 * `kind` and `result` narrow to such signals.
 *
 * @category models
 * @since 0.1.0
 */
export interface Aggregate {
  readonly name: string
  readonly aggregate: "count" | "sum" | "average"
  readonly entity: EntityKind
  readonly window: Window
  readonly kind: SignalKind | undefined
  readonly result: SignalResult | undefined
}

/**
 * Counts the different entities of another kind that took part in the entity's signals.
 *
 * @category models
 * @since 0.1.0
 */
export interface Distinct {
  readonly name: string
  readonly aggregate: "distinct"
  readonly entity: EntityKind
  readonly other: EntityKind
  readonly window: Window
}

/**
 * @category models
 * @since 0.1.0
 */
export type Feature = Aggregate | Distinct

const isWindow = (text: string | undefined): text is Window => windows.some((window) => window === text)

const oneOf = <A>(schema: Schema.Codec<A, unknown>) => {
  const decode = Schema.decodeUnknownOption(schema)
  return (text: string | undefined): A | undefined => Option.getOrUndefined(decode(text))
}

const entityKind = oneOf(EntityKind)
const signalKind = oneOf(SignalKind)
const signalResult = oneOf(SignalResult)

const listed = (names: ReadonlyArray<string>): string => names.join(", ")

interface Wrong {
  readonly wrong: number
  readonly message: string
}

const entityExpected = (wrong: number): Wrong => ({
  wrong,
  message: `Expected an entity: ${listed(EntityKind.literals)}`
})

const windowExpected = (wrong: number): Wrong => ({ wrong, message: `Expected a window: ${listed(windows)}` })

/**
 * Reads the arguments of a feature, or returns which one is wrong.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (aggregate: Feature["aggregate"], args: ReadonlyArray<string>): Feature | Wrong => {
  const name = `${aggregate}(${args.join(",")})`
  const entity = entityKind(args[0])
  if (entity === undefined) return entityExpected(0)
  if (aggregate === "distinct") {
    const other = entityKind(args[1])
    const [, , window] = args
    if (other === undefined) return entityExpected(1)
    if (!isWindow(window)) return windowExpected(2)
    if (args.length > 3) return { wrong: 3, message: "Expected an entity, another entity and a window" }
    return { name, aggregate, entity, other, window }
  }
  const [, window] = args
  if (!isWindow(window)) return windowExpected(1)
  const kind = signalKind(args[2])
  if (args[2] !== undefined && kind === undefined) {
    return { wrong: 2, message: `Expected a kind of signal: ${listed(SignalKind.literals)}` }
  }
  const result = signalResult(args[3])
  if (args[3] !== undefined && result === undefined) {
    return { wrong: 3, message: `Expected a result: ${listed(SignalResult.literals)}` }
  }
  if (args.length > 4)
    return { wrong: 4, message: "Expected an entity, a window, a kind of signal and a result" }
  return { name, aggregate, entity, window, kind, result }
}

const namePattern = /^(count|sum|average|distinct)\(([a-zA-Z0-9,]*)\)$/

/**
 * Reads a feature from its name, as `count(card,1h)`; undefined for a name of something else.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromName = (name: string): Feature | undefined => {
  const match = namePattern.exec(name)
  const aggregate = (["count", "sum", "average", "distinct"] as const).find((each) => each === match?.[1])
  if (aggregate === undefined) return undefined
  const feature = make(aggregate, (match?.[2] ?? "").split(","))
  return "wrong" in feature ? undefined : feature
}

const literalFunction =
  (aggregate: Feature["aggregate"], type: Type.Type): LiteralFunction =>
  (args) => {
    const feature = make(aggregate, args)
    return "wrong" in feature ? feature : { variable: feature.name, type }
  }

/**
 * The functions that rules call.
 *
 * @category accessors
 * @since 0.1.0
 */
export const functions: ReadonlyMap<string, LiteralFunction> = new Map([
  ["count", literalFunction("count", Type.int)],
  ["sum", literalFunction("sum", Type.int)],
  ["average", literalFunction("average", Type.double)],
  ["distinct", literalFunction("distinct", Type.int)]
])

/**
 * A feature's value as it is frozen in a decision: an integer as text, an average as a number.
 *
 * @category models
 * @since 0.1.0
 */
export type Values = Readonly<Record<string, string | number>>
