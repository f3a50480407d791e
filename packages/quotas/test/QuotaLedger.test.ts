/** The ledger of quotas against a model, and sessions that are terminated in the middle of it. */
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { QuotaMaintenance } from "@hypermarket/quotas/QuotaMaintenance"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { QuotaReservationId } from "@hypermarket/quotas/TenantQuota"
import { TenantQuotas } from "@hypermarket/quotas/TenantQuotas"
import { TestDatabase, layer as layerTestDatabase } from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Exit, Fiber, Layer, Schema } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { patient } from "./rateSupport.ts"

const TestLayer = QuotasDomain.layer.pipe(
  Layer.provide(patient),
  Layer.provideMerge(Now.layerTest),
  Layer.provideMerge(layerTestDatabase(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

let tenants = 0
const quota = 20

const Amount = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 }))
const Action = Schema.Union([
  Schema.Struct({ do: Schema.Literal("reserve"), amount: Amount }),
  Schema.Struct({ do: Schema.Literal("commit"), amount: Amount }),
  Schema.Struct({ do: Schema.Literal("release"), amount: Amount }),
  Schema.Struct({ do: Schema.Literals(["wait", "fold"]) }),
  Schema.Struct({ do: Schema.Literal("record"), amount: Amount })
])
const Actions = Schema.Array(Action).check(Schema.isMaxLength(25))

const setUp = Effect.gen(function* () {
  const quotas = yield* TenantQuotas
  yield* quotas.createFeature({ feature: "calls", kind: "metered" })
  yield* quotas.grant("calls", { source: "plan", amount: quota })
  return quotas
})

const fold = Effect.flatMap(QuotaMaintenance, (maintenance) => maintenance.fold).pipe(
  Effect.provideService(AllTenants, { actor: "test" })
)

/** The ledger's sums by kind, and the balance after all is folded. */
const sums = (tenantId: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [ledger] = yield* sql<{
      readonly reserved: number
      readonly closed: number
      readonly used: number
    }>`
      SELECT coalesce(sum(l.amount) FILTER (WHERE l.kind = 'reserve'), 0)::int AS reserved,
             coalesce(sum(r.amount) FILTER (WHERE l.kind IN ('commit', 'release', 'expire')), 0)::int AS closed,
             coalesce(sum(l.amount) FILTER (WHERE l.kind IN ('commit', 'record')), 0)::int AS used
        FROM hm_quota_ledger l
        LEFT JOIN hm_quota_reservation r
          ON r.tenant_id = l.tenant_id AND r.reservation_id = l.reservation_id
       WHERE l.tenant_id = ${tenantId}
    `
    const [balance] = yield* sql<{ readonly used: number; readonly held: number }>`
      SELECT coalesce(sum(used), 0)::int AS used, coalesce(sum(held), 0)::int AS held
        FROM hm_tenant_quota
       WHERE tenant_id = ${tenantId}
    `
    return { ledger, balance }
  })

layer(TestLayer, { excludeTestServices: true })("the ledger of quotas", (it) => {
  it.effect.prop(
    "usage is what a model of it counts, whatever is folded when, and the ledger agrees with the balance",
    [Actions],
    ([actions]) => {
      const tenantId = TenantId.make(`model-${++tenants}`)
      return Effect.gen(function* () {
        const quotas = yield* setUp
        const now = yield* Now.TestNow
        let used = 0
        let open: Array<{ readonly id: string; readonly amount: number; readonly end: number }> = []
        let at = 0
        for (const [index, action] of actions.entries()) {
          open = open.filter(({ end }) => end > at)
          const held = open.reduce((sum, { amount }) => sum + amount, 0)
          if (action.do === "reserve") {
            const request = {
              key: `k${index}`,
              feature: "calls",
              amount: action.amount,
              expiresInSeconds: 150
            }
            const exit = yield* Effect.exit(quotas.reserve(request))
            assert.strictEqual(Exit.isSuccess(exit), used + held + action.amount <= quota)
            if (Exit.isSuccess(exit))
              open.push({ id: exit.value.reservationId, amount: action.amount, end: at + 150 })
          } else if (action.do === "commit" || action.do === "release") {
            const first = open[0]
            if (first === undefined) continue
            const id = QuotaReservationId.make(first.id)
            if (action.do === "release") {
              yield* quotas.release(id)
              open.shift()
            } else {
              const exit = yield* Effect.exit(quotas.commit(id, action.amount))
              assert.strictEqual(Exit.isSuccess(exit), action.amount <= first.amount)
              if (Exit.isSuccess(exit)) {
                used += action.amount
                open.shift()
              }
            }
          } else if (action.do === "record") {
            const usage = yield* quotas.record({ key: `k${index}`, feature: "calls", amount: action.amount })
            used += action.amount
            assert.strictEqual(usage.used, used)
          } else if (action.do === "wait") {
            yield* now.adjust("60 seconds")
            at += 60
          } else {
            yield* fold
          }
        }
        const held = open.filter(({ end }) => end > at).reduce((sum, { amount }) => sum + amount, 0)
        assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { used, held })
        yield* fold
        const { balance, ledger } = yield* sums(tenantId)
        assert.deepStrictEqual(balance, { used, held })
        assert.strictEqual(ledger?.used, used)
        assert.strictEqual((ledger?.reserved ?? 0) - (ledger?.closed ?? 0), held)
      }).pipe(provide(tenantId))
    },
    { arbitrary: { runs: 20 } }
  )

  it.effect("usage and open reservations are read in one snapshot, while others commit and fold", () =>
    Effect.gen(function* () {
      const tenantId = TenantId.make("snapshot")
      const amount = 4
      yield* Effect.gen(function* () {
        const quotas = yield* TenantQuotas
        yield* quotas.createFeature({ feature: "calls", kind: "metered" })
        yield* quotas.grant("calls", { source: "plan", amount: 40 * amount })
        const reservations = yield* Effect.forEach(Array.from({ length: 40 }), (_, index) =>
          quotas.reserve({ key: `s${index}`, feature: "calls", amount })
        )
        const writing = Effect.forEach(
          reservations,
          ({ reservationId }, index) =>
            Effect.andThen(quotas.commit(reservationId), index % 7 === 0 ? fold : Effect.void),
          { concurrency: 3, discard: true }
        )
        const reading = quotas
          .usage({ feature: "calls" })
          .pipe(
            Effect.tap(({ held, remaining, used }) =>
              Effect.sync(() => assert.deepStrictEqual([used + held, remaining], [40 * amount, 0]))
            )
          )
        const fiber = yield* Effect.forkChild(Effect.forever(reading))
        yield* writing
        assert.isUndefined(fiber.pollUnsafe())
        yield* Fiber.interrupt(fiber)
        assert.deepInclude(yield* reading, { used: 40 * amount, held: 0 })
      }).pipe(provide(tenantId))
    })
  )

  it.effect("a batch that fails half-way gives all back", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const quotas = yield* setUp
      const reserve = (key: string, amount: number) => quotas.reserve({ key, feature: "calls", amount })
      const batch = Effect.forEach([6, 7, 8], (amount, index) => reserve(`b${index}`, amount))
      const refused = yield* Effect.flip(sql.withTransaction(batch))
      assert.deepInclude(refused, { _tag: "QuotaExceeded", requested: 8, remaining: 7 })
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { held: 0, remaining: quota })
      // The keys were given back too.
      assert.strictEqual((yield* reserve("b0", quota)).amount, quota)
    }).pipe(provide(TenantId.make("half-way")))
  )

  it.effect("a session terminated in reserve or commit leaves all of it or nothing", () =>
    Effect.gen(function* () {
      const tenantId = TenantId.make("killed")
      const sql = yield* SqlClient.SqlClient
      const { options } = yield* TestDatabase
      const context = yield* Layer.build(
        TenantQuotas.layer.pipe(Layer.fresh, Layer.provide(Database.layer(options, "hm-test-killed")))
      )
      const victim = Context.get(context, TenantQuotas)
      const quotas = yield* setUp.pipe(provide(tenantId))
      const kill = sql`
        SELECT pg_terminate_backend(pid)
          FROM pg_stat_activity
         WHERE application_name = 'hm-test-killed' AND datname = current_database()
      `
      const work = (key: string) =>
        victim.reserve({ key, feature: "calls", amount: 3 }).pipe(
          Effect.flatMap(({ reservationId }) => victim.commit(reservationId, 1)),
          Effect.exit,
          provide(tenantId)
        )
      for (let round = 0; round < 8; round++) {
        const keys = [1, 2, 3].map((index) => `r${round}-${index}`)
        yield* Effect.all([Effect.forEach(keys, work, { concurrency: "unbounded" }), kill], {
          concurrency: 2
        })
      }
      const usage = yield* quotas.usage({ feature: "calls" }).pipe(provide(tenantId))
      assert.isAtMost(usage.used + usage.held, quota)
      yield* fold
      const { balance, ledger } = yield* sums(tenantId)
      assert.deepStrictEqual(balance, { used: usage.used, held: usage.held })
      assert.strictEqual(ledger?.used, usage.used)
      assert.strictEqual((ledger?.reserved ?? 0) - (ledger?.closed ?? 0), usage.held)
    })
  )
})
