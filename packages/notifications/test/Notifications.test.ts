import { assert, layer } from "@effect/vitest"
import * as Commerce from "@hypermarket/core/Commerce"
import { AllTenants } from "@hypermarket/core/Tenant"
import { NotificationProfiles } from "@hypermarket/notifications/NotificationProfiles"
import * as NotificationsDomain from "@hypermarket/notifications/NotificationsDomain"
import { Notifications } from "@hypermarket/notifications/Notifications"
import { Effect, Exit, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"

const TestLayer = Laboratory.layer().pipe(Layer.provideMerge(MailServer.layer()))

layer(TestLayer, { excludeTestServices: true })("Notifications", (it) => {
  it.effect("reach the recipient's mailbox in the best locale, once per key", () =>
    Effect.gen(function* () {
      const server = yield* MailServer.MailServer
      yield* Laboratory.seed
      yield* Laboratory.customer("ann")
      yield* Laboratory.customer("bea", { locale: "de-AT" })
      const first = yield* Laboratory.trigger("o-1", { customer: "ann" })
      assert.isFalse(first.duplicate)
      const second = yield* Laboratory.trigger("o-1", { customer: "ann" })
      assert.deepInclude(second, { duplicate: true, triggerId: first.triggerId })
      yield* Laboratory.trigger("o-2", { customer: "bea" })
      yield* Laboratory.work
      const mails = yield* Effect.forEach(server.received, MailServer.read)
      const subjects = mails
        .filter(({ subject }) => subject?.includes("o-") === true)
        .map(({ subject, to }) => [to?.[0]?.address, subject])
        .toSorted()
      assert.deepStrictEqual(subjects, [
        ["ann@mail.example", "Order o-1"],
        ["bea@mail.example", "Bestellung o-2"]
      ])
      assert.deepStrictEqual(yield* Laboratory.explain("o-1", "ann"), [
        { channel: "email", state: "accepted", reason: null, until: null }
      ])
    }).pipe(Laboratory.inAcme)
  )

  it.effect("leave nothing when the caller's transaction rolls back", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const notifications = yield* Notifications
      yield* Laboratory.seed
      const exit = yield* sql
        .withTransaction(
          Effect.andThen(Laboratory.trigger("gone", { customer: "ann" }), Effect.fail("roll back"))
        )
        .pipe(Effect.exit)
      assert.isTrue(Exit.isFailure(exit))
      const error = yield* Effect.flip(notifications.explain({ key: "gone", to: { customer: "ann" } }))
      assert.strictEqual(error._tag, "NotificationNotFound")
      assert.isFalse((yield* Laboratory.trigger("gone", { customer: "ann" })).duplicate)
    }).pipe(Laboratory.inAcme)
  )

  it.effect("keep a seller whose long name is cut within a character, and the sellers beside it", () =>
    Effect.gen(function* () {
      const profiles = yield* NotificationProfiles
      const { subscriptions } = yield* NotificationsDomain.domain.start
      const type = Commerce.typeOf("seller.changed")
      const names = {
        long: `${"n".repeat(199)}\u{1F33B} garden`,
        lines: "Ann\r\nBcc: eve@mail.example",
        short: "Bo"
      }
      const events = Object.entries(names).map(([sellerId, name], index) => ({
        id: sellerId,
        source: "/shop",
        type,
        time: new Date(),
        data: { sellerId, version: index + 3, name, contact: `${sellerId}@seller.example` }
      }))
      const subscription = subscriptions.find(({ types }) => types.includes(type))
      yield* subscription?.handler(events) ?? Effect.die("no subscription")
      const nameOf = (seller: string) => Effect.map(profiles.get({ seller }), ({ name }) => name)
      assert.strictEqual(yield* nameOf("long"), `${"n".repeat(199)}\uFFFD`)
      assert.strictEqual(yield* nameOf("lines"), "Ann Bcc: eve@mail.example")
      assert.strictEqual(yield* nameOf("short"), "Bo")
    }).pipe(Effect.provideService(AllTenants, { actor: "test" }), Effect.scoped, Laboratory.inAcme)
  )
})
