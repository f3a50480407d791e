/**
 * `pnpm bench risk [--only cel,bombs,decide,backtest]`: the CEL compiler beside the library's plan; rules that are made to take long; whole
 * decisions on a million signals with one hot IP address; a backtest. One process, whose jobs do not run meanwhile.
 */
import { celEnv, parse, plan } from "@bufbuild/cel"
import * as Bench from "@hypermarket/bench/Bench"
import * as Setup from "@hypermarket/bench/Setup"
import * as Database from "@hypermarket/core/Database"
import * as Money from "@hypermarket/core/Money"
import { AllTenants, provide } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as Compiler from "@hypermarket/risk/cel/Compiler"
import * as Parser from "@hypermarket/risk/cel/Parser"
import type { NewSignal } from "@hypermarket/risk/FraudSignal"
import { Risk } from "@hypermarket/risk/Risk"
import * as RiskDomain from "@hypermarket/risk/RiskDomain"
import { RiskRules } from "@hypermarket/risk/RiskRules"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { existsSync, readFileSync } from "node:fs"
import { bombs } from "./risk/bombs.ts"

const signalsMax = 1_000_000
const decisionsMax = 100_000
const evaluationsMax = 2_000_000
/** Callers that wait at once: more than the connections of a small pool, as on a busy checkout. */
const inFlight = 8
const millisMax = 20_000

/** The statements that seed take minutes. */
const statementTimeout = Duration.minutes(10)

/** A shop with ten times the signals has ten times the customers. */
const sizeOf = (scale: number) => ({
  accounts: 10_000 * Math.max(1, Math.ceil(scale)),
  devices: 5_000 * Math.max(1, Math.ceil(scale))
})
type Size = ReturnType<typeof sizeOf>

const hotIp = "198.51.100.1"
/** One signal in 40 comes from the hot address: 25,000 of a million. */
const hotEvery = 40

const currency = Schema.decodeUnknownSync(Money.Currency)("EUR")

const condition =
  "a > 10 && b < 500 && c >= 3 && d <= 100 && kind == 'payment' && amount > 1000 && " +
  "(e > 5 || f > 5) && g != 0 && amount < 100000"

/** Both get the same values; each runs alone for its part of a round. */
const cel = Effect.fnUntraced(function* ({ rounds, scale }: Bench.Options) {
  const parsed = Parser.parse(condition)
  if (!parsed.ok) return yield* new Setup.SetupFailed({ message: parsed.issue.message })
  const names = ["a", "b", "c", "d", "e", "f", "g", "kind", "amount"]
  const program = Compiler.compile(parsed.ast, names)
  const library = plan(celEnv(), parse(condition))
  const cases = Array.from({ length: 64 }, (_, index) =>
    names.map((name) =>
      name === "kind" ? "payment" : BigInt(name === "amount" ? 2_000 + index : 11 + (index % 7))
    )
  )
  const named = cases.map((values) =>
    Object.fromEntries(names.map((name, place) => [name, values[place] ?? 0n]))
  )
  const count = Math.ceil(evaluationsMax * scale)
  const perSecond = (times: number, run: (index: number) => unknown) => {
    let trues = 0
    const before = process.cpuUsage()
    for (let index = 0; index < times; index++) if (run(index % cases.length) === true) trues++
    const { system, user } = process.cpuUsage(before)
    return { trues: trues / times, rate: (times * 1_000_000) / (user + system) }
  }
  const budget = { remaining: Number.MAX_SAFE_INTEGER }
  const ours = (times: number) => perSecond(times, (index) => program.run(cases[index] ?? [], budget))
  const theirs = (times: number) => perSecond(times, (index) => library(named[index] ?? {}))
  ours(count / 4)
  theirs(count / 40)
  const own: Array<number> = []
  const peer: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const [one, other] = [ours(count), theirs(count / 20)]
    if (one.trues !== 1 || other.trues !== 1)
      return yield* new Setup.SetupFailed({ message: "the rule is not true for each case" })
    own.push(one.rate)
    peer.push(other.rate)
  }
  return [
    {
      figure: "cel: a rule of 10 conditions",
      unit: "evaluations/s",
      ours: Bench.median(own),
      peers: { "@bufbuild/cel plan": Bench.median(peer) }
    }
  ]
})

const windows = ["1h", "24h", "7d", "30d"]
const features = ["account", "card", "ip", "device"].flatMap((entity) =>
  windows.map((window) => `count("${entity}", "${window}")`)
)

/** 100 rules over 24 features: counts of four entities in four windows, sums, and distinct counts. */
const ruleSet = {
  rules: Array.from({ length: 100 }, (_, index) => {
    const feature = features[index % features.length] ?? ""
    const other = features[(index * 7 + 3) % features.length] ?? ""
    const more = [
      `sum("account", "${windows[index % 4]}") > ${1_000_000_000 + index}`,
      'distinct("card", "account", "24h") > 50',
      'distinct("device", "card", "7d") > 90',
      'distinct("ip", "card", "1h") > 100000'
    ][index % 4]
    return {
      key: `rule-${index}`,
      expression: `${feature} > ${100_000 + index} || (${other} > ${200_000 + index} && amount > ${index}) || ${more}`,
      reason: "NEVER",
      outcome: "review" as const
    }
  })
}

const signalOf = (
  { accounts, devices }: Size,
  subject: string,
  index: number,
  isHot: boolean
): NewSignal => ({
  kind: "payment",
  subject,
  amount: { amount: BigInt(1_000 + (index % 9_000)), currency },
  entities: {
    account: `a${index % accounts}`,
    card: `c${index % accounts}`,
    device: `d${index % devices}`,
    ip: isHot ? hotIp : `10.0.${Math.floor((index % devices) / 250)}.${index % 250}`
  }
})

/** The hashes of the entities come from signals that were recorded; a million rows come from SQL. */
const seed = Effect.fnUntraced(function* (scale: number) {
  const risk = yield* Risk
  const sql = yield* SqlClient.SqlClient
  const size = sizeOf(scale)
  const { accounts } = size
  const batchRows = 500
  for (let start = 0; start < accounts; start += batchRows) {
    yield* risk.record(
      Array.from({ length: batchRows }, (_, offset) =>
        signalOf(size, `base-${start + offset}`, start + offset, start + offset === accounts - 1)
      )
    )
  }
  yield* Bench.say("recorded the entities")
  const count = Math.ceil(signalsMax * scale)
  yield* sql`
    CREATE TABLE bench_entity AS
    SELECT (entity ->> 'kind') AS kind, substr(s.subject, 6)::integer AS index, (entity ->> 'hash')::bigint AS hash
      FROM hm_fraud_signal s
     CROSS JOIN LATERAL jsonb_array_elements(s.entities) AS entity
  `
  yield* sql`CREATE INDEX ON bench_entity (kind, index)`
  for (let first = 1; first <= count; first += signalsMax) {
    const last = Math.min(first + signalsMax - 1, count)
    for (const statement of seedPart(sql, size, first, last)) yield* statement
    yield* Bench.say(`seeded ${last} of ${count} signals`)
  }
  yield* sql`VACUUM ANALYZE`
})

/** Ten million in one statement would take longer than a statement may. */
const seedPart = (sql: SqlClient.SqlClient, { accounts, devices }: Size, first: number, last: number) => [
  sql`DROP TABLE IF EXISTS bench_signal`,
  sql`
    CREATE TABLE bench_signal AS
    SELECT numbered.n, gen_random_uuid() AS signal_id, now() - random() * interval '30 days' AS occurred_at, account.hash AS account, card.hash AS card,
           device.hash AS device, CASE WHEN numbered.n % ${hotEvery} = 0 THEN hot.hash ELSE ip.hash END AS ip
      FROM generate_series(${first}::integer, ${last}::integer) AS numbered (n)
      JOIN bench_entity account ON account.kind = 'account' AND account.index = numbered.n::bigint * 7 % ${accounts}
      JOIN bench_entity card ON card.kind = 'card' AND card.index = numbered.n::bigint * 7 % ${accounts}
      JOIN bench_entity device ON device.kind = 'device' AND device.index = numbered.n::bigint * 3 % ${devices}
      JOIN bench_entity ip ON ip.kind = 'ip' AND ip.index = numbered.n::bigint * 11 % ${devices - 1}
      JOIN bench_entity hot ON hot.kind = 'ip' AND hot.index = ${accounts - 1}
  `,
  sql`
    INSERT INTO hm_fraud_entity_event (tenant_id, entity, is_folded, occurred_at, signal_id, kind, result, amount, currency, others)
    SELECT ${Setup.tenantId}, each.entity, false, s.occurred_at, s.signal_id, 'payment', 'attempted', 1000 + s.n % 9000, 'EUR',
           array_remove(ARRAY[s.account, s.card, s.device, s.ip], each.entity)
      FROM bench_signal s
     CROSS JOIN LATERAL unnest(ARRAY[s.account, s.card, s.device, s.ip]) AS each (entity)
  `,
  sql`
    INSERT INTO hm_fraud_signal_subject (tenant_id, kind, subject, signal_id, occurred_at, version, recorded_at)
    SELECT ${Setup.tenantId}, 'payment', 'seed-' || n, signal_id, occurred_at, 0, now()
      FROM bench_signal
  `,
  sql`
    INSERT INTO hm_fraud_signal (tenant_id, occurred_at, signal_id, kind, subject, result, amount, currency, entities, attributes, source, recorded_at)
    SELECT ${Setup.tenantId}, occurred_at, signal_id, 'payment', 'seed-' || n, 'attempted', 1000 + n % 9000, 'EUR', '[]', '{}', 'bench', now()
      FROM bench_signal
  `
]

const goLive = Effect.gen(function* () {
  const rules = yield* RiskRules
  const { version } = yield* rules.create(ruleSet)
  const state = yield* rules.state
  yield* rules.choose(state.version, { live: version })
  yield* rules.current.pipe(
    Effect.flatMap(({ live }) => (live?.version === version ? Effect.void : Effect.fail("not yet"))),
    Effect.retry(Schedule.spaced("50 millis"))
  )
  return version
})

const patient = { deadlineMillis: 10_000 }

let subjects = 0
const decideOnce = Effect.fnUntraced(function* (size: Size, isHot: boolean) {
  const risk = yield* Risk
  const index = yield* Random.nextIntBetween(0, size.accounts - 1)
  const signal = signalOf(size, `bench-${subjects++}`, index, isHot)
  const before = yield* Clock.currentTimeNanos
  const { fallback } = yield* risk.decide(signal, patient)
  if (fallback !== null) return yield* new Setup.SetupFailed({ message: `a decision fell back: ${fallback}` })
  return Number((yield* Clock.currentTimeNanos) - before) / 1_000_000
})

/** Processor time of the sessions of the bench's database in milliseconds, where the kernel says it: ticks of 10 ms. */
const postgresMillis = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const sessions = yield* sql<{ readonly pid: number }>`
    SELECT pid
      FROM pg_stat_activity
     WHERE datname = current_database()
  `
  const tickMillis = 10
  return sessions.reduce((sum, { pid }) => {
    const file = `/proc/${pid}/stat`
    if (!existsSync(file)) return sum
    // The fields after the name, which may have blanks: user and system time are the 12th and 13th.
    const fields = readFileSync(file, "utf8").split(") ").at(-1)?.split(" ") ?? []
    return sum + tickMillis * (Number(fields[11]) + Number(fields[12]))
  }, 0)
})

const decide = Effect.fnUntraced(function* ({ rounds, scale }: Bench.Options) {
  yield* seed(scale)
  yield* goLive
  // A decision notes the hot address; the job sums its hours.
  const size = sizeOf(scale)
  yield* decideOnce(size, true)
  const risk = yield* Risk
  const folded = yield* risk.fold.pipe(
    Effect.provideService(AllTenants, { actor: "bench" }),
    Effect.repeat({ until: (rows) => rows === 0 })
  )
  yield* Bench.say(`folded the hot address, ${folded} rows are left`)
  const loop = Effect.fnUntraced(function* (millis: number) {
    const postgresBefore = yield* postgresMillis
    const processBefore = process.cpuUsage()
    const until = (yield* Clock.currentTimeMillis) + millis
    const latencies: Array<number> = []
    const client = Effect.gen(function* () {
      while ((yield* Clock.currentTimeMillis) < until) {
        latencies.push(yield* decideOnce(size, (yield* Random.nextIntBetween(0, hotEvery)) === 0))
      }
    })
    yield* Effect.replicateEffect(client, inFlight, { concurrency: "unbounded", discard: true })
    const { system, user } = process.cpuUsage(processBefore)
    return {
      perSecond: (latencies.length * 1_000) / millis,
      p99: Bench.quantile(latencies, 0.99),
      processMicros: (system + user) / latencies.length,
      postgresMicros: (1_000 * ((yield* postgresMillis) - postgresBefore)) / latencies.length
    }
  })
  const millis = millisMax * Math.min(scale, 1)
  yield* loop(millis * 0.25)
  const loops: Array<Effect.Success<ReturnType<typeof loop>>> = []
  const ratios: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    loops.push(yield* loop(millis))
    const hot: Array<number> = []
    const typical: Array<number> = []
    for (let index = 0; index < 100; index++) {
      typical.push(yield* decideOnce(size, false))
      hot.push(yield* decideOnce(size, true))
    }
    ratios.push(Bench.median(hot) / Bench.median(typical))
    yield* Bench.say(
      `decide: round ${round + 1} of ${rounds}: ${JSON.stringify([loops.at(-1), ratios.at(-1)])}`
    )
  }
  return [
    {
      figure: "decide: events",
      unit: "events/s",
      ours: Bench.median(loops.map(({ perSecond }) => perSecond)),
      peers: {}
    },
    { figure: "decide: p99", unit: "ms", ours: Bench.median(loops.map(({ p99 }) => p99)), peers: {} },
    {
      figure: "decide: processor time of the process",
      unit: "us",
      ours: Bench.median(loops.map(({ processMicros }) => processMicros)),
      peers: {}
    },
    {
      figure: "decide: processor time of Postgres",
      unit: "us",
      ours: Bench.median(loops.map(({ postgresMicros }) => postgresMicros)),
      peers: {}
    },
    { figure: "decide: hot entity over typical", unit: "ratio", ours: Bench.median(ratios), peers: {} }
  ]
})

/** A decision of the live version, copied with other features. */
const backtest = Effect.fnUntraced(function* ({ rounds, scale }: Bench.Options) {
  const sql = yield* SqlClient.SqlClient
  const rules = yield* RiskRules
  yield* goLive
  const { version } = yield* rules.create({ rules: ruleSet.rules.slice(0, 20) })
  yield* decideOnce(sizeOf(scale), false)
  const count = Math.ceil(decisionsMax * scale)
  yield* sql`
    INSERT INTO hm_risk_decision (
             tenant_id, decision_id, signal_id, occurred_at, kind, subject, number, outcome, score, reasons, observed, version, verdict, frozen, shadow,
             latency_micros, recorded_at
           )
    SELECT d.tenant_id, gen_random_uuid(), d.signal_id, d.occurred_at, d.kind, d.subject || '-' || n, 1, d.outcome, d.score, d.reasons, d.observed, d.version,
           d.verdict, jsonb_set(d.frozen, '{features,count(card,1h)}', to_jsonb((n % 50)::text)), d.shadow, d.latency_micros, d.recorded_at
      FROM (
           SELECT *
             FROM hm_risk_decision
            WHERE tenant_id = ${Setup.tenantId}
            ORDER BY decision_id DESC
            LIMIT 1
           ) d
     CROSS JOIN generate_series(1, ${count}) AS n
  `
  const now = (yield* DateTime.now).epochMilliseconds
  const values: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const before = yield* Clock.currentTimeMillis
    const report = yield* rules.backtest({
      version,
      from: DateTime.makeUnsafe(now - 86_400_000),
      to: DateTime.makeUnsafe(now + 86_400_000)
    })
    values.push((report.decisions * 1_000) / ((yield* Clock.currentTimeMillis) - before))
  }
  return [{ figure: "backtest: 20 rules", unit: "decisions/s", ours: Bench.median(values), peers: {} }]
})

/** No secret: of the bench alone. */
const keys = `bench:${Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7 + 3)).toString("base64")}`

export const bench: Bench.Bench = {
  run: Effect.fn("bench risk")(function* (options: Bench.Options) {
    const { settings } = yield* Bench.readTargets("risk")
    const { options: database } = yield* Setup.database(settings)
    const layer = RiskDomain.layer.pipe(
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ HM_SECRETS_KEYS: keys }))),
      Layer.provideMerge(Wakeup.layerSilent),
      Layer.provideMerge(Database.layer({ ...database, poolMax: inFlight, statementTimeout }, "hm-bench"))
    )
    const run = <E, R>(name: string, part: Effect.Effect<ReadonlyArray<Bench.Figure>, E, R>) =>
      options.only.length > 0 && !options.only.includes(name)
        ? Effect.succeed<ReadonlyArray<Bench.Figure>>([])
        : Effect.tap(part, options.measured)
    return yield* Effect.all([
      run("cel", cel(options)),
      run("bombs", bombs(options)),
      run("decide", decide(options)),
      run("backtest", backtest(options))
    ]).pipe(
      Effect.map((figures) => figures.flat()),
      provide(Setup.tenantId),
      Effect.provide(layer)
    )
  }, Effect.scoped)
}
