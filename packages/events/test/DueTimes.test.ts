import { assert, describe, it } from "@effect/vitest"
import { planOf } from "@hypermarket/events/internal/duePlan"
import { nextAfter } from "@hypermarket/events/JobSchedules"

describe("Due times", () => {
  const dayMillis = 24 * 60 * 60 * 1_000
  // The cron of core is compared with the wall clock at fifty-two changes.
  const zones = ["Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca"]

  const localOf = (zone: string) => {
    const format = new Intl.DateTimeFormat("en-CA", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit"
    })
    return (at: Date) => {
      const parts = Object.fromEntries(format.formatToParts(at).map((part) => [part.type, part.value]))
      return {
        date: `${parts.year}-${parts.month}-${parts.day}`,
        minutes: Number(parts.hour) * 60 + Number(parts.minute)
      }
    }
  }

  for (const zone of zones) {
    it(`of a daily cron come once each local day of 2026, at its time or by the skipped time later (${zone})`, () => {
      const local = localOf(zone)
      for (const [hour, minute] of [
        [0, 0],
        [1, 30],
        [2, 0],
        [2, 30],
        [12, 15]
      ] as const) {
        const rhythm = { cron: `${minute} ${hour} * * *`, timeZone: zone, everySeconds: null }
        const wanted = hour * 60 + minute
        const days = new Map<string, number>()
        let at = new Date("2026-01-01T12:00:00Z")
        const end = new Date("2027-01-01T12:00:00Z")
        for (;;) {
          const next = nextAfter(rhythm, at)
          if (next === undefined || next > end) break
          assert.isAbove(next.getTime(), at.getTime())
          const { date, minutes } = local(next)
          days.set(date, (days.get(date) ?? 0) + 1)
          // A time that the clock skips comes later by what was skipped, which is an hour at most.
          assert.include(
            minutes === wanted ? [0] : [30, 60],
            minutes - wanted,
            `${zone} ${rhythm.cron} ${next.toISOString()}`
          )
          // Of a time that comes twice, the first.
          const hourBefore = local(new Date(next.getTime() - 3_600_000))
          assert.isFalse(hourBefore.date === date && hourBefore.minutes === minutes, next.toISOString())
          at = next
        }
        const dates = Array.from(days.keys())
        assert.isTrue(
          Array.from(days.values()).every((runs) => runs === 1),
          `${zone} ${rhythm.cron}: twice in a day`
        )
        const first = Date.parse(`${dates[0]}T00:00:00Z`)
        const last = Date.parse(`${dates.at(-1)}T00:00:00Z`)
        assert.strictEqual(
          dates.length,
          (last - first) / dayMillis + 1,
          `${zone} ${rhythm.cron}: a day without a run`
        )
      }
    })
  }

  it("of an hourly cron come every hour of elapsed time over both changes", () => {
    const rhythm = { cron: "0 * * * *", timeZone: "Europe/Berlin", everySeconds: null }
    for (const start of ["2026-03-28T22:00:00Z", "2026-10-24T21:00:00Z"]) {
      let at = new Date(start)
      const gaps: Array<number> = []
      for (let hours = 0; hours < 8; hours++) {
        const next = nextAfter(rhythm, at)
        assert.isDefined(next)
        if (next === undefined) return
        gaps.push((next.getTime() - at.getTime()) / 3_600_000)
        at = next
      }
      // The repeated hour has two runs: a wildcard follows elapsed time.
      assert.deepStrictEqual(new Set(gaps), new Set([1]), `${start}: ${gaps.join(" ")}`)
    }
  })

  it("of a wildcard catch up after an absence exactly what a running worker would have run", () => {
    for (const [cron, timeZone, from, until] of [
      ["*/15 * * * *", "Europe/Helsinki", "2026-10-24T21:00:00Z", "2026-10-25T06:00:00Z"],
      ["*/25 3 * * *", "Europe/Helsinki", "2026-03-28T21:00:00Z", "2026-03-29T12:00:00Z"],
      ["7 */2 * * *", "America/Toronto", "2026-11-01T00:00:00Z", "2026-11-01T18:00:00Z"],
      ["0 9 LW,15W * *", "Europe/Warsaw", "2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z"],
      ["30 23 * * FRI#2,5L", "Asia/Tokyo", "2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z"],
      ["@daily", "Australia/Lord_Howe", "2026-04-01T00:00:00Z", "2026-04-10T00:00:00Z"]
    ] as const) {
      const rhythm = { cron, timeZone, everySeconds: null }
      const end = new Date(until)
      const first = nextAfter(rhythm, new Date(from))
      if (first === undefined) throw new Error(`${cron} never comes`)
      const times: Array<Date> = []
      for (let at: Date | undefined = first; at !== undefined && at <= end; at = nextAfter(rhythm, at)) {
        times.push(at)
      }
      assert.isAbove(times.length, 1)
      const plan = planOf(
        {
          ...rhythm,
          tenantId: "t",
          scheduleId: "s",
          queue: "q",
          type: "t",
          payload: "null",
          overlap: "queue",
          catchUp: "all",
          catchUpSeconds: 400 * 86_400,
          jitterSeconds: 0,
          nextAt: first,
          lastJobId: null,
          pending: 0
        },
        end
      )
      assert.deepStrictEqual(plan.times, times, `${cron} ${timeZone}`)
    }
  })

  it("of a schedule that runs once are never lost, however late: only those that catch up nothing are skipped", () => {
    const once = (catchUp: "none" | "one") =>
      planOf(
        {
          cron: null,
          timeZone: "UTC",
          everySeconds: null,
          tenantId: "t",
          scheduleId: "s",
          queue: "q",
          type: "t",
          payload: "null",
          overlap: "queue",
          catchUp,
          catchUpSeconds: 3_600,
          jitterSeconds: 0,
          nextAt: new Date("2026-02-01T00:00:00Z"),
          lastJobId: null,
          pending: 0
        },
        new Date("2026-02-09T12:00:00Z")
      ).times.map((at) => at.toISOString())
    assert.deepStrictEqual(once("one"), ["2026-02-01T00:00:00.000Z"])
    assert.deepStrictEqual(once("none"), [])
  })

  it("of 29 February are found, of 30 February not", () => {
    const of = (cron: string) =>
      nextAfter({ cron, timeZone: "UTC", everySeconds: null }, new Date("2026-01-01T00:00:00Z"))
    assert.strictEqual(of("0 0 29 2 *")?.toISOString(), "2028-02-29T00:00:00.000Z")
    assert.isUndefined(of("0 0 30 2 *"))
  })
})
