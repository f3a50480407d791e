/** Reports as mail servers write them. */

interface Report {
  /** The sender of the returned message's envelope. */
  readonly to: string
  readonly messageId: string
  readonly action: string
  readonly status: string
  readonly finalRecipient: string
  readonly originalRecipient?: string
  readonly diagnostic?: string
}

const lines = (...list: ReadonlyArray<string | undefined>): string =>
  list.filter((line) => line !== undefined).join("\r\n")

/** As Postfix writes it. */
export const statusReport = (report: Report): string =>
  lines(
    "Return-Path: <>",
    "Date: Sat, 28 Nov 2026 20:11:07 +0000 (UTC)",
    "From: MAILER-DAEMON@mx.mail.example (Mail Delivery System)",
    "Subject: Undelivered Mail Returned to Sender",
    `To: ${report.to}`,
    "Auto-Submitted: auto-replied",
    "MIME-Version: 1.0",
    "Content-Type: multipart/report; report-type=delivery-status;",
    ' boundary="4F9C21A0.1795939867/mx.mail.example"',
    "",
    "This is a MIME-encapsulated message.",
    "",
    "--4F9C21A0.1795939867/mx.mail.example",
    "Content-Description: Notification",
    "Content-Type: text/plain; charset=us-ascii",
    "",
    "I'm sorry to have to inform you that your message could not be delivered.",
    "",
    "--4F9C21A0.1795939867/mx.mail.example",
    "Content-Description: Delivery report",
    "Content-Type: message/delivery-status",
    "",
    "Reporting-MTA: dns; mx.mail.example",
    "X-Postfix-Queue-ID: 4F9C21A0",
    "Arrival-Date: Sat, 28 Nov 2026 20:11:06 +0000 (UTC)",
    "",
    `Final-Recipient: rfc822; ${report.finalRecipient}`,
    report.originalRecipient === undefined
      ? undefined
      : `Original-Recipient: rfc822;${report.originalRecipient}`,
    `Action: ${report.action}`,
    `Status: ${report.status}`,
    "Remote-MTA: dns; store.mail.example",
    report.diagnostic === undefined ? undefined : `Diagnostic-Code: smtp; ${report.diagnostic}`,
    "",
    "--4F9C21A0.1795939867/mx.mail.example",
    "Content-Description: Undelivered Message Headers",
    "Content-Type: text/rfc822-headers",
    "",
    "From: shop@shop.example",
    `Message-ID: ${report.messageId}`,
    "Subject: Order",
    "",
    "--4F9C21A0.1795939867/mx.mail.example--",
    ""
  )

/** A complaint by ARF, with the message as it was and the recipient left out, as large providers do. */
export const complaintReport = (report: {
  readonly messageId: string
  readonly type: string
  readonly recipient?: string
}): string =>
  lines(
    "From: <feedback@mail.example>",
    "To: <abuse@shop.example>",
    "Subject: FW: Order",
    "MIME-Version: 1.0",
    'Content-Type: multipart/report; report-type=feedback-report; boundary="part"',
    "",
    "--part",
    'Content-Type: text/plain; charset="US-ASCII"',
    "",
    "This is an email abuse report.",
    "",
    "--part",
    "Content-Type: message/feedback-report",
    "",
    `Feedback-Type: ${report.type}`,
    "User-Agent: Provider/1.0",
    "Version: 1",
    report.recipient === undefined ? undefined : `Original-Rcpt-To: <${report.recipient}>`,
    "",
    "--part",
    "Content-Type: message/rfc822",
    "Content-Disposition: inline",
    "",
    "From: shop@shop.example",
    `Message-ID: ${report.messageId}`,
    "Subject: Order",
    "",
    "Hello.",
    "--part--",
    ""
  )

/** An answering machine: it quotes the message and reports nothing. */
export const automaticReply = (to: string, messageId: string): string =>
  lines(
    "From: ann@mail.example",
    `To: ${to}`,
    "Subject: Out of office: 550 5.1.1 is my new number",
    "Auto-Submitted: auto-replied",
    `In-Reply-To: ${messageId}`,
    "Content-Type: text/plain",
    "",
    "Final-Recipient: rfc822; ann@mail.example",
    "Action: failed",
    "Status: 5.1.1",
    ""
  )
