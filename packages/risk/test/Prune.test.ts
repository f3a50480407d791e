import { assert, layer } from "@effect/vitest"
import { AllTenants } from "@hypermarket/core/Tenant"
import { Risk } from "@hypermarket/risk/Risk"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Scene from "./Scene.ts"

layer(Scene.layer, { excludeTestServices: true })("Pruning", (it) => {
  it.effect("deletes the edges that no window reaches, and keeps the others", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const risk = yield* Risk
      yield* sql`
        INSERT INTO hm_risk_edge (tenant_id, entity, other, first_seen, last_seen)
        VALUES ('acme', 1, 2, now() - interval '200 days', now() - interval '120 days'),
               ('acme', 1, 3, now() - interval '200 days', now() - interval '1 day')
      `
      assert.strictEqual(yield* risk.prune, 1)
      assert.deepStrictEqual(yield* sql`SELECT other::text FROM hm_risk_edge`, [{ other: "3" }])
    }).pipe(Effect.provideService(AllTenants, { actor: "test" }))
  )
})
