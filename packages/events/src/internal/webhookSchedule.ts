/** When a failed delivery is tried again. Standard Webhooks 1.0 recommends this schedule. */

const secondMillis = 1_000
const minuteMillis = 60 * secondMillis
const hourMillis = 60 * minuteMillis
const dayMillis = 24 * hourMillis

/** Waits between attempts: ten attempts in a little more than three days. */
const waitsMillis: ReadonlyArray<number> = [
  5 * secondMillis,
  5 * minuteMillis,
  30 * minuteMillis,
  2 * hourMillis,
  5 * hourMillis,
  10 * hourMillis,
  14 * hourMillis,
  20 * hourMillis,
  24 * hourMillis
]

export const attemptsMax = waitsMillis.length + 1

/** Deliveries that failed together do not come back together. */
const jitterShare = 0.2

/** A receiver that is too busy gets at least this pause. */
const tooManyRequestsMillis = minuteMillis

/** A receiver may not hold a delivery back for longer. */
const retryAfterMillisMax = dayMillis

/** An endpoint without a success for this long is disabled. */
export const disableMillis = 5 * dayMillis

/** An endpoint without a success for this long is announced. */
export const warnMillis = dayMillis

/** The asctime form has no zone, and is UTC. */
const asctimePattern = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/

/**
 * Reads `Retry-After` (RFC 9110, 10.2.3): seconds, or a date in one of the three forms of HTTP. Undefined for what is
 * neither, and for a date that has passed.
 */
export const retryAfterMillis = (header: string | undefined, now: Date): number | undefined => {
  const text = header?.trim() ?? ""
  if (text === "") return undefined
  if (/^\d+$/.test(text)) return Math.min(Number(text) * secondMillis, retryAfterMillisMax)
  // A number of another form is no date, though Date would read one.
  if (!/^[A-Z][a-z]+,? /.test(text)) return undefined
  const at = Date.parse(asctimePattern.test(text) ? `${text} GMT` : text)
  if (Number.isNaN(at) || at <= now.getTime()) return undefined
  return Math.min(at - now.getTime(), retryAfterMillisMax)
}

/** Returns the wait after the given number of failed attempts; undefined when it was the last. `chance` is in [0, 1). */
export const waitMillis = (options: {
  readonly attempts: number
  readonly status: number | undefined
  readonly retryAfter: number | undefined
  readonly chance: number
}): number | undefined => {
  const base = waitsMillis[options.attempts - 1]
  if (base === undefined) return undefined
  const jittered = base * (1 + jitterShare * (2 * options.chance - 1))
  const busy = options.status === 429 ? tooManyRequestsMillis : 0
  return Math.round(Math.max(jittered, busy, options.retryAfter ?? 0))
}
