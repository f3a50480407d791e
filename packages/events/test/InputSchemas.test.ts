import { assert, describe, it } from "@effect/vitest"
import { Discard, Redrive } from "@hypermarket/events/EventQueue"
import {
  NewSubscription,
  SubscriptionChange,
  WantedSubscription
} from "@hypermarket/events/EventSubscription"
import { NewSchedule } from "@hypermarket/events/JobSchedule"
import { NewWebhook } from "@hypermarket/events/Webhook"
import { Effect, Schema } from "effect"

/** Text that no column of Postgres can hold. */
const unstorable = ["a\u0000", "\u0000", "\ud83d", "b\udc12c"]

const schedule = { name: "n", queue: "q", type: "t", everySeconds: 60 }
const subscription = { name: "n", queue: "q", filters: [] }

/** Refuses the value, and returns what it says. */
const refusalOf = (schema: Schema.ConstraintDecoder<unknown>, value: unknown) =>
  Schema.decodeUnknownEffect(schema)(value).pipe(Effect.flip, Effect.map(String))

describe("The schemas of requests", () => {
  it.effect("refuse text that no column can hold, in schedules, subscriptions, redrives and webhooks", () =>
    Effect.gen(function* () {
      for (const bad of unstorable) {
        const cases: ReadonlyArray<
          readonly [schema: Schema.ConstraintDecoder<unknown>, path: string, value: object]
        > = [
          [NewSchedule, '["name"]', { ...schedule, name: bad }],
          [NewSchedule, '["type"]', { ...schedule, type: bad }],
          [NewSchedule, '["payload"]', { ...schedule, payload: { deep: [bad] } }],
          [NewSchedule, '["payload"]', { ...schedule, payload: { [bad]: 1 } }],
          [NewSubscription, '["name"]', { ...subscription, name: bad }],
          [NewSubscription, '["filters"]', { ...subscription, filters: [{ prefix: { subject: bad } }] }],
          [SubscriptionChange, '["name"]', { name: bad }],
          [WantedSubscription, '["filters"]', { queue: "q", filters: [{ not: { exact: { source: bad } } }] }],
          [Redrive, '["type"]', { type: bad }],
          [Discard, '["type"]', { type: bad }],
          [NewWebhook, '["description"]', { url: "https://partner.example/", description: bad }]
        ]
        for (const [schema, path, value] of cases) {
          assert.include(yield* refusalOf(schema, value), path, JSON.stringify(value))
        }
      }
    })
  )

  it.effect("refuse a schedule's payload above 256 KiB, and a time beyond what a column holds", () =>
    Effect.gen(function* () {
      const payload = "\u00e4".repeat(128 * 1024)
      assert.include(yield* refusalOf(NewSchedule, { ...schedule, payload }), '["payload"]')
      yield* Schema.decodeUnknownEffect(NewSchedule)({ ...schedule, payload: payload.slice(1) })
      for (const runAt of [
        "-005000-01-01T00:00:00Z",
        "+275760-09-13T00:00:00Z",
        "2026-02-29T10:00:00Z",
        "5"
      ]) {
        assert.include(yield* refusalOf(NewSchedule, { ...schedule, runAt }), '["runAt"]', runAt)
      }
    })
  )
})
