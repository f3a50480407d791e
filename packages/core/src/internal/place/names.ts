import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** An answer of ICU per name, so that a batch of facts asks once. A client that makes names up cannot fill it. */
const rememberedMax = 1_000

const remembered = (exists: (name: string) => boolean): ((name: string) => boolean) => {
  const answers = new Map<string, boolean>()
  return (name) => {
    const answer = answers.get(name)
    if (answer !== undefined) return answer
    const isThere = exists(name)
    if (answers.size < rememberedMax) answers.set(name, isThere)
    return isThere
  }
}

/** ICU throws for a name that it does not know. */
const isMade = (make: () => unknown): boolean => Result.isSuccess(Result.try(make))

const zoneLengthMax = 64

const isTimeZone = remembered((zone) => isMade(() => new Intl.DateTimeFormat("en", { timeZone: zone })))

/**
 * A time zone of IANA: `Europe/Berlin`, `UTC`. Offsets such as `+02:00` are refused: they have no daylight saving.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimeZone = Schema.String.check(
  Schema.makeFilter(
    (zone: string) =>
      zone.length <= zoneLengthMax && /^[A-Za-z]/.test(zone) && isTimeZone(zone)
        ? undefined
        : "Expected a time zone of IANA such as Europe/Berlin",
    { expected: "a time zone of IANA", toJsonSchema: () => ({ minLength: 1, maxLength: zoneLengthMax }) }
  )
)

const localeLengthMax = 35

const isLocale = remembered((locale) => isMade(() => Intl.getCanonicalLocales(locale)))

/**
 * A language tag of BCP 47: `de`, `pt-BR`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Locale = Schema.String.check(
  Schema.makeFilter(
    (locale: string) =>
      locale.length > 0 && locale.length <= localeLengthMax && isLocale(locale)
        ? undefined
        : "Expected a language tag of BCP 47 such as pt-BR",
    {
      expected: "a language tag of BCP 47",
      toJsonSchema: () => ({ minLength: 2, maxLength: localeLengthMax })
    }
  )
)
