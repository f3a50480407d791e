/**
 * The schema of a template's payload: a closed part of JSON Schema (2020-12). There are no references, combinations and
 * patterns, so a schema is as deep as it is written, and checking a payload costs one visit of each of its values.
 *
 * @since 0.1.0
 */
import * as Json from "@hypermarket/core/Json"
import * as Schema from "effect/Schema"

/**
 * Bytes of a schema as JSON: it is read for every trigger.
 *
 * @category limits
 * @since 0.1.0
 */
export const schemaBytesMax = 32_768
/**
 * Objects and arrays of a payload within one another that a schema describes.
 *
 * @category limits
 * @since 0.1.0
 */
export const levelsMax = 20
const rulesMax = 500
const valuesMax = 100
/** A level of rules is two of JSON (`properties` and a name), and `enum` is one more. */
const jsonDepthMax = 2 * levelsMax + 3

const types: ReadonlyArray<Schema.Json> = [
  "string",
  "number",
  "integer",
  "boolean",
  "object",
  "array",
  "null"
]
const formats: ReadonlyArray<Schema.Json> = ["date", "date-time", "email", "uri"]

/**
 * @category models
 * @since 0.1.0
 */
export type Rule = { readonly [keyword: string]: Schema.Json }

/**
 * Narrows JSON to an object.
 *
 * @category guards
 * @since 0.1.0
 */
export const isObject = (value: Schema.Json | undefined): value is Rule =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isText = (value: Schema.Json): boolean => typeof value === "string"
const isScalar = (value: Schema.Json): boolean => typeof value !== "object" || value === null
const isCount = (value: Schema.Json): boolean => Number.isSafeInteger(value) && Number(value) >= 0
const isNumber = (value: Schema.Json): boolean => Number.isFinite(value)
const isArrayOf = (value: Schema.Json, isItem: (item: Schema.Json) => boolean, min: number): boolean =>
  Array.isArray(value) && value.length >= min && value.length <= valuesMax && value.every(isItem)
const isType = (value: Schema.Json): boolean => types.includes(value)

type Keyword = readonly [isValid: (value: Schema.Json) => boolean, expected: string]

const scalars = "texts, numbers, true, false or null"
const count: Keyword = [isCount, "a whole number from 0"]
const number: Keyword = [isNumber, "a number"]
const text: Keyword = [isText, "a text"]

/** Every keyword that a rule may have; `properties` and `items` lead to more rules. */
const keywords: Readonly<Record<string, Keyword>> = {
  type: [(value) => isType(value) || isArrayOf(value, isType, 1), types.join(", ")],
  properties: [isObject, "an object of schemas"],
  required: [(value) => isArrayOf(value, isText, 0), `at most ${valuesMax} names`],
  additionalProperties: [(value) => typeof value === "boolean", "true or false"],
  items: [isObject, "a schema"],
  const: [isScalar, `one of ${scalars}`],
  enum: [(value) => isArrayOf(value, isScalar, 1), `1 to ${valuesMax} ${scalars}`],
  format: [(value) => formats.includes(value), formats.join(", ")],
  minLength: count,
  maxLength: count,
  minItems: count,
  maxItems: count,
  minimum: number,
  maximum: number,
  title: text,
  description: text,
  $schema: text
}

/**
 * A mistake in a schema, with the way to it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fault {
  readonly path: ReadonlyArray<string>
  readonly message: string
}

const fault = (path: ReadonlyArray<string>, expected: string): Fault => ({
  path,
  message: `Expected ${expected}`
})

/**
 * Returns the first mistake of a schema. Walks without recursion.
 *
 * @category checks
 * @since 0.1.0
 */
export const faultOf = (schema: Schema.Json): Fault | undefined => {
  if (!isObject(schema) || schema["type"] !== "object") {
    return fault(["type"], "object: a payload is one")
  }
  const rules: Array<{ readonly rule: Rule; readonly path: ReadonlyArray<string>; readonly level: number }> =
    [{ rule: schema, path: [], level: 1 }]
  let count = 1
  for (let next = rules.pop(); next !== undefined; next = rules.pop()) {
    const { level, path, rule } = next
    const add = (child: Schema.Json, at: ReadonlyArray<string>): Fault | undefined => {
      if (!isObject(child)) return fault(at, "a schema")
      if (level >= levelsMax) return fault(at, `at most ${levelsMax} levels`)
      if (++count > rulesMax) return fault(at, `at most ${rulesMax} schemas in all`)
      rules.push({ rule: child, path: at, level: level + 1 })
      return undefined
    }
    for (const [name, value] of Object.entries(rule)) {
      const at = [...path, name]
      const keyword = Object.hasOwn(keywords, name) ? keywords[name] : undefined
      if (keyword === undefined) return fault(at, `one of ${Object.keys(keywords).join(", ")}`)
      const [isValid, expected] = keyword
      if (!isValid(value)) return fault(at, expected)
      const children =
        name === "items"
          ? [[at, value] as const]
          : name === "properties" && isObject(value)
            ? Object.entries(value).map(([property, child]) => [[...at, property], child] as const)
            : []
      for (const [place, child] of children) {
        const found = add(child, place)
        if (found !== undefined) return found
      }
    }
  }
  return undefined
}

/**
 * The schema of a payload. Its root is of type `object`; keywords that are not known are refused.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PayloadSchema = Json.make({ bytesMax: schemaBytesMax, depthMax: jsonDepthMax }).check(
  Schema.makeFilter(
    (schema: Schema.Json) => {
      const found = faultOf(schema)
      return found && { path: found.path, issue: found.message }
    },
    { expected: "a schema of a payload", toJsonSchema: () => ({ type: "object" }) }
  )
)
