import { assert, describe, it, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { Risk } from "@hypermarket/risk/Risk"
import { RiskRules } from "@hypermarket/risk/RiskRules"
import {
  logistic,
  reasonOf,
  RiskScorer,
  score,
  scorerDeviationMin,
  scorerMeanMax
} from "@hypermarket/risk/RiskScorer"
import { type Sample, SamplesTooFew, train } from "@hypermarket/risk/RiskTrainer"
import { DateTime, Effect, Result, Schema } from "effect"
import * as Scene from "./Scene.ts"
import { patient, payment, tenant } from "./Scene.ts"

const dayMillis = 86_400_000
const end = Date.UTC(2026, 5, 1)

/** Samples whose probability is a known function of two features; a third one says nothing. */
const simulated = (count: number, seed: number, weight = 1): ReadonlyArray<Sample> => {
  const random = Scene.random(seed)
  return Array.from({ length: count }, (_, index) => {
    const declined = Math.floor(random() ** 3 * 12)
    const cards = Math.floor(random() ** 2 * 6)
    const noise = Math.floor(random() * 1_000)
    const probability = logistic(-4 + weight * (1.6 * Math.log1p(declined) + 0.9 * Math.log1p(cards)))
    const at = end - Math.floor(((count - index) / count) * 120 * dayMillis)
    return {
      at,
      amount: String(noise),
      features: {
        "count(card,1h,payment,declined)": String(declined),
        "distinct(account,card,7d)": String(cards)
      },
      labels: random() < probability ? [{ label: "chargeback", availableAt: at + 10 * dayMillis }] : []
    }
  })
}

const options = { kind: "payment", asOf: end, gapMillis: 20 * dayMillis } as const

const trained = (samples: ReadonlyArray<Sample>) => {
  const result = train(samples, options)
  if (result instanceof SamplesTooFew) throw result
  return result
}

describe("training a scorer", () => {
  it("finds the weights that made the labels, and is calibrated on later samples", () => {
    const { report, scorer } = trained(simulated(30_000, 17))
    const weightOf = (name: string) => {
      const input = scorer.inputs.find((each) => each.name === name)
      return ((input?.weight ?? 0) / (input?.deviation ?? 1)) * scorer.slope
    }
    assert.closeTo(weightOf("count(card,1h,payment,declined)"), 1.6, 0.15)
    assert.closeTo(weightOf("distinct(account,card,7d)"), 0.9, 0.15)
    assert.closeTo(weightOf("amount"), 0, 0.1)
    assert.isAbove(report.quality.auc, 0.75)
    assert.isBelow(report.quality.brier, report.quality.brierOfShare)
    for (const { observed, predicted } of report.quality.bins) assert.closeTo(observed, predicted, 0.06)
    assert.strictEqual(report.inputs[0]?.name, "count(card,1h,payment,declined)")
  })

  it("leaves out labels that came after the first test sample, and samples too young to be good", () => {
    const samples = simulated(8_000, 23)
    const { report } = trained(samples)
    assert.isAtMost(report.trained.to + options.gapMillis, report.tested.from)
    assert.isAtMost(report.tested.to, end)
    // Labels of training samples that came while the test samples did were not known when a scorer would have been trained.
    const late = samples.map((sample) =>
      sample.at <= report.trained.to
        ? { ...sample, labels: [...sample.labels, { label: "fraud", availableAt: end - 1 }] }
        : sample
    )
    assert.deepStrictEqual(trained(late), trained(samples))
    // Nor was one of tomorrow.
    const tomorrow = samples.map((sample) => ({
      ...sample,
      labels: [...sample.labels, { label: "fraud", availableAt: end + dayMillis }]
    }))
    assert.deepStrictEqual(trained(tomorrow), trained(samples))
  })

  it("gives the same scorer in any order of samples and after JSON", () => {
    const samples = simulated(4_000, 29)
    const first = trained(samples)
    const again = trained(samples.toReversed())
    assert.strictEqual(JSON.stringify(again.scorer), JSON.stringify(first.scorer))
    const read: RiskScorer = JSON.parse(JSON.stringify(first.scorer))
    for (const { amount, features } of samples.slice(0, 500)) {
      assert.deepStrictEqual(score(read, features, amount), score(first.scorer, features, amount))
    }
  })

  it("stays finite where an input separates bad from good", () => {
    const samples = simulated(3_000, 31).map((sample, index) => ({
      ...sample,
      features: {
        "count(ip,1h)": index % 10 === 0 ? "9" : "0",
        "count(ip,24h)": index % 10 === 0 ? "9" : "0"
      },
      labels: index % 10 === 0 ? [{ label: "abuse", availableAt: sample.at }] : []
    }))
    const { report, scorer } = trained(samples)
    assert.isTrue(scorer.inputs.every(({ weight }) => Number.isFinite(weight)))
    assert.strictEqual(report.quality.auc, 1)
    assert.strictEqual(report.quality.recallAtOnePercent, 1)
  })

  it("says how many samples are missing", () => {
    const few = train(simulated(300, 37).slice(0, 60), options)
    assert.instanceOf(few, SamplesTooFew)
    if (few instanceof SamplesTooFew) assert.deepInclude(few, { badMin: 20 })
  })

  it("names an input as a reason", () => {
    assert.strictEqual(reasonOf("count(card,1h,payment,declined)"), "SCORE_COUNT_CARD_1H_PAYMENT_DECLINED")
    assert.strictEqual(reasonOf("distinct(emailBase,card,7d)"), "SCORE_DISTINCT_EMAIL_BASE_CARD_7D")
  })
})

const scorer: RiskScorer = {
  format: 1,
  kinds: ["payment"],
  intercept: -3,
  slope: 1,
  offset: 0,
  inputs: [
    { name: "count(card,1h)", mean: 0, deviation: 1, weight: 3 },
    { name: "amount", mean: 0, deviation: 1, weight: -0.5 }
  ]
}

const decodeScorer = Schema.decodeUnknownResult(RiskScorer)

layer(Scene.layer, { excludeTestServices: true })("a scorer", (it) => {
  it.effect("gives rules a probability, and decisions the inputs that raised it", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const rules = yield* RiskRules
      const version = yield* Scene.goLive({
        scorer,
        rules: [{ key: "model", expression: "probability >= 0.5", reason: "MODEL", outcome: "hold" }]
      })
      const first = yield* risk.decide(payment("p1"), patient)
      assert.deepInclude(first, { outcome: "allow" })
      yield* risk.decide(payment("p2"), patient)
      const third = yield* risk.decide(payment("p3"), patient)
      assert.deepInclude(third, { outcome: "hold" })
      assert.deepStrictEqual(third.reasons, ["MODEL", "SCORE_COUNT_CARD_1H"])
      if (third.decisionId === null) return
      const { frozen, verdict } = yield* risk.explain(third.decisionId)
      assert.strictEqual(frozen.features["count(card,1h)"], "2")
      assert.closeTo(verdict.scored?.probability ?? 0, logistic(-3 + 3 * Math.log(3)), 1e-12)
      // A signal of another kind has none: the rule fails and does not fire.
      const login = yield* risk.decide(
        { kind: "login", subject: "l1", entities: { card: "card-1" } },
        patient
      )
      assert.strictEqual(login.outcome, "allow")
      const now = (yield* Now.now).getTime()
      const range = { from: DateTime.makeUnsafe(now - 60_000), to: DateTime.makeUnsafe(now + 60_000) }
      assert.deepInclude(yield* rules.backtest({ version, ...range }), { decisions: 4, different: 0 })
      assert.deepStrictEqual((yield* rules.get(version)).scorer, scorer)
    }).pipe(tenant("scored"))
  )

  it.effect("of the largest weights and the furthest means has a probability, which decisions keep", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const far = { deviation: scorerDeviationMin, weight: 1_000 }
      yield* Scene.goLive({
        scorer: {
          ...scorer,
          inputs: [
            { name: "count(card,1h)", mean: scorerMeanMax, ...far },
            { name: "amount", mean: -scorerMeanMax, ...far }
          ]
        },
        rules: [{ key: "model", expression: "probability >= 0.5", reason: "MODEL", outcome: "hold" }]
      })
      const { decisionId } = yield* risk.decide(payment("p1"), patient)
      if (decisionId === null) return assert.fail("Expected a decision")
      const { verdict } = yield* risk.explain(decisionId)
      assert.isTrue(Number.isFinite(verdict.scored?.probability))
    }).pipe(tenant("furthest"))
  )

  it("whose figures overflow a probability is refused at the door, with the field", () => {
    const refused = (input: object) =>
      Result.match(decodeScorer({ ...scorer, inputs: [{ ...scorer.inputs[0], ...input }] }), {
        onFailure: String,
        onSuccess: () => "accepted"
      })
    assert.strictEqual(refused({}), "accepted")
    assert.include(refused({ mean: 1e300 }), '["mean"]')
    assert.include(refused({ mean: -1e300 }), '["mean"]')
    assert.include(refused({ deviation: 1e-300 }), '["deviation"]')
    assert.include(refused({ deviation: 1e300 }), '["deviation"]')
  })

  it.effect("is what a rule that reads its probability needs", () =>
    Effect.gen(function* () {
      const rules = yield* RiskRules
      const model = { key: "model", expression: "probability >= 0.5", reason: "MODEL" }
      yield* rules.create({ scorer, rules: [model] })
      const error = yield* Effect.flip(rules.create({ rules: [model] }))
      assert.deepInclude(error, { _tag: "RuleSetInvalid" })
    }).pipe(tenant("without"))
  )

  it.effect(
    "gives no probability to a kind that it was not trained on: the rule fails, and does not fire",
    () =>
      Effect.gen(function* () {
        const risk = yield* Risk
        yield* Scene.goLive({
          scorer: { ...scorer, kinds: ["payment"] },
          rules: [{ key: "low", expression: "probability <= 1.0", reason: "LOW", outcome: "block" }]
        })
        assert.strictEqual((yield* risk.decide(payment("p1"), patient)).outcome, "block")
        const login = yield* risk.decide({ kind: "login", subject: "l1", entities: {} }, patient)
        assert.strictEqual(login.outcome, "allow")
        const { items } = yield* risk.list({ limit: 1 })
        assert.deepStrictEqual(
          items[0]?.verdict.errors.map(({ reason, rule }) => ({ reason, rule })),
          [{ rule: "low", reason: "missing" }]
        )
      }).pipe(tenant("kinds"))
  )

  it.effect("is trained on decisions with the labels of their subjects", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      yield* Scene.goLive({
        rules: [{ key: "c", expression: 'count("card", "1h") > 100', reason: "C", outcome: "block" }]
      })
      for (let index = 0; index < 5; index++) yield* risk.decide(payment(`p${index}`), patient)
      yield* risk.decide({ kind: "login", subject: "l1", entities: {} }, patient)
      const now = (yield* Now.now).getTime()
      const availableAt = DateTime.makeUnsafe(now + 3_600_000)
      yield* risk.label([
        { kind: "payment", subject: "p1", label: "chargeback", availableAt },
        { kind: "payment", subject: "p1", label: "fraud", availableAt },
        { kind: "login", subject: "p2", label: "fraud", availableAt }
      ])
      const request = {
        kind: "payment",
        from: DateTime.makeUnsafe(now - 60_000),
        to: DateTime.makeUnsafe(now + 60_000)
      } as const
      const first = yield* risk.samples({ ...request, limit: 3 })
      assert.isNotNull(first.nextCursor)
      const second = yield* risk.samples({ ...request, limit: 3, cursor: first.nextCursor ?? "" })
      const samples = [...first.items, ...second.items]
      assert.deepStrictEqual(
        samples.map(({ features }) => features["count(card,1h)"]),
        ["4", "3", "2", "1", "0"]
      )
      assert.deepStrictEqual(
        samples.map(({ labels }) => labels.map(({ label }) => label)),
        [[], [], [], ["chargeback", "fraud"], []]
      )
      assert.strictEqual(
        DateTime.toEpochMillis(samples[3]?.labels[0]?.availableAt ?? DateTime.makeUnsafe(0)),
        now + 3_600_000
      )
      assert.lengthOf((yield* risk.samples({ ...request, to: request.from })).items, 0)
    }).pipe(tenant("samples"))
  )
})
