/**
 * The parts of a product's popularity, for an explanation: events of visitors, and the signals of the tenant.
 */
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { halfLifeSeconds } from "../Popularity.ts"
import type { PopularityParts } from "../SearchQuery.ts"
import { decayed } from "./decay.ts"
import type * as VersionRows from "./versionRows.ts"

interface Row {
  readonly id: string
  readonly events: number
  readonly values: Readonly<Record<string, number>> | null
}

/** Reads the parts as they are now, by product; the factor in a score is that of the version's build. */
export const read = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  { settings, tenantId }: VersionRows.Live,
  ids: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyMap<string, PopularityParts>, SqlError> {
  const { popularityWindow: window, signals } = settings
  const now = yield* Now.now
  const rows = yield* sql<Row>`
    WITH scored AS (
      SELECT product_id,
             ln(1 + ${decayed(sql, {
               score: sql`score`,
               seconds: sql`extract(epoch FROM ${now}::timestamptz - counted_at)::float8`,
               halfLife: sql`${halfLifeSeconds[window]}::float8`
             })}) AS value
        FROM hm_product_popularity_signal
       WHERE tenant_id = ${tenantId} AND decay_window = ${window})
    SELECT wanted.id,
           coalesce((SELECT s.value FROM scored s WHERE s.product_id = wanted.id)
                    / nullif((SELECT max(value) FROM scored), 0), 0)::float8 AS events,
           (SELECT jsonb_object_agg(r.signal, r.value)
              FROM hm_ranking_signal r
             WHERE r.tenant_id = ${tenantId} AND r.signal = ANY (${signals.map(({ signal }) => signal)}::text[])
               AND r.product_id = wanted.id) AS values
      FROM unnest(${ids}::text[]) AS wanted (id)
  `
  return new Map(
    rows.map(({ events, id, values }) => [
      id,
      {
        window,
        events,
        signals: signals.map(({ signal, weight }) => ({ signal, weight, value: values?.[signal] ?? 0 }))
      }
    ])
  )
})
