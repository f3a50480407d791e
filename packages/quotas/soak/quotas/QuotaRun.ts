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
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

export interface Size {
  readonly pairs: number
  readonly kills: number
  readonly callers: number
  readonly keys: number
}

export type Rule = "lost" | "ledger" | "balance" | "doctor" | "bucket_left"

const poll = Schedule.spaced("20 millis")
const hourMicros = 3_600_000_000
const amountMax = 9
/** Some callers ask twice, as if they had not got the first answer: a kill between a commit and its answer is rare. */
const askAgainProbability = 0.1

/** Rows per statement that makes buckets: it ends within the timeout of statements on a busy machine. */
const bucketsPerStatement = 100_000

/** The amounts of the first entry of a kind, and the number of entries: each reservation has one. */
interface Entry {
  readonly reservationId: string
  readonly kind: string
  readonly amount: number
  readonly entries: number
}

const ledger = Effect.fnUntraced(function* (
  seed: number,
  size: Pick<Size, "pairs" | "kills" | "callers">,
  database: DatabaseOutage.Database
) {
  const quotas = yield* TenantQuotas
  const sql = yield* SqlClient.SqlClient
  const chance = Chance.make(seed)
  const amounts = Array.from({ length: size.pairs }, () => {
    const reserved = chance.between(1, amountMax)
    return { reserved, used: chance.between(0, reserved), asks: chance.happens(askAgainProbability) ? 2 : 1 }
  })
  yield* quotas.createFeature({ feature: "calls", kind: "metered" })
  yield* quotas.grant("calls", { source: "plan", amount: amountMax * size.pairs })
  const maintenance = yield* QuotaMaintenance
  yield* Effect.provideService(maintenance.watch, AllTenants, { actor: "soak" })
  const acknowledged = yield* Ref.make(0)
  const lost: Array<string> = []
  const expected = new Map<string, number>()
  /** A caller who is not answered asks again with the same key. */
  const persist = <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.retry(self, { while: isSqlError, schedule: poll })
  const pair = Effect.fnUntraced(
    function* (amount: (typeof amounts)[number], index: number) {
      const request = { key: `k${index}`, feature: "calls", amount: amount.reserved }
      const reserve = persist(quotas.reserve(request))
      const { reservationId } = yield* Effect.repeat(reserve, { times: amount.asks - 1 })
      expected.set(`${reservationId} reserve`, amount.reserved)
      yield* Effect.repeat(persist(quotas.commit(reservationId, amount.used)), { times: amount.asks - 1 })
      expected.set(`${reservationId} commit`, amount.used)
    },
    // A reservation that was acknowledged and is not there.
    Effect.catch((error) => Effect.sync(() => lost.push(error._tag))),
    Effect.andThen(Ref.update(acknowledged, (count) => count + 1))
  )
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
  const [elapsed] = yield* Effect.timed(Effect.all([working, killing], { concurrency: 2, discard: true }))

  const entries = yield* sql<Entry>`
    SELECT reservation_id::text AS "reservationId", kind, min(amount)::int AS amount, count(*)::int AS entries
      FROM hm_quota_ledger
     GROUP BY reservation_id, kind
  `
  const violations: Array<Report.Violation<Rule>> = []
  const violated = (rule: Rule, examples: ReadonlyArray<string>) => {
    const [example] = examples
    if (example !== undefined) violations.push({ rule, count: examples.length, example })
  }
  violated("lost", lost)
  const wrong = entries.filter(({ amount, entries, kind, reservationId }) => {
    const right = expected.get(`${reservationId} ${kind}`)
    return entries !== 1 || amount !== right
  })
  const inLedger = new Set(entries.map(({ kind, reservationId }) => `${reservationId} ${kind}`))
  violated("ledger", [
    ...wrong.map(
      ({ amount, entries, kind, reservationId }) => `${kind} ${reservationId}: ${entries} of ${amount}`
    ),
    ...Array.from(expected.keys()).filter((entry) => !inLedger.has(entry))
  ])
  const used = amounts.reduce((sum, amount) => sum + amount.used, 0)
  const usage = yield* quotas.usage({ feature: "calls" })
  if (usage.used !== used || usage.held !== 0) {
    violated("balance", [`used ${usage.used} for ${used}, held ${usage.held}`])
  }
  // The rate-limit tables may be empty, and doctor says so.
  const check = QuotasDomain.domain.checks.find(({ name }) => name === "unlogged tables")
  const findings = yield* check?.run ?? Effect.succeed([])
  const named = findings.filter(({ status }) => status === "warn").map(({ message }) => message.split(" ")[0])
  if (named.join() !== "hm_api_rate_limit,hm_rate_store") violated("doctor", [named.join()])
  const counts = {
    pairs: size.pairs,
    kills: size.kills,
    entries: entries.length,
    used,
    ledgerMillis: Math.round(Duration.toMillis(elapsed))
  }
  return { violations, counts }
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

/** A server with the migrated tables, and the services on it. `advance` moves the clock that rate limits read. */
const start = Effect.gen(function* () {
  let offsetMicros = 0
  const database = yield* DatabaseOutage.killed
  const options = TestDatabase.optionsOf(database.server.url)
  yield* Migrations.run([CoreDomain.migrations, QuotasDomain.domain.migrations], options.schema).pipe(
    Effect.provide(Database.layerDirect(options))
  )
  const context = yield* Layer.build(
    QuotasDomain.layer.pipe(
      Layer.provide(Layer.succeed(RateClock, { offsetMicros: () => offsetMicros })),
      Layer.provideMerge(Database.layer({ ...options, poolMax: 8 }, "hm-soak"))
    )
  )
  const advance = Effect.sync(() => {
    offsetMicros += hourMicros
  })
  return { database, context, advance }
})

const reportOf = Effect.fnUntraced(function* (
  seed: number,
  part: Effect.Effect<Pick<Report.Report<Rule>, "violations" | "counts">, unknown, Scope.Scope>
) {
  const before = yield* Clock.currentTimeMillis
  const { counts, violations } = yield* part
  const millis = (yield* Clock.currentTimeMillis) - before
  return { ok: violations.length === 0, seed, violations, counts, millis }
}, Effect.scoped)

const asTenant = provide(TenantId.make("acme"))

/** Reserves and commits while Postgres is killed. */
export const runLedger = Effect.fn("QuotaRun.runLedger")(function* (
  seed: number,
  size: Pick<Size, "pairs" | "kills" | "callers">
) {
  const part = Effect.flatMap(start, ({ context, database }) =>
    ledger(seed, size, database).pipe(asTenant, Effect.provideContext(context))
  )
  return yield* reportOf(seed, part)
})

/** Buckets of one request each, an hour later. */
export const runBuckets = Effect.fn("QuotaRun.runBuckets")(function* (seed: number, keys: number) {
  const part = Effect.flatMap(start, ({ advance, context }) =>
    buckets(keys, advance).pipe(asTenant, Effect.provideContext(context))
  )
  return yield* reportOf(seed, part)
})
