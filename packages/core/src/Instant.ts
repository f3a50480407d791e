/**
 * Instants on the wire: RFC 3339 with an offset, on a day that the calendar has, within a range that every column and
 * every client can hold. Kept to the millisecond; further digits of a fraction are cut off.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

/**
 * The first instant that is accepted.
 *
 * @category limits
 * @since 0.1.0
 */
export const earliest = "1970-01-01T00:00:00.000Z"

/**
 * The last instant that is accepted: a later one is a mistyped century.
 *
 * @category limits
 * @since 0.1.0
 */
export const latest = "2099-12-31T23:59:59.999Z"

const earliestMillis = Date.parse(earliest)
const latestMillis = Date.parse(latest)

/** No instant needs more characters; longer text is refused before it is matched. */
const lengthMax = 64
const minuteMillis = 60_000

const pattern =
  /^(\d{4})-(\d{2})-(\d{2})[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))$/

/** The day before the first of the next month. */
const daysOf = (year: number, month: number): number => new Date(Date.UTC(year, month, 0)).getUTCDate()

/**
 * Returns the milliseconds since 1970 of an instant in RFC 3339, undefined for any other text.
 *
 * @category parsing
 * @since 0.1.0
 */
export const millisOf = (text: string): number | undefined => {
  const match = text.length > lengthMax ? null : pattern.exec(text)
  if (match === null) return undefined
  const [year = 0, month = 0, day = 0, hour, minute, second] = match.slice(1, 7).map(Number)
  // `Date.UTC` reads a year below 100 as one of the twentieth century.
  if (year < 100 || month < 1 || month > 12 || day < 1 || day > daysOf(year, month)) return undefined
  const millis = Number((match[7] ?? "").slice(0, 3).padEnd(3, "0"))
  const local = Date.UTC(year, month - 1, day, hour, minute, second, millis)
  if (match[8] === undefined) return local
  const offset = (Number(match[9]) * 60 + Number(match[10])) * minuteMillis
  return match[8] === "+" ? local - offset : local + offset
}

const isInRange = (millis: number): boolean => millis >= earliestMillis && millis <= latestMillis

const range = "Expected an instant from 1970 to 2099"

const Text = Schema.String.check(
  Schema.makeFilter(
    (text: string) => {
      const millis = millisOf(text)
      if (millis === undefined)
        return "Expected an instant of RFC 3339 with an offset, such as 2026-03-10T12:00:00Z"
      return isInRange(millis) ? undefined : range
    },
    {
      expected: "an instant of RFC 3339 with an offset",
      toJsonSchema: () => ({ format: "date-time" })
    }
  )
)

const InRange = Schema.DateTimeUtc.check(
  Schema.makeFilter((instant: DateTime.Utc) => (isInRange(instant.epochMilliseconds) ? undefined : range))
)

/**
 * An instant from 1970 to 2099; on the wire text of RFC 3339, written in UTC.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Instant = Text.pipe(
  Schema.decodeTo(
    InRange,
    SchemaTransformation.transform({
      // The text was checked: it has milliseconds.
      decode: (text: string) => DateTime.makeUnsafe(millisOf(text) ?? Number.NaN),
      encode: DateTime.formatIso
    })
  )
)

/**
 * @category models
 * @since 0.1.0
 */
export type Instant = typeof Instant.Type

const dayPattern = /^\d{4}-\d{2}-\d{2}$/

/**
 * A day that the calendar has, from 1970 to 2099: `2026-03-10`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Day = Schema.String.check(
  Schema.makeFilter(
    (day: string) => {
      const millis = dayPattern.test(day) ? millisOf(`${day}T00:00:00Z`) : undefined
      if (millis === undefined) return "Expected a day of the calendar, such as 2026-03-10"
      return isInRange(millis) ? undefined : "Expected a day from 1970 to 2099"
    },
    { expected: "a day of the calendar", toJsonSchema: () => ({ format: "date" }) }
  )
)
