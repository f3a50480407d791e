import { assert, describe, it } from "@effect/vitest"
import * as CalendarTime from "@hypermarket/core/CalendarTime"
import { Result } from "effect"
import { timesBackwards, timesForwards, zone } from "./calendars.ts"

const minuteMillis = 60_000
const dayMillis = 86_400_000
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
