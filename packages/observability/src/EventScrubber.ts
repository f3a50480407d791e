/**
 * Removes secrets from what SDKs send, before anything is stored, spooled or logged.
 *
 * A value is secret by the name of its field at any depth, by its form, or because it is the value of a secret field
 * elsewhere in the same event. The result is bounded: depth, names per object, items per list, characters per text.
 *
 * @since 0.1.0
 */
import type * as Schema from "effect/Schema"
import { isRecord } from "./internal/envelope.ts"
import * as RecurringText from "./internal/recurringText.ts"

/**
 * The text in place of a secret.
 *
 * @category constants
 * @since 0.1.0
 */
export const replacement = "[scrubbed]"

/** Sentry's SDKs cut at 3 by default; a payload of 200 levels is no error that a person reads. */
const depthMax = 24
const namesMax = 500
const itemsMax = 500
/** Longer texts are cut. A body or a minified line is not read to its end. */
const textLengthMax = 16_384
/** Shorter values, such as `1` or `true`, recur everywhere without being secret. */
const recurringLengthMin = 5
/** The shortest text with a secret in it is a name of three characters, a sign and a value. */
const pairLengthMin = 5
/** Secret values that are looked for in the rest of an event. */
const recurringMax = 200
/** Results of longer texts are not kept. */
const shortLengthMax = 64

const secretParts = [
  "password",
  "passwd",
  "passphrase",
  "passcode",
  "pwd",
  "secret",
  "token",
  "apikey",
  "authorization",
  "authheader",
  "credential",
  "cookie",
  "sessionid",
  "sessid",
  "csrf",
  "xsrf",
  "privatekey",
  "accesskey",
  "signingkey",
  "encryptionkey",
  "cardnumber",
  "creditcard",
  "cvv",
  "cvc",
  "iban",
  "bearer",
  "jwt",
  "sentrykey"
]
const secretNames = new Set(["auth", "pass", "pin", "otp", "ssn", "sid", "dsn", "mfa", "pan", "session"])

/** Names recur in every event. Longer ones are read each time, also because a part of a text keeps the whole text. */
const rememberedLengthMax = 12
const rememberedMax = 4_096

/** Remembers the answers for short names. */
const remembered = (answer: (name: string) => boolean): ((name: string) => boolean) => {
  const known = new Map<string, boolean>()
  return (name) => {
    if (name.length > rememberedLengthMax) return answer(name)
    const before = known.get(name)
    if (before !== undefined) return before
    const found = answer(name)
    if (known.size >= rememberedMax) known.clear()
    known.set(name, found)
    return found
  }
}

const bareOf = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, "")

const isSecretName = remembered((name) => {
  const bare = bareOf(name)
  return secretNames.has(bare) || secretParts.some((part) => bare.includes(part))
})

/** Fields with the address of a person, removed unless the project keeps addresses. */
const addressNames = new Set([
  "ipaddress",
  "remoteaddr",
  "remoteaddress",
  "clientip",
  "xforwardedfor",
  "xrealip",
  "cfconnectingip",
  "trueclientip",
  "forwarded",
  "xclientip"
])

const isAddressName = remembered((name) => addressNames.has(bareOf(name)))

/** Values that are secret wherever they are. The part in the first group is the secret. */
const forms: ReadonlyArray<RegExp> = [
  /\b(?:bearer|basic|token|digest)\s+([A-Za-z0-9._~+/=-]{6,})/gi,
  /(?<![A-Za-z0-9_-])(eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*)/g,
  // Within a word, which would be read from each of its hyphens: as far as a header without certificates goes.
  /(?<=-)(eyJ[A-Za-z0-9_-]{5,500}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*)/g,
  /\b(hm_[0-9a-f]{32}_[A-Za-z0-9]{43})\b/g,
  /\b((?:sk|rk|pk|whsec|ghp|gho|ghs|glpat|xox[abprs])[-_][A-Za-z0-9_-]{10,})/g,
  /\b(AKIA[0-9A-Z]{16})\b/g,
  /:\/\/[^\s:/?#@]*:([^\s/?#@]+)@/g,
  /(-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$))/g
]

/** A text without one of these has none of the forms: most texts are read once and not once for each form. */
const formHint =
  /(?:bearer|basic|token|digest)\s|eyJ|hm_|(?:sk|rk|pk|whsec|ghp|gho|ghs|glpat|xox[abprs])[-_]|AKIA|@|-----BEGIN /i
const formsIn = (text: string): ReadonlyArray<RegExp> => (formHint.test(text) ? forms : [])

/** A text without one of these has no pair of a name and a value. */
const hasSign = (text: string): boolean => text.includes("=") || text.includes(":") || text.includes("%3")

/**
 * The name and the sign of `name=value` in a query, a cookie or a message, `"name":"value"` in JSON, also in JSON within
 * JSON, `name: value` in a message. A value follows.
 */
const pair =
  /(\\{0,31}["'])?([A-Za-z0-9_.[\]-]{2,})\1?\s*(?:=|:|%3[dD])\s*(?:(?=\\*")|(?=')|(?=[^\s&;,"'<>)}\]\\]))/
const pairHere = new RegExp(pair, "y")
/**
 * A name begins where no character of a name is before it. Without that, a long word is read from each of its characters:
 * 9,000 letters took 5 to 25 ms.
 */
const pairAfter = new RegExp(`(?:(?=[\\\\"'])|(?<![A-Za-z0-9_.[\\]-]))${pair.source}`, "g")
const nameEnd = /[A-Za-z0-9_.[\]-]/
/** Of a longer name the end counts. */
const nameLengthMax = 64

/** The value of a pair. A quoted one ends at a quote that is escaped as often as the first. */
const secretValue = /(\\*)"((?:(?!(?<!\\)\1")[\s\S])*)|'([^']*)|([^\s&;,"'<>)}\]\\]+)/y
const openingQuote = /\\*"|'|/y

/** Finds the next pair. It may begin at `from` in the middle of a word: after `%3D`, or at a bracket that ended a value. */
const pairFrom = (text: string, from: number): RegExpExecArray | null => {
  if (nameEnd.test(text.charAt(from - 1))) {
    pairHere.lastIndex = from
    const here = pairHere.exec(text)
    if (here !== null) return here
  }
  pairAfter.lastIndex = from
  return pairAfter.exec(text)
}

/** The places of secret values in a text. The values of other names are not read to their ends, again and again. */
const secretPlaces = (text: string): ReadonlyArray<readonly [number, number]> => {
  const places: Array<readonly [number, number]> = []
  if (!hasSign(text)) return places
  let match = pairFrom(text, 0)
  while (match !== null) {
    const at = match.index + match[0].length
    const isSecret = isSecretName((match[2] ?? "").slice(-nameLengthMax))
    const pattern = isSecret ? secretValue : openingQuote
    pattern.lastIndex = at
    const [whole = "", , quoted, single, bare] = pattern.exec(text) ?? []
    const end = at + whole.length
    const value = quoted ?? single ?? bare ?? ""
    if (isSecret && value !== "") places.push([end - value.length, end])
    // What looks like a value may be the name of the next pair.
    match = pairFrom(text, end)
  }
  return places
}

/** The digits of a card, and ids: some of one in a few thousand would pass for a card. */
const cardDigits = /\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b\d(?:[ -]?\d){12,18}\b/gi
const cardHint = /\d(?:[ -]?\d){12}/
const idLength = 36

const isCard = (text: string): boolean => {
  if (text.length === idLength) return false
  const digits = text.replaceAll(/\D/g, "")
  let sum = 0
  for (let index = 0; index < digits.length; index++) {
    const digit = Number(digits[digits.length - 1 - index])
    const doubled = index % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}

/** Cards among the digits are removed. */
const withoutCards = (text: string): string =>
  cardHint.test(text)
    ? text.replaceAll(cardDigits, (digits) => (isCard(digits) ? replacement : digits))
    : text

const cleaned = (text: string): string => {
  const cut = text.length > textLengthMax ? `${text.slice(0, textLengthMax)}…` : text
  return cut.replaceAll("\u0000", "").toWellFormed()
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly keepsAddresses: boolean
}

/**
 * The secrets of one event, found in a first walk and removed in a second.
 *
 * @category scrubbing
 * @since 0.1.0
 */
export class Scrubber {
  readonly #values = new Set<string>()
  /** Texts in which the first walk found no secret. */
  readonly #plain = new Set<string>()
  /** Results of the second walk for short texts: names and levels recur in an event. */
  readonly #short = new Map<string, string>()
  #withoutRecurring: ((text: string) => string) | undefined
  readonly #options: Options

  constructor(options: Options) {
    this.#options = options
  }

  #note(value: string): void {
    const bare = value.trim()
    if (bare.length < recurringLengthMin || bare === replacement || bare === "[Filtered]") return
    if (this.#values.size >= recurringMax) return
    if (this.#values.has(bare)) return
    this.#values.add(bare)
    this.#withoutRecurring = undefined
    this.#short.clear()
  }

  #noteAll(value: unknown, depth: number): void {
    if (typeof value === "string") {
      this.#note(value)
      // A header has a scheme before its secret, a cookie several values.
      for (const part of value.split(/[\s;,=&"']+/)) this.#note(part)
    } else if (typeof value === "number" || typeof value === "bigint") this.#note(String(value))
    else if (depth < depthMax && typeof value === "object" && value !== null) {
      for (const item of Object.values(value)) this.#noteAll(item, depth + 1)
    }
  }

  #collectText(text: string): void {
    if (text.length < pairLengthMin || this.#plain.has(text)) return
    let isPlain = true
    for (const form of formsIn(text)) {
      for (const match of text.matchAll(form)) {
        isPlain = false
        this.#note(match[1] ?? "")
      }
    }
    for (const [start, end] of secretPlaces(text)) {
      isPlain = false
      this.#note(text.slice(start, end))
    }
    if (isPlain) this.#plain.add(text)
  }

  /** Finds the secrets of a value. Call it for every part of an event before {@link clean}. */
  collect(value: unknown, depth = 0): void {
    if (typeof value === "string") return this.#collectText(value.slice(0, textLengthMax))
    if (typeof value !== "object" || value === null || depth >= depthMax) return
    if (Array.isArray(value)) {
      const [name, secret] = value
      if (value.length === 2 && typeof name === "string" && isSecretName(name)) this.#noteAll(secret, depth)
      for (const item of value.slice(0, itemsMax)) this.collect(item, depth + 1)
      return
    }
    if (!isRecord(value)) return
    const named = nameOf(value)
    for (const name of Object.keys(value).slice(0, namesMax)) {
      const item = value[name]
      const isSecret = isSecretName(name) || (name === "value" && named !== undefined && isSecretName(named))
      if (isSecret) this.#noteAll(item, depth)
      this.collect(item, depth + 1)
    }
  }

  /** Removes secrets from a text. */
  text(text: string): string {
    if (text.length > shortLengthMax) return this.#read(text)
    const before = this.#short.get(text)
    if (before !== undefined) return before
    const result = this.#read(text)
    this.#short.set(text, result)
    return result
  }

  #read(text: string): string {
    this.#withoutRecurring ??= RecurringText.replacer(
      Array.from(this.#values).flatMap((value) => [value, encodeURIComponent(value.toWellFormed())]),
      replacement
    )
    let result = this.#withoutRecurring(cleaned(text))
    if (result.length < pairLengthMin) return result
    if (this.#plain.has(result)) return withoutCards(result)
    for (const form of formsIn(result)) {
      result = result.replaceAll(form, (match: string, secret: string) =>
        match.replace(secret, () => replacement)
      )
    }
    const parts: Array<string> = []
    let kept = 0
    for (const [start, end] of secretPlaces(result)) {
      parts.push(result.slice(kept, start), replacement)
      kept = end
    }
    return withoutCards([...parts, result.slice(kept)].join(""))
  }

  /** Returns the value without secrets, within bounds. */
  clean(value: unknown, depth = 0): Schema.Json {
    if (typeof value === "string") return this.text(value)
    if (typeof value === "number") return Number.isFinite(value) ? value : null
    if (typeof value === "boolean") return value
    if (typeof value !== "object" || value === null) return null
    if (depth >= depthMax) return "[too deep]"
    if (Array.isArray(value)) {
      const [name] = value
      if (
        value.length === 2 &&
        typeof name === "string" &&
        typeof value[1] === "string" &&
        isSecretName(name)
      ) {
        return [this.text(name), replacement]
      }
      if (value.length === 2 && typeof name === "string" && this.#isDropped(name))
        return [this.text(name), null]
      return value.slice(0, itemsMax).map((item) => this.clean(item, depth + 1))
    }
    if (!isRecord(value)) return null
    const named = nameOf(value)
    const fields: Record<string, Schema.Json> = {}
    for (const name of Object.keys(value).slice(0, namesMax)) {
      if (this.#isDropped(name)) continue
      const item = value[name]
      const isSecret = isSecretName(name) || (name === "value" && named !== undefined && isSecretName(named))
      const shown = this.text(name)
      const cleaned = isSecret && item !== null ? replacement : this.clean(item, depth + 1)
      // An assignment would set the prototype.
      if (shown === "__proto__") {
        Object.defineProperty(fields, shown, {
          value: cleaned,
          enumerable: true,
          configurable: true,
          writable: true
        })
      } else fields[shown] = cleaned
    }
    return fields
  }

  #isDropped(name: string): boolean {
    return !this.#options.keepsAddresses && isAddressName(name)
  }
}

/** The name beside a `value`, as lists of headers and attributes have it. */
const nameOf = (value: Readonly<Record<string, unknown>>): string | undefined => {
  if (!Object.hasOwn(value, "value")) return undefined
  const first = Object.keys(value).find((name) => name === "name" || name === "key")
  const named = first === undefined ? undefined : value[first]
  return typeof named === "string" ? named : undefined
}
