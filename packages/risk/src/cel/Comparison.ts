/**
 * Comparisons of simple values, which most rules consist of: no dispatch on types, no array of arguments.
 *
 * Each operator has a separate closure: one that took the test as a function could not be inlined, and is three times as slow.
 *
 * @since 0.1.0
 */
import type { Implementation, Spend } from "./Implementation.ts"
import * as V from "./Value.ts"

/** The values that a run reads: those of variables, and those of loops. */
export interface Frame {
  values: ReadonlyArray<V.Value | undefined>
  readonly locals: Array<V.Outcome>
  readonly spend: Spend
}

export type Run = (frame: Frame) => V.Outcome

type Simple = bigint | number | string | boolean

const isSimple = (value: V.Value): value is Simple =>
  typeof value === "bigint" ||
  typeof value === "number" ||
  typeof value === "string" ||
  typeof value === "boolean"

/**
 * Returns a comparison of a variable with a constant, undefined for other operators and constants. `general` compares values of
 * another type, and fails for a missing one.
 */
export const withConstant = (
  name: string,
  slot: number,
  constant: V.Value,
  general: Run
): Run | undefined => {
  if (!isSimple(constant)) return undefined
  const type = typeof constant
  if (name === "_==_") {
    return (frame) => {
      const value = frame.values[slot]
      return typeof value === type ? value === constant : general(frame)
    }
  }
  if (name === "_!=_") {
    return (frame) => {
      const value = frame.values[slot]
      return typeof value === type ? value !== constant : general(frame)
    }
  }
  if (typeof constant === "bigint") return ofBigint(name, slot, constant, general)
  return typeof constant === "number" ? ofNumber(name, slot, constant, general) : undefined
}

const ofBigint = (name: string, slot: number, constant: bigint, general: Run): Run | undefined => {
  switch (name) {
    case "_<_":
      return (frame) => {
        const value = frame.values[slot]
        return typeof value === "bigint" ? value < constant : general(frame)
      }
    case "_<=_":
      return (frame) => {
        const value = frame.values[slot]
        return typeof value === "bigint" ? value <= constant : general(frame)
      }
    case "_>_":
      return (frame) => {
        const value = frame.values[slot]
        return typeof value === "bigint" ? value > constant : general(frame)
      }
    case "_>=_":
      return (frame) => {
        const value = frame.values[slot]
        return typeof value === "bigint" ? value >= constant : general(frame)
      }
    default:
      return undefined
  }
}

const ofNumber = (name: string, slot: number, constant: number, general: Run): Run | undefined => {
  switch (name) {
    case "_<_":
      return (frame) => {
        const value = frame.values[slot]
        return typeof value === "number" ? value < constant : general(frame)
      }
    case "_<=_":
      return (frame) => {
        const value = frame.values[slot]
        return typeof value === "number" ? value <= constant : general(frame)
      }
    case "_>_":
      return (frame) => {
        const value = frame.values[slot]
        return typeof value === "number" ? value > constant : general(frame)
      }
    case "_>=_":
      return (frame) => {
        const value = frame.values[slot]
        return typeof value === "number" ? value >= constant : general(frame)
      }
    default:
      return undefined
  }
}

const tests: ReadonlyMap<string, (left: bigint | number, right: bigint | number) => boolean> = new Map([
  ["_<_", (left, right) => left < right],
  ["_<=_", (left, right) => left <= right],
  ["_>_", (left, right) => left > right],
  ["_>=_", (left, right) => left >= right]
])

/** Returns a comparison of two expressions, undefined for other operators. */
export const ofSame = (name: string, first: Run, second: Run, general: Implementation): Run | undefined => {
  const test = tests.get(name)
  if (test === undefined) return undefined
  return (frame) => {
    const left = first(frame)
    const right = second(frame)
    if (typeof left === "bigint" && typeof right === "bigint") return test(left, right)
    if (typeof left === "number" && typeof right === "number") return test(left, right)
    if (left instanceof V.Failure) return left
    return right instanceof V.Failure ? right : general([left, right], frame.spend)
  }
}
