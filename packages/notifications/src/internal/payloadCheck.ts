/** Checks a payload against the schema of its template: each value once, without recursion. */
import * as EmailAddress from "@hypermarket/core/EmailAddress"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { NotificationPayloadInvalid } from "../Notification.ts"
import { isObject, type Rule } from "../NotificationPayloadSchema.ts"
import { startOf } from "./line.ts"

export interface PayloadFault {
  readonly path: ReadonlyArray<string | number>
  readonly message: string
}

/** A property's name may be as long as a payload; an answer is not. */
const segmentMax = 200
/** More would repeat one mistake for every element of a list. */
const faultsMax = 20

const instant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/

/** A day that its month has: JavaScript takes February 30 for March 2. */
const isDate = (text: string): boolean =>
  /^\d{4}-\d{2}-\d{2}$/.test(text) &&
  !Number.isNaN(Date.parse(text)) &&
  new Date(text).toISOString().startsWith(text)

const formats: Readonly<Record<string, (text: string) => boolean>> = {
  date: isDate,
  "date-time": (text) => instant.test(text) && isDate(text.slice(0, 10)) && !Number.isNaN(Date.parse(text)),
  email: (text) => Result.isSuccess(EmailAddress.parse(text)),
  uri: (text) => URL.canParse(text)
}

const typeOf = (value: Schema.Json): string =>
  value === null ? "null" : Array.isArray(value) ? "array" : typeof value

const isOfType = (value: Schema.Json, type: Schema.Json): boolean =>
  type === "integer" ? Number.isInteger(value) : typeOf(value) === type

const listOf = (value: Schema.Json | undefined): ReadonlyArray<Schema.Json> =>
  value === undefined ? [] : Array.isArray(value) ? value : [value]

const isBelow = (value: number, bound: Schema.Json | undefined): boolean =>
  typeof bound === "number" && value < bound
const isAbove = (value: number, bound: Schema.Json | undefined): boolean =>
  typeof bound === "number" && value > bound

/** Why a value alone does not fit; its members have rules of their own. */
const problemOf = (rule: Rule, value: Schema.Json): string | undefined => {
  const types = listOf(rule["type"])
  if (types.length > 0 && !types.some((type) => isOfType(value, type))) {
    return `Expected ${types.join(" or ")}, got ${typeOf(value)}`
  }
  const choices = rule["const"] === undefined ? listOf(rule["enum"]) : [rule["const"]]
  if (choices.length > 0 && !choices.includes(value)) {
    return `Expected one of ${JSON.stringify(choices).slice(1, -1).slice(0, 200)}`
  }
  if (typeof value === "number") {
    if (isBelow(value, rule["minimum"])) return `Expected at least ${String(rule["minimum"])}`
    if (isAbove(value, rule["maximum"])) return `Expected at most ${String(rule["maximum"])}`
  }
  if (typeof value === "string") {
    const length = Array.from(value).length
    if (isBelow(length, rule["minLength"])) return `Expected at least ${String(rule["minLength"])} characters`
    if (isAbove(length, rule["maxLength"])) return `Expected at most ${String(rule["maxLength"])} characters`
    const { format } = rule
    if (typeof format === "string" && Object.hasOwn(formats, format) && formats[format]?.(value) === false)
      return `Expected a text of ${format}`
  }
  if (Array.isArray(value)) {
    if (isBelow(value.length, rule["minItems"]))
      return `Expected at least ${String(rule["minItems"])} elements`
    if (isAbove(value.length, rule["maxItems"]))
      return `Expected at most ${String(rule["maxItems"])} elements`
  }
  return undefined
}

interface Versioned {
  readonly template: string
  readonly templateVersion: number
  readonly payloadSchema: Schema.Json
}

interface Visit {
  readonly rule: Rule
  readonly value: Schema.Json
  readonly path: ReadonlyArray<string | number>
}

/** The members of a value that have rules, and the faults of those that are missing or too many. */
const membersOf = ({ path, rule, value }: Visit) => {
  const visits: Array<Visit> = []
  const faults: Array<PayloadFault> = []
  if (Array.isArray(value)) {
    const { items } = rule
    if (isObject(items)) {
      for (const [index, item] of value.entries()) {
        visits.push({ rule: items, value: item, path: [...path, index] })
      }
    }
  } else if (isObject(value)) {
    for (const name of listOf(rule["required"])) {
      if (faults.length >= faultsMax) break
      if (typeof name === "string" && !Object.hasOwn(value, name)) {
        faults.push({ path: [...path, name], message: "Expected a value" })
      }
    }
    const properties = isObject(rule["properties"]) ? rule["properties"] : {}
    for (const [name, member] of Object.entries(value)) {
      const child = Object.hasOwn(properties, name) ? properties[name] : undefined
      if (isObject(child)) visits.push({ rule: child, value: member, path: [...path, name] })
      else if (rule["additionalProperties"] === false && faults.length < faultsMax) {
        faults.push({ path: [...path, name], message: "Expected no value: the schema lacks it" })
      }
    }
  }
  return { visits, faults }
}

/** Returns the first mistakes of a payload, in its order; an empty array for one that fits. */
export const faultsOf = (rule: Schema.Json, payload: Schema.Json): ReadonlyArray<PayloadFault> => {
  const faults: Array<PayloadFault> = []
  const open: Array<Visit> = isObject(rule) ? [{ rule, value: payload, path: ["payload"] }] : []
  for (let visit = open.pop(); visit !== undefined && faults.length < faultsMax; visit = open.pop()) {
    const message = problemOf(visit.rule, visit.value)
    if (message !== undefined) {
      faults.push({ path: visit.path, message })
      continue
    }
    const members = membersOf(visit)
    faults.push(...members.faults)
    open.push(...members.visits.toReversed())
  }
  return faults.slice(0, faultsMax).map(({ message, path }) => ({
    path: path.map((segment) => (typeof segment === "string" ? startOf(segment, segmentMax) : segment)),
    message
  }))
}

/** Fails for a payload that does not fit. */
export const check = (
  { payloadSchema, template, templateVersion }: Versioned,
  payload: Rule
): Effect.Effect<void, NotificationPayloadInvalid> => {
  const errors = payloadSchema === null ? [] : faultsOf(payloadSchema, payload)
  return errors.length === 0
    ? Effect.void
    : Effect.fail(new NotificationPayloadInvalid({ template, templateVersion, errors }))
}
