/** Policies in shadow: what they would deny is counted, and no request notices them. */
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as CoreLimits from "@hypermarket/core/Limits"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import type { NewRatePolicy } from "@hypermarket/quotas/RatePolicy"
import * as RequestLimits from "@hypermarket/quotas/RequestLimits"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Fiber, Layer, Option, Schedule } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { patient } from "./rateSupport.ts"

const services = Layer.merge(QuotasDomain.layer, RequestLimits.layer).pipe(Layer.provide(patient))

const TestLayer = services.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

let tenants = 0
const fresh = () => TenantId.make(`shade-${++tenants}`)
const current = () => TenantId.make(`shade-${tenants}`)
const poll = Schedule.spaced("20 millis")
const hourMillis = 3_600_000

const create = (policy: Partial<NewRatePolicy> & { readonly policy: string }) =>
  Effect.flatMap(RateLimits, (limits) =>
    limits.createPolicy({ kind: "gcra", quota: 10, periodMillis: hourMillis, by: ["user"], ...policy })
  )
const subject = { user: "u" }
const check = (...policies: ReadonlyArray<string>) =>
  Effect.flatMap(RateLimits, (limits) => limits.check({ policies, subject }))
const release = (lease: string | null, ...policies: ReadonlyArray<string>) =>
  Effect.flatMap(RateLimits, (limits) => limits.release({ policies, subject, lease: lease ?? "" }))

/** Slots of the current tenant's policies that are held. */
const slots = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly held: number }>`
    SELECT coalesce(sum(cardinality(lease_tokens)), 0)::int AS held
      FROM hm_api_rate_limit
     WHERE tenant_id = ${current()}
  `
  return row?.held ?? 0
})
const untilSlots = (held: number) =>
  Effect.repeat(slots, { until: (count) => count === held, schedule: poll })

layer(TestLayer, { excludeTestServices: true })("policies in shadow", (it) => {
  it.effect("slots of a policy in shadow are freed with the lease: out of shadow all of them are there", () =>
    Effect.gen(function* () {
      const limits = yield* RateLimits
      const { version } = yield* create({ policy: "jobs", kind: "concurrency", quota: 2, shadow: true })
      const decisions = yield* Effect.forEach([1, 2, 3, 4, 5], () => check("jobs"))
      assert.isTrue(decisions.every(({ allowed, lease }) => allowed && lease !== null))
      assert.strictEqual(yield* slots, 2)
      for (const { lease } of decisions) yield* release(lease, "jobs")
      yield* untilSlots(0)
      yield* limits.updatePolicy("jobs", version, { shadow: false })
      const live = yield* Effect.forEach([1, 2, 3], () => check("jobs"))
      assert.deepStrictEqual(
        live.map(({ allowed }) => allowed),
        [true, true, false]
      )
    }).pipe(provide(fresh()))
  )

  it.effect("a request that another policy denies, or whose caller has gone, leaves no slot in shadow", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* create({ policy: "trial", kind: "concurrency", quota: 40, shadow: true })
      yield* create({ policy: "strict", quota: 1 })
      yield* create({ policy: "slots", kind: "concurrency", quota: 3 })
      const first = yield* check("trial", "strict", "slots")
      assert.strictEqual(yield* slots, 2)
      assert.isFalse((yield* check("trial", "strict", "slots")).allowed)
      yield* untilSlots(2)
      // One lease for both: the slot in shadow and the other.
      yield* release(first.lease, "trial", "slots")
      yield* untilSlots(0)
      // A transaction sees one state of pg_stat_activity, however often it asks.
      const waiting = sql<{ readonly count: number }>`
        SELECT count(*)::int AS count
          FROM pg_locks
         WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
      `
      // The row of the one that counts is held by another transaction: the slot in shadow is taken, and the caller leaves.
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`
            SELECT 1
              FROM hm_api_rate_limit
             WHERE tenant_id = ${current()} AND policy = 'slots'
               FOR UPDATE
          `
          const gone = yield* Effect.forkChild(check("trial", "slots"))
          yield* Effect.repeat(waiting, { until: ([row]) => row?.count !== 0, schedule: poll })
          yield* Fiber.interrupt(gone)
        })
      )
      yield* untilSlots(0)
    }).pipe(provide(fresh()))
  )

  it.effect("what would be denied is counted by policy, and nothing is denied", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* create({ policy: "few", quota: 3, shadow: true })
      yield* create({ policy: "one", kind: "concurrency", quota: 1, shadow: true })
      yield* Effect.gen(function* () {
        const limits = Context.get(yield* Layer.build(Layer.fresh(services)), RateLimits)
        for (let index = 0; index < 7; index++) {
          assert.isTrue((yield* limits.check({ policies: ["few", "one"], subject })).allowed)
        }
      }).pipe(Effect.scoped)
      const counted = yield* sql<{
        readonly policy: string
        readonly shadowed: number
        readonly denied: number
      }>`
        SELECT policy, sum(shadowed)::int AS shadowed, sum(denied)::int AS denied
          FROM hm_rate_denial
         WHERE tenant_id = ${current()}
         GROUP BY policy
         ORDER BY policy
      `
      assert.deepStrictEqual(
        counted.map((row) => ({ ...row })),
        [
          { policy: "few", shadowed: 4, denied: 0 },
          { policy: "one", shadowed: 6, denied: 0 }
        ]
      )
    }).pipe(provide(fresh()))
  )

  it.effect(
    "a policy in shadow changes no answer of the API: it displaces no policy and lowers no cost",
    () =>
      Effect.gen(function* () {
        const { check: ask } = yield* CoreLimits.Limits
        const tenantId = current()
        yield* create({ policy: "default", quota: 9, by: ["tenant"] })
        const route = { routes: ["events.publish"], shadow: true }
        yield* create({ policy: "a-route", quota: 2, by: ["tenant"], ...route })
        yield* create({ policy: "b-slots", kind: "concurrency", quota: 1, by: ["tenant"], ...route })
        for (let index = 0; index < 20; index++) {
          yield* create({ policy: `c-${index}`, quota: 1, by: ["tenant"], ...route })
        }
        const request = {
          tenantId,
          keyId: "k",
          plan: Option.none<string>(),
          route: "events.publish",
          cost: 4,
          address: { text: "192.0.2.9", bucket: "192.0.2.9" }
        }
        const verdicts = yield* Effect.repeat(ask(request), {
          until: ({ headers }) => headers.ratelimit !== undefined,
          schedule: poll
        }).pipe(
          Effect.flatMap((first) =>
            Effect.map(Effect.replicateEffect(ask(request), 2), (rest) => [first, ...rest])
          )
        )
        assert.deepStrictEqual(
          verdicts.map(({ allowed, headers }) => [
            allowed,
            headers["ratelimit-policy"],
            headers.ratelimit?.split(";")[1]
          ]),
          [
            [true, '"default";q=9;w=3600', "r=5"],
            [true, '"default";q=9;w=3600', "r=1"],
            [false, '"default";q=9;w=3600', "r=1"]
          ]
        )
        for (const verdict of verdicts) yield* verdict.ended ?? Effect.void
        yield* untilSlots(0)
      }).pipe(provide(fresh()))
  )
})
