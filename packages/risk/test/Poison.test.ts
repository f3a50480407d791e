import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { AllTenants } from "@hypermarket/core/Tenant"
import * as FoldingCheck from "@hypermarket/risk/internal/foldingCheck"
import { Risk } from "@hypermarket/risk/Risk"
import * as PoisonSuite from "@hypermarket/testing/PoisonSuite"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Scene from "./Scene.ts"

const fold = Effect.flatMap(Risk, (risk) => risk.fold).pipe(
  Effect.provideService(AllTenants, { actor: "test" })
)

/** Events of an entity that are due to be folded. */
const addEvents = (tenants: ReadonlyArray<string>, entity = 41) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    yield* sql`
      INSERT INTO hm_fraud_entity_event (tenant_id, entity, is_folded, occurred_at, signal_id, kind, result, amount, currency,
                                         others)
      SELECT tenant_id, ${entity}, false, ${now}::timestamptz - interval '90 minutes', gen_random_uuid(), 'payment', 'paid', 350, 'KWD',
             '{57}'
        FROM unnest(${tenants}::text[]) AS tenant_id
    `
    yield* sql`
      INSERT INTO hm_fraud_entity_due (tenant_id, entity, noted_at)
      SELECT tenant_id, ${entity}, now()
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

/** The entities of a tenant that wait, with what is recorded of those that failed. */
const failures = (tenantId: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly entity: string; readonly failures: number; readonly lastError: string | null }>`
      SELECT d.entity::text AS entity, d.failures, d.last_error AS "lastError"
        FROM hm_fraud_entity_due d
       WHERE d.tenant_id = ${tenantId}
       ORDER BY d.entity
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
      recorded: (tenantId) => Effect.map(failures(tenantId), ([row]) => row?.lastError ?? undefined),
      expected: /bigint out of range.*SQLSTATE 22003/
    }
  ])
})

layer(Scene.layer, { excludeTestServices: true })("Folding", (it) => {
  it.effect(
    "an entity that fails stops no other entity of its tenant, is named by doctor, and goes on once repaired",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const testNow = yield* Now.TestNow
        const foldedEntities = Effect.map(
          sql<{ readonly entity: string }>`
          SELECT entity::text AS entity
            FROM hm_fraud_entity_event
           WHERE tenant_id = 'mixed' AND is_folded
           ORDER BY 1
        `,
          (rows) => rows.map(({ entity }) => entity)
        )
        // The first and one in the middle, in the order in which they are taken.
        for (const entity of [23, 57]) yield* addEvents(["mixed"], entity)
        yield* fillHours(["mixed"])
        for (const entity of [39, 75, 91]) yield* addEvents(["mixed"], entity)
        yield* fold
        assert.deepStrictEqual(yield* foldedEntities, ["39", "75", "91"])
        assert.deepStrictEqual(
          (yield* failures("mixed")).map(({ entity }) => entity),
          ["23", "57"]
        )
        yield* addEvents(["mixed"], 107)
        yield* fold
        assert.deepStrictEqual(yield* foldedEntities, ["107", "39", "75", "91"])
        for (const wait of ["2 seconds", "3 seconds"] as const) {
          yield* testNow.adjust(wait)
          yield* fold
        }
        const findings = yield* FoldingCheck.check.run
        const failed = findings.filter(({ status }) => status === "fail")
        assert.lengthOf(failed, 2)
        assert.match(
          failed[0]?.message ?? "",
          /entity 23 failed \d+ times in a row for mixed: .*bigint out of range/
        )
        yield* sql`DELETE FROM hm_fraud_entity_hour WHERE tenant_id = 'mixed'`
        yield* testNow.adjust("10 minutes")
        yield* fold
        assert.deepStrictEqual(yield* foldedEntities, ["107", "23", "39", "57", "75", "91"])
        assert.deepStrictEqual(yield* failures("mixed"), [])
      })
  )
})

layer(Scene.layer, { excludeTestServices: true })("Folding of many tenants", (it) => {
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
