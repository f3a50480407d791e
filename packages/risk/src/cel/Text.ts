/**
 * Timestamps and durations as CEL reads and writes them.
 *
 * @since 0.1.0
 */
import { Duration, Failure, Timestamp } from "./Value.ts"

const nanosPerSecond = 1_000_000_000n
const nanosPerMilli = 1_000_000n

/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z. */
const timestampMin = -62_135_596_800n * nanosPerSecond
const timestampMax = 253_402_300_800n * nanosPerSecond - 1n
/** 64 bits of nanoseconds, 292 years, as the reference implementation bounds them. */
const durationMax = 2n ** 63n - 1n

export const timestampOf = (nanos: bigint): Timestamp | Failure =>
  nanos < timestampMin || nanos > timestampMax
    ? new Failure("overflow", "timestamp out of range")
    : new Timestamp(nanos)

export const durationOf = (nanos: bigint): Duration | Failure =>
  nanos < -durationMax || nanos > durationMax
    ? new Failure("overflow", "duration out of range")
    : new Duration(nanos)

const timestampText = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/

/** Reads RFC 3339. */
export const parseTimestamp = (text: string): Timestamp | Failure => {
  const match = timestampText.exec(text)
  const cast = new Failure("cast", "not a timestamp")
  if (match === null) return cast
  const [, year = "", month = "", day = "", hour = "", minute = "", second = "", fraction = "", zone = ""] =
    match
  const millis = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${zone}`)
  if (Number.isNaN(millis) || Number(hour) > 23) return cast
  const days = new Date(Date.UTC(2000, Number(month), 0))
  days.setUTCFullYear(Number(year), Number(month), 0)
  if (Number(day) > days.getUTCDate()) return cast
  return timestampOf(BigInt(millis) * nanosPerMilli + BigInt(fraction.padEnd(9, "0")))
}

const fractionOf = (nanos: bigint): string => {
  if (nanos === 0n) return ""
  const digits = nanos.toString().padStart(9, "0")
  return `.${digits.replace(/0+$/, "")}`
}

export const formatTimestamp = ({ nanos }: Timestamp): string => {
  const fraction = ((nanos % nanosPerSecond) + nanosPerSecond) % nanosPerSecond
  const seconds = (nanos - fraction) / nanosPerSecond
  return `${new Date(Number(seconds) * 1_000).toISOString().slice(0, 19)}${fractionOf(fraction)}Z`
}

const units = new Map([
  ["h", 3_600n * nanosPerSecond],
  ["m", 60n * nanosPerSecond],
  ["s", nanosPerSecond],
  ["ms", nanosPerMilli],
  ["us", 1_000n],
  ["µs", 1_000n],
  ["ns", 1n]
])

/** Reads `1h2m3.5s`. */
export const parseDuration = (text: string): Duration | Failure => {
  const sign = text.startsWith("-") ? -1n : 1n
  const body = text.replace(/^[+-]/, "")
  if (body === "0") return new Duration(0n)
  if (!/^(?:\d+(?:\.\d*)?(?:h|ms|m|s|us|µs|ns))+$/.test(body)) return new Failure("cast", "not a duration")
  let nanos = 0n
  for (const [, whole = "0", fraction = "", unit = ""] of body.matchAll(
    /(\d+)(?:\.(\d*))?(h|ms|m|s|us|µs|ns)/g
  )) {
    const scale = units.get(unit) ?? 1n
    nanos +=
      BigInt(whole) * scale +
      (BigInt(fraction === "" ? "0" : fraction) * scale) / 10n ** BigInt(fraction.length)
  }
  return durationOf(sign * nanos)
}

export const formatDuration = ({ nanos }: Duration): string => {
  const absolute = nanos < 0n ? -nanos : nanos
  return `${nanos < 0n ? "-" : ""}${absolute / nanosPerSecond}${fractionOf(absolute % nanosPerSecond)}s`
}

/** Formatters that are kept, as many as there are zones: to make one takes 60 us, to use one 2. Past it all are dropped. */
const zonesMax = 600
const formatters = new Map<string, Intl.DateTimeFormat | undefined>()

const makeFormatter = (zone: string): Intl.DateTimeFormat | undefined => {
  try {
    return new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      calendar: "iso8601",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit"
    })
  } catch {
    return undefined
  }
}

const formatterOf = (zone: string): Intl.DateTimeFormat | undefined => {
  if (formatters.has(zone)) return formatters.get(zone)
  if (formatters.size >= zonesMax) formatters.clear()
  const formatter = makeFormatter(zone)
  formatters.set(zone, formatter)
  return formatter
}

/** The fields of an instant as if they were UTC's, in a zone: minutes of an offset, or a name of IANA. */
const inZone = (millis: number, zone: string): Date | undefined => {
  const offset = /^([+-]?)(\d{2}):(\d{2})$/.exec(zone)
  if (offset !== null) {
    const minutes = Number(offset[2]) * 60 + Number(offset[3])
    return new Date(millis + (offset[1] === "-" ? -minutes : minutes) * 60_000)
  }
  const formatter = formatterOf(zone)
  if (formatter === undefined) return undefined
  const parts = new Map(formatter.formatToParts(millis).map(({ type, value }) => [type, value] as const))
  const part = (name: Intl.DateTimeFormatPartTypes) => Number(parts.get(name) ?? "0")
  const date = new Date(
    Date.UTC(2000, part("month") - 1, part("day"), part("hour"), part("minute"), part("second"))
  )
  date.setUTCFullYear(part("year"), part("month") - 1, part("day"))
  return date
}

const dayMillis = 86_400_000

/** Returns a field of a timestamp in a zone, UTC without one. */
export const fieldOf = (name: string, at: Timestamp, zone: string | undefined): bigint | Failure => {
  const fraction = ((at.nanos % nanosPerSecond) + nanosPerSecond) % nanosPerSecond
  const millis = Number((at.nanos - fraction) / nanosPerMilli)
  const date = zone === undefined ? new Date(millis) : inZone(millis, zone)
  if (date === undefined) return new Failure("cast", "not a time zone")
  switch (name) {
    case "getFullYear":
      return BigInt(date.getUTCFullYear())
    case "getMonth":
      return BigInt(date.getUTCMonth())
    case "getDate":
      return BigInt(date.getUTCDate())
    case "getDayOfMonth":
      return BigInt(date.getUTCDate() - 1)
    case "getDayOfWeek":
      return BigInt(date.getUTCDay())
    case "getDayOfYear":
      return BigInt(Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / dayMillis))
    case "getHours":
      return BigInt(date.getUTCHours())
    case "getMinutes":
      return BigInt(date.getUTCMinutes())
    case "getSeconds":
      return BigInt(date.getUTCSeconds())
    default:
      return fraction / nanosPerMilli
  }
}

/** Returns the whole hours, minutes or seconds of a duration; of milliseconds those beyond the second. */
export const durationFieldOf = (name: string, { nanos }: Duration): bigint => {
  switch (name) {
    case "getHours":
      return nanos / (3_600n * nanosPerSecond)
    case "getMinutes":
      return nanos / (60n * nanosPerSecond)
    case "getSeconds":
      return nanos / nanosPerSecond
    default:
      return (nanos % nanosPerSecond) / nanosPerMilli
  }
}
