/** Held messages whose recipients move to another zone, on days on which the clocks of both change. */
import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { NotificationProfiles } from "@hypermarket/notifications/NotificationProfiles"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"

const minuteMillis = 60_000
const dayMinutes = 1_440

/** By the runtime's formatter, which knows nothing of our calendar. */
const minuteIn = (zone: string, millis: number): number => {
  const [hours = "0", minutes = "0"] = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23"
  })
    .format(millis)
    .split(":")
  return Number(hours) * 60 + Number(minutes)
}

const textOf = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`

interface Window {
  readonly from: number
  readonly until: number
}

const isQuiet = ({ from, until }: Window, minute: number): boolean =>
  from < until ? minute >= from && minute < until : minute >= from || minute < until

/** The first minute that is not quiet; undefined when this one is not. */
const releaseIn = (zone: string, window: Window, now: number): number | undefined => {
  let at = now
  while (isQuiet(window, minuteIn(zone, at))) at += minuteMillis
  return at === now ? undefined : at
}

/** Each zone with the instants of its two changes in 2027. */
const changes: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
  ["Australia/Lord_Howe", ["2027-04-03T15:00:00Z", "2027-10-02T15:30:00Z"]],
  ["Pacific/Chatham", ["2027-04-03T14:00:00Z", "2027-09-25T14:00:00Z"]],
  ["America/Santiago", ["2027-04-04T03:00:00Z", "2027-09-05T04:00:00Z"]],
  ["Europe/Vienna", ["2027-03-28T01:00:00Z", "2027-10-31T01:00:00Z"]],
  ["America/New_York", ["2027-03-14T07:00:00Z", "2027-11-07T06:00:00Z"]],
  ["America/St_Johns", ["2027-03-14T05:30:00Z", "2027-11-07T04:30:00Z"]],
  ["Australia/Adelaide", ["2027-04-03T16:30:00Z", "2027-10-02T16:30:00Z"]],
  ["Atlantic/Azores", ["2027-03-28T01:00:00Z", "2027-10-31T01:00:00Z"]]
]

const TestLayer = Laboratory.layer().pipe(Layer.provideMerge(MailServer.layer()))

layer(TestLayer, { excludeTestServices: true })("Quiet hours", (it) => {
  it.effect(
    "are kept as local time and zone, never as UTC or offset: also when the zone changes meanwhile",
    () =>
      Effect.gen(function* () {
        const clock = yield* Now.TestNow
        const profiles = yield* NotificationProfiles
        const sql = yield* SqlClient.SqlClient
        const delivery = yield* Laboratory.delivery
        yield* Laboratory.seed
        let held = 0
        for (const [index, [zone, instants]] of changes.entries()) {
          const [other = "UTC"] = changes[(index + 1) % changes.length] ?? []
          for (const [which, instant] of instants.entries()) {
            const id = `zone-${index}-${which}`
            // Ten minutes before the clock changes, within a window that ends after it.
            const now = Date.parse(instant) - 10 * minuteMillis
            const minute = minuteIn(zone, now)
            const window = {
              from: (minute - 60 + dayMinutes) % dayMinutes,
              until: (minute + 145) % dayMinutes
            }
            yield* clock.set(new Date(now))
            const move = (timeZone: string) =>
              profiles.set({
                to: { customer: id },
                email: `${id}@mail.example`,
                timeZone,
                quiet: { from: textOf(window.from), until: textOf(window.until) }
              })
            yield* move(zone)
            const send = (key: string, critical: boolean) =>
              Effect.gen(function* () {
                const { triggerId } = yield* Laboratory.trigger(
                  key,
                  { customer: id },
                  { category: "reviews", critical }
                )
                yield* Laboratory.expand(triggerId)
                return yield* deliver(triggerId)
              })
            const deliver = (triggerId: string) =>
              Effect.gen(function* () {
                const rows = yield* sql<{ readonly id: string }>`
                SELECT notification_id::text AS id
                  FROM hm_notification_queue
                 WHERE trigger_id = ${triggerId}::uuid
              `
                yield* delivery.send(rows.map((row) => row.id))
                return triggerId
              })
            const expect = (key: string, until: number | undefined, where: string) =>
              Effect.gen(function* () {
                const [explanation] = yield* Laboratory.explain(key, id)
                assert.strictEqual(explanation?.state, until === undefined ? "accepted" : "held", where)
                if (until !== undefined)
                  assert.strictEqual(explanation?.until?.epochMilliseconds, until, where)
              })
            const triggerId = yield* send(id, false)
            yield* expect(id, releaseIn(zone, window, now), `${zone} at ${instant}`)
            yield* send(`${id}-critical`, true)
            yield* expect(`${id}-critical`, undefined, `critical in ${zone}`)
            yield* move(other)
            yield* deliver(triggerId)
            const moved = releaseIn(other, window, now)
            yield* expect(id, moved, `${zone} to ${other} at ${instant}`)
            if (moved === undefined) continue
            held++
            yield* clock.set(new Date(moved))
            yield* deliver(triggerId)
            yield* expect(id, undefined, `${other} at the end`)
          }
        }
        // Some of the moves are into a zone where it is quiet, too.
        assert.isAbove(held, 1)
      }).pipe(Laboratory.inAcme)
  )
})
