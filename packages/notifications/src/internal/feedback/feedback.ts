/** A report about a message that comes after the mail server has taken it. */

export interface Feedback {
  readonly notificationId: string
  readonly kind: "delivered" | "bounced" | "complained"
  /** The addresses that it names as the recipient's; empty when it names none. */
  readonly addresses: ReadonlyArray<string>
  /** True when the mailbox does not exist. A block, a full mailbox and a delay are something else. */
  readonly isMissing: boolean
  readonly detail: string
}

const uuid = /^<?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})@/i

/** Returns the message's id from a Message-ID of ours. */
export const idOfMessageId = (text: string): string | undefined => uuid.exec(text.trim())?.[1]?.toLowerCase()

const tagged = /\+([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})@/i

/**
 * Returns the sender of a message's envelope, where bounces come back to: `bounces+<id>@shop.example`. The id is random and
 * known to the recipient alone, so it needs no signature: the worst it allows is to report one's own address.
 */
export const senderOf = (bounceAddress: string, notificationId: string): string => {
  const at = bounceAddress.lastIndexOf("@")
  return `${bounceAddress.slice(0, at)}+${notificationId.replaceAll("-", "")}${bounceAddress.slice(at)}`
}

/** Returns the message's id from an address that {@link senderOf} has made. */
export const idOfSender = (text: string): string | undefined => {
  const parts = tagged.exec(text)
  return parts === null ? undefined : parts.slice(1).join("-").toLowerCase()
}

/** The key of Postmark's metadata and of SES's tag with the message's id: both replace the Message-ID, and return these. */
export const metadataKey = "hm-notification"
