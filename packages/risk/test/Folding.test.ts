import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { AllTenants } from "@hypermarket/core/Tenant"
import { Risk } from "@hypermarket/risk/Risk"
import * as HeldTransaction from "@hypermarket/testing/HeldTransaction"
import { Effect, Fiber, Schedule } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Scene from "./Scene.ts"
import { patient, payment, tenant } from "./Scene.ts"

const entities = { card: "c-folded", account: "a-folded" }
const recorded = 24

const untilWaiting = (sessions: number) =>
  Effect.flatMap(
    SqlClient,
    (sql) => sql<{ readonly waiting: number }>`
      SELECT count(*)::integer AS waiting
        FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'
    `
  ).pipe(
    Effect.flatMap(([row]) => (row?.waiting === sessions ? Effect.void : Effect.fail("not yet"))),
    Effect.retry(Schedule.spaced("20 millis"))
  )

layer(Scene.layer, { excludeTestServices: true })("folding", (it) => {
  it.effect("A signal that is completed while the job folds its first hour is one event of that hour", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const sql = yield* SqlClient
      const testNow = yield* Now.TestNow
      yield* Scene.goLive({
        rules: [
          {
            key: "results",
            expression:
              'count("card", "24h") + count("card", "24h", "payment", "attempted") + count("card", "24h", "payment", "declined") > 1000',
            reason: "NEVER"
          }
        ]
      })
      yield* risk.record(
        Array.from({ length: recorded }, (_, index) =>
          payment(`p${index}`, { entities, result: "attempted" })
        )
      )
      yield* testNow.adjust("20 minutes")
      // A decision notes that the card and the account are hot.
      yield* risk.decide(payment("note", { entities }), patient)
      // The job waits for a pair that another transaction writes, after it has written the hour.
      const letGo = yield* HeldTransaction.hold(
        sql`
            INSERT INTO hm_risk_edge (tenant_id, entity, other, first_seen, last_seen)
            SELECT DISTINCT e.tenant_id, e.entity, other, now(), now()
              FROM hm_fraud_entity_event e
             CROSS JOIN LATERAL unnest(e.others) AS other
             WHERE e.tenant_id = 'completed'
          `,
        Effect.fail("rolled back")
      )
      const folding = yield* Effect.forkChild(
        risk.fold.pipe(Effect.provideService(AllTenants, { actor: "test" }))
      )
      yield* untilWaiting(1)
      const completing = yield* Effect.forkChild(risk.complete("payment", "p7", { result: "declined" }))
      yield* untilWaiting(2)
      yield* Effect.ignore(letGo)
      assert.isAtLeast(yield* Fiber.join(folding), recorded)
      yield* Fiber.join(completing)
      const { decisionId } = yield* risk.decide(payment("after", { entities }), patient)
      const { frozen } = yield* risk.explain(decisionId ?? (yield* Effect.die("a decision fell back")))
      assert.deepStrictEqual(frozen.features, {
        "count(card,24h)": String(recorded + 1),
        "count(card,24h,payment,attempted)": String(recorded),
        "count(card,24h,payment,declined)": "1"
      })
    }).pipe(tenant("completed"))
  )
})
