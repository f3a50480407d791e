/** Reports whose addresses cannot be suppressed: of one tenant, of all, and because the database failed. */
import { assert, layer } from "@effect/vitest"
import { provide } from "@hypermarket/core/Tenant"
import { NotificationSuppressions } from "@hypermarket/notifications/NotificationSuppressions"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Webhook } from "standardwebhooks"
import {
  accepted,
  layerWith,
  post,
  secret,
  type Sent,
  sent,
  stateOf,
  suppression,
  TestLayer
} from "./feedbackFixture.ts"
import * as Laboratory from "./Laboratory.ts"

const inGlobex = provide(Laboratory.globex)

interface Event {
  readonly type: "bounced" | "complained" | "delivered"
  readonly mail: Sent
  readonly detail?: string
}

const bodyOf = (events: ReadonlyArray<Event>) =>
  JSON.stringify({
    events: events.map(({ detail = "550 5.1.1 No such user", mail, type }) => ({
      type,
      detail,
      messageId: mail.messageId,
      recipient: mail.address
    }))
  })

const signed = (body: string) => {
  const at = new Date()
  return {
    "webhook-id": "msg_9",
    "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
    "webhook-signature": new Webhook(secret).sign("msg_9", at, body)
  }
}

const report = (...events: ReadonlyArray<Event>) =>
  Effect.suspend(() => accepted("webhook", bodyOf(events), signed(bodyOf(events))))

layer(TestLayer, { excludeTestServices: true })("Reports of several tenants in one callback", (it) => {
  it.effect("suppress each address once, for the stronger reason, whatever the order", () =>
    Effect.gen(function* () {
      const suppressions = yield* NotificationSuppressions
      const reported = (address: string, reason: "bounce" | "complaint") => ({ address, reason, detail: "" })
      yield* suppressions.suppressReported([
        reported("Ann@mail.example", "complaint"),
        reported("ann@MAIL.example", "bounce"),
        reported("bob@mail.example", "bounce"),
        reported("bob@mail.example", "complaint"),
        reported("eve@mail.example", "complaint")
      ])
      const addresses = ["ann@mail.example", "bob@mail.example", "eve@mail.example", "zoe@mail.example"]
      assert.deepStrictEqual(Array.from(yield* suppressions.reasons([...addresses, ...addresses])), [
        ["ann@mail.example", "bounce"],
        ["bob@mail.example", "bounce"],
        ["eve@mail.example", "complaint"]
      ])
      yield* suppressions.suppressReported([
        reported("ann@mail.example", "complaint"),
        reported("eve@mail.example", "bounce")
      ])
      const reasons = yield* suppressions.reasons(addresses)
      assert.deepStrictEqual(Array.from(reasons.values()), ["bounce", "bounce", "bounce"])
      assert.strictEqual((yield* suppressions.reasons(addresses).pipe(inGlobex)).size, 0)
    }).pipe(Laboratory.inAcme)
  )

  it.effect("are kept when an answer is cut within a character", () =>
    Effect.gen(function* () {
      const mail = yield* sent("cut")
      const detail = `550 5.1.1 ${"x".repeat(289)}\u{1F4EE} full`
      assert.strictEqual((yield* report({ type: "bounced", mail, detail })).changed, 1)
      const [explanation] = yield* Laboratory.explain("cut", "cut")
      assert.strictEqual(explanation?.reason, `550 5.1.1 ${"x".repeat(289)}\uFFFD`)
    }).pipe(Laboratory.inAcme)
  )

  it.effect("are recorded for the others when the key of one tenant cannot be read", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const broken = yield* sent("broken").pipe(Laboratory.inAcme)
      const sound = yield* sent("sound").pipe(inGlobex)
      yield* suppression("any@mail.example").pipe(Laboratory.inAcme)
      const altered = yield* sql`
        UPDATE hm_secret_key
           SET sealed_key = set_byte(sealed_key, 20, get_byte(sealed_key, 20) # 1)
         WHERE tenant_id = 'acme'
           AND purpose = 'hm_notification_suppression.address_hash'
        RETURNING 1
      `
      assert.lengthOf(altered, 1)
      const answer = yield* report({ type: "bounced", mail: broken }, { type: "bounced", mail: sound })
      assert.deepStrictEqual(answer, { reports: 2, changed: 2 })
      assert.strictEqual(yield* stateOf("broken").pipe(Laboratory.inAcme), "bounced")
      assert.strictEqual(yield* stateOf("sound").pipe(inGlobex), "bounced")
      assert.strictEqual(yield* suppression(sound.address).pipe(inGlobex), "bounce")
      yield* sql`
        DELETE FROM hm_secret_key
         WHERE tenant_id = 'acme'
           AND purpose = 'hm_notification_suppression.address_hash'
      `
    })
  )

  it.effect("are all repeated by the provider when the database failed", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const mail = yield* sent("failed").pipe(Laboratory.inAcme)
      const other = yield* sent("failed-too").pipe(inGlobex)
      const body = bodyOf([
        { type: "bounced", mail },
        { type: "delivered", mail: other }
      ])
      yield* sql`ALTER TABLE hm_notification_suppression RENAME TO hm_notification_suppression_away`
      const answer = yield* post("webhook", body, signed(body)).pipe(
        Effect.ensuring(
          Effect.orDie(
            sql`ALTER TABLE hm_notification_suppression_away RENAME TO hm_notification_suppression`
          )
        )
      )
      assert.isAtLeast(answer.status, 500)
      assert.strictEqual(yield* stateOf("failed").pipe(Laboratory.inAcme), "accepted")
      assert.strictEqual(yield* stateOf("failed-too").pipe(inGlobex), "accepted")
      assert.strictEqual((yield* accepted("webhook", body, signed(body))).changed, 2)
      assert.strictEqual(yield* suppression(mail.address).pipe(Laboratory.inAcme), "bounce")
    })
  )
})

layer(layerWith({ HM_SECRETS_KEYS: "" }), { excludeTestServices: true })("Reports without a key", (it) => {
  it.effect("change the message, suppress nothing, and fail no callback", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const mail = yield* sent("keyless")
      assert.deepStrictEqual(yield* report({ type: "bounced", mail }), { reports: 1, changed: 1 })
      assert.strictEqual(yield* stateOf("keyless"), "bounced")
      assert.deepStrictEqual(yield* report({ type: "complained", mail }), { reports: 1, changed: 1 })
      assert.strictEqual(yield* stateOf("keyless"), "complained")
      const rows = yield* sql`
        SELECT 1
          FROM hm_notification_suppression
         UNION ALL
        SELECT 1
          FROM hm_secret_key
      `
      assert.lengthOf(rows, 0)
    }).pipe(Laboratory.inAcme)
  )
})
