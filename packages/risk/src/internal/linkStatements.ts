/** Reads the neighbours of entities, and the signals of a ring. */
import type * as SqlClient from "effect/sql/SqlClient"

/** Rows of one entity that are read for its neighbours: more than a person or a card has, and a bound for a hot address. */
const rowsMax = 300

export interface NeighbourRow {
  readonly entity: bigint | string
  readonly other: bigint | string
  readonly firstSeen: Date
  readonly lastSeen: Date
}

export interface RingSignalRow {
  readonly kind: string
  readonly subject: string
  readonly result: string
  readonly occurredAt: Date
  readonly outcome: string | null
  readonly entities: ReadonlyArray<string>
}

export const make = (sql: SqlClient.SqlClient) => ({
  /** At most `degreeMax + 1` neighbours per entity: one more says that there are too many. */
  neighbours: (
    tenantId: string,
    entities: ReadonlyArray<bigint>,
    since: Date,
    degreeMax: number
  ) => sql<NeighbourRow>`
    SELECT asked.entity, near.other, near.first_seen AS "firstSeen", near.last_seen AS "lastSeen"
      FROM unnest(${entities.map(String)}::bigint[]) AS asked (entity)
     CROSS JOIN LATERAL (
           SELECT pair.other, min(pair.first_seen) AS first_seen, max(pair.last_seen) AS last_seen
             FROM (
                  -- Events that no hour holds have their own rows.
                  SELECT other, recent.occurred_at AS first_seen, recent.occurred_at AS last_seen
                    FROM (
                         SELECT e.occurred_at, e.others
                           FROM hm_fraud_entity_event e
                          WHERE e.tenant_id = ${tenantId}
                            AND e.entity = asked.entity
                            AND e.is_folded = false
                            AND e.occurred_at > ${since}
                          ORDER BY e.occurred_at DESC
                          LIMIT ${rowsMax}
                         ) AS recent
                   CROSS JOIN LATERAL unnest(recent.others) AS other
                   UNION ALL
                  (
                  SELECT edge.other, edge.first_seen, edge.last_seen
                    FROM hm_risk_edge edge
                   WHERE edge.tenant_id = ${tenantId}
                     AND edge.entity = asked.entity
                     AND edge.last_seen > ${since}
                   LIMIT ${rowsMax}
                  )
                  ) AS pair
            GROUP BY pair.other
            ORDER BY max(pair.last_seen) DESC, pair.other & 15, pair.other
            LIMIT ${degreeMax + 1}
           ) AS near
  `,

  /** The newest signals in which entities took part. */
  signals: (
    tenantId: string,
    entities: ReadonlyArray<bigint>,
    since: Date,
    limit: number
  ) => sql<RingSignalRow>`
    WITH newest AS (
      SELECT recent.occurred_at, recent.signal_id, array_agg(recent.entity::text ORDER BY recent.entity) AS entities
        FROM unnest(${entities.map(String)}::bigint[]) AS asked (entity)
       CROSS JOIN LATERAL (
             (
             SELECT e.entity, e.occurred_at, e.signal_id
               FROM hm_fraud_entity_event e
              WHERE e.tenant_id = ${tenantId}
                AND e.entity = asked.entity
                AND e.is_folded = false
                AND e.occurred_at > ${since}
              ORDER BY e.occurred_at DESC
              LIMIT ${limit}
             )
             UNION ALL
             (
             SELECT e.entity, e.occurred_at, e.signal_id
               FROM hm_fraud_entity_event e
              WHERE e.tenant_id = ${tenantId}
                AND e.entity = asked.entity
                AND e.is_folded = true
                AND e.occurred_at > ${since}
              ORDER BY e.occurred_at DESC
              LIMIT ${limit}
             )
             ) AS recent
       GROUP BY recent.occurred_at, recent.signal_id
       ORDER BY recent.occurred_at DESC, recent.signal_id
       LIMIT ${limit}
    )
    SELECT s.kind, s.subject, s.result, s.occurred_at AS "occurredAt", decided.outcome, newest.entities
      FROM newest
      JOIN hm_fraud_signal s
        ON s.tenant_id = ${tenantId}
       AND s.occurred_at = newest.occurred_at
       AND s.signal_id = newest.signal_id
      LEFT JOIN LATERAL (
           SELECT d.outcome
             FROM hm_risk_decision d
            WHERE d.tenant_id = ${tenantId}
              AND d.signal_id = newest.signal_id
            ORDER BY d.number DESC
            LIMIT 1
           ) AS decided ON true
     ORDER BY s.occurred_at DESC, s.signal_id
  `
})
