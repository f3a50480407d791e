import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ExperimentMetrics } from "@hypermarket/experiments/ExperimentMetrics"
import { Experiments } from "@hypermarket/experiments/Experiments"
import { ExperimentsApi } from "@hypermarket/experiments/ExperimentsApi"
import * as ExperimentsDomain from "@hypermarket/experiments/ExperimentsDomain"
import * as ExperimentsHttp from "@hypermarket/experiments/ExperimentsHttp"
import { ExperimentUnits } from "@hypermarket/experiments/ExperimentUnits"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import * as TestApi from "@hypermarket/testing/TestApi"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, type Schema } from "effect"
import * as Laboratory from "./Laboratory.ts"

const TestServer = TestApi.layer(ExperimentsApi, ExperimentsHttp.layer).pipe(
  Layer.provideMerge(ExperimentsDomain.layer),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, ExperimentsDomain.domain.migrations))
)

const path = "/v1/experiments/experiments"

const newExperiment = (key: string, more: Readonly<Record<string, Schema.Json>> = {}): Schema.Json => ({
  key,
  variants: [
    { key: "old", weight: 5_000 },
    { key: "new", weight: 5_000 }
  ],
  plan: { unitsPlanned: 100 },
  ...more
})

let seeds = 0

layer(TestServer, { excludeTestServices: true })("ExperimentsHttp", (it) => {
  const seed = Effect.gen(function* () {
    const experiments = yield* Experiments
    const metrics = yield* ExperimentMetrics
    const units = yield* ExperimentUnits
    const number = seeds++
    const metric = yield* metrics.create({ key: `metric-${number}`, kind: "count", source: "purchase" })
    const experiment = yield* experiments.create({
      key: `experiment-${number}`,
      variants: Laboratory.twoArms,
      plan: { unitsPlanned: 100 }
    })
    const other = yield* experiments.create({
      key: `running-${number}`,
      variants: Laboratory.twoArms,
      plan: { unitsPlanned: 100 }
    })
    yield* experiments.start(other.experimentId, other.version)
    yield* units.expose([{ experiment: other.key, unit: "customer", variant: "old" }])
    return {
      ownerKey: "owner",
      strangerKey: "stranger",
      params: { experimentId: experiment.experimentId, metricId: metric.metricId },
      payloads: {
        createMetric: { key: `new-${number}`, kind: "count", source: "purchase" },
        createExperiment: newExperiment(`new-${number}`),
        changeExperiment: { name: "another" },
        decideExperiment: { outcome: "keep", look: 1, why: "no difference" },
        takeLook: { look: 1 },
        setHoldout: { layer: "search", buckets: 1_000 },
        assign: { unit: "customer" },
        expose: { exposures: [{ experiment: other.key, unit: "customer", variant: "new" }] },
        recordFacts: {
          facts: [{ source: "purchase", factId: "1", unit: "customer", at: "2026-01-01T00:00:00Z" }]
        }
      },
      watched: [`${path}/${experiment.experimentId}`, `/v1/experiments/metrics/${metric.metricId}`]
    }
  }).pipe(provide(TenantId.make("owner")))

  TenantIsolation.suite(it, ExperimentsApi, seed)

  DoorIsolation.suite(it, {
    domain: ExperimentsDomain,
    calls: {
      "experiments.assign": () => [
        { unit: "customer", unitKind: "customer", environment: "live", attributes: {} }
      ],
      "experimentUnits.recordShop": () => [{ facts: [], refunds: [], deletions: [] }]
    },
    without: { "experimentLooks.get": "no look is taken of a draft: `look` and `list` reach the same rows" },
    seed
  })

  it.effect("an experiment runs from its creation to its decision over HTTP", () =>
    Effect.gen(function* () {
      const metric = yield* TestApi.send("POST", "/v1/experiments/metrics", {
        body: { key: "purchases", kind: "count", source: "purchase" }
      })
      assert.strictEqual(metric.status, 201)
      const sent = {
        body: newExperiment("whole", { metrics: [{ metric: "purchases", role: "goal" }] }),
        headers: { "idempotency-key": "whole" }
      }
      const created = yield* TestApi.send("POST", path, sent)
      const again = yield* TestApi.send("POST", path, sent)
      assert.strictEqual(created.status, 201, created.text)
      assert.strictEqual(again.body["experimentId"], created.body["experimentId"])
      const own = `${path}/${String(created.body["experimentId"])}`
      const started = yield* TestApi.send("POST", `${own}/start`, { headers: { "if-match": '"1"' } })
      assert.deepInclude(started.body, { status: "running", version: 2 })
      const assigned = yield* TestApi.send("POST", "/v1/experiments/assignments", {
        body: { unit: "customer-1", experiments: ["whole", "missing"] }
      })
      assert.include(assigned.text, '"reason":"assigned"')
      assert.include(assigned.text, '"reason":"unknown-experiment"')
      const exposures = Array.from({ length: 100 }, (_, index) => ({
        experiment: "whole",
        unit: `u${index}`,
        variant: index % 2 === 0 ? "old" : "new"
      }))
      const exposed = yield* TestApi.send("POST", "/v1/experiments/exposures", {
        body: { exposures: [...exposures, { experiment: "whole", unit: "u", variant: "none" }] }
      })
      assert.deepInclude(exposed.body, { accepted: 100, repeated: 0 })
      assert.deepStrictEqual(exposed.body["rejected"], [{ index: 100, reason: "unknown-variant" }])
      const at = String(started.body["startedAt"])
      const later = new Date(Date.parse(at) + 3_600_000).toISOString()
      const facts = yield* TestApi.send("POST", "/v1/experiments/facts", {
        body: {
          facts: Array.from({ length: 50 }, (_, index) => ({
            source: "purchase",
            factId: `f${index}`,
            unit: `u${index * 2 + 1}`,
            at: later
          }))
        }
      })
      assert.deepInclude(facts.body, { accepted: 50 })
      const sticky = yield* TestApi.send("POST", "/v1/experiments/assignments", {
        body: { unit: "u1", experiments: ["whole"] }
      })
      assert.deepStrictEqual(sticky.body["assignments"], [
        { experiment: "whole", variant: "new", reason: "sticky" }
      ])
      const look = yield* TestApi.send("POST", `${own}/looks`, { body: { look: 1 } })
      assert.strictEqual(look.status, 200, look.text)
      const repeated = yield* TestApi.send("POST", `${own}/looks`, { body: { look: 1 } })
      assert.strictEqual(repeated.text, look.text)
      const decided = yield* TestApi.send("POST", `${own}/decision`, {
        headers: { "if-match": '"2"' },
        body: { outcome: "ship", variant: "new", look: 1, why: "Everybody buys." }
      })
      assert.strictEqual(decided.status, 200, decided.text)
      assert.deepNestedInclude(decided.body, { "decision.variant": "new" })
      const twice = yield* TestApi.send("POST", `${own}/decision`, {
        headers: { "if-match": '"3"' },
        body: { outcome: "keep", look: 1, why: "Again." }
      })
      assert.strictEqual(twice.status, 422)
    })
  )

  it.effect(
    "what is dated more than a day ahead of the clock is named with its reason, and the rest recorded",
    () =>
      Effect.gen(function* () {
        const metric = yield* TestApi.send("POST", "/v1/experiments/metrics", {
          body: { key: "ahead", kind: "count", source: "visit" }
        })
        assert.strictEqual(metric.status, 201, metric.text)
        const created = yield* TestApi.send("POST", path, { body: newExperiment("ahead") })
        const started = yield* TestApi.send("POST", `${path}/${String(created.body["experimentId"])}/start`, {
          headers: { "if-match": '"1"' }
        })
        const startedAt = Date.parse(String(started.body["startedAt"]))
        const times = [23, 25].map((hours) => ({
          unit: `visitor-${hours}`,
          at: new Date(startedAt + hours * 3_600_000).toISOString()
        }))
        const facts = yield* TestApi.send("POST", "/v1/experiments/facts", {
          body: { facts: times.map((time) => ({ ...time, source: "visit", factId: time.unit })) }
        })
        const exposures = yield* TestApi.send("POST", "/v1/experiments/exposures", {
          body: { exposures: times.map((time) => ({ ...time, experiment: "ahead", variant: "old" })) }
        })
        for (const { body, status } of [facts, exposures]) {
          assert.strictEqual(status, 200)
          assert.deepStrictEqual(body, {
            accepted: 1,
            repeated: 0,
            rejected: [{ index: 1, reason: "too-far-ahead" }]
          })
        }
      })
  )

  it.effect("a PATCH that leaves variants out keeps them and their ids; a rename keeps the seed", () =>
    Effect.gen(function* () {
      const created = yield* TestApi.send("POST", path, { body: newExperiment("kept") })
      const own = `${path}/${String(created.body["experimentId"])}`
      const renamed = yield* TestApi.send("PATCH", own, {
        headers: { "if-match": '"1"' },
        body: { name: "Another name" }
      })
      assert.strictEqual(renamed.status, 200, renamed.text)
      assert.deepStrictEqual(renamed.body["variants"], created.body["variants"])
      assert.strictEqual(renamed.body["seed"], created.body["seed"])
      const one = yield* TestApi.send("PATCH", own, {
        headers: { "if-match": '"2"' },
        body: { variants: [{ key: "new", name: "The new one" }] }
      })
      const ids = (body: Record<string, unknown>) =>
        JSON.stringify(body["variants"]).match(/"variantId":"[^"]+"/g)
      assert.deepStrictEqual(ids(one.body), ids(created.body))
      assert.include(one.text, "The new one")
      assert.deepInclude(one.body, { phase: 1 })
    })
  )

  it.effect(
    "refuses by the caller's field: weights that do not sum, an unknown metric, a pattern that does not compile",
    () =>
      Effect.gen(function* () {
        const refusals: ReadonlyArray<readonly [Record<string, Schema.Json>, number, string]> = [
          [
            {
              variants: [
                { key: "a", weight: 1 },
                { key: "b", weight: 2 }
              ]
            },
            400,
            "variants"
          ],
          [{ metrics: [{ metric: "missing", role: "goal" }] }, 422, "metrics.0.metric"],
          [{ targeting: { attribute: "a", operator: "matches", pattern: "(" } }, 422, "targeting"],
          [{ layer: { key: "search", from: 5, until: 5 } }, 400, "layer"],
          [{ colour: "red" }, 400, "colour"]
        ]
        for (const [more, status, field] of refusals) {
          const answer = yield* TestApi.send("POST", path, { body: newExperiment("refused", more) })
          assert.strictEqual(answer.status, status, answer.text)
          assert.include(answer.text, field)
        }
        const metric = yield* TestApi.send("POST", "/v1/experiments/metrics", {
          body: { key: "one-cap", kind: "ratio", source: "a", denominatorSource: "b", cap: "5" }
        })
        assert.strictEqual(metric.status, 400)
        assert.include(metric.text, "denominatorCap")
      })
  )
})
