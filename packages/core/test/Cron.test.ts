import { assert, describe, it } from "@effect/vitest"
import * as Cron from "@hypermarket/core/Cron"
import { Result, Schema } from "effect"
import { cron, timesForwards, utc, zone } from "./calendars.ts"

describe("Cron", () => {
  const zones = Schema.Literals([
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Apia"
  ])
  const patterns = Schema.Literals([
    "*/7 * * * *",
    "0 9 * * 1-5",
    "0 0 L * *",
    "30 1 1,15 * 5",
    "*/20 30 2 * * *",
    "0 12 29 2 *"
  ])
  const Millis = Schema.Int.check(
    Schema.isBetween({ minimum: Date.UTC(2011, 0), maximum: Date.UTC(2040, 0) })
  )

  it.prop("leads back to where it came from", [zones, patterns, Millis], ([id, expression, millis]) => {
    const { next, prev } = cron(expression)
    const after = new Date(millis)
    const following = next(after, zone(id))
    const before = prev(after, zone(id))
    if (following === undefined || before === undefined) throw new Error("Expected a time on both sides")
    assert.isAbove(following.getTime(), millis)
    assert.isBelow(before.getTime(), millis)
    // At the instant itself there is a time or there is none; on both sides nothing is between.
    const here = prev(following, zone(id))
    assert.isTrue(here?.getTime() === before.getTime() || here?.getTime() === millis)
  })

  it("counts neither the instant of next nor that of prev", () => {
    const at = new Date("2026-01-01T09:00:00Z")
    assert.strictEqual(cron("0 9 * * *").next(at, utc)?.toISOString(), "2026-01-02T09:00:00.000Z")
    assert.strictEqual(cron("0 9 * * *").prev(at, utc)?.toISOString(), "2025-12-31T09:00:00.000Z")
    assert.strictEqual(
      cron("0 9 * * *")
        .next(new Date(at.getTime() - 1), utc)
        ?.toISOString(),
      at.toISOString()
    )
  })

  it("ends days and weekdays as Vixie's cron does: either, unless one begins with a wildcard", () => {
    const first = (expression: string) =>
      timesForwards(expression, "UTC", Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 14)).map((time) =>
        time.slice(8, 10)
      )
    assert.deepStrictEqual(first("0 0 5,13 * 1"), ["05", "12", "13"])
    assert.deepStrictEqual(first("0 0 */2 * 1"), ["05"])
    assert.deepStrictEqual(first("0 0 * * 0"), ["04", "11"])
    assert.deepStrictEqual(first("0 0 * * 7"), ["04", "11"])
  })

  it("finds the last day of each month by L, and 29 February over the year that has none", () => {
    const days = timesForwards("0 0 L * *", "UTC", Date.UTC(2028, 0, 1), Date.UTC(2028, 4, 1))
    assert.deepStrictEqual(
      days.map((time) => time.slice(0, 10)),
      ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]
    )
    const february = cron("0 0 29 2 *").next(new Date("2096-03-01T00:00:00Z"), utc)
    assert.strictEqual(february?.toISOString(), "2104-02-29T00:00:00.000Z")
  })

  it("knows the names of rhythms, months and weekdays", () => {
    const next = (expression: string) =>
      cron(expression).next(new Date("2026-01-01T00:00:00Z"), utc)?.toISOString()
    assert.strictEqual(next("@daily"), next("0 0 * * *"))
    assert.strictEqual(next("@Monthly"), next("0 0 1 * *"))
    assert.strictEqual(next("0 0 * jul fri"), "2026-07-03T00:00:00.000Z")
  })

  it("refuses, in a sentence, what it does not know and what never comes", () => {
    const cases = [
      ["* * * *", /five fields/],
      ["* * * * * * *", /five fields/],
      ["60 * * * *", /between 0 and 59/],
      ["*/0 * * * *", /greater than 0/],
      ["0 0 32W * *", /32W/],
      ["0 0 L-31 * *", /L-31/],
      ["0 0 W * *", /W/],
      ["0 0 * * 5#6", /5#6/],
      ["0 0 * * 8L", /8L/],
      ["0 0 * * L", /L/],
      ["0 25-2 * * *", /25/],
      ["0 22-2/0 * * *", /./],
      ["0 0 2#1 * *", /2#1/],
      ["0 0 31 4 *", /never comes/],
      ["0 0 30 2 *", /never comes/],
      ["0 0 31 2,4,6 *", /never comes/],
      ["@reboot", /@daily/],
      ["constructor", /@daily/],
      ["__proto__", /@daily/],
      ["toString", /@daily/],
      ["", /five fields/],
      [`${"0,".repeat(100)}0 * * * *`, /at most 200/]
    ] as const
    for (const [expression, message] of cases) {
      const result = Cron.parse(expression)
      assert.match(Result.isFailure(result) ? result.failure : "accepted", message, expression)
    }
  })

  it("ends its search for a time that is too far away, on both sides", () => {
    // 29 February on a Sunday: 2032, and 2060 after it.
    const rare = cron("0 0 29 2 */7")
    assert.strictEqual(
      rare.next(new Date("2031-01-01T00:00:00Z"), utc)?.toISOString(),
      "2032-02-29T00:00:00.000Z"
    )
    assert.isUndefined(rare.next(new Date("2033-01-01T00:00:00Z"), utc))
    assert.isUndefined(rare.prev(new Date("2059-01-01T00:00:00Z"), utc))
    assert.isUndefined(cron("* * * * *").next(new Date(Number.NaN), utc))
  })
})
