/**
 * E-mail addresses and their one normalisation, for hashes, suppression lists and sending alike. Pure: works in a
 * browser.
 *
 * Sources: RFC 5321 (4.1.2, 4.5.3.1), RFC 6531 for letters outside ASCII, UTS 46 for domains.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"

/**
 * @category models
 * @since 0.1.0
 */
export interface EmailAddress {
  /** `local@domain`: the address to send to, to hash and to compare. */
  readonly normal: string
  /** The normal form without `+tag`: the same mailbox at nearly every provider. */
  readonly base: string
  /** NFKC and in lower case. */
  readonly local: string
  /** ASCII (`xn--`) and in lower case. */
  readonly domain: string
}

/**
 * - `too_long`: more than 254 bytes, or more than 64 before the `@`.
 * - `control_character`: a line break or another control character, as in a header injection.
 * - `syntax`: not `local@domain`. A display name, a comment, a quoted local part and a list are refused.
 * - `domain`: not a domain name with at least two labels.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason = "too_long" | "control_character" | "syntax" | "domain"

const addressMaxBytes = 254
const localMaxBytes = 64
const domainMaxCharacters = 253

const control = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u
/** RFC 5322's dot-atom, with letters, marks and digits of RFC 6531. */
const dotAtom = /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(?:\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u
/** No character that would end the host of a URL, which converts the domain. */
const domainText = /^[\p{L}\p{M}\p{N}.-]+$/u
const domainName = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const numericEnd = /\.\d+$/

const bytesOf = (text: string): number => new TextEncoder().encode(text).length

const toAscii = (domain: string): string | undefined => {
  if (!domainText.test(domain)) return undefined
  const url = URL.parse(`http://${domain}/`)
  if (url === null || url.hostname.length > domainMaxCharacters) return undefined
  return domainName.test(url.hostname) && !numericEnd.test(url.hostname) ? url.hostname : undefined
}

/**
 * Parses an address. White space around it is removed; nothing else is repaired.
 *
 * The local part becomes NFKC and lower case, the domain becomes ASCII. Parsing the normal form returns the same.
 * `base` drops everything from the first `+` of the local part on, unless what is left is no local part: `+a` and `a.+b` stay.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parse = (text: string): Result.Result<EmailAddress, Reason> => {
  // Before anything is trimmed: a line break is refused, wherever it is.
  if (control.test(text)) return Result.fail("control_character")
  const trimmed = text.trim()
  // Normalising can grow a text, so the bound holds before and after.
  if (trimmed.length > addressMaxBytes) return Result.fail("too_long")
  const at = trimmed.lastIndexOf("@")
  if (at <= 0 || at === trimmed.length - 1) return Result.fail("syntax")
  const local = trimmed.slice(0, at).normalize("NFKC").toLowerCase().normalize("NFKC")
  if (control.test(local)) return Result.fail("control_character")
  if (!dotAtom.test(local)) return Result.fail("syntax")
  const domain = toAscii(trimmed.slice(at + 1))
  if (domain === undefined) return Result.fail("domain")
  if (bytesOf(local) > localMaxBytes || bytesOf(local) + 1 + domain.length > addressMaxBytes) {
    return Result.fail("too_long")
  }
  const plus = local.indexOf("+")
  const untagged = plus > 0 ? local.slice(0, plus) : local
  const mailbox = dotAtom.test(untagged) ? untagged : local
  return Result.succeed({ normal: `${local}@${domain}`, base: `${mailbox}@${domain}`, local, domain })
}
