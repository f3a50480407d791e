/**
 * The ledger of quotas while Postgres is killed, and millions of buckets of one request each an hour later.
 *
 * Callers reserve and commit random amounts, and ask again with the same key when they are not answered. Each acknowledged
 * reservation and commit must be in the ledger exactly once, and the balance must agree with it. The job must then delete each
 * bucket that is full.
 */
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { QuotaMaintenance } from "@hypermarket/quotas/QuotaMaintenance"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { RateClock } from "@hypermarket/quotas/RateClock"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import { TenantQuotas } from "@hypermarket/quotas/TenantQuotas"
import * as Chance from "@hypermarket/soak/Chance"
import type * as Report from "@hypermarket/soak/Report"
import * as Run from "@hypermarket/soak/Run"
import * as DatabaseOutage from "@hypermarket/testing/DatabaseOutage"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"

export interface Size {
  readonly pairs: number
  readonly kills: number
  readonly callers: number
  readonly keys: number
}

type Rule = "ledger" | "balance" | "bucket_left"

const poll = Schedule.spaced("20 millis")
const hourMicros = 3_600_000_000
const amountMax = 9

/** Rows per statement that makes buckets: it ends within the timeout of statements on a busy machine. */
const bucketsPerStatement = 100_000

const ledger = Effect.fnUntraced(function* (seed: number, size: Size, database: DatabaseOutage.Database) {
  const quotas = yield* TenantQuotas
  const sql = yield* SqlClient.SqlClient
  const chance = Chance.make(seed)
  const amounts = Array.from({ length: size.pairs }, () => {
    const reserved = chance.between(1, amountMax)
    return { reserved, used: chance.between(0, reserved) }
  })
  yield* quotas.createFeature({ feature: "calls", kind: "metered" })
  yield* quotas.grant("calls", { source: "plan", amount: amountMax * size.pairs })
  const acknowledged = yield* Ref.make(0)
  const pair = Effect.fnUntraced(function* (amount: (typeof amounts)[number], index: number) {
    const request = { key: `k${index}`, feature: "calls", amount: amount.reserved }
    const { reservationId } = yield* Effect.retry(quotas.reserve(request), poll)
    yield* Effect.retry(quotas.commit(reservationId, amount.used), poll)
    yield* Ref.update(acknowledged, (count) => count + 1)
  })
  const working = Effect.forEach(amounts, pair, { concurrency: size.callers, discard: true })
  const killing = Effect.gen(function* () {
    for (let kill = 1; kill <= size.kills; kill++) {
      const reached = (kill * size.pairs) / (size.kills + 1)
      yield* Effect.repeat(Ref.get(acknowledged), { until: (count) => count >= reached, schedule: poll })
      yield* database.leave
      yield* database.comeBack
      yield* Run.say(`Postgres was killed ${kill} of ${size.kills} times`)
    }
  })
  yield* Effect.all([working, killing], { concurrency: 2, discard: true })

  const [row] = yield* sql<Record<"reserves" | "commits" | "reservations" | "reserved" | "used", number>>`
    SELECT count(*) FILTER (WHERE kind = 'reserve')::int AS reserves,
           count(*) FILTER (WHERE kind = 'commit')::int AS commits,
           count(DISTINCT reservation_id)::int AS reservations,
           coalesce(sum(amount) FILTER (WHERE kind = 'reserve'), 0)::int AS reserved,
           coalesce(sum(amount) FILTER (WHERE kind = 'commit'), 0)::int AS used
      FROM hm_quota_ledger
  `
  const sumOf = (field: "reserved" | "used") => amounts.reduce((sum, amount) => sum + amount[field], 0)
  const expected = {
    reserves: size.pairs,
    commits: size.pairs,
    reservations: size.pairs,
    reserved: sumOf("reserved"),
    used: sumOf("used")
  }
  const usage = yield* quotas.usage({ feature: "calls" })
  const violations: Array<Report.Violation<Rule>> = []
  for (const field of ["reserves", "commits", "reservations", "reserved", "used"] as const) {
    if (row?.[field] !== expected[field]) {
      violations.push({
        rule: "ledger",
        count: 1,
        example: `${field}: ${row?.[field]} for ${expected[field]}`
      })
    }
  }
  if (usage.used !== expected.used || usage.held !== 0) {
    violations.push({ rule: "balance", count: 1, example: `used ${usage.used}, held ${usage.held}` })
  }
  return { violations, counts: { pairs: size.pairs, kills: size.kills, used: expected.used } }
})

const buckets = Effect.fnUntraced(function* (keys: number, advance: Effect.Effect<void>) {
  const limits = yield* RateLimits
  const maintenance = yield* QuotaMaintenance
  const sql = yield* SqlClient.SqlClient
  yield* limits.createPolicy({
    policy: "crowd",
    kind: "gcra",
    quota: 10,
    periodMillis: 3_600_000,
    by: ["user"]
  })
  yield* Effect.repeat(limits.check({ policies: ["crowd"], subject: { user: "first" } }), {
    until: ({ decidedBy }) => decidedBy === "database"
  })
  // The rows that as many checks leave behind, as the first has left its own.
  for (let made = 1; made < keys; made += bucketsPerStatement) {
    yield* sql`
      INSERT INTO hm_api_rate_limit (tenant_id, policy, bucket, at_micros, debt, rate_quota, rate_period_micros, full_micros)
      SELECT b.tenant_id, b.policy, md5(n::text), b.at_micros, b.debt, b.rate_quota, b.rate_period_micros, b.full_micros
        FROM hm_api_rate_limit b
       CROSS JOIN generate_series(${made}::int, ${Math.min(keys, made + bucketsPerStatement) - 1}::int) n
       WHERE b.bucket = 'first'
    `
    yield* Run.say(`${Math.min(keys, made + bucketsPerStatement)} buckets`)
  }
  yield* advance
  const before = yield* Clock.currentTimeMillis
  const deleted = yield* Effect.provideService(maintenance.sweep, AllTenants, { actor: "soak" })
  const sweepMillis = (yield* Clock.currentTimeMillis) - before
  const [row] = yield* sql<{ readonly left: number }>`
    SELECT count(*)::int AS left
      FROM hm_api_rate_limit
  `
  const left = row?.left ?? 0
  const violations: ReadonlyArray<Report.Violation<Rule>> =
    left === 0 ? [] : [{ rule: "bucket_left", count: left, example: `${left} of ${keys}` }]
  return { violations, counts: { deleted, sweepMillis } }
})

export const run = Effect.fn("QuotaRun.run")(function* (seed: number, size: Size) {
  const before = yield* Clock.currentTimeMillis
  let offsetMicros = 0
  const database = yield* DatabaseOutage.killed
  const options = TestDatabase.optionsOf(database.server.url)
  yield* Migrations.run([CoreDomain.migrations, QuotasDomain.domain.migrations], options.schema).pipe(
    Effect.provide(Database.layerDirect(options))
  )
  const layer = QuotasDomain.layer.pipe(
    Layer.provide(Layer.succeed(RateClock, { offsetMicros: () => offsetMicros })),
    Layer.provideMerge(Database.layer({ ...options, poolMax: 8 }, "hm-soak"))
  )
  const advance = Effect.sync(() => {
    offsetMicros += hourMicros
  })
  const parts = yield* Effect.all([ledger(seed, size, database), buckets(size.keys, advance)]).pipe(
    provide(TenantId.make("acme")),
    Effect.provide(layer)
  )
  const violations = parts.flatMap((part) => part.violations)
  const report: Report.Report<Rule> = {
    ok: violations.length === 0,
    seed,
    violations,
    counts: Object.assign({}, ...parts.map(({ counts }) => counts)),
    millis: (yield* Clock.currentTimeMillis) - before
  }
  return report
}, Effect.scoped)
