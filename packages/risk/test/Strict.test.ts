import { assert, layer } from "@effect/vitest"
import type { NewSignal } from "@hypermarket/risk/FraudSignal"
import { Risk } from "@hypermarket/risk/Risk"
import type { RiskAnswer } from "@hypermarket/risk/RiskDecision"
import type { NewRuleSet } from "@hypermarket/risk/RiskRuleSet"
import * as HeldTransaction from "@hypermarket/testing/HeldTransaction"
import { Effect, Fiber, Schedule } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Scene from "./Scene.ts"
import { patient, payment, tenant } from "./Scene.ts"

const tries = 50
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

const counting = (strict?: NewRuleSet["strict"]): NewRuleSet => ({
  rules: [
    { key: "card", expression: 'count("card", "1h") > 1000', reason: "NEVER", outcome: "block" },
    { key: "device", expression: 'count("device", "1h") > 1000', reason: "NEVER", outcome: "block" }
  ],
  ...(strict === undefined ? {} : { strict })
})

/** Asks again by the same key until there is a decision. */
const decided = Effect.fnUntraced(function* (signal: NewSignal) {
  const risk = yield* Risk
  const { decisionId } = yield* Effect.repeat(risk.decide(signal, patient), {
    until: (answer) => answer.decisionId !== null
  })
  return decisionId === null ? yield* Effect.die("a decision fell back") : yield* risk.explain(decisionId)
})

const countsOf = Effect.fnUntraced(function* (signals: ReadonlyArray<NewSignal>, feature: string) {
  const decisions = yield* Effect.forEach(signals, decided, { concurrency: "unbounded" })
  return decisions
    .map(({ frozen }) => Number(frozen.features[feature]))
    .toSorted((left, right) => left - right)
})

layer(Scene.layer, { excludeTestServices: true })("strict", (it) => {
  it.effect("Counting then inserting lets a burst through: strict does not", () =>
    Effect.gen(function* () {
      yield* Scene.goLive(counting("card"))
      const burst = upTo(tries).map((index) => payment(`t${index}`, { entities: { card: "burst" } }))
      assert.deepStrictEqual(yield* countsOf(burst, "count(card,1h)"), upTo(tries))
      const risk = yield* Risk
      const { items } = yield* risk.list({ limit: 100 })
      assert.lengthOf(items, tries)
      assert.isTrue(items.every(({ number }) => number === 1))
    }).pipe(tenant("strict"))
  )

  for (const strict of [undefined, "card"] as const) {
    it.effect(`50 tries that are each sent twice at once get one decision per key, strict by ${strict}`, () =>
      Effect.gen(function* () {
        yield* Scene.goLive(counting(strict))
        const burst = upTo(tries).map((index) => payment(`t${index}`, { entities: { card: "burst" } }))
        const decisions = yield* Effect.forEach([...burst, ...burst], decided, { concurrency: "unbounded" })
        const bySubject = Map.groupBy(decisions, ({ subject }) => subject)
        assert.lengthOf(Array.from(bySubject), tries)
        for (const same of bySubject.values()) {
          assert.lengthOf(new Set(same.map(({ decisionId }) => decisionId)), 1)
        }
        const risk = yield* Risk
        assert.lengthOf((yield* risk.list({ limit: 200 })).items, tries)
        if (strict === undefined) return
        const counts = Array.from(bySubject.values(), ([decision]) =>
          Number(decision?.frozen.features["count(card,1h)"])
        )
        assert.deepStrictEqual(
          counts.toSorted((left, right) => left - right),
          upTo(tries)
        )
      }).pipe(tenant(`twice-${strict}`))
    )
  }

  it.effect("decides one after another by each of several entities", () =>
    Effect.gen(function* () {
      yield* Scene.goLive(counting(["card", "device"]))
      // Each try shares its card with half of the others, and its device with the other half: no order of locks is natural.
      const burst = upTo(tries).map((index) =>
        payment(`t${index}`, { entities: { card: `c${index % 2}`, device: `d${Math.floor(index / 2) % 2}` } })
      )
      const decisions = yield* Effect.forEach(burst, decided, { concurrency: "unbounded" })
      for (const kind of ["card", "device"] as const) {
        for (const value of [0, 1]) {
          const mine = decisions.filter((_, index) => burst[index]?.entities[kind] === `${kind[0]}${value}`)
          const counts = mine.map(({ frozen }) => Number(frozen.features[`count(${kind},1h)`]))
          assert.deepStrictEqual(
            counts.toSorted((left, right) => left - right),
            upTo(mine.length)
          )
        }
      }
    }).pipe(tenant("several"))
  )

  it.effect("counts each try whose caller went on with its fallback, at the default deadline", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      yield* Scene.goLive(counting("card"))
      const burst = upTo(tries).map((index) => payment(`t${index}`, { entities: { card: "burst" } }))
      const answers: ReadonlyArray<RiskAnswer> = yield* Effect.forEach(
        burst,
        (signal) => risk.decide(signal),
        {
          concurrency: "unbounded"
        }
      )
      for (const { decisionId, fallback, outcome } of answers) {
        assert.strictEqual(decisionId === null, fallback !== null)
        assert.strictEqual(outcome, fallback === null ? "allow" : "review")
      }
      assert.deepStrictEqual(yield* countsOf(burst, "count(card,1h)"), upTo(tries))
    }).pipe(tenant("deadline"))
  )

  /** Two tries that have counted, and whose decisions wait to be written. */
  const overlapping = Effect.gen(function* () {
    const sql = yield* SqlClient
    const letGo = yield* HeldTransaction.hold(sql`LOCK TABLE hm_risk_decision IN SHARE MODE`, Effect.void)
    const both = yield* Effect.forkChild(
      countsOf(
        ["t1", "t2"].map((subject) => payment(subject, { entities: { card: "burst" } })),
        "count(card,1h)"
      )
    )
    yield* sql<{ readonly waiting: number }>`
      SELECT count(*)::integer AS waiting
        FROM pg_locks
       WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    `.pipe(
      Effect.flatMap(([row]) => (row?.waiting === 2 ? Effect.void : Effect.fail("not yet"))),
      Effect.retry(Schedule.spaced("20 millis"))
    )
    yield* letGo
    return yield* Fiber.join(both)
  })

  it.effect("Without strict, tries that run at once do not see each other", () =>
    Effect.gen(function* () {
      yield* Scene.goLive(counting())
      assert.deepStrictEqual(yield* overlapping, [0, 0])
    }).pipe(tenant("burst"))
  )

  it.effect("With strict, the second one waits for the first", () =>
    Effect.gen(function* () {
      yield* Scene.goLive(counting("card"))
      assert.deepStrictEqual(yield* overlapping, [0, 1])
    }).pipe(tenant("waits"))
  )
})
