import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { AllTenants } from "@hypermarket/core/Tenant"
import { QuotaMaintenance } from "@hypermarket/quotas/QuotaMaintenance"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"

const layerTest = QuotaMaintenance.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

const fold = Effect.flatMap(QuotaMaintenance, (maintenance) => maintenance.fold).pipe(
  Effect.provideService(AllTenants, { actor: "test" })
)

const addChange = (tenantId: string, start: string, used: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      INSERT INTO hm_quota_delta (tenant_id, feature, subject, period_start, delta_id, period_end, used, held)
      VALUES (${tenantId}, 'exports', '', ${start}::text::timestamptz, gen_random_uuid(), '2031-02-01', ${used}::text::bigint, 0)
    `
  )

const waiting = (tenantId: string) =>
  Effect.map(
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql`
        SELECT
          FROM hm_quota_delta
         WHERE tenant_id = ${tenantId}
      `
    ),
    (rows) => rows.length
  )

layer(layerTest, { excludeTestServices: true })("Folding balances", (it) => {
  for (const [kind, start, used] of [
    ["a period that begins at no instant", "-infinity", "7"],
    ["changes that overflow", "2031-01-01", "9223372036854775807"]
  ] as const) {
    it.effect(`stops for no tenant beside ${kind} of another`, () =>
      Effect.gen(function* () {
        const poisoned = [`${used}-a`, `${used}-m`, `${used}-z`]
        const healthy = `${used}-k`
        for (const tenantId of poisoned) {
          yield* addChange(tenantId, start, used)
          yield* addChange(tenantId, start, used)
        }
        yield* addChange(healthy, "2031-01-01", "3")
        yield* fold
        assert.strictEqual(yield* waiting(healthy), 0)
        for (const tenantId of poisoned) assert.strictEqual(yield* waiting(tenantId), 2)
      })
    )
  }
})
