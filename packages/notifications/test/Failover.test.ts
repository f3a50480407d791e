import { assert, describe, it, layer } from "@effect/vitest"
import { NotificationProfiles } from "@hypermarket/notifications/NotificationProfiles"
import * as Failover from "@hypermarket/notifications/internal/mail/failover"
import type { Outcome } from "@hypermarket/notifications/internal/mail/outcome"
import { Context, Effect, Layer } from "effect"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"

class Fallback extends Context.Service<Fallback, MailServer.MailServer["Service"]>()(
  "@hypermarket/notifications/test/Fallback"
) {}

const TestLayer = Layer.unwrap(
  Effect.map(Fallback, ({ url }) => Laboratory.layer({ HM_NOTIFICATIONS_SMTP_FALLBACK_URL: url }))
).pipe(Layer.provideMerge(Layer.effect(Fallback, MailServer.make())), Layer.provideMerge(MailServer.layer()))

const sendTo = (list: string, members: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const profiles = yield* NotificationProfiles
    yield* Laboratory.seed
    for (const id of members) yield* Laboratory.customer(id)
    yield* profiles.changeList({ list, add: members.map((customer) => ({ customer })) })
    yield* Laboratory.trigger(list, { list })
    yield* Laboratory.work
  })

const membersOf = (list: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${list}-${index}`)

const reached = ({ received }: MailServer.MailServer["Service"], list: string) =>
  received.flatMap(({ to }) => to.filter((address) => address.startsWith(`${list}-`))).toSorted()

layer(TestLayer, { excludeTestServices: true })("Two mail servers", (it) => {
  it.effect("a message in doubt never goes to the second server", () =>
    Effect.gen(function* () {
      const primary = yield* MailServer.MailServer
      const fallback = yield* Fallback
      primary.behaviour.current = {
        ...MailServer.plain,
        hangsUp: (address) => address === "doubt-1@mail.example"
      }
      yield* sendTo("doubt", membersOf("doubt", 3))
      primary.behaviour.current = MailServer.plain
      assert.deepInclude((yield* Laboratory.explain("doubt", "doubt-1"))[0], {
        state: "retry",
        reason: "outcome-unknown"
      })
      assert.lengthOf(reached(primary, "doubt"), 3)
      assert.deepStrictEqual(reached(fallback, "doubt"), [])
    }).pipe(Laboratory.inAcme)
  )

  it.effect("a refusal for good stays one: the second server is not asked", () =>
    Effect.gen(function* () {
      const primary = yield* MailServer.MailServer
      const fallback = yield* Fallback
      primary.behaviour.current = {
        ...MailServer.plain,
        refuse: () => ({ code: 554, text: "5.7.1 Blocked" })
      }
      yield* sendTo("refused", membersOf("refused", 2))
      primary.behaviour.current = MailServer.plain
      assert.deepInclude((yield* Laboratory.explain("refused", "refused-0"))[0], { state: "dead" })
      assert.deepStrictEqual(reached(fallback, "refused"), [])
    }).pipe(Laboratory.inAcme)
  )

  it.effect(
    "a message whose connection the server had closed meanwhile is in no doubt, and goes out once",
    () =>
      Effect.gen(function* () {
        const primary = yield* MailServer.MailServer
        const fallback = yield* Fallback
        const sql = yield* SqlClient.SqlClient
        primary.behaviour.current = { ...MailServer.plain, closesReused: true }
        yield* sendTo("idle", membersOf("idle", 8))
        primary.behaviour.current = MailServer.plain
        assert.lengthOf([...reached(primary, "idle"), ...reached(fallback, "idle")], 8)
        const [row] = yield* sql<{ readonly uncertain: number; readonly accepted: number }>`
        SELECT sum(uncertain)::int AS uncertain, count(*) FILTER (WHERE state = 'accepted')::int AS accepted
          FROM hm_notification_queue
         WHERE recipient_id LIKE 'idle-%'
      `
        assert.deepStrictEqual(row, { uncertain: 0, accepted: 8 })
      }).pipe(Laboratory.inAcme)
  )
})

layer(TestLayer, { excludeTestServices: true })("A second mail server", (it) => {
  it.effect("takes every message while the first is unavailable, which is soon left alone", () =>
    Effect.gen(function* () {
      const primary = yield* MailServer.MailServer
      const fallback = yield* Fallback
      let asked = 0
      primary.behaviour.current = {
        ...MailServer.plain,
        refuse: () => {
          asked++
          return { code: 421, text: "4.3.2 Closing" }
        }
      }
      const members = membersOf("outage", 40)
      yield* sendTo("outage", members)
      primary.behaviour.current = MailServer.plain
      assert.deepStrictEqual(
        reached(fallback, "outage"),
        members.map((id) => `${id}@mail.example`).toSorted()
      )
      assert.deepStrictEqual(reached(primary, "outage"), [])
      // The circuit opens at five; messages that were on their way by then still ask.
      assert.isAtLeast(asked, 5)
      assert.isAtMost(asked, 10)
      assert.deepInclude((yield* Laboratory.explain("outage", "outage-39"))[0], { state: "accepted" })
    }).pipe(Laboratory.inAcme)
  )
})

const accepted: Outcome = { _tag: "accepted", detail: "250 ok", isUnavailable: false }
const down: Outcome = { _tag: "deferred", detail: "ECONNREFUSED", isUnavailable: true }

describe("A mail server whose circuit is open", () => {
  it.effect("is asked again after half a minute, by one message", () =>
    Effect.gen(function* () {
      const calls = { primary: 0, fallback: 0 }
      let isUp = false
      const send = yield* Failover.make([
        {
          name: "primary",
          send: () =>
            Effect.sync(() => {
              calls.primary++
              return isUp ? accepted : down
            })
        },
        {
          name: "fallback",
          send: () =>
            Effect.sync(() => {
              calls.fallback++
              return accepted
            })
        }
      ])
      const once = send({ from: "shop@shop.example", to: "a@mail.example" }, new Uint8Array())
      for (let n = 0; n < 12; n++) assert.strictEqual((yield* once)._tag, "accepted")
      assert.deepStrictEqual(calls, { primary: 5, fallback: 12 })
      yield* TestClock.adjust("31 seconds")
      yield* once
      // It has failed its probe: alone again.
      yield* once
      assert.deepStrictEqual(calls, { primary: 6, fallback: 14 })
      isUp = true
      yield* TestClock.adjust("31 seconds")
      for (let n = 0; n < 3; n++) yield* once
      assert.deepStrictEqual(calls, { primary: 9, fallback: 14 })
    }).pipe(Effect.scoped, Effect.provide(CircuitBreaker.layerStoreMemory()))
  )

  it.effect("leaves a message to be retried when no server is left", () =>
    Effect.gen(function* () {
      const send = yield* Failover.make([{ name: "primary", send: () => Effect.succeed(down) }])
      const once = send({ from: "shop@shop.example", to: "a@mail.example" }, new Uint8Array())
      for (let n = 0; n < 7; n++) {
        assert.deepInclude(yield* once, { _tag: "deferred", isUnavailable: true })
      }
    }).pipe(Effect.scoped, Effect.provide(CircuitBreaker.layerStoreMemory()))
  )
})
