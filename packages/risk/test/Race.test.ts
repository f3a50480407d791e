import { assert, layer } from "@effect/vitest"
import type { NewSignal } from "@hypermarket/risk/FraudSignal"
import { Risk } from "@hypermarket/risk/Risk"
import * as HeldTransaction from "@hypermarket/testing/HeldTransaction"
import { Effect, Fiber, Schedule } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Scene from "./Scene.ts"
import { patient, payment, tenant } from "./Scene.ts"

/** Decides about signals that have all read before the first of them is written. */
const together = Effect.fnUntraced(function* (signals: ReadonlyArray<NewSignal>) {
  const risk = yield* Risk
  const sql = yield* SqlClient
  const letGo = yield* HeldTransaction.hold(sql`LOCK TABLE hm_risk_decision IN SHARE MODE`, Effect.void)
  const deciding = yield* Effect.forkChild(
    Effect.forEach(signals, (signal) => risk.decide(signal, patient), { concurrency: "unbounded" })
  )
  yield* sql<{ readonly waiting: number }>`
    SELECT count(*)::integer AS waiting
      FROM pg_locks
     WHERE NOT granted AND relation = 'hm_risk_decision'::regclass
  `.pipe(
    Effect.flatMap(([row]) => (row?.waiting === signals.length ? Effect.void : Effect.fail("not yet"))),
    Effect.retry(Schedule.spaced("20 millis")),
    // A call that fails waits for nothing.
    Effect.raceFirst(Effect.asVoid(Fiber.join(deciding)))
  )
  yield* letGo
  return yield* Fiber.join(deciding)
})

const rowsOf = (tenantId: string) =>
  Effect.flatMap(
    SqlClient,
    (sql) => sql`
      SELECT count(DISTINCT k.key)::integer AS keys, count(DISTINCT s.signal_id)::integer AS signals,
             count(DISTINCT d.decision_id)::integer AS decisions, max(d.number) AS newest
        FROM hm_fraud_signal_key k
        LEFT JOIN hm_fraud_signal s USING (tenant_id)
        LEFT JOIN hm_risk_decision d USING (tenant_id)
       WHERE k.tenant_id = ${tenantId}
    `
  )

layer(Scene.layer, { excludeTestServices: true })("calls at the same time", (it) => {
  for (const outcome of ["allow", "hold"] as const) {
    const live = { rules: [{ key: "any", expression: "true", reason: "ANY", outcome }] }

    it.effect(`by one key get one decision, which is to ${outcome}`, () =>
      Effect.gen(function* () {
        yield* Scene.goLive(live)
        const answers = yield* together([payment("p1"), payment("p1"), payment("p1")])
        assert.lengthOf(new Set(answers.map(({ decisionId }) => decisionId)), 1)
        assert.isTrue(answers.every((answer) => answer.outcome === outcome && answer.fallback === null))
        assert.deepStrictEqual(yield* rowsOf(`key-${outcome}`), [
          { keys: 1, signals: 1, decisions: 1, newest: 1 }
        ])
      }).pipe(tenant(`key-${outcome}`))
    )

    it.effect(
      `by two keys about one subject get two decisions, which are to ${outcome}, and one signal`,
      () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient
          yield* Scene.goLive(live)
          const answers = yield* together([
            payment("p1", { key: "first", attributes: { by: "first" } }),
            payment("p1", { key: "second", attributes: { and: "second" } })
          ])
          assert.lengthOf(new Set(answers.map(({ decisionId }) => decisionId)), 2)
          const tenantId = `subject-${outcome}`
          assert.deepStrictEqual(yield* rowsOf(tenantId), [{ keys: 2, signals: 1, decisions: 2, newest: 2 }])
          // The call that came second has completed the signal.
          const [signal] = yield* sql<{ readonly complete: boolean }>`
          SELECT attributes = '{"by": "first", "and": "second"}' AS complete
            FROM hm_fraud_signal
           WHERE tenant_id = ${tenantId}
        `
          assert.isTrue(signal?.complete)
        }).pipe(tenant(`subject-${outcome}`))
    )
  }
})
