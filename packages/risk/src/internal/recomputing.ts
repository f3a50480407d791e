/**
 * Works out features that a decision did not freeze, as of the time of the decision: from signals that were recorded before it, with
 * the results that they had then.
 *
 * Windows of a decision hold what had committed, and the order of commits is recorded nowhere. So the figure may differ by the signals
 * of the entity that were recorded within a second of the decision: they are counted too.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { type Feature, type Values, windowHours } from "../Feature.ts"
import * as Entity from "./entity.ts"
import { type Cell, type DistinctRow, valuesOf } from "./featureValues.ts"

/** Decisions per statement: one of a hot entity reads 25,000 rows. */
const decisionsMax = 100

/** A decision, and the features that it lacks. */
export interface Asked {
  readonly signalId: string
  readonly at: Date
  /** The time at which the decision was recorded. */
  readonly decidedAt: Date
  readonly currency: string | undefined
  readonly entities: ReadonlyArray<Entity.HashedEntity>
  readonly features: ReadonlyArray<Feature>
}

export interface Recomputed {
  readonly values: Values
  /** By the name of a feature, the signals of its entities that were recorded within a second of the decision. */
  readonly nearby: Readonly<Record<string, number>>
}

interface Pair {
  readonly item: number
  readonly hash: string
  readonly reach: number
  readonly asked: Asked
}

interface PastCell extends Cell {
  readonly nearby: number
}

const reachOf = (features: ReadonlyArray<Feature>): number =>
  Math.max(...features.map(({ window }) => windowHours[window]))

/** The entities of the features, each with its longest window. */
const pairsOf = (asked: ReadonlyArray<Asked>, isWanted: (feature: Feature) => boolean): ReadonlyArray<Pair> =>
  asked.flatMap((decision, item) =>
    Array.from(Map.groupBy(decision.features.filter(isWanted), ({ entity }) => entity)).flatMap(
      ([kind, features]) =>
        decision.entities
          .filter((entity) => entity.kind === kind)
          .map(({ hash }): Pair => ({ item, hash: String(hash), reach: reachOf(features), asked: decision }))
    )
  )

/** Returns the hours of the longest window of the features. */
export const hoursOf = (features: ReadonlyArray<Feature>): number =>
  features.length === 0 ? 0 : reachOf(features)

export const make = (sql: SqlClient.SqlClient) => {
  /** The signals of each pair's window. With LIMIT each is found by its key, also in tables without statistics. */
  const past = (tenantId: string, pairs: ReadonlyArray<Pair>) => sql`
    SELECT asked.item, asked.entity, asked.at, event.occurred_at, event.kind, event.currency, event.amount, event.others,
           coalesce(
             (
               SELECT earlier.result
                 FROM jsonb_to_recordset(signal.earlier_results) AS earlier (result text, until timestamptz)
                WHERE earlier.until > asked.decided_at
                ORDER BY earlier.until
                LIMIT 1
             ),
             event.result
           ) AS result,
           signal.recorded_at < asked.decided_at AS is_before,
           signal.recorded_at BETWEEN asked.decided_at - interval '1 second' AND asked.decided_at + interval '1 second' AS is_near
      FROM unnest(
             ${pairs.map(({ item }) => item)}::integer[],
             ${pairs.map(({ hash }) => hash)}::bigint[],
             ${pairs.map(({ asked }) => asked.at.toISOString())}::timestamptz[],
             ${pairs.map(({ asked }) => asked.decidedAt.toISOString())}::timestamptz[],
             ${pairs.map(({ asked }) => asked.signalId)}::uuid[],
             ${pairs.map(({ reach }) => reach)}::integer[]
           ) AS asked (item, entity, at, decided_at, own, reach)
     CROSS JOIN LATERAL (
           SELECT e.signal_id, e.occurred_at, e.kind, e.result, e.currency, e.amount, e.others
             FROM hm_fraud_entity_event e
            WHERE e.tenant_id = ${tenantId}
              AND e.entity = asked.entity
              AND e.is_folded IN (false, true)
              AND e.occurred_at > asked.at - make_interval(hours => asked.reach)
              AND e.occurred_at <= asked.at
              AND e.signal_id <> asked.own
           ) AS event
     CROSS JOIN LATERAL (
           SELECT s.recorded_at, s.earlier_results
             FROM hm_fraud_signal s
            WHERE s.tenant_id = ${tenantId}
              AND s.occurred_at = event.occurred_at
              AND s.signal_id = event.signal_id
            LIMIT 1
           ) AS signal
  `

  const cells = (tenantId: string, pairs: ReadonlyArray<Pair>) => sql<PastCell>`
    WITH past AS (
      ${past(tenantId, pairs)}
    )
    SELECT past.item, past.entity, past.kind, past.result, coalesce(past.currency, '') AS currency, false AS "isFolded",
           count(*) FILTER (WHERE past.is_near)::integer AS nearby,
           ARRAY[
             count(*) FILTER (WHERE past.is_before AND past.occurred_at > past.at - interval '1 hour'),
             count(*) FILTER (WHERE past.is_before AND past.occurred_at > past.at - interval '24 hours'),
             count(*) FILTER (WHERE past.is_before AND past.occurred_at > past.at - interval '168 hours'),
             count(*) FILTER (WHERE past.is_before)
           ]::text[] AS counts,
           ARRAY[
             sum(past.amount) FILTER (WHERE past.is_before AND past.occurred_at > past.at - interval '1 hour'),
             sum(past.amount) FILTER (WHERE past.is_before AND past.occurred_at > past.at - interval '24 hours'),
             sum(past.amount) FILTER (WHERE past.is_before AND past.occurred_at > past.at - interval '168 hours'),
             sum(past.amount) FILTER (WHERE past.is_before)
           ]::text[] AS sums
      FROM past
     GROUP BY past.item, past.entity, past.kind, past.result, past.currency
  `

  const distincts = (tenantId: string, pairs: ReadonlyArray<Pair>) => sql<DistinctRow>`
    WITH past AS (
      ${past(tenantId, pairs)}
    ),
    newest AS (
      SELECT past.item, past.entity, past.at, other, max(past.occurred_at) AS seen_at
        FROM past
       CROSS JOIN LATERAL unnest(past.others) AS other
       WHERE past.is_before
       GROUP BY past.item, past.entity, past.at, other
    )
    SELECT newest.item, newest.entity, (newest.other & 15)::integer AS other,
           ARRAY[
             count(*) FILTER (WHERE newest.seen_at > newest.at - interval '1 hour'),
             count(*) FILTER (WHERE newest.seen_at > newest.at - interval '24 hours'),
             count(*) FILTER (WHERE newest.seen_at > newest.at - interval '168 hours'),
             count(*)
           ]::text[] AS counts
      FROM newest
     GROUP BY newest.item, newest.entity, (newest.other & 15)::integer
  `

  const readPart = Effect.fnUntraced(function* (
    tenantId: string,
    asked: ReadonlyArray<Asked>
  ): Effect.fn.Return<ReadonlyArray<Recomputed>, SqlError> {
    const pairs = pairsOf(asked, () => true)
    const distinctPairs = pairsOf(asked, ({ aggregate }) => aggregate === "distinct")
    const cellRows = pairs.length === 0 ? [] : yield* cells(tenantId, pairs)
    const distinctRows = distinctPairs.length === 0 ? [] : yield* distincts(tenantId, distinctPairs)
    const cellsOf = Map.groupBy(cellRows, ({ item }) => item)
    const distinctsOf = Map.groupBy(distinctRows, ({ item }) => item)
    return asked.map((decision, item): Recomputed => {
      const mine = cellsOf.get(item) ?? []
      const nearbyOf = (kind: string) =>
        mine.reduce(
          (sum, { entity, nearby }) => sum + (Entity.kindOf(BigInt(entity)) === kind ? nearby : 0),
          0
        )
      return {
        values: valuesOf(decision, mine, distinctsOf.get(item) ?? []),
        nearby: Object.fromEntries(decision.features.map(({ entity, name }) => [name, nearbyOf(entity)]))
      }
    })
  })

  /** Recomputes the features of decisions, in their order. */
  const read = Effect.fnUntraced(function* (
    tenantId: string,
    asked: ReadonlyArray<Asked>
  ): Effect.fn.Return<ReadonlyArray<Recomputed>, SqlError> {
    const parts: Array<Recomputed> = []
    for (let start = 0; start < asked.length; start += decisionsMax) {
      parts.push(...(yield* readPart(tenantId, asked.slice(start, start + decisionsMax))))
    }
    return parts
  })

  return { read }
}
