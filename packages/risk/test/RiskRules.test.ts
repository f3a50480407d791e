import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { Risk } from "@hypermarket/risk/Risk"
import { RuleHealth } from "@hypermarket/risk/RiskDecision"
import { RiskRules } from "@hypermarket/risk/RiskRules"
import * as RiskDomain from "@hypermarket/risk/RiskDomain"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { DateTime, Effect, Layer, Schedule } from "effect"
import * as Scene from "./Scene.ts"
import { patient, payment, tenant } from "./Scene.ts"

layer(Scene.layer, { excludeTestServices: true })("RiskRules", (it) => {
  it.effect(
    "A rule that is a string, or that misspells an attribute, is refused on save with its column",
    () =>
      Effect.gen(function* () {
        const rules = yield* RiskRules
        const error = yield* Effect.flip(
          rules.create({
            rules: [
              { key: "text", expression: '"block"', reason: "A" },
              {
                key: "typo",
                expression: "kind == 'order' &&\n  attributes.lnies > 3",
                reason: "B",
                kinds: ["order"]
              },
              { key: "window", expression: 'count("card", "2h") > 1', reason: "C" }
            ]
          })
        )
        assert.strictEqual(error._tag, "RuleSetInvalid")
        if (error._tag !== "RuleSetInvalid") return
        assert.deepStrictEqual(
          error.errors.map(({ column, line, rule }) => ({ column, line, rule })),
          [
            { rule: "text", line: 1, column: 1 },
            { rule: "typo", line: 2, column: 13 },
            { rule: "window", line: 1, column: 15 }
          ]
        )
      }).pipe(tenant("typos"))
  )

  it.effect("A rule that fails neither fires nor blocks, and its health names it", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const rules = yield* RiskRules
      yield* Scene.goLive({
        rules: [
          { key: "missing", expression: "amount > 5", reason: "A", outcome: "block" },
          {
            key: "overflow",
            expression: "9223372036854775807 + attributes.lines > 0",
            reason: "B",
            outcome: "block",
            kinds: ["order"]
          },
          { key: "cast", expression: "int(subject) > 1", reason: "C", outcome: "block" },
          {
            key: "zero",
            expression: "1 / (attributes.lines - 1) > 0",
            reason: "D",
            outcome: "block",
            kinds: ["order"]
          },
          { key: "absorbed", expression: "amount > 5 || kind == 'order'", reason: "E", outcome: "challenge" }
        ]
      })
      const answer = yield* risk.decide(
        { kind: "order", subject: "o1", entities: {}, attributes: { lines: 1 } },
        patient
      )
      assert.strictEqual(answer.outcome, "challenge")
      const health = yield* rules.health
      assert.deepStrictEqual(
        health
          .map(({ errors, fired, rule }) => ({ errors, fired, rule }))
          .toSorted((a, b) => (a.rule < b.rule ? -1 : 1)),
        [
          { rule: "absorbed", fired: 1, errors: 0 },
          { rule: "cast", fired: 0, errors: 1 },
          { rule: "missing", fired: 0, errors: 1 },
          { rule: "overflow", fired: 0, errors: 1 },
          { rule: "zero", fired: 0, errors: 1 }
        ]
      )
    }).pipe(tenant("failing"))
  )

  it.effect(
    "Backtesting the live version reproduces its decisions, and one constant changes those it names",
    () =>
      Effect.gen(function* () {
        const risk = yield* Risk
        const rules = yield* RiskRules
        const live = {
          rules: [
            { key: "a", expression: 'count("account", "24h") >= 3', reason: "A", outcome: "review" as const },
            { key: "b", expression: 'sum("account", "7d") > 1000', reason: "B", weight: 10 }
          ],
          thresholds: { challenge: 10 }
        }
        const version = yield* Scene.goLive(live)
        for (let index = 0; index < 6; index++) {
          yield* risk.decide(payment(`p${index}`, { entities: { account: `a${index % 2}` } }), patient)
        }
        const now = yield* Now.now
        const range = {
          from: DateTime.makeUnsafe(now.getTime() - 60_000),
          to: DateTime.makeUnsafe(now.getTime() + 60_000)
        }
        const report = yield* rules.backtest({ version, ...range })
        assert.deepInclude(report, {
          decisions: 6,
          different: 0,
          labelled: 0,
          recomputedDecisions: 0,
          leftOut: 0
        })
        const { version: next } = yield* rules.create({
          ...live,
          rules: live.rules.map((rule) => ({ ...rule, expression: rule.expression.replace(">= 3", ">= 2") }))
        })
        assert.deepInclude(yield* rules.backtest({ version: next, ...range }), { decisions: 6, different: 2 })
      }).pipe(tenant("backtest"))
  )

  it.effect("A backtest never sees a label before it was known", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const rules = yield* RiskRules
      const version = yield* Scene.goLive({
        rules: [{ key: "card", expression: 'count("card", "1h") >= 2', reason: "CARD", outcome: "review" }]
      })
      for (let index = 0; index < 6; index++) yield* risk.decide(payment(`p${index}`), patient)
      const now = (yield* Now.now).getTime()
      const tomorrow = now + 86_400_000
      const range = {
        version,
        from: DateTime.makeUnsafe(now - 60_000),
        to: DateTime.makeUnsafe(now + 60_000)
      }
      const asOf = (millis: number) => rules.backtest({ ...range, asOf: DateTime.makeUnsafe(millis) })
      yield* risk.label([{ kind: "payment", subject: "p1", label: "legitimate" }])
      const today = yield* rules.backtest(range)
      const figures = { labelled: 1, bad: 0, labelledAlerts: 0, precision: null, recall: null }
      assert.deepInclude(today, figures)
      yield* risk.label(
        ["p3", "p4", "p5"].map((subject) => ({
          kind: "payment" as const,
          subject,
          label: "chargeback" as const,
          availableAt: DateTime.makeUnsafe(tomorrow)
        }))
      )
      // No figure of today differs, nor one of any instant before.
      assert.deepStrictEqual(yield* rules.backtest(range), today)
      assert.deepStrictEqual(yield* asOf(tomorrow - 1), today)
      // What is labelled again was known before.
      const again = { kind: "payment", subject: "p1", label: "legitimate" } as const
      yield* risk.label([
        { ...again, availableAt: DateTime.makeUnsafe(tomorrow) },
        { ...again, availableAt: DateTime.makeUnsafe(tomorrow - 5) }
      ])
      assert.deepStrictEqual(yield* rules.backtest(range), today)
      assert.deepInclude(yield* asOf(tomorrow), {
        labelled: 4,
        bad: 3,
        labelledAlerts: 3,
        precision: 1,
        recall: 1
      })
    }).pipe(tenant("labels"))
  )

  it.effect("The health of a rule has a label once it is known", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const rules = yield* RiskRules
      const testNow = yield* Now.TestNow
      yield* Scene.goLive({ rules: [{ key: "all", expression: "true", reason: "ALL", outcome: "hold" }] })
      yield* risk.decide(payment("p1"), patient)
      const tomorrow = DateTime.makeUnsafe((yield* Now.now).getTime() + 86_400_000)
      yield* risk.label([{ kind: "payment", subject: "p1", label: "fraud", availableAt: tomorrow }])
      const before = { rule: "all", fired: 1, errors: 0, lastError: null, labelled: 0, bad: 0 }
      assert.deepEqual(yield* rules.health, [new RuleHealth(before)])
      yield* testNow.adjust("25 hours")
      assert.deepEqual(yield* rules.health, [new RuleHealth({ ...before, labelled: 1, bad: 1 })])
    }).pipe(tenant("health"))
  )

  it.effect("is decided by in another process too, which names the version", () =>
    Effect.gen(function* () {
      const first = yield* Scene.goLive({ rules: [{ key: "a", expression: "true", reason: "FIRST" }] })
      // Without a signal of the other process, as when the connection that listens is lost.
      const other = yield* Layer.build(
        Layer.fresh(RiskDomain.layer).pipe(Layer.provide(Scene.config), Layer.provide(Wakeup.layerSilent))
      )
      let tries = 0
      const decideThere = Effect.suspend(() =>
        Effect.flatMap(Risk, (risk) => risk.decide(payment(`there-${tries++}`), patient))
      ).pipe(Effect.provide(other))
      assert.deepInclude(yield* decideThere, { version: first, reasons: ["FIRST"] })
      const second = yield* Scene.goLive({ rules: [{ key: "b", expression: "true", reason: "SECOND" }] })
      const answer = yield* Effect.repeat(decideThere, {
        schedule: Schedule.spaced("50 millis"),
        until: ({ version }) => version !== first
      })
      assert.deepInclude(answer, { version: second, reasons: ["SECOND"] })
    }).pipe(Effect.scoped, tenant("processes"))
  )

  it.effect("reports where a version in shadow differs from what was decided", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const rules = yield* RiskRules
      const { version } = yield* rules.create({
        rules: [{ key: "s", expression: "kind == 'order'", reason: "S", outcome: "block" }]
      })
      yield* Scene.goLive({ rules: [{ key: "l", expression: "false", reason: "L" }] }, [version])
      yield* risk.decide({ kind: "order", subject: "o1", entities: {} }, patient)
      yield* risk.decide(payment("p1"), patient)
      const report = yield* rules.shadowReport(version)
      assert.deepInclude(report, { decisions: 2, different: 1 })
    }).pipe(tenant("shadow"))
  )

  it.effect("counts the bad ones of the 100 cards that come first on a day", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const rules = yield* RiskRules
      const version = yield* Scene.goLive({
        rules: [
          { key: "a", expression: 'entities.device && count("device", "1h") >= 2', reason: "A", weight: 30 },
          { key: "b", expression: 'count("card", "1h") >= 1', reason: "B", outcome: "review" }
        ]
      })
      const signals = [
        // The card of two tries comes first, then one by its score, then the two others.
        payment("first", { entities: { card: "twice" } }),
        payment("second", { entities: { card: "twice" } }),
        payment("d1", { entities: { card: "c1", device: "d" } }),
        payment("d2", { entities: { card: "c2", device: "d" } }),
        payment("d3", { entities: { card: "c3", device: "d" } }),
        payment("none", { entities: { account: "a" } })
      ]
      for (const signal of signals) yield* risk.decide(signal, patient)
      yield* risk.label([
        ...signals.map(({ subject }) => ({ kind: "payment", subject, label: "legitimate" }) as const),
        { kind: "payment", subject: "second", label: "chargeback" }
      ])
      const now = (yield* Now.now).getTime()
      const range = { from: DateTime.makeUnsafe(now - 60_000), to: DateTime.makeUnsafe(now + 60_000) }
      const report = yield* rules.backtest({ version, ...range })
      assert.deepInclude(report, { labelled: 6, bad: 1, cardPrecisionAt100: 0.25 })
    }).pipe(tenant("cards"))
  )
})
