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
import * as Outbox from "@hypermarket/core/Outbox"
import { AllTenants, system, Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Leaf from "./audit/leaf.ts"
import * as Merkle from "./audit/merkle.ts"
import * as Signing from "./audit/signing.ts"
import * as Statements from "./audit/statements.ts"
import * as Settings from "./PlatformSettings.ts"

/**
 * Rows of one checkpoint.
 *
 * @category limits
 * @since 0.1.0
 */
export const checkpointRowsMax = 10_000

/** A transaction ends long before: sessions of ours end after 30 idle seconds, and statements have a timeout. */
const recentHours = 2
const hourMillis = 3_600_000

const roundLimit = "50 seconds"

const sealedTotal = Metric.counter("hm_platform_activity_sealed_total", {
  description: "Rows of the activity log that were put under a checkpoint",
  incremental: true
})

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
  }
>()("@hypermarket/platform/ActivitySeals") {
  static readonly layer: Layer.Layer<ActivitySeals, Config.ConfigError, SqlClient.SqlClient> = Layer.effect(
    ActivitySeals,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [key] = yield* Settings.signingKeys
      const statements = Statements.make(sql)

      /** One sealer per tenant at a time. The others go on with other tenants: this one seals the rows. */
      const lock = (tenantId: string) =>
        Effect.map(
          sql<{ readonly isMine: boolean }>`
            SELECT pg_try_advisory_xact_lock(
                     hashtextextended(concat_ws(' ', current_schema(), 'activity', ${tenantId}::text), 0)) AS "isMine"
          `,
          ([row]) => row?.isMine === true
        )

      const publish = Effect.fnUntraced(function* (
        tenantId: string,
        text: string,
        signature: Buffer | null,
        now: Date
      ) {
        // No tenant subscribes to events of the installation.
        if (tenantId === system) return
        const outbox = yield* Outbox.Outbox
        const event = yield* Outbox.event({
          domain: "platform",
          name: "activity.sealed",
          subject: tenantId,
          time: now,
          data: {
            hash: Leaf.hex(Merkle.textHash(text)),
            checkpoint: text,
            signature: signature === null ? null : signature.toString("base64")
          }
        })
        yield* outbox.publish([event])
      })

      const sealTenant = Effect.fnUntraced(function* (since: Date) {
        const { id: tenantId } = yield* Tenant
        const now = yield* Now.now
        if (!(yield* lock(tenantId))) return { count: 0, hasMore: false }
        const rows = yield* statements.unsealed(tenantId, since, checkpointRowsMax)
        const [first] = rows
        const last = rows.at(-1)
        if (first === undefined || last === undefined) return { count: 0, hasMore: false }
        const previous = yield* statements.newest(tenantId)
        const checkpoint = {
          tenantId,
          number: (previous?.number ?? 0) + 1,
          previous: previous === undefined ? null : Merkle.textHash(Leaf.checkpointText(previous)),
          root: Merkle.root(rows.map(({ leafHash }) => leafHash)),
          rows: rows.length,
          sealedAt: Leaf.instantText(now),
          keyId: key?.keyId ?? null
        }
        const text = Leaf.checkpointText(checkpoint)
        const signature = key === undefined ? null : Signing.sign(key, text)
        if (key !== undefined) yield* statements.insertKey(key.keyId, key.publicKey, now)
        yield* statements.insertCheckpoint({
          ...checkpoint,
          signature,
          activityIds: rows.map(({ activityId }) => activityId),
          firstRecordedAt: first.recordedAt,
          lastRecordedAt: last.recordedAt
        })
        yield* publish(tenantId, text, signature, now)
        yield* sql.afterCommit(Metric.update(sealedTotal, rows.length))
        return { count: rows.length, hasMore: rows.length === checkpointRowsMax }
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

      return ActivitySeals.of({ seal, sweep })
    })
  )
}
