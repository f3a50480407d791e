import { assert, describe, it } from "@effect/vitest"
import * as CalendarTime from "@hypermarket/core/CalendarTime"
import * as Cron from "@hypermarket/core/Cron"
import { Result, Schema } from "effect"

const minuteMillis = 60_000
const dayMillis = 86_400_000

const zone = (id: string) => Result.getOrThrow(CalendarTime.zone(id))
const cron = (expression: string) =>
  Result.getOrThrowWith(Cron.parse(expression), (message) => new Error(`${expression}: ${message}`))
const utc = zone("UTC")

/** Every time in [from, until), walking forwards or backwards. */
const timesForwards = (
  expression: string,
  id: string,
  from: number,
  until: number
): ReadonlyArray<string> => {
  const { next } = cron(expression)
  const times: Array<string> = []
  let at = next(new Date(from - 1), zone(id))
  while (at !== undefined && at.getTime() < until) {
    times.push(at.toISOString())
    at = next(at, zone(id))
  }
  return times
}

const timesBackwards = (
  expression: string,
  id: string,
  from: number,
  until: number
): ReadonlyArray<string> => {
  const { prev } = cron(expression)
  const times: Array<string> = []
  let at = prev(new Date(until), zone(id))
  while (at !== undefined && at.getTime() >= from) {
    times.unshift(at.toISOString())
    at = prev(at, zone(id))
  }
  return times
}

/** The day on which the clocks change; the search is compared from the day before until two days after. */
const transitions = [
  "Europe/Berlin 2026-03-29",
  "Europe/Berlin 2026-10-25",
  "Europe/Dublin 2026-03-29",
  "Europe/Dublin 2026-10-25",
  "Europe/Simferopol 2014-03-30",
  "America/New_York 2026-03-08",
  "America/New_York 2026-11-01",
  "America/St_Johns 2026-03-08",
  "America/St_Johns 2026-11-01",
  "America/Havana 2026-03-08",
  "America/Havana 2026-11-01",
  "America/Sao_Paulo 2018-11-04",
  "America/Sao_Paulo 2019-02-17",
  "America/Caracas 2016-05-01",
  "Africa/Cairo 2026-04-24",
  "Africa/Cairo 2026-10-30",
  "Africa/Casablanca 2026-02-15",
  "Africa/Casablanca 2026-03-22",
  "Asia/Beirut 2026-03-29",
  "Asia/Beirut 2026-10-25",
  "Asia/Kathmandu 1986-01-01",
  "Asia/Pyongyang 2018-05-05",
  "Australia/Lord_Howe 2026-04-05",
  "Australia/Lord_Howe 2026-10-04",
  "Pacific/Auckland 2026-04-05",
  "Pacific/Auckland 2026-09-27",
  "Pacific/Apia 2011-12-30",
  "Pacific/Apia 2012-04-01",
  "Pacific/Kwajalein 1993-08-21",
  "Antarctica/Troll 2026-03-29",
  "Antarctica/Troll 2026-10-25",
  "Antarctica/Casey 2023-03-09"
].map((text) => {
  const [id = "", day = ""] = text.split(" ")
  const start = Date.parse(`${day}T00:00:00Z`)
  return { text, id, from: start - dayMillis, until: start + 2 * dayMillis }
})

interface Simple {
  readonly expression: string
  /** Every day without it: date, days of the month, weekday of a date of the month. */
  readonly isDay?: (date: number, length: number, weekdayAt: (date: number) => number) => boolean
  readonly minutes: ReadonlyArray<number>
  readonly hours: ReadonlyArray<number>
  /** The hour or the minute is a wildcard. */
  readonly elapsed: boolean
}

const every = (step: number, count: number) =>
  Array.from({ length: Math.ceil(count / step) }, (_, index) => index * step)

const expressions: ReadonlyArray<Simple> = [
  { expression: "30 2 * * *", minutes: [30], hours: [2], elapsed: false },
  { expression: "0 0 * * *", minutes: [0], hours: [0], elapsed: false },
  { expression: "5,50 0,1,3,23 * * *", minutes: [5, 50], hours: [0, 1, 3, 23], elapsed: false },
  { expression: "15 0-22/2 * * *", minutes: [15], hours: every(2, 23), elapsed: false },
  { expression: "0 * * * *", minutes: [0], hours: every(1, 24), elapsed: true },
  { expression: "*/15 * * * *", minutes: every(15, 60), hours: every(1, 24), elapsed: true },
  { expression: "*/20 2 * * *", minutes: every(20, 60), hours: [2], elapsed: true },
  { expression: "45 */3 * * *", minutes: [45], hours: every(3, 24), elapsed: true },
  { expression: "10 22-2/2 * * *", minutes: [10], hours: [22, 0, 2], elapsed: false },
  {
    expression: "30 2 L,L-1,29 * *",
    minutes: [30],
    hours: [2],
    elapsed: false,
    isDay: (date, length) => date === length || date === length - 1 || date === 29
  },
  {
    expression: "0,30 1-3 1W,15W,LW * *",
    minutes: [0, 30],
    hours: [1, 2, 3],
    elapsed: false,
    isDay: (date, length, weekdayAt) =>
      [1, 15, length].some((wanted) => {
        // The nearest date of the month from Monday to Friday, by trying.
        const workdays = Array.from({ length }, (_, index) => index + 1).filter(
          (each) => weekdayAt(each) % 6 !== 0
        )
        return date === workdays.toSorted((a, b) => Math.abs(a - wanted) - Math.abs(b - wanted))[0]
      })
  },
  {
    expression: "*/10 * * * SUN#2,7L,SAT#5",
    minutes: every(10, 60),
    hours: every(1, 24),
    elapsed: true,
    isDay: (date, length, weekdayAt) => {
      const sameWeekday = Array.from({ length }, (_, index) => index + 1).filter(
        (each) => weekdayAt(each) === weekdayAt(date)
      )
      return weekdayAt(date) === 0
        ? date === sameWeekday[1] || date === sameWeekday.at(-1)
        : weekdayAt(date) === 6 && date === sameWeekday[4]
    }
  }
]

/** Every change and every expression below is at a multiple of it. */
const stepMinutes = 5
const stepMillis = stepMinutes * minuteMillis

/** The wall clock at each step, by the platform alone: minutes since 1970 as if they were UTC. */
const wallMinutes = (id: string, from: number, until: number): ReadonlyArray<number> => {
  const format = new Intl.DateTimeFormat("en-CA", {
    timeZone: id,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit"
  })
  const walls: Array<number> = []
  for (let at = from; at < until; at += stepMillis) {
    const [year, month, day, hour, minute] = format.format(at).split(/\D+/).map(Number)
    walls.push(Date.UTC(year ?? 0, (month ?? 0) - 1, day, hour, minute) / minuteMillis)
  }
  return walls
}

/** Each step of the wall, in its order; where the wall jumps ahead, the skipped times follow later by the jump. */
const expectedTimes = (
  { elapsed, hours, isDay, minutes }: Simple,
  walls: ReadonlyArray<number>,
  from: number
): ReadonlyArray<string> => {
  const isOn = (wall: number) => {
    const day = new Date(wall * minuteMillis)
    const [year, month] = [day.getUTCFullYear(), day.getUTCMonth()]
    const weekdayAt = (date: number) => new Date(Date.UTC(year, month, date)).getUTCDay()
    return isDay?.(day.getUTCDate(), new Date(Date.UTC(year, month + 1, 0)).getUTCDate(), weekdayAt) ?? true
  }
  const matches = (wall: number) =>
    minutes.includes(wall % 60) && hours.includes(Math.floor(wall / 60) % 24) && isOn(wall)
  const times = new Set<number>()
  let highest = Number.NEGATIVE_INFINITY
  for (const [index, wall] of walls.entries()) {
    const at = from + index * stepMillis
    if (matches(wall) && (elapsed || wall > highest)) times.add(at)
    const previous = walls[index - 1]
    if (previous !== undefined) {
      for (let skipped = previous + stepMinutes; skipped < wall; skipped += stepMinutes) {
        if (matches(skipped)) times.add(at + (skipped - previous - stepMinutes) * minuteMillis)
      }
    }
    highest = Math.max(highest, wall)
  }
  return [...times].toSorted((a, b) => a - b).map((at) => new Date(at).toISOString())
}

const compare = ({ from, id, text, until }: (typeof transitions)[number]) => {
  // A day before, so that skipped times of it are known, and a day after, which they can reach.
  const margin = dayMillis
  const walls = wallMinutes(id, from - margin, until + margin)
  const jumps = walls.filter((wall, index) => index > 0 && wall !== (walls[index - 1] ?? 0) + stepMinutes)
  assert.lengthOf(jumps, 1, text)
  for (const simple of expressions) {
    const expected = expectedTimes(simple, walls, from - margin).filter(
      (time) => Date.parse(time) >= from && Date.parse(time) < until
    )
    if (simple.isDay === undefined) assert.isNotEmpty(expected)
    const name = `${simple.expression} ${text}`
    assert.deepStrictEqual(timesForwards(simple.expression, id, from, until), expected, name)
    assert.deepStrictEqual(timesBackwards(simple.expression, id, from, until), expected, `${name} backwards`)
  }
}

/** xorshift32: a failure is repeated by its seed. */
const randomOf = (seed: number) => {
  let state = seed
  return (below: number) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Changes of the clock that a seed chooses among those of every zone since 1990. */
const drawn = (seed: number, count: number) => {
  const random = randomOf(seed)
  const ids = Intl.supportedValuesOf("timeZone").filter((id) => Result.isSuccess(CalendarTime.zone(id)))
  const found: Array<(typeof transitions)[number]> = []
  while (found.length < count) {
    const id = ids[random(ids.length)] ?? "UTC"
    const year = 1990 + random(50)
    const { days: local } = zone(id)
    const isChange = (day: number, days: number) =>
      local.offsetAt(day) !== local.offsetAt(day + days * dayMillis)
    const weeks = Array.from({ length: 52 }, (_, index) => Date.UTC(year, 0, 1 + index * 7))
    const changed = weeks.filter((week) => isChange(week, 7))
    const week = changed[random(Math.max(1, changed.length))]
    // Two changes within a fortnight are more than one comparison can tell apart.
    if (week === undefined || changed.some((other) => Math.abs(other - week) === 7 * dayMillis)) continue
    const start = Array.from({ length: 7 }, (_, day) => week + day * dayMillis).find((day) =>
      isChange(day, 1)
    )
    if (start === undefined) continue
    const text = `${id} ${new Date(start).toISOString().slice(0, 10)} (seed ${seed})`
    if (found.every((other) => other.text !== text))
      found.push({ text, id, from: start - dayMillis, until: start + 2 * dayMillis })
  }
  return found
}

describe("Cron over a change of the clock", () => {
  it("visits the same times forwards and backwards, and those of the wall clock, at thirty-two changes", () => {
    assert.lengthOf(transitions, 32)
    for (const transition of transitions) compare(transition)
  })

  it("does so at twenty changes that a seed draws from all zones", () => {
    const seed = Number(process.env.HM_TEST_SEED ?? process.env.HM_TEST_DRAWN_SEED ?? "20261128")
    const changes = drawn(1 + Math.abs(seed), 20)
    assert.lengthOf(new Set(changes.map(({ text }) => text)), changes.length)
    for (const transition of changes) compare(transition)
  })

  it("keeps an interval running through the repeated hour", () => {
    const times = timesForwards(
      "*/30 * * * *",
      "Europe/Berlin",
      Date.parse("2026-10-25T00:00:00Z"),
      Date.parse("2026-10-25T02:30:00Z")
    )
    assert.deepStrictEqual(times, [
      "2026-10-25T00:00:00.000Z",
      "2026-10-25T00:30:00.000Z",
      "2026-10-25T01:00:00.000Z",
      "2026-10-25T01:30:00.000Z",
      "2026-10-25T02:00:00.000Z"
    ])
  })

  it("runs a daily time once on a day that has no such time and on a day that has it twice", () => {
    const days = (day: string) =>
      timesForwards(
        "30 2 * * *",
        "Europe/Berlin",
        Date.parse(`${day}T00:00:00Z`),
        Date.parse(`${day}T12:00:00Z`)
      )
    assert.deepStrictEqual(days("2026-03-29"), ["2026-03-29T01:30:00.000Z"])
    assert.deepStrictEqual(days("2026-10-25"), ["2026-10-25T00:30:00.000Z"])
  })
})

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
