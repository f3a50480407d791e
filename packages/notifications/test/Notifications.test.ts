import { assert, layer } from "@effect/vitest"
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
})
