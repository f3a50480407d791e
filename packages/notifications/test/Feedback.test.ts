/** Bounces and complaints that come by mail. */
import { assert, layer } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Webhook } from "standardwebhooks"
import * as Reports from "./deliveryReports.ts"
import {
  accepted,
  basic,
  byProvider,
  post,
  reportOf,
  returned,
  secret,
  stateOf,
  sent,
  suppression,
  TestLayer,
  type Sent
} from "./feedbackFixture.ts"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"

layer(TestLayer, { excludeTestServices: true })("Reports", (it) => {
  it.effect("a bounce by mail suppresses an address that does not exist, once", () =>
    Effect.gen(function* () {
      const mail = yield* sent("gone")
      assert.match(mail.from, /^bounces\+[0-9a-f]{32}@shop\.example$/)
      assert.deepStrictEqual(yield* returned(reportOf(mail)), { reports: 1, changed: 1 })
      assert.strictEqual(yield* stateOf("gone"), "bounced")
      assert.strictEqual(yield* suppression(mail.address), "bounce")
      assert.deepStrictEqual(yield* returned(reportOf(mail)), { reports: 1, changed: 0 })
      yield* Laboratory.trigger("gone-again", { customer: "gone" })
      yield* Laboratory.work
      assert.deepInclude((yield* Laboratory.explain("gone-again", "gone"))[0], {
        state: "suppressed",
        reason: "bounce"
      })
    }).pipe(Laboratory.inAcme)
  )

  it.effect("only a mailbox that does not exist is suppressed: no block, full mailbox, delay or reply", () =>
    Effect.gen(function* () {
      const cases: Readonly<
        Record<string, readonly [state: string, suppressed: string, report: (mail: Sent) => string]>
      > = {
        generic: [
          "bounced",
          "bounce",
          (mail) => reportOf(mail, { status: "5.0.0", diagnostic: "550 5.1.10 No such recipient" })
        ],
        "bare-550": [
          "bounced",
          "bounce",
          (mail) => reportOf(mail, { status: "", diagnostic: "550 No such user here" })
        ],
        closed: ["bounced", "bounce", (mail) => reportOf(mail, { status: "5.2.1", diagnostic: "" })],
        blocked: [
          "bounced",
          "none",
          (mail) => reportOf(mail, { status: "5.7.1", diagnostic: "550 5.7.1 Blocked by policy" })
        ],
        "bare-block": [
          "bounced",
          "none",
          (mail) => reportOf(mail, { status: "", diagnostic: "550 listed at a blocklist" })
        ],
        sender: [
          "bounced",
          "none",
          (mail) => reportOf(mail, { status: "5.1.8", diagnostic: "550 5.1.8 Bad sender domain" })
        ],
        address: [
          "bounced",
          "none",
          (mail) =>
            reportOf(mail, { status: "5.3.0", diagnostic: "554 refused by 5.1.1.20 (mx5.mail.example)" })
        ],
        full: [
          "bounced",
          "none",
          (mail) => reportOf(mail, { status: "5.2.2", diagnostic: "552 5.2.2 Over quota" })
        ],
        late: [
          "bounced",
          "none",
          (mail) => reportOf(mail, { status: "4.4.7", diagnostic: "451 4.4.7 Delivery time expired" })
        ],
        delayed: [
          "accepted",
          "none",
          (mail) => reportOf(mail, { action: "delayed", status: "4.4.1", diagnostic: "no route" })
        ],
        relayed: ["accepted", "none", (mail) => reportOf(mail, { action: "relayed", status: "2.1.9" })],
        vacation: ["accepted", "none", (mail) => Reports.automaticReply(mail.from, mail.messageId)],
        noise: ["accepted", "none", () => "\u0000\u00ff--\r\n\r\n=="]
      }
      for (const [id, [state, suppressed, report]] of Object.entries(cases)) {
        const mail = yield* sent(id)
        yield* returned(report(mail))
        assert.strictEqual(yield* stateOf(id), state, id)
        assert.strictEqual(yield* suppression(mail.address), suppressed, id)
      }
    }).pipe(Laboratory.inAcme)
  )

  it.effect("a report about another address suppresses neither: the recipient's mail is forwarded", () =>
    Effect.gen(function* () {
      const victim = yield* sent("victim")
      const forger = yield* sent("forger")
      yield* returned(reportOf(forger, { finalRecipient: victim.address }))
      assert.strictEqual(yield* suppression(victim.address), "none")
      assert.strictEqual(yield* suppression(forger.address), "none")
      assert.strictEqual(yield* stateOf("victim"), "accepted")
      // With the recipient that we gave to the server, the report is of that one.
      const forwarded = yield* sent("forwarded")
      yield* returned(
        reportOf(forwarded, { finalRecipient: victim.address, originalRecipient: forwarded.address })
      )
      assert.strictEqual(yield* suppression(forwarded.address), "bounce")
    }).pipe(Laboratory.inAcme)
  )

  it.effect("a complaint stops all but what is owed, and replaces no bounce", () =>
    Effect.gen(function* () {
      const mail = yield* sent("angry")
      const complaint = (type: string) => Reports.complaintReport({ messageId: mail.messageId, type })
      assert.deepStrictEqual(yield* returned(complaint("not-spam")), { reports: 0, changed: 0 })
      yield* returned(complaint("abuse"))
      assert.strictEqual(yield* stateOf("angry"), "complained")
      assert.strictEqual(yield* suppression(mail.address), "complaint")
      const gone = yield* sent("gone-then-angry")
      yield* returned(reportOf(gone))
      yield* returned(Reports.complaintReport({ messageId: gone.messageId, type: "abuse" }))
      assert.strictEqual(yield* stateOf("gone-then-angry"), "complained")
      assert.strictEqual(yield* suppression(gone.address), "bounce")
    }).pipe(Laboratory.inAcme)
  )

  it.effect("a mail without the secret changes nothing, and an old webhook is a replay", () =>
    Effect.gen(function* () {
      const mail = yield* sent("secret")
      for (const password of ["", "x", secret.slice(0, -1), `${secret}x`]) {
        assert.strictEqual((yield* post("mail", reportOf(mail), basic(password))).status, 401)
      }
      assert.strictEqual((yield* post("mail", reportOf(mail), {})).status, 401)
      const body = JSON.stringify({ events: [{ type: "bounced", messageId: mail.messageId }] })
      const old = new Date((yield* Clock.currentTimeMillis) - 600_000)
      const headers = {
        "webhook-id": "msg_2",
        "webhook-timestamp": String(Math.floor(old.getTime() / 1_000)),
        "webhook-signature": new Webhook(secret).sign("msg_2", old, body)
      }
      assert.strictEqual((yield* post("webhook", body, headers)).status, 401)
      assert.strictEqual(yield* stateOf("secret"), "accepted")
    }).pipe(Laboratory.inAcme)
  )

  it.effect("a delivery settles a message whose outcome was unknown", () =>
    Effect.gen(function* () {
      const server = yield* MailServer.MailServer
      const sql = yield* SqlClient.SqlClient
      server.behaviour.current = { ...MailServer.plain, hangsUp: () => true }
      const mail = yield* sent("doubtful")
      server.behaviour.current = MailServer.plain
      assert.strictEqual(yield* stateOf("doubtful"), "retry")
      const { body, headers } = byProvider["webhook"]?.(mail, { kind: "delivered", reason: "" }) ?? {
        body: "",
        headers: {}
      }
      assert.strictEqual((yield* accepted("webhook", body, headers)).changed, 1)
      const [row] = yield* sql<{ readonly id: string; readonly dueAt: Date | null }>`
        UPDATE hm_notification_queue
           SET updated_at = updated_at
         WHERE recipient_id = 'doubtful'
        RETURNING notification_id::text AS id, due_at AS "dueAt"
      `
      assert.isNull(row?.dueAt)
      const delivery = yield* Laboratory.delivery
      yield* delivery.send([row?.id ?? ""])
      assert.lengthOf(
        server.received.filter(({ to }) => to.includes(mail.address)),
        1
      )
      assert.strictEqual(yield* stateOf("doubtful"), "delivered")
    }).pipe(Laboratory.inAcme)
  )
})
