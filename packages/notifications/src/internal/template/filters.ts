/** The filters of templates: liquidjs' own that are safe, charged for, and ours for money, dates and plurals. */
import * as CalendarTime from "@hypermarket/core/CalendarTime"
import { minorUnits } from "@hypermarket/core/Currency"
import { filters as liquidFilters } from "liquidjs"
import type { Context, FilterImplOptions } from "liquidjs"
import * as Result from "effect/Result"
import { chargeValue } from "./budget.ts"

/** Locale and zone of the recipient. */
export interface Place {
  readonly locale: string
  readonly timeZone: string
}

const places = new WeakMap<Context, Place>()

export const setPlace = (context: Context, place: Place): void => void places.set(context, place)

const placeOf = (context: Context): Place => places.get(context) ?? { locale: "en", timeZone: "UTC" }

/** Text that is HTML already: it is not escaped again. */
export class Markup {
  readonly html: string
  constructor(html: string) {
    this.html = html
  }
  toString(): string {
    return this.html
  }
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "'": "&#39;"
}

export const textOf = (value: unknown): string => {
  if (value === undefined || value === null) return ""
  if (typeof value === "string") return value
  if (value instanceof Markup) return value.html
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint")
    return String(value)
  if (Array.isArray(value)) return value.map(textOf).join("")
  return JSON.stringify(value)
}

export const escapeHtml = (value: unknown): string =>
  value instanceof Markup
    ? value.html
    : textOf(value).replaceAll(/[&<>"']/g, (character) => entities[character] ?? "")

const kept = [
  "abs",
  "append",
  "at_least",
  "at_most",
  "capitalize",
  "ceil",
  "compact",
  "concat",
  "default",
  "divided_by",
  "downcase",
  "first",
  "floor",
  "join",
  "last",
  "lstrip",
  "map",
  "minus",
  "modulo",
  "plus",
  "prepend",
  "remove",
  "remove_first",
  "replace",
  "replace_first",
  "reverse",
  "round",
  "rstrip",
  "size",
  "slice",
  "split",
  "strip",
  "strip_html",
  "strip_newlines",
  "sum",
  "times",
  "truncate",
  "truncatewords",
  "uniq",
  "upcase",
  "url_encode",
  "where"
] as const

/** A comparison of `sort` costs more than a step, and there are n log n. */
const sortWeight = 16
const sorting = ["sort", "sort_natural"] as const

interface Applied {
  readonly context: Context
}

type Handler = (this: Applied, value: unknown, ...args: ReadonlyArray<unknown>) => unknown

const isGenerator = (value: unknown): value is Generator<unknown, unknown, unknown> =>
  typeof value === "object" && value !== null && "next" in value && "return" in value

const charged = (filter: FilterImplOptions | undefined, weight: number): Handler => {
  const handler = typeof filter === "function" ? filter : filter?.handler
  if (handler === undefined) throw new TypeError("liquidjs lacks a filter of the list")
  return function (value, ...args) {
    chargeValue(this.context, value, weight)
    for (const argument of args) chargeValue(this.context, argument, 1)
    const result: unknown = Reflect.apply(handler, this, [value, ...args])
    if (isGenerator(result)) return settle(this.context, result)
    chargeValue(this.context, result, 1)
    return result
  }
}

function* settle(
  context: Context,
  result: Generator<unknown, unknown, unknown>
): Generator<unknown, unknown, unknown> {
  const settled = yield* result
  chargeValue(context, settled, 1)
  return settled
}

const integerText = /^-?\d{1,30}$/

/** An amount in minor units, as text of digits or an exact number, in the currency's own decimals. */
const money: Handler = function (value, currency) {
  const isObject = typeof value === "object" && value !== null && "amount" in value && "currency" in value
  const amount = textOf(isObject ? value.amount : value)
  const code = textOf(isObject ? value.currency : currency)
  const digits = minorUnits.get(code)
  if (!integerText.test(amount) || digits === undefined) {
    throw new TypeError("money: expected minor units as an integer, and a currency of ISO 4217")
  }
  const negative = amount.startsWith("-")
  const padded = amount.replace("-", "").padStart(digits + 1, "0")
  const decimal = digits === 0 ? padded : `${padded.slice(0, -digits)}.${padded.slice(-digits)}`
  // Text keeps amounts exact beyond 2^53.
  return format(placeOf(this.context).locale, code, digits)(`${negative ? "-" : ""}${decimal}`)
}

/** Formats are some 50 µs each to make, and few. */
const formats = new Map<string, (decimal: string) => string>()
const formatsMax = 1_000

const isDecimal = (text: string): text is `${number}` => /^-?\d+(?:\.\d+)?$/.test(text)

const format = (locale: string, currency: string, digits: number): ((decimal: string) => string) => {
  const name = `${locale} ${currency}`
  const existing = formats.get(name)
  if (existing !== undefined) return existing
  const numbers = new Intl.NumberFormat(locale, {
    style: "currency",
    currency,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits
  })
  const made = (decimal: string) => (isDecimal(decimal) ? numbers.format(decimal) : decimal)
  if (formats.size >= formatsMax) formats.clear()
  formats.set(name, made)
  return made
}

const styles = ["full", "long", "medium", "short"] as const
const styleOf = (text: unknown) => styles.find((style) => style === text)

/** An instant in the recipient's zone and language: `{{ at | date: "long" }}`, with the time by a second argument. */
const date: Handler = function (value, dateStyle, timeStyle) {
  const { locale, timeZone } = placeOf(this.context)
  const instant = value === "now" ? Number.NaN : Date.parse(textOf(value))
  if (Number.isNaN(instant)) throw new TypeError("date: expected an instant of RFC 3339")
  const time = styleOf(timeStyle)
  return new Intl.DateTimeFormat(locale, {
    dateStyle: styleOf(dateStyle) ?? "medium",
    ...(time === undefined ? {} : { timeStyle: time }),
    timeZone: Result.isSuccess(CalendarTime.zone(timeZone)) ? timeZone : "UTC"
  }).format(instant)
}

/** The form of a count by the plural rules of the language: `{{ n | plural: one: "item", other: "items" }}`. */
const plural: Handler = function (value, ...args) {
  const count = Number(textOf(value))
  if (!Number.isFinite(count)) throw new TypeError("plural: expected a number")
  const forms = new Map<string, unknown>(
    args.flatMap((argument) =>
      Array.isArray(argument) && typeof argument[0] === "string" ? [[argument[0], argument[1]] as const] : []
    )
  )
  const rule = new Intl.PluralRules(placeOf(this.context).locale).select(count)
  return textOf(forms.get(rule) ?? forms.get("other"))
}

/** The filters of one context: HTML, or text, subject and the like. */
export const filtersOf = (context: "html" | "text"): ReadonlyMap<string, Handler> => {
  const escape: Handler =
    context === "html"
      ? function (value) {
          chargeValue(this.context, value, 1)
          return new Markup(escapeHtml(value))
        }
      : (value) => value
  const breaks: Handler =
    context === "html"
      ? function (value) {
          chargeValue(this.context, value, 1)
          return new Markup(escapeHtml(value).replaceAll(/\r?\n/g, "<br />\n"))
        }
      : (value) => value
  return new Map<string, Handler>([
    ...kept.map((name) => [name, charged(liquidFilters[name], 1)] as const),
    ...sorting.map((name) => [name, charged(liquidFilters[name], sortWeight)] as const),
    ["escape", escape],
    ["escape_once", escape],
    ["newline_to_br", breaks],
    ["money", money],
    ["date", date],
    ["plural", plural]
  ])
}
