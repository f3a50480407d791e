/**
 * The platform as a domain.
 *
 * @since 0.1.0
 */
import * as Check from "@hypermarket/core/Check"
import * as Domain from "@hypermarket/core/Domain"
import { now } from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { ApiKeys } from "./ApiKey.ts"
import { migrations } from "./PlatformMigrations.ts"
import { TenantAccounts } from "./TenantAccount.ts"

const expiringWithinMillis = 14 * 24 * 60 * 60 * 1000

const expiringKeys = Check.make(
  "expiring keys",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const moment = yield* now
    const [row] = yield* sql<{ readonly count: number }>`
      SELECT count(*)::int AS count
        FROM hm_api_key
       WHERE revoked_at IS NULL AND replaced_by IS NULL
         AND expires_at BETWEEN ${moment} AND ${new Date(moment.getTime() + expiringWithinMillis)}
    `
    const count = row?.count ?? 0
    return [
      count === 0
        ? { status: "ok" as const, message: "no key expires within 14 days" }
        : {
            status: "warn" as const,
            message: `${count} keys expire within 14 days and have no successor`,
            hint: "rotate them: POST /v1/platform/keys/<id>/rotate"
          }
    ]
  })
)

/**
 * @category domains
 * @since 0.1.0
 */
export const domain: Domain.Domain = Domain.make({ name: "platform", migrations, checks: [expiringKeys] })

/**
 * The services of this package.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<TenantAccounts | ApiKeys, never, SqlClient.SqlClient> = Layer.mergeAll(
  TenantAccounts.layer,
  ApiKeys.layer
)
