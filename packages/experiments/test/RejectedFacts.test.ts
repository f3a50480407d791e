/** The handler of the shop's facts beside stored facts that this release cannot read. */
import { assert, layer } from "@effect/vitest"
import * as Commerce from "@hypermarket/core/Commerce"
import { Currency } from "@hypermarket/core/Money"
import * as Now from "@hypermarket/core/Now"
import type { Event } from "@hypermarket/core/Outbox"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ExperimentMetrics } from "@hypermarket/experiments/ExperimentMetrics"
import * as ExperimentsDomain from "@hypermarket/experiments/ExperimentsDomain"
import * as PoisonSuite from "@hypermarket/testing/PoisonSuite"
import { Effect, type Schema } from "effect"
import { SqlClient } from "effect/sql"
import * as Laboratory from "./Laboratory.ts"

const eventOf = (id: string, type: Commerce.FactName, data: Schema.Json): Effect.Effect<Event> =>
  Effect.map(Now.now, (time) => ({ id, source: "/shop", type: Commerce.typeOf(type), time, data }))

const line = { lineId: "l1", productId: "p-3", sellerId: "s-2", quantity: 2, unitPrice: "1750" }
const orderOf = (placedAt: Date) => ({
  version: 1,
  status: "paid",
  customerId: "c-31",
  channel: "web",
  region: "NL",
  currency: "EUR",
  placedAt: placedAt.toISOString(),
  taxIncluded: true,
  lines: [line]
})

layer(Laboratory.layer, { excludeTestServices: true })(
  "A batch of facts with some that cannot be read",
  (it) => {
    it.effect("counts the others, and rejects those with their fields", () =>
      Effect.gen(function* () {
        const { subscriptions } = yield* ExperimentsDomain.domain.start
        const [subscription] = subscriptions
        if (subscription === undefined) return yield* Effect.die(new Error("there is no subscription"))
        // The shop's orders are kept from the first metric that asks for them.
        const metrics = yield* ExperimentMetrics
        yield* metrics.create({
          key: "revenue",
          kind: "sum",
          source: "order",
          currency: Currency.make("EUR")
        })
        const order = orderOf(yield* Now.now)
        const rejections =
          (yield* subscription.handler([
            yield* eventOf("1", "order.placed", { ...order, orderId: "o-1" }),
            yield* eventOf("2", "order.placed", {
              ...order,
              orderId: "o-2",
              placedAt: { of: "a newer release" }
            }),
            yield* eventOf("3", "session.viewed", { sessionId: "v-1", productId: "p-3", at: "yesterday" }),
            yield* eventOf("4", "order.placed", { ...order, orderId: "o-4", ofNextRelease: [1] })
          ])) ?? []
        assert.deepStrictEqual(
          rejections.map(({ event, rejected }) => [
            event.id,
            rejected.reason,
            ...rejected.errors.map(({ path }) => path.join("."))
          ]),
          [
            ["2", "fact-invalid", "placedAt"],
            ["3", "fact-invalid", "at"]
          ]
        )
        assert.strictEqual(yield* PoisonSuite.count("hm_experiment_fact_key", "read"), 2)
      }).pipe(
        provide(TenantId.make("read")),
        Effect.provideService(AllTenants, { actor: "test" }),
        Effect.scoped
      )
    )

    it.effect("counts an order and a visit that are dated ahead of the clock from now on", () =>
      Effect.gen(function* () {
        const { subscriptions } = yield* ExperimentsDomain.domain.start
        const [subscription] = subscriptions
        if (subscription === undefined) return yield* Effect.die(new Error("there is no subscription"))
        const metrics = yield* ExperimentMetrics
        yield* metrics.create({ key: "orders", kind: "count", source: "order" })
        yield* metrics.create({ key: "visits", kind: "count", source: "session.viewed" })
        const now = yield* Now.now
        const ahead = (hours: number) => new Date(now.getTime() + hours * 3_600_000)
        const visit = { sessionId: "v-2", productId: "p-3" }
        const rejections = yield* subscription.handler([
          yield* eventOf("6", "order.placed", { ...orderOf(ahead(90 * 24)), orderId: "o-6" }),
          yield* eventOf("7", "session.viewed", { ...visit, at: ahead(25).toISOString() }),
          yield* eventOf("8", "session.viewed", { ...visit, at: ahead(-3).toISOString() })
        ])
        assert.deepStrictEqual(rejections, [])
        const sql = yield* SqlClient.SqlClient
        assert.deepStrictEqual(
          yield* sql`
            SELECT fact_id AS "factId", at <= ${yield* Now.now} AS "isPast", at = ${ahead(-3)} AS "isAsDated"
              FROM hm_experiment_fact
             WHERE tenant_id = 'ahead'
             ORDER BY fact_id
          `,
          [
            { factId: "o-6", isPast: true, isAsDated: false },
            { factId: "session/7", isPast: true, isAsDated: false },
            { factId: "session/8", isPast: true, isAsDated: true }
          ]
        )
      }).pipe(
        provide(TenantId.make("ahead")),
        Effect.provideService(AllTenants, { actor: "test" }),
        Effect.scoped
      )
    )
  }
)
