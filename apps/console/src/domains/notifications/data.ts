/** Messages, and what their states mean. */
import type { Success } from "../../api/Endpoints.ts"
import type { Tone } from "../../ui/Badge.tsx"

export type Message = Success<"GET /v1/notifications/messages">["items"][number]

export const messagePlace = (notificationId: string) => ({
  to: `/messages/${encodeURIComponent(notificationId)}`
})

interface Words {
  readonly tone: Tone
  readonly words: string
}

/** A message that was skipped by choice is grey: only a failure is red. */
export const states: Readonly<Record<Message["state"], Words>> = {
  pending: { tone: "accent", words: "waits to be sent" },
  held: { tone: "accent", words: "is held until its time" },
  leased: { tone: "accent", words: "is about to be sent" },
  sending: { tone: "accent", words: "is being sent" },
  retry: { tone: "warn", words: "is tried again" },
  accepted: { tone: "good", words: "was accepted by the mail server" },
  delivered: { tone: "good", words: "was delivered" },
  complained: { tone: "bad", words: "was reported as spam" },
  caught: { tone: "good", words: "was caught, and sent to no one" },
  filtered: { tone: "plain", words: "was not sent: the recipient’s choice or profile" },
  suppressed: { tone: "plain", words: "was not sent: the address is suppressed" },
  expired: { tone: "plain", words: "was not sent: it came too late" },
  cancelled: { tone: "plain", words: "was cancelled" },
  bounced: { tone: "bad", words: "was returned by the mail server" },
  unknown: { tone: "bad", words: "may have been sent: the outcome is unknown" },
  dead: { tone: "bad", words: "was not sent: every attempt failed" }
}

/** Returns the kind and the id of a recipient. */
export const recipientWords = (to: Message["to"]): string =>
  "customer" in to
    ? `customer ${to.customer}`
    : "seller" in to
      ? `seller ${to.seller}`
      : `operator ${to.operator}`

/** A reason as it is stored, `no-address`, as words. */
export const reasonWords = (reason: string | null): string =>
  reason === null ? "" : reason.replaceAll(/[-_]/g, " ")
