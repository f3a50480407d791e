/**
 * The first decision about a subject: one statement reads what the rules need, and one writes key, subject, signal, events and decision.
 *
 * The windows exclude the present signal, so that it does not matter that it is not written yet. By a statement each for key, subject,
 * signal, windows, distinct counts, lists and decision, a decision took ten round trips. With one statement that writes the signal and
 * reads, and another one for the decision, it took five, because two need a transaction.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Decisions from "./decisionStatements.ts"
import type { Cell, DistinctRow } from "./featureValues.ts"
import * as Signals from "./signalStatements.ts"
import * as Velocity from "./velocity.ts"

interface Row {
  readonly isKnown: boolean
  readonly cells: ReadonlyArray<Cell> | string
  readonly distincts: ReadonlyArray<DistinctRow> | string
  readonly listed: ReadonlyArray<Decisions.ListRow> | string
}

/** Features and list rows that the rules of a new signal read. */
export interface Opened {
  readonly features: Velocity.Read
  readonly listed: ReadonlyArray<Decisions.ListRow>
}

export const make = (
  sql: SqlClient.SqlClient,
  velocity: ReturnType<typeof Velocity.make>,
  decisions: ReturnType<typeof Decisions.make>
) => {
  type Call = Parameters<typeof decisions.claimKey>[1]

  const statement = (
    tenantId: string,
    call: Call,
    signal: Signals.Prepared,
    asked: Velocity.Asked,
    now: Date
  ) => sql<Row>`
    SELECT (
             EXISTS (
               SELECT
                 FROM hm_fraud_signal_key k
                WHERE k.tenant_id = ${tenantId}
                  AND k.source = ${call.source}
                  AND k.key = ${call.key}
             )
             OR EXISTS (
               SELECT
                 FROM hm_fraud_signal_subject s
                WHERE s.tenant_id = ${tenantId}
                  AND s.kind = ${signal.kind}
                  AND s.subject = ${signal.subject}
             )
           ) AS "isKnown",
           (
             SELECT coalesce(json_agg(json_build_object(
                      'item', c.item, 'entity', c.entity::text, 'kind', c.kind, 'result', c.result, 'currency', c.currency,
                      'isFolded', c."isFolded", 'counts', c.counts, 'sums', c.sums
                    )), '[]')
               FROM (${velocity.cells(tenantId, [asked])}) AS c
           ) AS cells,
           (
             SELECT coalesce(json_agg(json_build_object(
                      'item', d.item, 'entity', d.entity::text, 'other', d.other, 'counts', d.counts
                    )), '[]')
               FROM (${velocity.distincts(tenantId, [asked])}) AS d
           ) AS distincts,
           (
             SELECT coalesce(json_agg(json_build_object('entity', l.entity::text, 'list', l.list, 'rule', l.rule)), '[]')
               FROM (${decisions.listed(tenantId, signal.entities, now)}) AS l
           ) AS listed
  `

  /** Reads what the rules need; undefined where the key or the subject is known. */
  const open = Effect.fnUntraced(function* (
    tenantId: string,
    call: Call,
    signal: Signals.Prepared,
    asked: Velocity.Asked,
    now: Date
  ): Effect.fn.Return<Opened | undefined, SqlError> {
    const [row] = yield* statement(tenantId, call, signal, asked, now)
    if (row === undefined || row.isKnown) return undefined
    const [features] = velocity.resultsOf([asked], Signals.parsed(row.cells), Signals.parsed(row.distincts))
    return { features: features ?? Velocity.nothing, listed: Signals.parsed(row.listed) }
  })

  /**
   * Writes all of a first decision. Fails with a unique violation, and writes nothing, where another call has written the key or the
   * subject since it was read.
   */
  const write = (
    tenantId: string,
    call: Call,
    signal: Signals.Prepared,
    decision: Decisions.NewDecision,
    now: Date
  ) => {
    const place = sql`${tenantId}, ${signal.occurredAt}::timestamptz, new_subject.signal_id, ${signal.kind}`
    const value = sql`${signal.result ?? "attempted"}, ${signal.amount === undefined ? null : String(signal.amount)}::bigint, ${signal.currency ?? null}::text`
    return sql`
      WITH new_key AS (
        INSERT INTO hm_fraud_signal_key (tenant_id, source, key, body_hash, signal_id, decision_id, recorded_at)
        VALUES (${tenantId}, ${call.source}, ${call.key}, ${call.bodyHash}, ${call.signalId}::uuid, ${call.decisionId ?? null}::uuid,
                ${now})
        RETURNING signal_id
      ),
      new_subject AS (
        INSERT INTO hm_fraud_signal_subject (tenant_id, kind, subject, signal_id, occurred_at, version, decisions, recorded_at)
        SELECT ${tenantId}, ${signal.kind}, ${signal.subject}, new_key.signal_id, ${signal.occurredAt}::timestamptz, 0, 1,
               ${now}::timestamptz
          FROM new_key
        RETURNING signal_id, decisions
      ),
      new_signal AS (
        INSERT INTO hm_fraud_signal (tenant_id, occurred_at, signal_id, kind, subject, result, amount, currency, entities, attributes, source, recorded_at)
        SELECT ${place}, ${signal.subject}, ${value}, ${JSON.stringify(Signals.encodeEntities(signal.entities))}::jsonb,
               ${JSON.stringify(signal.attributes)}::jsonb, ${signal.source}, ${now}::timestamptz
          FROM new_subject
      ),
      new_events AS (
        INSERT INTO hm_fraud_entity_event (tenant_id, occurred_at, signal_id, kind, result, amount, currency, entity, is_folded, others)
        SELECT ${place}, ${value}, entity, false, array_remove(all_entities.hashes, entity)
          FROM new_subject
         CROSS JOIN (SELECT ${signal.entities.map(({ hash }) => String(hash))}::bigint[] AS hashes) AS all_entities
         CROSS JOIN LATERAL unnest(all_entities.hashes) AS entity
      ),
      made AS (
        ${Decisions.made(sql, [decision])}
      ),
      numbered AS (
        SELECT signal_id, decisions
          FROM new_subject
      )
      ${Decisions.insertNumbered(sql, tenantId, now)}
    `
  }

  return { open, write }
}
