/**
 * Background work of notifications over all tenants.
 *
 * @since 0.1.0
 */
import { AllTenants } from "@hypermarket/core/Tenant"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Jobs from "./internal/jobs.ts"
import * as Maintenance from "./internal/maintenance.ts"

/**
 * @category services
 * @since 0.1.0
 */
export class NotificationMaintenance extends Context.Service<
  NotificationMaintenance,
  {
    /** Enqueues open messages that are overdue by ten minutes. Returns their number. */
    readonly recover: Effect.Effect<number, SqlError, AllTenants>
    /** Deletes triggers and messages after 90 days, caught messages after 7, and expired suppressions. */
    readonly prune: Effect.Effect<void, SqlError, AllTenants>
  }
>()("@hypermarket/notifications/NotificationMaintenance") {
  static readonly layer: Layer.Layer<NotificationMaintenance, never, SqlClient.SqlClient | Wakeup> =
    Layer.effect(
      NotificationMaintenance,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const queue = yield* WorkQueue.make({ prefix: Jobs.prefix })
        return {
          recover: Effect.andThen(AllTenants, Maintenance.recover(sql, queue)),
          prune: Effect.andThen(AllTenants, Maintenance.prune(sql))
        }
      })
    )
}
