/** Distinguishes a mailbox that does not exist from every other refusal. */

/** A status code of RFC 3463, and no part of an IP address. */
const enhanced = /(?<![.\d])([45]\.\d{1,3}\.\d{1,3})(?![.\d])/
/** 5.1.7 and 5.1.8 are of the sender's address; 5.2.1 is a mailbox that was closed. */
const missing = /^5\.(?:1\.(?![78]$)\d{1,3}|2\.1)$/
/** Without a status code, 550 and 553 are of the mailbox (RFC 5321, 4.2.3), unless the text is of a block. */
const blocked = /block|spam|reputation|policy|denied|blacklist|listed/i

export const statusOf = (text: string): string | undefined => enhanced.exec(text)?.[1]

/** Returns true when the refusal of a recipient says that the mailbox does not exist. The status code decides if there is one. */
export const isMissing = (refusal: {
  readonly code: number | undefined
  readonly status: string | undefined
  readonly text: string
}): boolean =>
  refusal.status === undefined
    ? (refusal.code === 550 || refusal.code === 553) && !blocked.test(refusal.text)
    : missing.test(refusal.status)
