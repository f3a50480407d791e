/**
 * JSON that every `json` and `jsonb` column can store: bounded in depth and in bytes, without U+0000 and halves of
 * surrogate pairs in its texts and names.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { isStorable } from "./Text.ts"

/**
 * Arrays and objects within one another, by default. Postgres takes some thousands and `JSON.stringify` as many; a
 * document of a person or program has a dozen.
 *
 * @category limits
 * @since 0.1.0
 */
export const depthMax = 64

/**
 * @category models
 * @since 0.1.0
 */
export interface Bounds {
  /** Bytes of its JSON in UTF-8; left out where the whole of which it is a part is bounded. */
  readonly bytesMax?: number
  /** @default 64 */
  readonly depthMax?: number
}

interface Frame {
  readonly value: unknown
  readonly depth: number
}

const textEncoder = new TextEncoder()

/**
 * The bytes of a text in UTF-8.
 *
 * @category accessors
 * @since 0.1.0
 */
export const bytesOf = (text: string): number => textEncoder.encode(text).length

/** For a value that {@link problemOf} has walked. */
const isJson = (value: unknown): value is Schema.Json => value !== undefined

/** A unit of UTF-16 is at most three bytes of UTF-8: measures only what could be too large. */
const isLongerThan = (text: string, bytesMax: number): boolean =>
  text.length > bytesMax || (text.length * 3 > bytesMax && bytesOf(text) > bytesMax)

/** A Map or a class would be stored as `{}` or as something else than it is. */
const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

/**
 * Returns why a value cannot be stored as JSON, undefined when it can. Walks without recursion, so that no depth ends
 * the caller's stack.
 *
 * @category checks
 * @since 0.1.0
 */
export const problemOf = (value: unknown, depth: number = depthMax): string | undefined => {
  const frames: Array<Frame> = [{ value, depth: 0 }]
  for (let frame = frames.pop(); frame !== undefined; frame = frames.pop()) {
    const current = frame.value
    if (typeof current === "string") {
      if (!isStorable(current)) return "Expected neither U+0000 nor half of a surrogate pair"
    } else if (typeof current === "number") {
      if (!Number.isFinite(current)) return "Expected finite numbers"
    } else if (typeof current === "object" && current !== null) {
      if (frame.depth >= depth) return `Expected at most ${depth} arrays and objects within one another`
      if (Array.isArray(current)) {
        for (const item of current) frames.push({ value: item, depth: frame.depth + 1 })
      } else {
        if (!isPlain(current)) return "Expected JSON"
        for (const [name, item] of Object.entries(current)) {
          if (!isStorable(name)) return "Expected neither U+0000 nor half of a surrogate pair"
          frames.push({ value: item, depth: frame.depth + 1 })
        }
      }
    } else if (typeof current !== "boolean" && current !== null) {
      return "Expected JSON"
    }
  }
  return undefined
}

/**
 * Any JSON within bounds. Not `Schema.Json` with a check: that takes seconds for an array nested a million times, before
 * the check begins.
 *
 * @category schemas
 * @since 0.1.0
 */
export const make = (bounds: Bounds) => {
  const { bytesMax } = bounds
  const messageOf = (value: unknown): string | undefined => {
    const problem = problemOf(value, bounds.depthMax)
    if (problem !== undefined || bytesMax === undefined) return problem
    return isLongerThan(JSON.stringify(value), bytesMax)
      ? `Expected at most ${bytesMax} bytes of JSON`
      : undefined
  }
  return Schema.declareConstructor<Schema.Json>()(
    [],
    () => (value, _, options) => {
      const message = messageOf(value)
      return message === undefined && isJson(value)
        ? Effect.succeed(value)
        : Effect.fail(new SchemaIssue.InvalidValue({ message }, value, options))
    },
    {
      expected: "JSON value",
      representation: { id: "effect/schema/Json", payload: null },
      toCodecJson: () => undefined
    }
  )
}

/**
 * A JSON object within bounds. With `namesMax` it has at most as many members.
 *
 * @category schemas
 * @since 0.1.0
 */
export const record = (bounds: Bounds & { readonly namesMax?: number }) => {
  const { bytesMax, namesMax } = bounds
  return Schema.Record(Schema.String, make({ depthMax: (bounds.depthMax ?? depthMax) - 1 })).check(
    Schema.makeFilter(
      (members: Readonly<Record<string, Schema.Json>>) => {
        const names = Object.keys(members)
        if (namesMax !== undefined && names.length > namesMax) return `Expected at most ${namesMax} members`
        if (!names.every(isStorable)) return "Expected neither U+0000 nor half of a surrogate pair"
        return bytesMax !== undefined && isLongerThan(JSON.stringify(members), bytesMax)
          ? `Expected at most ${bytesMax} bytes of JSON`
          : undefined
      },
      { expected: "an object within bounds", toJsonSchema: () => ({}) }
    )
  )
}
