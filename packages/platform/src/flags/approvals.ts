/** Environments whose changes need a second person. */
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { FlagApprovalRequired } from "../FlagProblems.ts"

export const make = (sql: SqlClient.SqlClient) => {
  /** Those of the environments that need an approval. Read under their locks, which a change of the policy takes too. */
  const requiredIn = Effect.fnUntraced(function* (environments: ReadonlyArray<string>) {
    if (environments.length === 0) return []
    const tenant = yield* Tenant
    const rows = yield* sql<{ readonly environment: string }>`
      SELECT environment
        FROM hm_platform_flag_environment
       WHERE tenant_id = ${tenant.id} AND environment = ANY (${environments}::text[]) AND requires_approval
       ORDER BY environment
    `
    return rows.map(({ environment }) => environment)
  })

  const refuseIn = Effect.fnUntraced(function* (environments: ReadonlyArray<string>) {
    const required = yield* requiredIn(environments)
    if (required.length > 0) return yield* new FlagApprovalRequired({ environments: required })
  })

  return { requiredIn, refuseIn }
}
