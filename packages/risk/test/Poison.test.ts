import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { AllTenants } from "@hypermarket/core/Tenant"
import { Risk } from "@hypermarket/risk/Risk"
import * as PoisonSuite from "@hypermarket/testing/PoisonSuite"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Scene from "./Scene.ts"

const fold = Effect.flatMap(Risk, (risk) => risk.fold).pipe(
  Effect.provideService(AllTenants, { actor: "test" })
)

/** Events of one entity that are due to be folded. */
const addEvents = (tenants: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    yield* sql`
      INSERT INTO hm_fraud_entity_event (tenant_id, entity, is_folded, occurred_at, signal_id, kind, result, amount, currency,
                                         others)
      SELECT tenant_id, 41, false, ${now}::timestamptz - interval '90 minutes', gen_random_uuid(), 'payment', 'paid', 350, 'KWD',
             '{57}'
        FROM unnest(${tenants}::text[]) AS tenant_id
    `
    yield* sql`
      INSERT INTO hm_fraud_entity_due (tenant_id, entity, noted_at)
      SELECT tenant_id, 41, now()
        FROM unnest(${tenants}::text[]) AS tenant_id
    `
  })

/** Sums of the hour to which no further event can be added. */
const fillHours = (tenants: ReadonlyArray<string>) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      INSERT INTO hm_fraud_entity_hour (tenant_id, entity, hour, kind, result, currency, count, sum)
      SELECT tenant_id, entity, to_timestamp(ceil(extract(epoch FROM occurred_at) / 3600) * 3600), kind, result, currency,
             9223372036854775807, 0
        FROM hm_fraud_entity_event
       WHERE tenant_id = ANY (${tenants}::text[])
    `
  )

const isFolded = (tenantId: string) =>
  Effect.map(
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql`
        SELECT
          FROM hm_fraud_entity_event
         WHERE tenant_id = ${tenantId}
           AND is_folded
      `
    ),
    (rows) => rows.length === 1
  )

layer(Scene.layer, { excludeTestServices: true })("Loops of risk", (it) => {
  PoisonSuite.suite(it, [
    {
      name: "folding beside an hour whose count overflows",
      work: (tenantId) => addEvents([tenantId]),
      plant: (tenantId) => fillHours([tenantId]),
      round: fold,
      isDone: isFolded,
      recorded: PoisonSuite.loopFailure("risk.entity.fold"),
      expected: /bigint out of range.*SQLSTATE 22003/
    }
  ])
})

layer(Scene.layer, { excludeTestServices: true })("Folding", (it) => {
  it.effect("more tenants that fail than a round serves hide no other tenant from every round", () =>
    Effect.gen(function* () {
      const failing = Array.from({ length: 1_100 }, (_, index) => `a-${index}`)
      yield* addEvents([...failing, "z-healthy"])
      yield* fillHours(failing)
      // A round misses it by chance in one of eleven cases.
      for (let round = 0; round < 20 && !(yield* isFolded("z-healthy")); round++) yield* fold
      assert.isTrue(yield* isFolded("z-healthy"))
    })
  )
})
