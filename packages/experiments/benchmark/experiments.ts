/**
 * `pnpm bench experiments [--only assign,analysis,raw,exposures] [--scale 0.05]`: assignments in process, and a look over 90 days of
 * moments. `raw` takes an experiment of two million exposures and three million facts from raw rows to its decision, and compares it
 * with SQL over the raw rows. `exposures` is the same with a fifth of the facts, and runs only when it is named.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Setup from "@hypermarket/bench/Setup"
import * as Database from "@hypermarket/core/Database"
import { Currency } from "@hypermarket/core/Money"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide } from "@hypermarket/core/Tenant"
import * as Assignment from "@hypermarket/experiments/Assignment"
import { ExperimentLooks } from "@hypermarket/experiments/ExperimentLooks"
import { ExperimentMetrics } from "@hypermarket/experiments/ExperimentMetrics"
import { Experiments } from "@hypermarket/experiments/Experiments"
import * as ExperimentsDomain from "@hypermarket/experiments/ExperimentsDomain"
import { ExperimentUnits } from "@hypermarket/experiments/ExperimentUnits"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

class FiguresDiffer extends Schema.TaggedError<FiguresDiffer>()("FiguresDiffer", {
  message: Schema.String
}) {}

const arms = [
  { key: "old", weight: 5_000 },
  { key: "new", weight: 5_000 }
]

const assign = ({ rounds, scale }: Bench.Options): ReadonlyArray<Bench.Figure> => {
  const evaluator = Assignment.compile([
    {
      key: "ranking",
      status: "running",
      scheme: "murmur3",
      seed: "0199a000-0000-7000-8000-000000000001",
      coverage: 90_000,
      variants: arms,
      targeting: null,
      layer: null
    }
  ])
  const ids = Array.from({ length: 100_000 }, (_, index) => `customer-${index}`)
  const rates: Array<number> = []
  const times = Math.max(1, Math.round(10 * scale))
  for (let round = 0; round <= rounds; round++) {
    const before = process.cpuUsage()
    for (let time = 0; time < times; time++) {
      for (const id of ids) evaluator.assign("ranking", id)
    }
    const { system, user } = process.cpuUsage(before)
    // The first round is the compiler's.
    if (round > 0) rates.push((times * ids.length * 1_000_000) / (user + system))
  }
  return [
    { figure: "assign: in process", unit: "per processor second", ours: Bench.median(rates), peers: {} }
  ]
}

const metricCount = 10
const days = 90

/** Four arms, ten metrics and 90 days of moments; the figures of each cell are of 1,000 units. */
const analysis = Effect.fnUntraced(function* ({ rounds }: Bench.Options) {
  const sql = yield* SqlClient.SqlClient
  const metrics = yield* ExperimentMetrics
  const experiments = yield* Experiments
  const looks = yield* ExperimentLooks
  const keys = Array.from({ length: metricCount }, (_, index) => `analysis-${index}`)
  for (const key of keys) {
    yield* metrics.create({ key, kind: "sum", source: `source.${key}`, prePeriodSeconds: 86_400 })
  }
  const draft = yield* experiments.create({
    key: "analysis",
    variants: Array.from({ length: 4 }, (_, arm) => ({ key: `arm-${arm}`, weight: 2_500 })),
    metrics: keys.map((metric) => ({ metric, role: "goal" })),
    plan: { unitsPlanned: 1_000_000 }
  })
  const { experimentId } = yield* experiments.start(draft.experimentId, draft.version)
  yield* sql`
    INSERT INTO hm_experiment_moment (tenant_id, experiment_id, position, variant, phase, day, n, crossed, other,
                                      y, d, x, e, yy, yd, yx, ye, dd, dx, de, xx, xe, ee)
    SELECT ${Setup.tenantId}, ${experimentId}::uuid, p, v, 1, date '2026-01-01' + d::int, 1000, 0, 0,
           500000 + v * 40 + d, 0, 490000 + d, 0, 260000000 + d, 0, 250000000, 0, 0, 0, 0, 255000000, 0, 0
      FROM generate_series(0, ${metricCount}::int) AS p, generate_series(0, 3) AS v, generate_series(1, ${days}::int) AS d
  `
  const millis: Array<number> = []
  for (let round = 0; round < Math.max(10, rounds * 5); round++) {
    const before = performance.now()
    yield* looks.look(experimentId)
    millis.push(performance.now() - before)
  }
  return [
    { figure: "analysis: 10 metrics, 4 arms, 90 days", unit: "ms", ours: Bench.median(millis), peers: {} }
  ]
})

const exposureCount = 2_000_000
/** A third of the units has as many facts. */
const factsPerUnit = { raw: 5, exposures: 1 } as const
const pageRows = 10_000
const writers = 3
const sentAfterMillis = Duration.toMillis("2 days")
/** The statements that make the raw rows, and the one that is compared with, take minutes at full scale. */
const setupTimeout = Duration.hours(1)

interface RawExposure {
  readonly unit: string
  readonly variant: string
  readonly at: Date
}

interface RawFact {
  readonly factId: string
  readonly unit: string
  readonly at: Date
  readonly value: bigint
}

interface Expected {
  readonly n: number
  readonly mean: number
  readonly variance: number
  readonly buyers: number
}

const differs = (name: string, actual: number | null | undefined, expected: number) =>
  Math.abs((actual ?? Number.NaN) - expected) <= 1e-9 * Math.abs(expected)
    ? []
    : [`${name}: ${actual}, by SQL ${expected}`]

/** Reads raw rows in pages by their number, and writes each page, several at a time. Reports each tenth. */
const sendAll = Effect.fnUntraced(function* <E, R>(
  name: string,
  rows: number,
  send: (from: number, until: number) => Effect.Effect<unknown, E, R>
) {
  const started = yield* Clock.currentTimeMillis
  const pages = Array.from({ length: Math.ceil(rows / pageRows) }, (_, page) => page * pageRows)
  const reportEvery = Math.max(1, Math.round(pages.length / 10))
  let sent = 0
  yield* Effect.forEach(
    pages,
    Effect.fnUntraced(function* (from) {
      yield* send(from, Math.min(rows, from + pageRows))
      sent++
      if (sent % reportEvery !== 0) return
      const seconds = Math.round(((yield* Clock.currentTimeMillis) - started) / 1_000)
      yield* Bench.say(`${name}: ${sent} of ${pages.length} pages after ${seconds} s`)
    }),
    { concurrency: writers, discard: true }
  )
  return (yield* Clock.currentTimeMillis) - started
})

const raw = Effect.fnUntraced(function* (name: keyof typeof factsPerUnit, { scale }: Bench.Options) {
  const sql = yield* SqlClient.SqlClient
  const units = yield* ExperimentUnits
  const experiments = yield* Experiments
  const metrics = yield* ExperimentMetrics
  const looks = yield* ExperimentLooks
  const count = Math.round(exposureCount * scale)
  yield* metrics.create({ key: "buys", kind: "conversion", source: "purchase", windowSeconds: 86_400 })
  yield* metrics.create({
    key: "revenue",
    kind: "sum",
    source: "purchase",
    currency: Currency.make("EUR"),
    windowSeconds: 86_400
  })
  const draft = yield* experiments.create({
    key: "raw",
    variants: arms,
    metrics: [
      { metric: "buys", role: "goal" },
      { metric: "revenue", role: "goal" }
    ],
    plan: { unitsPlanned: count }
  })
  const { experimentId, startedAt } = yield* experiments.start(draft.experimentId, draft.version)
  const start = DateTime.toDateUtc(startedAt ?? DateTime.makeUnsafe(0))
  yield* sql`
    CREATE TABLE bench_exposure AS
    SELECT g AS place, 'u' || g AS unit, CASE WHEN hashint8(g) % 2 = 0 THEN 'old' ELSE 'new' END AS variant,
           ${start}::timestamptz + make_interval(secs => abs(hashint8extended(g, 1) % 3600000) / 1000.0) AS at
      FROM generate_series(0, ${count}::bigint - 1) AS g
  `
  yield* sql`ALTER TABLE bench_exposure ADD PRIMARY KEY (place)`
  // A third of the units buys, and in the new arm a hundredth more of them. Some facts come before the exposure or after the window.
  yield* sql`
    CREATE TABLE bench_fact AS
    SELECT g AS place, 'f' || g AS fact_id, e.unit,
           ${start}::timestamptz + make_interval(secs => abs(hashint8extended(g, 2) % 100000000) / 1000.0) AS at,
           (abs(hashint8extended(g, 3) % 20000) + CASE e.variant WHEN 'new' THEN 60 ELSE 0 END)::bigint AS value
      FROM generate_series(0, ${count * factsPerUnit[name]}::bigint - 1) AS g
      JOIN bench_exposure e ON e.place = g % ${count}
     WHERE abs(hashint8extended(g % ${count}, 4) % 10000) < CASE e.variant WHEN 'new' THEN 3400 ELSE 3300 END
  `
  yield* sql`ALTER TABLE bench_fact ADD PRIMARY KEY (place)`
  yield* sql`ANALYZE bench_exposure, bench_fact`
  const [facts] = yield* sql<{ readonly count: number }>`
    SELECT count(*)::int AS count
      FROM bench_fact
  `
  const exposeMillis = yield* sendAll(
    "exposures",
    count,
    Effect.fnUntraced(function* (from, until) {
      const rows = yield* sql<RawExposure>`
        SELECT unit, variant, at
          FROM bench_exposure
         WHERE place >= ${from} AND place < ${until}
      `
      yield* units.expose(
        rows.map(({ at, unit, variant }) => ({
          experiment: "raw",
          unit,
          variant,
          at: DateTime.fromDateUnsafe(at)
        }))
      )
    })
  )
  // The latest facts are 28 hours after the start: they are sent when all have happened.
  const present = yield* Now.Now
  const afterAll = Effect.map(present, (now) => new Date(now.getTime() + sentAfterMillis))
  const recordMillis = yield* sendAll(
    "facts",
    count * factsPerUnit[name],
    Effect.fnUntraced(function* (from, until) {
      const rows = yield* sql<RawFact>`
        SELECT fact_id AS "factId", unit, at, value
          FROM bench_fact
         WHERE place >= ${from} AND place < ${until}
      `
      yield* units.record(
        rows.map(({ at, factId, unit, value }) => ({
          source: "purchase",
          factId,
          unit,
          at: DateTime.fromDateUnsafe(at),
          value: BigInt(value),
          currency: Currency.make("EUR")
        }))
      )
    })
  ).pipe(Effect.provideService(Now.Now, afterAll))
  const mergeStarted = yield* Clock.currentTimeMillis
  yield* Effect.repeat(units.mergeDue, { while: (merged) => merged > 0 })
  const mergeMillis = (yield* Clock.currentTimeMillis) - mergeStarted
  const look = yield* looks.look(experimentId)
  yield* Bench.say(`merged after ${Math.round(mergeMillis / 1_000)} s; the look is compared with SQL`)
  const sqlStarted = yield* Clock.currentTimeMillis
  const expected = yield* sql<Expected>`
    SELECT count(*)::float8 AS n, avg(total)::float8 AS mean, var_samp(total)::float8 AS variance,
           avg(least(facts, 1))::float8 AS buyers
      FROM (
           SELECT e.place, e.variant, coalesce(sum(f.value), 0) AS total, count(f.value) AS facts
             FROM bench_exposure e
             LEFT JOIN bench_fact f ON f.unit = e.unit AND f.at >= e.at AND f.at < e.at + interval '1 day'
            GROUP BY e.place, e.variant
           ) t
     GROUP BY variant
     ORDER BY variant DESC
  `
  const sqlMillis = (yield* Clock.currentTimeMillis) - sqlStarted
  const [buys, revenue] = look.metrics
  const errors = expected.map(({ n, variance }) => variance / n)
  const sum = errors.reduce((whole, error) => whole + error, 0)
  const difference = (expected[1]?.mean ?? 0) - (expected[0]?.mean ?? 0)
  const wrong = [
    ...expected.flatMap(({ buyers, mean, n, variance }, arm) => [
      ...differs("units", look.units[arm]?.units, n),
      ...differs("revenue", revenue?.arms[arm]?.value, mean),
      ...differs("error of revenue", revenue?.arms[arm]?.standardError, Math.sqrt(variance / n)),
      ...differs("buyers", buys?.arms[arm]?.value, buyers)
    ]),
    ...differs("difference", revenue?.comparisons[0]?.absolute?.estimate, difference),
    ...differs("error of the difference", revenue?.comparisons[0]?.absolute?.standardError, Math.sqrt(sum)),
    ...(look.recommendation.outcome === "ship" || scale < 1
      ? []
      : [`outcome: ${look.recommendation.outcome}`])
  ]
  if (wrong.length > 0) return yield* new FiguresDiffer({ message: wrong.join("; ") })
  yield* Bench.say(
    `${count} exposures and ${facts?.count ?? 0} facts: the look equals SQL over the raw rows, and says ${look.recommendation.outcome}`
  )
  const million = (millis: number, rows: number) => (millis / rows) * 1_000
  const perExposure = million(exposeMillis, count)
  const perFact = million(recordMillis + mergeMillis, facts?.count ?? 1)
  return [
    { figure: `${name}: exposures`, unit: "per second", ours: (count * 1_000) / exposeMillis, peers: {} },
    {
      figure: `${name}: facts`,
      unit: "per second",
      ours: ((facts?.count ?? 0) * 1_000) / recordMillis,
      peers: {}
    },
    {
      figure: `${name}: a day of 1M exposures and 5M facts, at the rates of this run`,
      unit: "s",
      ours: perExposure + 5 * perFact,
      peers: {}
    },
    { figure: `${name}: one SQL statement over the raw rows`, unit: "s", ours: sqlMillis / 1_000, peers: {} },
    {
      figure: `${name}: differences from SQL over the raw rows`,
      unit: "figures",
      ours: wrong.length,
      peers: {}
    }
  ]
})

export const bench: Bench.Bench = {
  run: Effect.fn("bench experiments")(function* (options: Bench.Options) {
    const { settings } = yield* Bench.readTargets("experiments")
    const { options: database } = yield* Setup.database(settings)
    const layer = ExperimentsDomain.layer.pipe(
      Layer.provideMerge(
        Database.layer({ ...database, poolMax: writers + 2, statementTimeout: setupTimeout }, "hm-bench")
      )
    )
    const isLeftOut = (name: string) =>
      options.only.length === 0 ? name === "exposures" : !options.only.includes(name)
    const run = <E, R>(name: string, part: Effect.Effect<ReadonlyArray<Bench.Figure>, E, R>) =>
      isLeftOut(name) ? Effect.succeed<ReadonlyArray<Bench.Figure>>([]) : Effect.tap(part, options.measured)
    return yield* Effect.all([
      run(
        "assign",
        Effect.sync(() => assign(options))
      ),
      run("analysis", analysis(options)),
      run("raw", raw("raw", options)),
      run("exposures", raw("exposures", options))
    ]).pipe(
      Effect.map((figures) => figures.flat()),
      provide(Setup.tenantId),
      Effect.provideService(AllTenants, { actor: "bench" }),
      Effect.provide(layer)
    )
  }, Effect.scoped)
}
