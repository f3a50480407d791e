/**
 * Seals the activity log: each round puts the rows that no checkpoint covers under a new one, per tenant.
 *
 * A row that commits late is in the next checkpoint: rows are found by what checkpoints name, and not by a horizon of
 * transaction ids, which one long transaction elsewhere would stop.
 *
 * @since 0.1.0
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Retention from "./audit/retention.ts"
import * as Sealing from "./audit/sealing.ts"
import * as Statements from "./audit/statements.ts"
import * as Settings from "./PlatformSettings.ts"

/**
 * Rows of one checkpoint.
 *
 * @category limits
 * @since 0.1.0
 */
export const checkpointRowsMax: number = Sealing.checkpointRowsMax

/** A transaction ends long before: sessions of ours end after 30 idle seconds, and statements have a timeout. */
const recentHours = 2
const hourMillis = 3_600_000

const roundLimit = "50 seconds"

/**
 * @category services
 * @since 0.1.0
 */
export class ActivitySeals extends Context.Service<
  ActivitySeals,
  {
    /** Seals the rows of the last hours, over all tenants, and returns their number. */
    readonly seal: Effect.Effect<number, SqlError, AllTenants>
    /** Seals rows of any age that were left out. */
    readonly sweep: Effect.Effect<number, SqlError, AllTenants>
    /**
     * Names the checkpoints of months that are older than kept, in the log of each owner, and then lets the months be dropped.
     * Returns the instant before which they are; undefined while none is. An owner with a row that is under no checkpoint, or was
     * sealed lately, keeps its rows, and those of the others in the same months are deleted.
     */
    readonly retain: Effect.Effect<Date | undefined, SqlError, AllTenants>
  }
>()("@hypermarket/platform/ActivitySeals") {
  static readonly layer: Layer.Layer<ActivitySeals, Config.ConfigError, SqlClient.SqlClient> = Layer.effect(
    ActivitySeals,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [key] = yield* Settings.signingKeys
      const keepDays = yield* Settings.activityKeepDays.config
      const statements = Statements.make(sql)
      const sealRows = Sealing.make(sql, key)
      const retention = Retention.make(sql, sealRows)

      /** One sealer per tenant at a time. The others go on with other tenants: this one seals the rows. */
      const sealTenant = Effect.fnUntraced(function* (since: Date) {
        const { id } = yield* Tenant
        return (yield* statements.tryLock(id)) ? yield* sealRows(since) : { count: 0, hasMore: false }
      })

      const round = Effect.fnUntraced(function* (since: Date) {
        yield* AllTenants
        const { count } = yield* EachTenant.run({
          loop: "platform.activity.seal",
          items: yield* statements.grown(since),
          limit: roundLimit,
          turn: () => transactionOf(sql)(sealTenant(since))
        }).pipe(Effect.provideService(SqlClient.SqlClient, sql))
        return count
      })

      const seal = Effect.flatMap(Now.now, (now) =>
        round(new Date(now.getTime() - recentHours * hourMillis))
      ).pipe(Effect.withSpan("ActivitySeals.seal"))

      const sweep = round(new Date(0)).pipe(Effect.withSpan("ActivitySeals.sweep"))

      const retain = Effect.andThen(AllTenants, retention.retain(keepDays)).pipe(
        Effect.withSpan("ActivitySeals.retain")
      )

      return ActivitySeals.of({ seal, sweep, retain })
    })
  )
}
