/**
 * The work on source maps that a worker does: it reads uploads, translates events that wait, and serves stored events whose
 * map came late.
 *
 * @since 0.1.0
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as FailureText from "@hypermarket/core/FailureText"
import * as Now from "@hypermarket/core/Now"
import type { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as BundleWork from "./internal/bundleWork.ts"
import { parseJson } from "./internal/envelope.ts"
import type { GroupingRule } from "./GroupingRule.ts"
import * as LateMaps from "./internal/lateMaps.ts"
import * as LiveProjects from "./internal/liveProjects.ts"
import * as Metrics from "./internal/metrics.ts"
import * as MapCache from "./internal/mapCache.ts"
import type { SourceMap } from "./internal/sourceMapFile.ts"
import * as StoredEvent from "./internal/storedEvent.ts"
import * as SubmissionRecord from "./internal/submissionRecord.ts"
import * as Writer from "./internal/writer.ts"

/** A round of the loop. A tenant with more to do has its next turn after the others. */
const roundLimit = "20 seconds"
/** An upload with 512 MiB of files takes some ten seconds of a fast processor, and begins again when it is interrupted. */
const uploadLimit = "10 minutes"
/** Events that are translated in one transaction. */
const eventsMax = 100
/**
 * Reads uploads and translates events, in rounds over all tenants.
 *
 * @category services
 * @since 0.1.0
 */
export class SourceMapWork extends Context.Service<
  SourceMapWork,
  {
    /** One round. */
    readonly run: Effect.Effect<void, SqlError>
  }
>()("@hypermarket/observability/SourceMapWork") {
  static readonly layer: Layer.Layer<SourceMapWork, never, SqlClient.SqlClient> = Layer.effect(
    SourceMapWork,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const write = Writer.make(sql)
      const late = LateMaps.make(sql)
      const mapsOf = MapCache.make(sql)
      const extract = BundleWork.make(sql)

      /** Returns the rules of the tenant's projects. */
      const rulesOf = Effect.fnUntraced(function* (tenantId: string) {
        const rules = yield* LiveProjects.rulesOf(
          tenantId,
          yield* sql<{ readonly projectId: number; readonly groupingRules: unknown }>`
            SELECT project_id AS "projectId", grouping_rules AS "groupingRules"
              FROM hm_error_project
             WHERE tenant_id = ${tenantId} AND grouping_rules <> '[]'
          `
        )
        return (projectId: number) => rules.get(projectId) ?? []
      })

      /** Undefined for an event that a map breaks: it stays as it came. */
      const translate = (
        data: Uint8Array,
        sourceMapOf: (debugId: string) => SourceMap | undefined,
        rules: ReadonlyArray<GroupingRule>
      ) =>
        Effect.sync((): StoredEvent.Translation | undefined =>
          StoredEvent.translate(data, sourceMapOf, rules)
        ).pipe(
          Effect.catchDefect((defect) =>
            Effect.as(
              Effect.logWarning("An event stays as it came: its source map is broken", {
                detail: FailureText.describe(Cause.die(defect))
              }),
              undefined
            )
          ),
          // Other work of the process runs between two events.
          Effect.tap(() => Effect.yieldNow)
        )

      /** Translates and stores events that wait. */
      const storePending = (tenantId: string, pendingIds: ReadonlyArray<string>) =>
        transactionOf(sql)(
          Effect.gen(function* () {
            const rows = yield* sql<{
              readonly projectId: number
              readonly event: unknown
              readonly payload: Uint8Array
            }>`
              DELETE FROM hm_error_pending
               WHERE tenant_id = ${tenantId} AND pending_id = ANY (${pendingIds}::uuid[])
              RETURNING project_id AS "projectId", event, payload
            `
            const held = rows.map(({ event, payload, projectId }) => ({
              projectId,
              event: SubmissionRecord.decodeEvent(
                typeof event === "string" ? parseJson(event) : event,
                payload
              )
            }))
            const wants = held.flatMap(({ event, projectId }) =>
              event.debugIds.map((debugId) => ({ projectId, debugId }))
            )
            const maps = yield* mapsOf(tenantId, wants)
            const rules = yield* rulesOf(tenantId)
            const submissions = yield* Effect.forEach(held, ({ event, projectId }) =>
              Effect.map(translate(event.data, maps(projectId), rules(projectId)), (translation) => ({
                tenantId,
                projectId,
                receivedAtMillis: event.receivedAtMillis,
                events: [{ ...event, ...translation }],
                items: [],
                counts: []
              }))
            )
            return yield* write(submissions, "worker")
          })
        )

      /** Drops an event that cannot be stored, and counts it in the same transaction: nothing is dropped uncounted. */
      const dropPending = Effect.fnUntraced(function* (tenantId: string, pendingId: string) {
        const now = yield* Now.now
        const [row] = yield* sql<{ readonly projectId: number }>`
          DELETE FROM hm_error_pending
           WHERE tenant_id = ${tenantId} AND pending_id = ${pendingId}::uuid
          RETURNING project_id AS "projectId"
        `
        if (row === undefined) return
        const count = { category: "error", outcome: "dropped", reason: "unstorable", quantity: 1 } as const
        const { projectId } = row
        const submission = {
          tenantId,
          projectId,
          receivedAtMillis: now.getTime(),
          events: [],
          items: [],
          counts: [count]
        }
        yield* write([submission], "worker")
      }, transactionOf(sql))

      const tenantsWith = (table: "hm_error_pending" | "hm_error_bundle" | "hm_error_source_map") => {
        const condition = {
          hm_error_pending: sql`true`,
          hm_error_bundle: sql`status = 'waiting'`,
          hm_error_source_map: sql`is_fresh`
        }[table]
        return sql<{ readonly tenantId: string }>`
          SELECT DISTINCT tenant_id AS "tenantId"
            FROM ${sql(table)}
           WHERE ${condition}
        `
      }

      const pending = Effect.fnUntraced(function* (tenantId: string) {
        const rows = yield* sql<{ readonly pendingId: string }>`
          SELECT pending_id::text AS "pendingId"
            FROM hm_error_pending
           WHERE tenant_id = ${tenantId}
           ORDER BY pending_id
           LIMIT ${eventsMax}
        `
        const counts = yield* EachTenant.together({
          loop: "observability.source-map.translate",
          items: rows.map(({ pendingId }) => ({ tenantId, pendingId })),
          run: (items) =>
            storePending(
              tenantId,
              items.map(({ pendingId }) => pendingId)
            ),
          failed: ({ pendingId }) => dropPending(tenantId, pendingId)
        })
        const count = counts.reduce((sum, events) => sum + events, 0)
        yield* Metric.update(Metrics.eventsTotal, count)
        return { count, hasMore: rows.length === eventsMax }
      })

      const serveLate = (tenantId: string) =>
        late.serve(tenantId, (wants) => mapsOf(tenantId, wants), rulesOf, translate)

      const round = <E>(
        loop: string,
        items: ReadonlyArray<{ readonly tenantId: string }>,
        turn: (tenantId: string) => Effect.Effect<EachTenant.Turn, E, Tenant>,
        turnLimit: Duration.Input = roundLimit
      ) =>
        EachTenant.run({
          loop,
          items,
          limit: roundLimit,
          turnLimit,
          turn: ({ tenantId }) => turn(tenantId)
        }).pipe(Effect.provideService(SqlClient.SqlClient, sql))

      return SourceMapWork.of({
        run: Effect.gen(function* () {
          yield* round(
            BundleWork.loop,
            yield* tenantsWith("hm_error_bundle"),
            (tenantId) => extract(tenantId).pipe(Effect.provideService(SqlClient.SqlClient, sql)),
            uploadLimit
          )
          yield* round("observability.event.translate", yield* tenantsWith("hm_error_pending"), (tenantId) =>
            pending(tenantId).pipe(Effect.provideService(SqlClient.SqlClient, sql))
          )
          yield* round("observability.source-map.serve", yield* tenantsWith("hm_error_source_map"), serveLate)
        })
      })
    })
  )
}
