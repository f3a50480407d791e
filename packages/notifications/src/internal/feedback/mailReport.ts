/**
 * Reads reports that come by mail: delivery status notifications (RFC 3464, 6533) and complaints (RFC 5965). Everything else,
 * such as an automatic reply, says nothing about the message.
 */
import * as Effect from "effect/Effect"
import PostalMime, { type Attachment, type Email } from "postal-mime"
import { lineOf } from "../line.ts"
import * as Mailbox from "../mail/mailbox.ts"
import { type Feedback, idOfMessageId, idOfSender } from "./feedback.ts"

/** Parts within parts. A report has three, side by side. */
const nestingMax = 8
const headersBytesMax = 262_144
/** Recipients of one report. Our messages have one. */
const recipientsMax = 100

const statusTypes = new Set(["message/delivery-status", "message/global-delivery-status"])
const returnedTypes = new Set([
  "message/rfc822",
  "text/rfc822-headers",
  "message/global",
  "message/global-headers"
])

const textOf = ({ content }: Attachment): string =>
  typeof content === "string" ? content : new TextDecoder().decode(content)

type Fields = ReadonlyMap<string, string>

/** The groups of fields of a report: the first is of the report, the others of one recipient each. */
const groupsOf = (text: string): ReadonlyArray<Fields> =>
  text
    .replaceAll(/\r\n?/g, "\n")
    .replaceAll(/\n[ \t]+(?=\S)/g, " ")
    .split(/\n[ \t]*\n+/)
    .slice(0, recipientsMax + 1)
    .map((group) => {
      const fields = new Map<string, string>()
      for (const line of group.split("\n")) {
        const colon = line.indexOf(":")
        if (colon > 0) fields.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
      }
      return fields
    })
    .filter((fields) => fields.size > 0)

/** `rfc822; a@shop.example`, in RFC 6533 `utf-8; ...`. */
const addressOf = (field: string | undefined): ReadonlyArray<string> => {
  const address = field?.slice(field.indexOf(";") + 1).trim() ?? ""
  return address === "" ? [] : [address.replaceAll(/^<|>$/g, "")]
}

/** Headers in which a mail server names the address that it delivered to. */
const deliveredTo = new Set(["delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to"])

const idOf = (email: Email): string | undefined => {
  for (const { key, value } of email.headers) {
    const id = deliveredTo.has(key) ? idOfSender(value) : undefined
    if (id !== undefined) return id
  }
  for (const attachment of email.attachments) {
    if (!returnedTypes.has(attachment.mimeType)) continue
    const [header = ""] = textOf(attachment).split(/\r?\n\r?\n/)
    const id = idOfMessageId(/^message-id:\s*(\S+)/im.exec(header)?.[1] ?? "")
    if (id !== undefined) return id
  }
  return undefined
}

const basicCode = (text: string): number | undefined => {
  const code = /\b([245]\d\d)\b/.exec(text)?.[1]
  return code === undefined ? undefined : Number(code)
}

const statusFeedback = (notificationId: string, report: string): ReadonlyArray<Feedback> =>
  groupsOf(report).flatMap((fields): ReadonlyArray<Feedback> => {
    const action = fields.get("action")?.toLowerCase()
    if (action !== "failed" && action !== "delivered") return []
    const diagnostic = fields.get("diagnostic-code") ?? ""
    const given = Mailbox.statusOf(fields.get("status") ?? "")
    // Many servers write 5.0.0 and put the cause into the diagnostic.
    const status = Mailbox.statusOf(diagnostic) ?? given
    return [
      {
        notificationId,
        kind: action === "failed" ? "bounced" : "delivered",
        addresses: [
          ...addressOf(fields.get("original-recipient")),
          ...addressOf(fields.get("final-recipient"))
        ],
        isMissing: Mailbox.isMissing({ code: basicCode(diagnostic), status, text: diagnostic }),
        detail: lineOf(diagnostic === "" ? (given ?? "") : diagnostic)
      }
    ]
  })

const complaints = new Set(["abuse", "fraud"])

const complaintFeedback = (notificationId: string, report: string): ReadonlyArray<Feedback> => {
  const [fields] = groupsOf(report)
  const type = fields?.get("feedback-type")?.toLowerCase() ?? ""
  if (!complaints.has(type)) return []
  return [
    {
      notificationId,
      kind: "complained",
      addresses: addressOf(fields?.get("original-rcpt-to")),
      isMissing: false,
      detail: type
    }
  ]
}

/** Returns what a mail reports; nothing when it is no report, or not of a message of ours. */
export const read = (raw: Uint8Array): Effect.Effect<ReadonlyArray<Feedback>> =>
  Effect.tryPromise(() =>
    PostalMime.parse(raw, {
      attachmentEncoding: "utf8",
      forceRfc822Attachments: true,
      maxNestingDepth: nestingMax,
      maxHeadersSize: headersBytesMax
    })
  ).pipe(
    Effect.map((email): ReadonlyArray<Feedback> => {
      const type = email.headers.find(({ key }) => key === "content-type")?.value ?? ""
      if (!/^multipart\/report\b/i.test(type.trim())) return []
      const id = idOf(email)
      if (id === undefined) return []
      return email.attachments.flatMap((attachment) => {
        if (statusTypes.has(attachment.mimeType)) return statusFeedback(id, textOf(attachment))
        return attachment.mimeType === "message/feedback-report"
          ? complaintFeedback(id, textOf(attachment))
          : []
      })
    }),
    // What cannot be parsed is no report.
    Effect.orElseSucceed(() => [])
  )
