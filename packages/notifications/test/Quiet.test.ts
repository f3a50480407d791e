import { assert, describe, it } from "@effect/vitest"
import * as CalendarTime from "@hypermarket/core/CalendarTime"
import { Result } from "effect"
import * as Quiet from "@hypermarket/notifications/internal/quiet"

const minuteMillis = 60_000
const dayMinutes = 1_440

/** The local minute of the day by the runtime's own formatter, which knows nothing of our calendar. */
const oracleOf = (zone: string) => {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23"
  })
  return (millis: number): number => {
    const [hours = "0", minutes = "0"] = format.format(millis).split(":")
    return Number(hours) * 60 + Number(minutes)
  }
}

const zoneOf = (id: string): CalendarTime.Zone => Result.getOrThrow(CalendarTime.zone(id))

/** Zones with the first UTC day of each of their two changes in 2026, and one without. */
const changes: Readonly<Record<string, ReadonlyArray<string>>> = {
  "Europe/Berlin": ["2026-03-28", "2026-10-24"],
  "America/New_York": ["2026-03-07", "2026-10-31"],
  "America/St_Johns": ["2026-03-07", "2026-10-31"],
  "America/Santiago": ["2026-04-04", "2026-09-05"],
  "Australia/Lord_Howe": ["2026-04-04", "2026-10-03"],
  "Pacific/Chatham": ["2026-04-04", "2026-09-26"],
  "Asia/Beirut": ["2026-03-28", "2026-10-24"],
  "Atlantic/Azores": ["2026-03-28", "2026-10-24"],
  "Asia/Kolkata": ["2026-03-28"]
}

/** Some end inside what a clock skips or repeats. */
const windows = [
  { from: 22 * 60, until: 7 * 60 },
  { from: 23 * 60 + 30, until: 2 * 60 + 15 },
  { from: 1 * 60, until: 2 * 60 + 30 }
]

const isQuiet = ({ from, until }: Quiet.Quiet, minute: number): boolean =>
  from < until ? minute >= from && minute < until : minute >= from || minute < until

describe("Quiet hours", () => {
  for (const [zone, days] of Object.entries(changes)) {
    it(`equal a minute-by-minute oracle around the changes of the clock in ${zone}`, () => {
      const minuteOf = oracleOf(zone)
      for (const day of days) {
        const start = Date.parse(`${day}T00:00:00Z`)
        const minutes = Array.from({ length: 3 * dayMinutes }, (_, step) =>
          minuteOf(start + step * minuteMillis)
        )
        for (const quiet of windows) {
          // From the end, so that each minute knows the next one that is not quiet.
          let release = -1
          for (let step = minutes.length - 1; step >= 0; step--) {
            const now = isQuiet(quiet, minutes[step] ?? 0)
            if (!now) release = step
            if (release < 0 || step >= 2 * dayMinutes) continue
            const until = Quiet.releaseAt(quiet, zoneOf(zone), new Date(start + step * minuteMillis))
            const expected = now ? start + release * minuteMillis : undefined
            if (until?.getTime() !== expected) {
              assert.strictEqual(
                until?.toISOString(),
                expected === undefined ? undefined : new Date(expected).toISOString(),
                `${zone} ${JSON.stringify(quiet)} at ${new Date(start + step * minuteMillis).toISOString()}`
              )
            }
          }
        }
      }
    })
  }

  it("end at a whole minute, whatever second they are asked at", () => {
    const at = new Date("2026-05-01T22:15:31.250Z")
    const until = Quiet.releaseAt({ from: 22 * 60, until: 7 * 60 }, zoneOf("UTC"), at)
    assert.strictEqual(until?.toISOString(), "2026-05-02T07:00:00.000Z")
  })
})
