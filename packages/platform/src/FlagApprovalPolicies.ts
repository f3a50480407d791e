/**
 * The service of environments whose flags change only with an approval.
 *
 * @since 0.1.0
 */
import * as Audit from "@hypermarket/core/Audit"
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { Environment } from "./FeatureFlag.ts"
import { FlagApprovalPolicy, type FlagApprovalPolicyChange } from "./FlagChangeRequest.ts"
import type { FlagRevisionBusy } from "./FlagProblems.ts"
import * as Revision from "./flags/revision.ts"

const pages = Page.make({
  list: "flagEnvironments",
  key: Schema.Tuple([Environment]),
  keyOf: (policy: FlagApprovalPolicy) => [policy.environment] as const
})

/**
 * Reads and sets whether changes of an environment's flags need a second person. They do not until it is set.
 *
 * @category services
 * @since 0.1.0
 */
export class FlagApprovalPolicies extends Context.Service<
  FlagApprovalPolicies,
  {
    readonly get: (environment: string) => Effect.Effect<FlagApprovalPolicy, SqlError, Tenant>
    /** Lists environments that flags are in or that were set, in the order of their names. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<FlagApprovalPolicy>, Page.CursorInvalid | SqlError, Tenant>
    /** Sets an environment that is at `version`, 0 before the first time. */
    readonly set: (
      environment: string,
      version: number,
      change: typeof FlagApprovalPolicyChange.Type
    ) => Effect.Effect<FlagApprovalPolicy, VersionStale | FlagRevisionBusy | SqlError, Tenant>
  }
>()("@hypermarket/platform/FlagApprovalPolicies") {
  static readonly layer: Layer.Layer<FlagApprovalPolicies, never, SqlClient.SqlClient> = Layer.effect(
    FlagApprovalPolicies,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const revisions = yield* Revision.make(sql)
      const decode = Schema.decodeUnknownEffect(Schema.Struct(FlagApprovalPolicy.fields))
      const toPolicy = (row: unknown) =>
        Effect.orDie(Effect.map(decode(row), (fields) => new FlagApprovalPolicy(fields)))

      const get = Effect.fn("FlagApprovalPolicies.get")(function* (environment: string) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT environment, requires_approval AS "requiresApproval", version
            FROM hm_platform_flag_environment
           WHERE tenant_id = ${tenant.id} AND environment = ${environment}
        `
        return row === undefined
          ? new FlagApprovalPolicy({ environment, requiresApproval: false, version: 0 })
          : yield* toPolicy(row)
      })

      const list = Effect.fn("FlagApprovalPolicies.list")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [after] = Option.getOrElse(yield* pages.after(request), () => [""] as const)
        const limit = Page.limitOf(request) + 1
        const rows = yield* sql`
          SELECT listed.environment, coalesce(policy.requires_approval, false) AS "requiresApproval",
                 coalesce(policy.version, 0) AS version
            FROM (
                   (SELECT environment
                      FROM hm_platform_flag_revision
                     WHERE tenant_id = ${tenant.id} AND environment > ${after}
                     ORDER BY environment
                     LIMIT ${limit})
                    UNION
                   (SELECT environment
                      FROM hm_platform_flag_environment
                     WHERE tenant_id = ${tenant.id} AND environment > ${after}
                     ORDER BY environment
                     LIMIT ${limit})
                 ) AS listed
            LEFT JOIN hm_platform_flag_environment AS policy
              ON policy.tenant_id = ${tenant.id} AND policy.environment = listed.environment
           ORDER BY listed.environment
           LIMIT ${limit}
        `
        return yield* pages.page(yield* Effect.forEach(rows, toPolicy), request)
      })

      const set = Effect.fn("FlagApprovalPolicies.set")(function* (
        environment: string,
        version: number,
        { requiresApproval }: typeof FlagApprovalPolicyChange.Type
      ) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const write = Effect.gen(function* () {
          // A change that is under way has read the policy, and commits before this one.
          yield* revisions.lock([environment])
          const existing = yield* get(environment)
          if (existing.version !== version) {
            return yield* new VersionStale({ currentVersion: existing.version })
          }
          const [row] = yield* sql`
            INSERT INTO hm_platform_flag_environment AS policy
                        (tenant_id, environment, requires_approval, updated_at)
            VALUES (${tenant.id}, ${environment}, ${requiresApproval}, ${now})
                ON CONFLICT (tenant_id, environment)
                DO UPDATE SET requires_approval = excluded.requires_approval, version = policy.version + 1,
                              updated_at = excluded.updated_at
            RETURNING environment, requires_approval AS "requiresApproval", version
          `
          const changed = yield* toPolicy(row)
          yield* Audit.record({
            action: "flag-environment.set",
            target: { type: "flag-environment", id: environment },
            before: AuditedChange.toJson(existing),
            after: AuditedChange.toJson(changed)
          })
          return changed
        })
        return yield* transactionOf(sql)(write)
      })

      return FlagApprovalPolicies.of({ get, list, set })
    })
  )
}
