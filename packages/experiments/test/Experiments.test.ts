import { assert, layer } from "@effect/vitest"
import { Currency } from "@hypermarket/core/Money"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ExperimentLooks } from "@hypermarket/experiments/ExperimentLooks"
import { Experiments } from "@hypermarket/experiments/Experiments"
import * as ExperimentsDomain from "@hypermarket/experiments/ExperimentsDomain"
import { ExperimentUnits } from "@hypermarket/experiments/ExperimentUnits"
import * as SchemaRules from "@hypermarket/testing/SchemaRules"
import { Effect, Result, type Schema } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Laboratory from "./Laboratory.ts"

const tenant = (id: string) => provide(TenantId.make(id))
const plan = { unitsPlanned: 100 }

layer(Laboratory.layer, { excludeTestServices: true })("Experiments", (it) => {
  it.effect("of two starts that overlap in a layer, at the same moment, one is refused", () =>
    Effect.gen(function* () {
      const experiments = yield* Experiments
      for (let round = 0; round < 10; round++) {
        const layer = { key: `layer-${round}`, from: 0, until: 60_000 }
        const drafts = yield* Effect.forEach(["a", "b"], (key) =>
          experiments.create({ key: `${key}${round}`, variants: Laboratory.twoArms, plan, layer })
        )
        const results = yield* Effect.forEach(
          drafts,
          ({ experimentId, version }) => Effect.result(experiments.start(experimentId, version)),
          { concurrency: 2 }
        )
        const refused = results.filter(Result.isFailure)
        assert.lengthOf(refused, 1)
        assert.deepInclude(refused[0]?.failure, { _tag: "LayerOverlap", layer: layer.key })
      }
    }).pipe(tenant("layers"))
  )

  it.effect(
    "experiments beside each other in a layer run, and a holdout takes no bucket from a running one",
    () =>
      Effect.gen(function* () {
        const experiments = yield* Experiments
        const make = (key: string, from: number, until: number) =>
          Effect.flatMap(
            experiments.create({
              key,
              variants: Laboratory.twoArms,
              plan,
              layer: { key: "search", from, until }
            }),
            ({ experimentId, version }) => experiments.start(experimentId, version)
          )
        yield* make("left", 10_000, 50_000)
        yield* make("right", 50_000, 100_000)
        yield* experiments.setHoldout("search", 10_000)
        const error = yield* Effect.flip(experiments.setHoldout("search", 10_001))
        assert.deepInclude(error, { _tag: "LayerOverlap", experiments: ["left"] })
        const held = yield* Effect.flip(make("held", 0, 5_000))
        assert.deepInclude(held, { _tag: "LayerOverlap" })
      }).pipe(tenant("holdouts"))
  )

  it.effect("only another weight, coverage or targeting of a started experiment begins a phase", () =>
    Effect.gen(function* () {
      const experiments = yield* Experiments
      const draft = yield* experiments.create({ key: "phases", variants: Laboratory.twoArms, plan })
      const wider = yield* experiments.change(draft.experimentId, 1, { coverage: 50_000 })
      assert.strictEqual(wider.phase, 1)
      yield* experiments.start(draft.experimentId, 2)
      const renamed = yield* experiments.change(draft.experimentId, 3, { name: "x", coverage: 50_000 })
      assert.strictEqual(renamed.phase, 1)
      const second = yield* experiments.change(draft.experimentId, 4, { coverage: 100_000 })
      assert.strictEqual(second.phase, 2)
      const stale = yield* Effect.flip(experiments.change(draft.experimentId, 4, { coverage: 1 }))
      assert.deepInclude(stale, { _tag: "VersionStale", currentVersion: 5 })
      const wrong = yield* Effect.flip(
        experiments.change(draft.experimentId, 5, { variants: [{ key: "old", weight: 1 }] })
      )
      assert.strictEqual(wrong._tag, "ExperimentInvalid")
      const unknown = yield* Effect.flip(
        experiments.change(draft.experimentId, 5, { variants: [{ key: "third" }] })
      )
      assert.strictEqual(unknown._tag, "ExperimentInvalid")
    }).pipe(tenant("phases"))
  )

  it.effect("exposures before the start and after the stop are left out with the reason", () =>
    Effect.gen(function* () {
      const experiments = yield* Experiments
      const units = yield* ExperimentUnits
      const looks = yield* ExperimentLooks
      const now = yield* Now.TestNow
      const experiment = yield* Laboratory.start("stopped", [])
      const start = experiment.startedAt
      if (start === null) return assert.fail("not started")
      const none = yield* Effect.flip(looks.look(experiment.experimentId))
      assert.deepInclude(none, { _tag: "LookUnavailable", reason: "no-units" })
      yield* now.adjust("1 day")
      yield* experiments.stop(experiment.experimentId, experiment.version)
      const recorded = yield* units.expose([
        Laboratory.exposure("stopped", "a", "old", Laboratory.after(start, -1)),
        Laboratory.exposure("stopped", "b", "old", Laboratory.after(start, 0.5)),
        Laboratory.exposure("stopped", "c", "old", Laboratory.after(start, 2))
      ])
      assert.deepInclude(recorded, { accepted: 1, repeated: 0 })
      assert.deepStrictEqual(recorded.rejected, [
        { index: 0, reason: "not-started" },
        { index: 2, reason: "stopped" }
      ])
      yield* now.adjust("-1 day")
    }).pipe(tenant("stopped"))
  )

  it.effect(
    "orders, corrections, cancellations and refunds of the shop become the revenue of their customers",
    () =>
      Effect.gen(function* () {
        const looks = yield* ExperimentLooks
        const units = yield* ExperimentUnits
        const experiment = yield* Laboratory.start("shop", [
          { key: "revenue", kind: "sum", source: "order", currency: Currency.make("EUR") },
          { key: "clicks", kind: "count", source: "session.clicked" }
        ])
        const start = experiment.startedAt
        if (start === null) return assert.fail("not started")
        const at = new Date(start.epochMilliseconds + 60_000)
        const order = (orderId: string, customerId: string, version: number, cents: number) => ({
          orderId,
          version,
          status: "placed",
          customerId,
          channel: "web",
          region: "AT",
          currency: "EUR",
          placedAt: at.toISOString(),
          lines: [
            {
              lineId: "1",
              productId: "p",
              sellerId: "s",
              quantity: 2,
              unitPrice: String(cents),
              discount: "100",
              tax: "0",
              shipping: "0"
            }
          ],
          attributes: {}
        })
        const event = (id: string, name: string, data: Schema.Json) => ({
          id,
          source: "/shop",
          type: `com.hypermarket.shop.${name}.v1`,
          time: at,
          data
        })
        yield* units.expose([
          { experiment: "shop", unit: "anna", variant: "old", at: start },
          { experiment: "shop", unit: "ben", variant: "new", at: start }
        ])
        const { subscriptions } = yield* ExperimentsDomain.domain.start
        const [subscription] = subscriptions
        if (subscription === undefined) return assert.fail("no subscription")
        const refund = { orderId: "o1", refundId: "r1", version: 1, at: at.toISOString(), reason: "broken" }
        yield* subscription.handler([
          // The refund comes before its order.
          event("1", "order.refunded", { ...refund, lines: [{ lineId: "1", quantity: 1, amount: "300" }] }),
          event("2", "order.changed", order("o1", "anna", 2, 1_000)),
          event("3", "order.placed", order("o1", "anna", 1, 5_000)),
          event("4", "order.placed", order("o2", "ben", 1, 7_000)),
          event("5", "order.cancelled", order("o2", "ben", 2, 7_000)),
          event("6", "order.placed", order("o3", "ben", 1, 4_000)),
          event("7", "session.clicked", { sessionId: "s", customerId: "ben", at: at.toISOString() }),
          event("8", "order.placed", { broken: true }),
          // The deletion comes before its order.
          event("9", "order.deleted", { orderId: "o4", version: 3, reason: "a test" }),
          event("10", "order.placed", order("o4", "ben", 2, 9_000)),
          event("11", "order.placed", order("o5", "anna", 1, 9_000)),
          event("12", "order.deleted", { orderId: "o5", version: 2, reason: "a test" })
        ])
        const look = yield* looks.look(experiment.experimentId)
        assert.deepStrictEqual(
          look.metrics[0]?.arms.map(({ value }) => value),
          [2 * 1_000 - 100 - 300, 2 * 4_000 - 100]
        )
        assert.strictEqual(look.metrics[1]?.arms[1]?.value, 1)
      }).pipe(Effect.scoped, Effect.provideService(AllTenants, { actor: "test" }), tenant("shop"))
  )

  it.effect("every table begins with the tenant, and no key lacks it", () =>
    Effect.gen(function* () {
      yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* SchemaRules.violations([]), [])
    })
  )
})
