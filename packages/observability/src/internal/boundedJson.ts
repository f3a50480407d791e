/**
 * Values of the application as JSON, within bounds and without throwing: getters and proxies may throw, objects may refer to
 * themselves or have a million fields.
 */
import type * as Schema from "effect/Schema"
import { isRecord } from "./envelope.ts"

/** Values of one event that are read. What comes after them is left out. */
const valuesMax = 1_000
const depthMax = 8
const fieldsMax = 100
const itemsMax = 100
const textLengthMax = 8_192
const nameLengthMax = 200
/** Characters of all texts together: an event has at most 1 MiB. */
const charactersMax = 256 * 1024

/** Text in place of a value that cannot be read. */
const unreadable = "[unreadable]"
const tooDeep = "[too deep]"
const repeated = "[repeated]"

/** Reads a field. Undefined when it is not there, or when reading it throws. */
export const fieldOf = (value: unknown, name: string): unknown => {
  try {
    return (typeof value === "object" && value !== null) || typeof value === "function"
      ? Reflect.get(value, name)
      : undefined
  } catch {
    return undefined
  }
}

/** Returns the text of a value, cut to a length. */
export const textOf = (value: unknown, lengthMax = textLengthMax): string => {
  try {
    return String(value).slice(0, lengthMax)
  } catch {
    return "A value without a text"
  }
}

/** The names of the first fields. The engine lists all of them first: a million take it about a second. */
const namesOf = (value: object): ReadonlyArray<string> => {
  const names: Array<string> = []
  try {
    for (const name in value) {
      if (names.length >= fieldsMax) break
      if (Object.hasOwn(value, name)) names.push(name)
    }
  } catch {
    // A proxy that refuses to name its fields has none.
  }
  return names
}

class Walk {
  readonly #open = new Set<object>()
  #values = valuesMax
  #characters = charactersMax

  #text(text: string): string {
    const cut = text.slice(0, Math.min(textLengthMax, this.#characters))
    this.#characters -= cut.length
    return cut
  }

  json(value: unknown, depth: number): Schema.Json | undefined {
    if (this.#values <= 0) return undefined
    this.#values--
    switch (typeof value) {
      case "string":
        return this.#text(value)
      case "number":
        return Number.isFinite(value) ? value : String(value)
      case "boolean":
        return value
      case "bigint":
        return this.#text(textOf(value))
      case "object":
        return value === null ? null : this.#object(value, depth)
      default:
        return undefined
    }
  }

  #object(value: object, depth: number): Schema.Json | undefined {
    if (this.#open.has(value)) return repeated
    if (depth >= depthMax) return tooDeep
    this.#open.add(value)
    try {
      const toJson = fieldOf(value, "toJSON")
      if (typeof toJson === "function") {
        const made: unknown = Reflect.apply(toJson, value, [""])
        return typeof made === "object" && made !== null
          ? made === value
            ? this.#fields(value, depth)
            : this.#object(made, depth + 1)
          : this.json(made, depth)
      }
      return this.#fields(value, depth)
    } catch {
      return unreadable
    } finally {
      this.#open.delete(value)
    }
  }

  #fields(value: object, depth: number): Schema.Json {
    if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`
    if (Array.isArray(value)) {
      const items: Array<Schema.Json> = []
      for (let index = 0; index < Math.min(value.length, itemsMax) && this.#values > 0; index++) {
        items.push(this.json(fieldOf(value, String(index)), depth + 1) ?? null)
      }
      return items
    }
    const fields: Array<[string, Schema.Json]> = []
    if (value instanceof Error) {
      for (const name of ["name", "message"]) fields.push([name, this.#text(textOf(fieldOf(value, name)))])
    }
    for (const name of namesOf(value)) {
      const json = this.json(fieldOf(value, name), depth + 1)
      if (json !== undefined) fields.push([name.slice(0, nameLengthMax), json])
    }
    return Object.fromEntries(fields)
  }
}

/** Returns the fields of a value as JSON. A value that has none becomes an object without fields. */
export const recordOf = (value: unknown): Readonly<Record<string, Schema.Json>> => {
  const json = new Walk().json(value, 0)
  return isRecord(json) ? json : {}
}
