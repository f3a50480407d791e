/** The callbacks of providers, as they send them. An event that is none of ours, or of a kind we do not record, is left out. */
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { lineOf } from "../line.ts"
import * as Mailbox from "../mail/mailbox.ts"
import { type Feedback, idOfMessageId, metadataKey } from "./feedback.ts"

/** Events of one request. Providers send at most some hundreds. */
const eventsMax = 1_000

const Text = Schema.String
const OptionalText = Schema.optionalKey(Schema.NullOr(Schema.String))

const isReason = (text: string, code: number | undefined, given?: string | null): boolean =>
  Mailbox.isMissing({ code, status: Mailbox.statusOf(text) ?? Mailbox.statusOf(given ?? ""), text })

/** The generic form: sent by a provider that has none, or by a script of the operator. */
export const Reports = Schema.Struct({
  events: Schema.Array(
    Schema.Struct({
      type: Schema.Literals(["delivered", "bounced", "complained"]),
      messageId: Text,
      recipient: OptionalText,
      status: OptionalText,
      detail: OptionalText
    })
  ).check(Schema.isMaxLength(eventsMax))
})

export const ofReports = ({ events }: typeof Reports.Type): ReadonlyArray<Feedback> =>
  events.flatMap(({ detail, messageId, recipient, status, type }) => {
    const notificationId = idOfMessageId(messageId)
    if (notificationId === undefined) return []
    const text = detail ?? ""
    return [
      {
        notificationId,
        kind: type,
        addresses: recipient === undefined || recipient === null ? [] : [recipient],
        isMissing: type === "bounced" && isReason(text, undefined, status),
        detail: lineOf(text === "" ? (status ?? "") : text)
      }
    ]
  })

export const Mailgun = Schema.Struct({
  signature: Schema.Struct({ timestamp: Text, token: Text, signature: Text }),
  "event-data": Schema.Struct({
    event: Text,
    severity: OptionalText,
    recipient: OptionalText,
    message: Schema.optionalKey(
      Schema.Struct({ headers: Schema.optionalKey(Schema.Struct({ "message-id": OptionalText })) })
    ),
    "delivery-status": Schema.optionalKey(
      Schema.Struct({
        code: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
        "enhanced-code": OptionalText,
        message: OptionalText,
        description: OptionalText
      })
    )
  })
})

const mailgunKinds: Readonly<Record<string, Feedback["kind"]>> = {
  delivered: "delivered",
  failed: "bounced",
  complained: "complained"
}

export const ofMailgun = ({ "event-data": event }: typeof Mailgun.Type): ReadonlyArray<Feedback> => {
  const notificationId = idOfMessageId(event.message?.headers?.["message-id"] ?? "")
  const kind = Object.hasOwn(mailgunKinds, event.event) ? mailgunKinds[event.event] : undefined
  // A temporary failure is tried again by the provider.
  if (notificationId === undefined || kind === undefined || event.severity === "temporary") return []
  const status = event["delivery-status"]
  const text = `${status?.message ?? ""} ${status?.description ?? ""}`.trim()
  return [
    {
      notificationId,
      kind,
      addresses: event.recipient === undefined || event.recipient === null ? [] : [event.recipient],
      isMissing: kind === "bounced" && isReason(text, status?.code ?? undefined, status?.["enhanced-code"]),
      detail: lineOf(text)
    }
  ]
}

export const SendGrid = Schema.Array(
  Schema.Struct({
    event: Text,
    email: OptionalText,
    "smtp-id": OptionalText,
    type: OptionalText,
    status: OptionalText,
    reason: OptionalText
  })
).check(Schema.isMaxLength(eventsMax))

const sendGridKinds: Readonly<Record<string, Feedback["kind"]>> = {
  delivered: "delivered",
  bounce: "bounced",
  spamreport: "complained"
}

const basicCode = (text: string): number | undefined => {
  const code = /^\s*([45]\d\d)\b/.exec(text)?.[1]
  return code === undefined ? undefined : Number(code)
}

export const ofSendGrid = (events: typeof SendGrid.Type): ReadonlyArray<Feedback> =>
  events.flatMap((event) => {
    const notificationId = idOfMessageId(event["smtp-id"] ?? "")
    const kind = Object.hasOwn(sendGridKinds, event.event) ? sendGridKinds[event.event] : undefined
    if (notificationId === undefined || kind === undefined) return []
    const text = event.reason ?? ""
    // `type` is `blocked` when the mailbox may exist.
    const isMissing =
      kind === "bounced" && event.type !== "blocked" && isReason(text, basicCode(text), event.status)
    return [
      {
        notificationId,
        kind,
        addresses: event.email === undefined || event.email === null ? [] : [event.email],
        isMissing,
        detail: lineOf(text)
      }
    ]
  })

export const Postmark = Schema.Struct({
  RecordType: Text,
  Type: OptionalText,
  Email: OptionalText,
  Recipient: OptionalText,
  Details: OptionalText,
  Description: OptionalText,
  Metadata: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.String)))
})

const notificationIdPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** The bounces after which Postmark tries no more. Others are delays, automatic replies and notices. */
const postmarkBounces: Readonly<Record<string, { readonly isMissing: boolean }>> = {
  HardBounce: { isMissing: true },
  BadEmailAddress: { isMissing: true },
  SoftBounce: { isMissing: false },
  Blocked: { isMissing: false }
}

export const ofPostmark = (record: typeof Postmark.Type): ReadonlyArray<Feedback> => {
  const notificationId = record.Metadata?.[metadataKey] ?? ""
  if (!notificationIdPattern.test(notificationId)) return []
  const text = record.Details ?? record.Description ?? ""
  const address = record.Email ?? record.Recipient
  const feedback = {
    notificationId,
    addresses: address === undefined || address === null ? [] : [address],
    detail: lineOf(text)
  }
  switch (record.RecordType) {
    case "Delivery":
      return [{ ...feedback, kind: "delivered", isMissing: false }]
    case "SpamComplaint":
      return [{ ...feedback, kind: "complained", isMissing: false }]
    case "Bounce": {
      const type = record.Type ?? ""
      const bounce = Object.hasOwn(postmarkBounces, type) ? postmarkBounces[type] : undefined
      if (bounce === undefined) return []
      // The server's own words count for more than the class: a block is also called a hard bounce.
      const isExplained = basicCode(text) !== undefined || Mailbox.statusOf(text) !== undefined
      const isMissing = bounce.isMissing && (!isExplained || isReason(text, basicCode(text)))
      return [{ ...feedback, kind: "bounced", isMissing }]
    }
    default:
      return []
  }
}

/** Decodes a body, leaving out what providers add to it. */
export const decode = <A>(schema: Schema.Codec<A, unknown>) => {
  const decodeText = Schema.decodeUnknownOption(Schema.fromJsonString(schema))
  return (body: Uint8Array): Option.Option<A> => decodeText(new TextDecoder().decode(body))
}
