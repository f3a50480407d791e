import { assert, layer } from "@effect/vitest"
import * as Commerce from "@hypermarket/core/Commerce"
import * as Now from "@hypermarket/core/Now"
import type { Event } from "@hypermarket/core/Outbox"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { Risk } from "@hypermarket/risk/Risk"
import * as RiskDomain from "@hypermarket/risk/RiskDomain"
import { RiskRules } from "@hypermarket/risk/RiskRules"
import { starterRules } from "@hypermarket/risk/StarterRules"
import { DateTime, Effect, type Schema } from "effect"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Scene from "./Scene.ts"

const tenant = (name: string) => provide(TenantId.make(name))
const patient = { deadlineMillis: 10_000 }

const event = (name: Commerce.FactName, id: string, time: Date, data: Schema.Json): Event => ({
  id,
  source: "https://shop.example",
  type: Commerce.typeOf(name),
  time,
  data
})

const orderData = (
  orderId: string,
  version: number,
  placedAt: Date,
  more: Record<string, Schema.Json> = {}
) => ({
  orderId,
  version,
  status: version === 1 ? "placed" : "changed",
  customerId: "c-1",
  channel: "web",
  region: "DE",
  currency: "EUR",
  placedAt: placedAt.toISOString(),
  lines: [{ lineId: "l-1", productId: "p-1", sellerId: "s-1", quantity: version, unitPrice: "1000" }],
  ...more
})

/** Hands events to the domain's subscription as a worker does. */
const handle = Effect.fnUntraced(
  function* (events: ReadonlyArray<Event>) {
    const started = yield* RiskDomain.domain.start.pipe(Effect.provide(Scene.config))
    const [subscription] = started.subscriptions
    const rejections = subscription === undefined ? undefined : yield* subscription.handler(events)
    return rejections ?? []
  },
  Effect.provideService(AllTenants, { actor: "test" }),
  Effect.scoped
)

layer(Scene.layer, { excludeTestServices: true })("facts of the shop", (it) => {
  it.effect("become one signal per order in any order, and a bad one is rejected alone", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const now = yield* Now.now
      yield* Scene.goLive({
        rules: [
          {
            key: "lines",
            expression: "attributes.quantity >= 1",
            reason: "ANY",
            outcome: "review",
            kinds: ["order"]
          }
        ]
      })
      const rejected = yield* handle([
        event("order.changed", "e3", now, orderData("o-1", 3, now)),
        event("order.placed", "e1", now, orderData("o-1", 1, now)),
        event("order.placed", "bad", now, { orderId: "o-2" }),
        event("order.changed", "e2", now, orderData("o-1", 2, now))
      ])
      yield* handle([event("order.changed", "e3", now, orderData("o-1", 3, now))])
      assert.deepStrictEqual(
        rejected.map(({ event, rejected }) => [event.id, rejected.reason]),
        [["bad", "not-a-signal"]]
      )
      const signal = yield* risk.getSignal("order", "o-1")
      assert.deepInclude(signal.attributes, { quantity: 3, channel: "web", guest: false })
      const { items } = yield* risk.list({})
      const started = yield* RiskDomain.domain.start.pipe(Effect.provide(Scene.config))
      const entries = yield* (
        started.timeline?.({
          subject: { kind: "order", id: "o-1" },
          before: undefined,
          limit: 10
        }) ?? Effect.die("no timeline")
      )
      assert.deepStrictEqual(
        entries.map(({ data, kind }) => ({ data, kind })),
        [{ kind: "risk.decided", data: { outcome: "review", observed: true, reasons: ["ANY"] } }]
      )
      assert.deepStrictEqual(
        items.map(({ number, observed, outcome, subject }) => ({ number, observed, outcome, subject })),
        [{ number: 1, observed: true, outcome: "review", subject: "o-1" }]
      )
    }).pipe(Effect.provideService(AllTenants, { actor: "test" }), Effect.scoped, tenant("facts"))
  )

  it.effect("of more orders than one statement judges become one decision each", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const now = yield* Now.now
      yield* Scene.goLive({
        rules: [{ key: "c", expression: 'count("account", "24h", "order") >= 10', reason: "C", weight: 1 }]
      })
      const orders = Array.from({ length: 230 }, (_, index) => `b-${index}`)
      const events = orders.map((id) =>
        event("order.placed", id, now, orderData(id, 1, now, { customerId: `c-${id}` }))
      )
      yield* handle([...events, ...events.slice(0, 7)])
      const first = yield* risk.list({ limit: 200 })
      const second = yield* risk.list({ limit: 200, cursor: first.nextCursor ?? "" })
      const decided = [...first.items, ...second.items]
      assert.deepStrictEqual(decided.map(({ subject }) => subject).toSorted(), orders.toSorted())
      assert.isTrue(
        decided.every(
          ({ frozen, number }) => number === 1 && frozen.features["count(account,24h,order)"] === "0"
        )
      )
    }).pipe(tenant("batch"))
  )

  const tooLate = Effect.map(PrometheusMetrics.format(), (text) =>
    Number(/^hm_risk_facts_too_late_total (\d+)$/m.exec(text)?.[1] ?? 0)
  )

  it.effect(
    "that are more than 30 days late make no signal, complete the one that exists, and are counted",
    () =>
      Effect.gen(function* () {
        const risk = yield* Risk
        const before = yield* tooLate
        const now = yield* Now.now
        const old = new Date(now.getTime() - 31 * 86_400_000)
        yield* handle([event("order.placed", "e1", now, orderData("o-old", 1, old))])
        assert.strictEqual((yield* Effect.flip(risk.getSignal("order", "o-old")))._tag, "SignalNotFound")
        yield* risk.decide({ kind: "order", subject: "o-known", entities: {} }, patient)
        yield* handle([event("order.changed", "e2", now, orderData("o-known", 2, old))])
        assert.strictEqual((yield* risk.getSignal("order", "o-known")).attributes["quantity"], 2)
        assert.strictEqual((yield* tooLate) - before, 2)
      }).pipe(tenant("late"))
  )

  it.effect("that are dated ahead of the clock make a signal of now, which the retention reaches", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const now = yield* Now.now
      const ahead = new Date(now.getTime() + 700 * 86_400_000)
      yield* handle([event("order.placed", "e1", now, orderData("o-preorder", 1, ahead))])
      const signal = yield* risk.getSignal("order", "o-preorder")
      assert.isAtMost(signal.occurredAt.epochMilliseconds, (yield* Now.now).getTime())
    }).pipe(tenant("ahead"))
  )

  it.effect("label an order by its chargeback, from the time that it was received", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const rules = yield* RiskRules
      const now = yield* Now.now
      const version = yield* Scene.goLive({
        rules: [{ key: "all", expression: "true", reason: "ALL", outcome: "hold" }]
      })
      const at = new Date(now.getTime() + 60_000)
      const lost = new Date(now.getTime() + 86_400_000)
      const chargeback = (orderId: string, state: "opened" | "lost") => {
        const [time, version] = state === "opened" ? [at, 1] : [lost, 2]
        return event("chargeback.received", `cb-${orderId}-${state}`, time, {
          orderId,
          chargebackId: `cb-${orderId}`,
          version,
          at: time.toISOString(),
          reason: "fraud",
          amount: "1000",
          state
        })
      }
      for (const subject of ["o-1", "o-2", "o-3"]) {
        yield* risk.decide({ kind: "order", subject, entities: {} }, patient)
      }
      // That one is lost changes nothing of what was known when it was opened, in whatever order both arrive.
      yield* handle([chargeback("o-1", "opened")])
      yield* handle([chargeback("o-1", "lost")])
      yield* handle([chargeback("o-2", "lost")])
      yield* handle([chargeback("o-2", "opened")])
      yield* handle([chargeback("o-3", "opened"), chargeback("o-3", "lost")])
      const range = {
        version,
        from: DateTime.makeUnsafe(now.getTime() - 60_000),
        to: DateTime.makeUnsafe(now.getTime() + 60_000)
      }
      assert.deepInclude(yield* rules.backtest({ ...range, asOf: DateTime.makeUnsafe(now.getTime()) }), {
        labelled: 0
      })
      assert.deepInclude(yield* rules.backtest({ ...range, asOf: DateTime.makeUnsafe(at.getTime()) }), {
        labelled: 3,
        badAlerts: 3,
        precision: 1
      })
    }).pipe(tenant("chargeback"))
  )

  it.effect("A rule with a time window is live at once: nothing is built per rule", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      for (const subject of ["l1", "l2", "l3"]) {
        yield* risk.decide({ kind: "login", subject, entities: { ip: "192.0.2.1" } }, patient)
      }
      yield* Scene.goLive({
        rules: [
          { key: "busy", expression: 'count("ip", "7d", "login") == 3', reason: "BUSY", outcome: "challenge" }
        ]
      })
      const answer = yield* risk.decide(
        { kind: "login", subject: "l4", entities: { ip: "192.0.2.1" } },
        patient
      )
      assert.strictEqual(answer.outcome, "challenge")
    }).pipe(tenant("window"))
  )

  it.effect("One shared device, IP or address never blocks by itself", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      yield* Scene.goLive(starterRules)
      for (let index = 0; index < 15; index++) {
        const answer = yield* risk.decide(
          {
            kind: "payment",
            subject: `family-${index}`,
            result: "approved",
            entities: {
              device: "shared",
              ip: "192.0.2.2",
              address: "1 Main St",
              account: `a${index}`,
              card: `c${index}`
            }
          },
          patient
        )
        assert.notStrictEqual(answer.outcome, "block")
        assert.isNull(answer.fallback)
      }
    }).pipe(tenant("shared"))
  )

  it.effect("500 rules with every kind of error decide, none blocks, and health names each", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const rules = yield* RiskRules
      const failing = [
        "amount > 1",
        "9223372036854775807 + attributes.lines > 0",
        "int(subject) == 1",
        "attributes.lines / 0 > 1",
        "attributes.coupons[7] == 'x'",
        "[1, 2, 3].all(x, amount > x)",
        "timestamp(subject) > at",
        "average('account', '30d') > 1.0"
      ]
      const ruleSet = {
        rules: Array.from({ length: 500 }, (_, index) => ({
          key: `rule-${index}`,
          expression: failing[index % failing.length] ?? "",
          reason: "ERROR",
          outcome: "block" as const,
          kinds: ["order"] as const
        }))
      }
      // A pattern that the signal brings is refused where the rules are saved.
      const dynamic = {
        ...ruleSet.rules[0],
        key: "dynamic",
        reason: "ERROR",
        expression: "subject.matches(source)"
      }
      const refused = yield* Effect.flip(rules.create({ rules: [...ruleSet.rules.slice(1), dynamic] }))
      assert.deepInclude(refused, { _tag: "RuleSetInvalid" })
      assert.deepStrictEqual(
        refused._tag === "RuleSetInvalid"
          ? refused.errors.map(({ column, message, rule }) => ({ column, message, rule }))
          : [],
        [{ column: 17, message: "Expected the pattern as a literal", rule: "dynamic" }]
      )
      yield* Scene.goLive(ruleSet)
      const answer = yield* risk.decide(
        { kind: "order", subject: "o-1", entities: { account: "a" }, attributes: { lines: 1, coupons: [] } },
        patient
      )
      assert.deepInclude(answer, { outcome: "allow", fallback: null, score: 0 })
      const health = yield* rules.health
      assert.deepStrictEqual(
        health.map(({ rule }) => rule).toSorted(),
        ruleSet.rules.map(({ key }) => key).toSorted()
      )
      assert.isTrue(health.every(({ lastError }) => lastError !== null))
      assert.isTrue(health.every(({ errors, fired }) => errors === 1 && fired === 0))
    }).pipe(tenant("errors"))
  )
})
