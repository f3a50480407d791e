/** Usage that arrives as facts of the shop, through the domain's subscription. */
import { assert, layer } from "@effect/vitest"
import * as Commerce from "@hypermarket/core/Commerce"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import type { Event } from "@hypermarket/core/Outbox"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { QuotaMaintenance } from "@hypermarket/quotas/QuotaMaintenance"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { TenantQuotas } from "@hypermarket/quotas/TenantQuotas"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { DateTime, Effect, Layer } from "effect"
import type { Json } from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

const TestLayer = QuotasDomain.layer.pipe(
  Layer.provideMerge(Now.layerTest),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

let tenants = 0
const fresh = () => provide(TenantId.make(`shop-${++tenants}`))
const asSystem = Effect.provideService(AllTenants, { actor: "test" })

const now = "2026-07-19T10:00:00Z"
const setNow = (text: string) =>
  Effect.flatMap(Now.TestNow, (clock) => clock.set(DateTime.toDate(DateTime.makeUnsafe(text))))

const usage = (usageId: string, quantity: number, more: Readonly<Record<string, Json>> = {}): Event => ({
  id: `event-${usageId}`,
  source: "/shop",
  type: Commerce.typeOf("usage.recorded"),
  time: new Date(now),
  data: { usageId, feature: "tokens", quantity, at: "2026-07-19T09:30:00Z", ...more }
})

/** Runs the handler as a worker does, and returns the reasons of what it rejects by the event's id. */
const handle = Effect.fnUntraced(function* (events: ReadonlyArray<Event>) {
  const { subscriptions } = yield* QuotasDomain.domain.start
  const subscription = subscriptions.find(({ types }) => types.includes(Commerce.typeOf("usage.recorded")))
  assert.isDefined(subscription)
  const rejections = (yield* subscription.handler(events).pipe(asSystem)) ?? []
  return Object.fromEntries(rejections.map(({ event, rejected }) => [event.id, rejected.reason]))
}, Effect.scoped)

const setUp = Effect.gen(function* () {
  yield* setNow(now)
  const quotas = yield* TenantQuotas
  const period = {
    unit: "month" as const,
    anchor: DateTime.makeUnsafe("2026-01-05T00:00:00Z"),
    zone: "UTC"
  }
  yield* quotas.createFeature({ feature: "tokens", kind: "metered", period })
  yield* quotas.grant("tokens", { source: "plan", amount: 700, recurring: true })
  return quotas
})

const ledgerSum = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly amount: number }>`
    SELECT coalesce(sum(amount), 0)::int AS amount
      FROM hm_quota_ledger
     WHERE tenant_id = ${`shop-${tenants}`} AND kind = 'record'
  `
  return row?.amount
})

layer(TestLayer, { excludeTestServices: true })("usage.recorded", (it) => {
  it.effect("counts once per usageId, however often and in however many batches a fact arrives", () =>
    Effect.gen(function* () {
      const quotas = yield* setUp
      const facts = [usage("a", 31), usage("b", 17), usage("a", 31)]
      assert.deepStrictEqual(yield* handle(facts), {})
      assert.deepStrictEqual(yield* handle([usage("b", 17), usage("c", 5)]), {})
      const { fold } = yield* QuotaMaintenance
      yield* asSystem(fold)
      assert.deepStrictEqual(yield* handle(facts), {})
      assert.deepInclude(yield* quotas.usage({ feature: "tokens" }), { used: 53, remaining: 647 })
      assert.strictEqual(yield* ledgerSum, 53)
    }).pipe(fresh())
  )

  it.effect("counts once as a fact and as a record with its usageId as the key", () =>
    Effect.gen(function* () {
      const quotas = yield* setUp
      yield* quotas.record({ key: "both", feature: "tokens", amount: 11 })
      assert.deepStrictEqual(yield* handle([usage("both", 11), usage("first", 23)]), {})
      yield* quotas.record({ key: "first", feature: "tokens", amount: 23 })
      assert.deepInclude(yield* quotas.usage({ feature: "tokens" }), { used: 34 })
    }).pipe(fresh())
  )

  it.effect("counts for its subject, and late usage in its own period", () =>
    Effect.gen(function* () {
      const quotas = yield* setUp
      const late = usage("late", 9, { at: "2026-07-04T23:59:59Z" })
      assert.deepStrictEqual(
        yield* handle([usage("s", 4, { subject: "seller-3" }), late, usage("own", 2)]),
        {}
      )
      assert.deepInclude(yield* quotas.usage({ feature: "tokens" }), { used: 2 })
      assert.deepInclude(yield* quotas.usage({ feature: "tokens", subject: "seller-3" }), { used: 4 })
      const june = { feature: "tokens", at: DateTime.makeUnsafe("2026-06-30T00:00:00Z") }
      assert.deepInclude(yield* quotas.usage(june), { used: 9 })
    }).pipe(fresh())
  )

  it.effect("is always kept: above the limit it is told as overage", () =>
    Effect.gen(function* () {
      const quotas = yield* setUp
      assert.deepStrictEqual(yield* handle([usage("huge", 900)]), {})
      assert.deepInclude(yield* quotas.usage({ feature: "tokens" }), {
        used: 900,
        remaining: 0,
        overage: 200
      })
    }).pipe(fresh())
  )

  it.effect("what cannot be counted is rejected with its reason, and the rest of the batch counts", () =>
    Effect.gen(function* () {
      const quotas = yield* setUp
      yield* quotas.createFeature({ feature: "exports", kind: "boolean" })
      yield* quotas.reserve({ key: "taken", feature: "tokens", amount: 1 })
      const rejected = yield* handle([
        usage("good", 6),
        usage("unknown", 1, { feature: "tokenz" }),
        usage("flag", 1, { feature: "exports" }),
        usage("old", 1, { at: "2026-06-14T09:59:59Z" }),
        usage("nearly", 3, { at: "2026-06-14T10:00:01Z" }),
        usage("taken", 1),
        { ...usage("good", 7), id: "other-quantity" },
        usage("negative", -5),
        { ...usage("next", 8), data: { ...Object(usage("next", 8).data), ofNextRelease: true } }
      ])
      assert.deepStrictEqual(rejected, {
        "event-unknown": "usage-feature-unknown",
        "event-flag": "usage-feature-not-metered",
        "event-old": "usage-too-old",
        "event-taken": "usage-id-reused",
        "other-quantity": "usage-id-reused",
        "event-negative": "usage-fact-invalid"
      })
      assert.deepInclude(yield* quotas.usage({ feature: "tokens" }), { used: 14, held: 1 })
      assert.strictEqual(yield* ledgerSum, 17)
    }).pipe(fresh())
  )

  it.effect("never counts again what is handled after its key was deleted", () =>
    Effect.gen(function* () {
      const quotas = yield* setUp
      // One that is ahead of the clock by less than a day, which core accepts.
      const facts = [usage("replayed", 12), usage("ahead", 5, { at: "2026-07-20T07:00:00Z" })]
      assert.deepStrictEqual(yield* handle(facts), {})
      const { prune } = yield* QuotaMaintenance
      yield* setNow("2026-08-23T10:00:01Z")
      yield* asSystem(prune)
      assert.deepStrictEqual(yield* handle(facts), { "event-replayed": "usage-too-old" })
      yield* setNow("2026-08-24T07:00:00Z")
      yield* asSystem(prune)
      const reasons = { "event-replayed": "usage-too-old", "event-ahead": "usage-too-old" }
      assert.deepStrictEqual(yield* handle(facts), reasons)
      const july = { feature: "tokens", at: DateTime.makeUnsafe("2026-07-19T00:00:00Z") }
      assert.deepInclude(yield* quotas.usage(july), { used: 17 })
    }).pipe(fresh())
  )
})
