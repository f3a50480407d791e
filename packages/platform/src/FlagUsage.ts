/**
 * The service of real usage: how often SDKs have evaluated a flag, by day. Doctor counts flags that are no longer evaluated.
 *
 * @since 0.1.0
 */
import * as Now from "@hypermarket/core/Now"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { FlagKey } from "./FeatureFlag.ts"
import * as BatchedDelete from "./internal/batchedDelete.ts"

/**
 * Evaluations of a flag since an SDK's last report.
 *
 * @category models
 * @since 0.1.0
 */
export interface FlagCount {
  readonly flagKey: string
  readonly count: number
}

/** Counts of a day, in days: a flag of a yearly sale is seen twice. */
const keptDays = 400

/** An SDK reports whatever name its program asked for; Postgres refuses some text as a parameter. */
const isFlagKey = Schema.is(FlagKey)

/**
 * @category services
 * @since 0.1.0
 */
export class FlagUsage extends Context.Service<
  FlagUsage,
  {
    /** Adds counts to the day. Keys that are no flag of the tenant are ignored. */
    readonly record: (
      environment: string,
      counts: ReadonlyArray<FlagCount>
    ) => Effect.Effect<void, SqlError, Tenant>
    /** Deletes counts that are older than 400 days. */
    readonly prune: Effect.Effect<void, SqlError, AllTenants>
  }
>()("@hypermarket/platform/FlagUsage") {
  static readonly layer: Layer.Layer<FlagUsage, never, SqlClient.SqlClient> = Layer.effect(
    FlagUsage,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const record = Effect.fn("FlagUsage.record")(function* (
        environment: string,
        reported: ReadonlyArray<FlagCount>
      ) {
        const counts = reported.filter(({ flagKey }) => isFlagKey(flagKey))
        if (counts.length === 0) return
        const { id } = yield* Tenant
        const now = yield* Now.now
        yield* sql`
          INSERT INTO hm_platform_flag_usage AS counted (tenant_id, feature_id, environment, used_on, uses)
          SELECT feature.tenant_id, feature.feature_id, ${environment},
                 (${now}::timestamptz AT TIME ZONE 'UTC')::date, sum(reported.count)
            FROM unnest(${counts.map(({ flagKey }) => flagKey)}::text[],
                        ${counts.map(({ count }) => count)}::bigint[]) AS reported (flag_key, count)
            JOIN hm_platform_feature AS feature
              ON feature.tenant_id = ${id} AND feature.flag_key = reported.flag_key AND feature.status = 'active'
           GROUP BY feature.tenant_id, feature.feature_id
           -- Two reports of the same flags lock them in one order.
           ORDER BY feature.feature_id
              ON CONFLICT (tenant_id, feature_id, environment, used_on)
              DO UPDATE SET uses = counted.uses + excluded.uses
        `
      })

      const prune = Effect.gen(function* () {
        yield* AllTenants
        const now = yield* Now.now
        yield* BatchedDelete.deleteFrom(
          sql,
          "hm_platform_flag_usage",
          sql`used_on < (${now}::timestamptz AT TIME ZONE 'UTC')::date - ${keptDays}::integer`
        )
      }).pipe(Effect.withSpan("FlagUsage.prune"))

      return FlagUsage.of({ record, prune })
    })
  )
}
