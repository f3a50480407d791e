/**
 * Reading an attribute from what the caller sent, own properties only.
 */

/** Reads a value from attributes, or from an item of a list. */
export type Read = (subject: unknown) => unknown

const isRecord = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null

const own = (subject: unknown, name: string): unknown =>
  isRecord(subject) && Object.hasOwn(subject, name) ? subject[name] : undefined

/** A name with dots is found before the path that it spells. */
export const reader = (attribute: string | undefined): Read => {
  if (attribute === undefined) return (subject) => subject
  if (!attribute.includes(".")) return (subject) => own(subject, attribute)
  const names = attribute.split(".")
  return (subject) => {
    const whole = own(subject, attribute)
    if (whole !== undefined) return whole
    let value = subject
    for (const name of names) value = own(value, name)
    return value
  }
}

const depthMax = 64

/** Deep equality of JSON values. Deeper than any condition can be, nothing is equal. */
export const equalJson = (a: unknown, b: unknown, depth = 0): boolean => {
  if (a === b) return true
  if (!isRecord(a) || !isRecord(b) || depth > depthMax) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    for (let index = 0; index < a.length; index++) {
      if (!equalJson(a[index], b[index], depth + 1)) return false
    }
    return true
  }
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  for (const key of keys) {
    if (!Object.hasOwn(b, key) || !equalJson(a[key], b[key], depth + 1)) return false
  }
  return true
}

const decimal = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/
const decimalMaxCharacters = 64

/** A finite number, or text that spells one; else NaN. */
export const toNumber = (value: unknown): number => {
  if (typeof value === "number") return Number.isFinite(value) ? value : Number.NaN
  if (typeof value !== "string" || value.length > decimalMaxCharacters || !decimal.test(value))
    return Number.NaN
  const number = Number(value)
  return Number.isFinite(number) ? number : Number.NaN
}

const instant = /^\d{4}-(\d\d)-(\d\d)T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)$/

/** Milliseconds since 1970 of RFC 3339 with an offset, or of a number of milliseconds; else NaN. */
export const toMillis = (value: unknown): number => {
  if (typeof value === "number") return Number.isFinite(value) ? value : Number.NaN
  if (typeof value !== "string") return value instanceof Date ? value.getTime() : Number.NaN
  const match = instant.exec(value)
  if (match === null) return Number.NaN
  // Date.parse turns 31 February into March.
  const [year, month, day] = [Number(value.slice(0, 4)), Number(match[1]), Number(match[2])]
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? Date.parse(value) : Number.NaN
}
