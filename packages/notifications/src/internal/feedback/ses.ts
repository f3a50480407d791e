/** Reads the reports of Amazon SES. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { lineOf } from "../line.ts"
import * as Mailbox from "../mail/mailbox.ts"
import { type Feedback, idOfMessageId, idOfSender, metadataKey } from "./feedback.ts"

const Text = Schema.optionalKey(Schema.NullOr(Schema.String))
/** SES sends at most 50 recipients of one message; ours have one. */
const recipientsMax = 100

const Recipients = Schema.Array(
  Schema.Struct({ emailAddress: Schema.String, status: Text, diagnosticCode: Text })
).check(Schema.isMaxLength(recipientsMax))

const Event = Schema.Struct({
  /** Of an event by a configuration set; a notification of the identity has the other. */
  eventType: Text,
  notificationType: Text,
  mail: Schema.Struct({
    source: Text,
    tags: Schema.optionalKey(Schema.Record(Schema.String, Schema.Array(Schema.String))),
    headers: Schema.optionalKey(Schema.Array(Schema.Struct({ name: Schema.String, value: Schema.String }))),
    commonHeaders: Schema.optionalKey(Schema.Struct({ messageId: Text }))
  }),
  bounce: Schema.optionalKey(
    Schema.Struct({ bounceType: Text, bounceSubType: Text, bouncedRecipients: Recipients })
  ),
  complaint: Schema.optionalKey(
    Schema.Struct({ complaintFeedbackType: Text, complainedRecipients: Recipients })
  ),
  delivery: Schema.optionalKey(
    Schema.Struct({
      recipients: Schema.Array(Schema.String).check(Schema.isMaxLength(recipientsMax)),
      smtpResponse: Text
    })
  )
})

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Event))

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** SES replaces Message-ID. Ours is in the tag, in the sender of the envelope, or among the original headers. */
const idOf = ({ commonHeaders, headers = [], source, tags }: (typeof Event.Type)["mail"]) => {
  const [tag = ""] = tags?.[metadataKey] ?? []
  const header = headers.find(({ name }) => name.toLowerCase() === "message-id")
  return uuid.test(tag)
    ? tag
    : (idOfSender(source ?? "") ??
        idOfMessageId(header?.value ?? "") ??
        idOfMessageId(commonHeaders?.messageId ?? ""))
}

const basicCode = (text: string): number | undefined => {
  const code = /\b([45]\d\d)\b/.exec(text)?.[1]
  return code === undefined ? undefined : Number(code)
}

/** The classes of a permanent bounce that are of the mailbox; the account's own list may be of a complaint. */
const missing = new Set(["General", "NoEmail", "Suppressed"])

const bounces = (
  notificationId: string,
  { bounceSubType, bounceType, bouncedRecipients }: NonNullable<(typeof Event.Type)["bounce"]>
): ReadonlyArray<Feedback> => {
  // An automatic reply is reported as one of these, too.
  if (bounceType === "Transient" && bounceSubType === "General") return []
  return bouncedRecipients.map(({ diagnosticCode, emailAddress, status }): Feedback => {
    const text = diagnosticCode ?? ""
    const code = basicCode(text)
    const enhanced = Mailbox.statusOf(text) ?? Mailbox.statusOf(status ?? "")
    // The server's own words count for more than the class: a block is also called a permanent bounce.
    const isExplained = code !== undefined || enhanced !== undefined
    return {
      notificationId,
      kind: "bounced",
      addresses: [emailAddress],
      isMissing:
        bounceType === "Permanent" &&
        (isExplained
          ? Mailbox.isMissing({ code, status: enhanced, text })
          : missing.has(bounceSubType ?? "")),
      detail: lineOf(text === "" ? `${bounceType ?? ""} ${bounceSubType ?? ""}` : text)
    }
  })
}

/** Returns what a message of the topic reports; nothing for text, and for a kind that is not recorded. */
export const read = (message: string): ReadonlyArray<Feedback> => {
  const decoded = decode(message)
  if (Option.isNone(decoded)) return []
  const { bounce, complaint, delivery, eventType, mail, notificationType } = decoded.value
  const notificationId = idOf(mail)
  if (notificationId === undefined) return []
  switch (eventType ?? notificationType) {
    case "Bounce":
      return bounce === undefined ? [] : bounces(notificationId, bounce)
    case "Complaint":
      return complaint === undefined || complaint.complaintFeedbackType === "not-spam"
        ? []
        : complaint.complainedRecipients.map(({ emailAddress }): Feedback => ({
            notificationId,
            kind: "complained",
            addresses: [emailAddress],
            isMissing: false,
            detail: lineOf(complaint.complaintFeedbackType ?? "complaint")
          }))
    case "Delivery":
      return [
        {
          notificationId,
          kind: "delivered",
          addresses: delivery?.recipients ?? [],
          isMissing: false,
          detail: lineOf(delivery?.smtpResponse ?? "")
        }
      ]
    default:
      return []
  }
}
