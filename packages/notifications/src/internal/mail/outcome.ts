/** Reads the outcome of one attempt from what the mail server or the connection said. */
import { lineOf } from "../line.ts"
import * as Mailbox from "./mailbox.ts"

/**
 * - `accepted`: the server has taken the message.
 * - `bounced`: the address does not exist (5.1.x, 5.2.1), and gets no more mail.
 * - `refused`: the server refuses for good, and the address is not at fault (5.7.x and others).
 * - `unsupported`: the server cannot carry the address (SMTPUTF8).
 * - `deferred`: 4xx, or the server is unavailable: nothing was sent.
 * - `unknown`: the connection ended after the message had begun: the server may have taken it.
 */
export interface Outcome {
  readonly _tag: "accepted" | "bounced" | "refused" | "unsupported" | "deferred" | "unknown"
  readonly detail: string
  /** True when the server was not reached, refused our credentials, or is closing (421): another one may do better. */
  readonly isUnavailable: boolean
}

/** RFC 5321 (3.8): the service is not available, and the connection ends. */
const closing = 421

const field = (error: unknown, name: string): unknown =>
  typeof error === "object" && error !== null ? Reflect.get(error, name) : undefined

const textField = (error: unknown, name: string): string => {
  const value = field(error, name)
  return typeof value === "string" ? value : ""
}

export const outcomeOf = (error: unknown, hasBegun: boolean): Outcome => {
  const response = textField(error, "response")
  const code = textField(error, "code")
  const command = textField(error, "command")
  const status = field(error, "responseCode")
  const detail = lineOf(response === "" ? textField(error, "message") : response)
  const make = (tag: Outcome["_tag"], isUnavailable = false): Outcome => ({
    _tag: tag,
    detail,
    isUnavailable
  })
  if (typeof status === "number" && status >= 400 && status < 600) {
    if (status < 500) return make("deferred", status === closing)
    if (code === "EAUTH") return make("deferred", true)
    // A bare 550 is of the mailbox only when it answers the recipient.
    const isOfRecipient = command === "RCPT TO" || Mailbox.statusOf(response) !== undefined
    const refusal = { code: status, status: Mailbox.statusOf(response), text: response }
    return isOfRecipient && Mailbox.isMissing(refusal) ? make("bounced") : make("refused")
  }
  if (/internationalized|smtputf8/i.test(textField(error, "message"))) return make("unsupported")
  if (hasBegun) return make("unknown")
  if (code === "EENVELOPE" || code === "EMESSAGE") return make("refused")
  return make("deferred", true)
}
