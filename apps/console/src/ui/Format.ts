/** How values of the API are shown. They stay as they are on the wire until here. */

export interface Money {
  readonly amount: string
  readonly currency: string
}

const locale = "en"
const wholeFormat = new Intl.NumberFormat(locale)
const compactFormat = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 })
const percentFormat = new Intl.NumberFormat(locale, {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1
})
const relativeFormat = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "long" })

export const count = (value: number | bigint): string => wholeFormat.format(value)

export const compact = (value: number): string => compactFormat.format(value)

export const percent = (share: number): string => percentFormat.format(share)

/** Returns the number of a noun's things with the noun: `1 job`, `2 jobs`. */
export const counted = (value: number, noun: string, plural = `${noun}s`): string =>
  `${count(value)} ${value === 1 ? noun : plural}`

const moneyFormats = new Map<string, Intl.NumberFormat>()

const moneyFormat = (currency: string, notation: "standard" | "compact"): Intl.NumberFormat => {
  const key = `${currency} ${notation}`
  const existing = moneyFormats.get(key)
  if (existing !== undefined) return existing
  const made = new Intl.NumberFormat(locale, {
    style: "currency",
    currency,
    notation,
    ...(notation === "compact" ? { maximumFractionDigits: 1 } : {})
  })
  moneyFormats.set(key, made)
  return made
}

const digitsOf = (currency: string): number =>
  new Intl.NumberFormat(locale, { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 0

/** Returns the major units of an amount, for a place on a chart. */
export const majorUnits = ({ amount, currency }: Money): number => Number(amount) / 10 ** digitsOf(currency)

/** Returns an amount in full. A double holds every cent of 90 trillion. */
export const money = (value: Money): string =>
  moneyFormat(value.currency, "standard").format(majorUnits(value))

export const moneyShort = (major: number, currency: string): string =>
  moneyFormat(currency, "compact").format(major)

export const dayMillis = 86_400_000

const units: ReadonlyArray<readonly [Intl.RelativeTimeFormatUnit, number]> = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1]
]

const shownAsDateAfterSeconds = 7 * 86_400

/** Returns the distance of a time from now, and the date from a week on. */
export const ago = (at: string, now: number): string => {
  const seconds = Math.round((Date.parse(at) - now) / 1_000)
  if (Math.abs(seconds) > shownAsDateAfterSeconds) return date(at)
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1]
  return relativeFormat.format(Math.trunc(seconds / size), unit)
}

/** Returns a duration by its largest unit. */
export const span = (seconds: number): string => {
  if (seconds < 1) return "< 1 s"
  const [unit, size] = units.find(([, size]) => seconds >= size * 1.5) ?? ["second", 1]
  return `${Math.round(seconds / size)} ${{ day: "d", hour: "h", minute: "min", second: "s" }[String(unit)] ?? ""}`
}

const dateFormat = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  timeZone: "UTC"
})
const weekdayFormat = new Intl.DateTimeFormat("en-GB", {
  weekday: "long",
  day: "numeric",
  month: "long",
  year: "numeric",
  timeZone: "UTC"
})

/** Returns the date of a time or of a day, in UTC. */
export const date = (at: string): string => dateFormat.format(new Date(at))

export const weekday = (at: string): string => weekdayFormat.format(new Date(at))

/** Returns a time to the second, in UTC. */
export const utc = (at: string): string =>
  new Date(at)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z/, " UTC")

const zoneFormats = new Map<string, Intl.DateTimeFormat>()

const zoneFormat = (zone: string): Intl.DateTimeFormat => {
  const existing = zoneFormats.get(zone)
  if (existing !== undefined) return existing
  // The locale whose form is that of ISO 8601.
  const made = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" })
  zoneFormats.set(zone, made)
  return made
}

/** Returns the day and the time of day of a time in a zone: `2026-02-10` and `21:00:00`. */
export const inZone = (at: string, zone: string): { readonly day: string; readonly time: string } => {
  const [day = "", time = ""] = zoneFormat(zone).format(new Date(at)).split(" ")
  return { day, time }
}

/** Returns the minute of a day, in UTC. */
export const clock = (at: string): string => `${new Date(at).toISOString().slice(11, 16)} UTC`

/** Returns a day of the calendar, `2017-12-31`. */
export const day = (millis: number): string => new Date(millis).toISOString().slice(0, 10)

/** Returns the day that is some days later, or earlier where they are negative. */
export const shiftDay = (from: string, days: number): string =>
  day(Date.parse(`${from}T00:00:00Z`) + days * dayMillis)

export const daysBetween = (from: string, until: string): number =>
  Math.round((Date.parse(until) - Date.parse(from)) / dayMillis)

/** Joins the names of classes that apply. */
export const cx = (...names: ReadonlyArray<string | false | null | undefined>): string =>
  names.filter((name) => typeof name === "string" && name !== "").join(" ")
