/**
 * The type of the standard functions of CEL, the steps that they spend, and their failures.
 *
 * @since 0.1.0
 */
import * as V from "./Value.ts"

/**
 * Spends steps of a run, and returns false when the budget has fewer.
 *
 * @category models
 * @since 0.1.0
 */
export type Spend = (steps: number) => boolean

export type Implementation = (args: ReadonlyArray<V.Value>, spend: Spend) => V.Outcome

/** Text and bytes that a function reads or makes cost a step per so many units. */
export const unitsPerStep = 64

/** Where a function works on each character or element by itself, a step is less of them. */
const singleUnitsPerStep = 16

/** A field in a time zone takes as long as some hundred steps: the zone's rules are looked up. */
export const zoneSteps = 100

const int64Min = -(2n ** 63n)
const int64Max = 2n ** 63n - 1n
const uint64Max = 2n ** 64n - 1n

export const intOf = (value: bigint): V.Outcome =>
  value > int64Max || value < int64Min ? new V.Failure("overflow", "int out of range") : value

export const uintOf = (value: bigint): V.Outcome =>
  value < 0n || value > uint64Max ? new V.Failure("overflow", "uint out of range") : new V.Uint(value)

export const noOverload = (name: string, args: ReadonlyArray<V.Value>): V.Failure =>
  new V.Failure("overload", `${name} does not apply to (${args.map(V.typeName).join(", ")})`)

export const overBudget = new V.Failure("budget", "the expression takes too many steps")

export const spendUnits = (spend: Spend, units: number): boolean =>
  spend(1 + Math.floor(units / unitsPerStep))

export const spendSingle = (spend: Spend, units: number): boolean =>
  spend(1 + Math.floor(units / singleUnitsPerStep))

/** A function that reads its first argument as a whole. */
export const reading =
  (run: Implementation, steps = 1): Implementation =>
  (args, spend) =>
    spend(steps + V.sizeOf(args[0] ?? null)) ? run(args, spend) : overBudget

/** Instants and durations are taken apart digit by digit. */
export const timeTextSteps = 4
