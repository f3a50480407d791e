import { assert, describe, it } from "@effect/vitest"
import * as CalendarTime from "@hypermarket/core/CalendarTime"
import { Result, Schema } from "effect"
import { utc, zone } from "./calendars.ts"

describe("CalendarTime", () => {
  it("refuses abbreviations, removed zones and names that are none", () => {
    for (const id of [
      "PST",
      "EST",
      "US/Pacific-New",
      "Mars/Phobos",
      "+02:00",
      "",
      "Europe/Berlin ",
      "x".repeat(100)
    ]) {
      assert.isTrue(Result.isFailure(CalendarTime.zone(id)), id)
    }
    for (const id of ["UTC", "GMT", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"]) {
      assert.isTrue(Result.isSuccess(CalendarTime.zone(id)), id)
    }
  })

  it("shows the wall clock of a zone", () => {
    assert.deepStrictEqual(
      CalendarTime.wallClock(zone("Asia/Kathmandu"), new Date("2026-01-31T23:59:58.007Z")),
      {
        year: 2026,
        month: 2,
        day: 1,
        hour: 5,
        minute: 44,
        second: 58,
        millisecond: 7,
        weekday: 0,
        offsetSeconds: 20_700
      }
    )
  })

  it("has days of 23, 24 and 25 hours, half-open and without a gap", () => {
    const berlin = zone("Europe/Berlin")
    const days = CalendarTime.periods(new Date("2026-01-01T00:00:00+01:00"), berlin, "day")
    const hours = (at: string) => {
      const { end, start } = days.containing(new Date(at))
      return (end.getTime() - start.getTime()) / 3_600_000
    }
    assert.deepStrictEqual(
      ["2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z", "2026-10-25T12:00:00Z"].map(hours),
      [24, 23, 25]
    )
    const first = days.at(0)
    assert.deepStrictEqual(days.containing(first.start), first)
    assert.strictEqual(days.containing(first.end).index, 1)
    assert.strictEqual(days.containing(new Date(first.end.getTime() - 1)).index, 0)
  })

  it("begins months of an anchor on the 31st at their last day, and at the 31st again", () => {
    const months = CalendarTime.periods(new Date("2026-01-31T09:30:00Z"), utc, "month")
    assert.deepStrictEqual(
      [-2, -1, 0, 1, 2, 3, 13].map((index) => months.at(index).start.toISOString().slice(0, 16)),
      [
        "2025-11-30T09:30",
        "2025-12-31T09:30",
        "2026-01-31T09:30",
        "2026-02-28T09:30",
        "2026-03-31T09:30",
        "2026-04-30T09:30",
        "2027-02-28T09:30"
      ]
    )
  })

  it("moves a period that begins in a skipped hour later by what was skipped", () => {
    const days = CalendarTime.periods(new Date("2026-03-28T02:30:00+01:00"), zone("Europe/Berlin"), "day")
    assert.deepStrictEqual(
      [1, 2].map((index) => days.at(index).start.toISOString()),
      ["2026-03-29T01:30:00.000Z", "2026-03-30T00:30:00.000Z"]
    )
  })

  it("has an empty period for the day that Samoa skipped", () => {
    const days = CalendarTime.periods(new Date("2011-12-29T00:00:00-10:00"), zone("Pacific/Apia"), "day")
    const [skipped, following] = [days.at(1), days.at(2)]
    assert.strictEqual(skipped.start.getTime(), skipped.end.getTime())
    assert.deepStrictEqual(days.containing(skipped.start), following)
  })

  const Units = Schema.Literals(["hour", "day", "week", "month", "quarter", "year"])
  const Zones = Schema.Literals([
    "UTC",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Havana",
    "Pacific/Apia"
  ])
  const Millis = Schema.Int.check(
    Schema.isBetween({ minimum: Date.UTC(2005, 0), maximum: Date.UTC(2035, 0) })
  )

  it.prop(
    "puts every instant into exactly one period, and periods one after another",
    [Units, Zones, Millis, Millis],
    ([unit, id, anchorMillis, millis]) => {
      const periods = CalendarTime.periods(new Date(anchorMillis), zone(id), unit)
      const { end, index, start } = periods.containing(new Date(millis))
      assert.isAtMost(start.getTime(), millis)
      assert.isAbove(end.getTime(), millis)
      assert.strictEqual(periods.at(index + 1).start.getTime(), end.getTime())
      assert.strictEqual(periods.at(index - 1).end.getTime(), start.getTime())
      assert.strictEqual(periods.at(0).start.getTime(), anchorMillis)
    }
  )

  it.prop(
    "finds the instant that a wall clock shows, at its first occurrence",
    [Zones, Millis],
    ([id, millis]) => {
      const clock = CalendarTime.wallClock(zone(id), new Date(millis))
      const instant = CalendarTime.instantOf(zone(id), clock)
      const again = CalendarTime.wallClock(zone(id), instant)
      assert.deepStrictEqual({ ...again, offsetSeconds: 0 }, { ...clock, millisecond: 0, offsetSeconds: 0 })
      assert.isAtMost(instant.getTime(), millis)
    }
  )
})
