/**
 * Begins a decision in one statement: claims the key and the subject, writes the signal with its events, and reads what the rules
 * need. A known key or subject writes nothing more, and is left to the statements that complete a signal.
 *
 * The windows exclude the present signal, so that it does not matter that the statement does not see what it writes. By a statement
 * each for key, subject, signal, windows, distinct counts and lists, a decision took ten round trips, and now takes five.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type * as Decisions from "./decisionStatements.ts"
import type { Cell, DistinctRow } from "./featureValues.ts"
import * as Signals from "./signalStatements.ts"
import * as Velocity from "./velocity.ts"

interface Row {
  readonly isNewKey: boolean
  readonly isNew: boolean
  readonly cells: ReadonlyArray<Cell> | string
  readonly distincts: ReadonlyArray<DistinctRow> | string
  readonly listed: ReadonlyArray<Decisions.ListRow> | string
}

/** `read` is undefined where the key or the subject was known: then nothing but a new key was written. */
export interface Opened {
  readonly isNewKey: boolean
  readonly read:
    | { readonly features: Velocity.Read; readonly listed: ReadonlyArray<Decisions.ListRow> }
    | undefined
}

export const make = (
  sql: SqlClient.SqlClient,
  velocity: ReturnType<typeof Velocity.make>,
  decisions: ReturnType<typeof Decisions.make>
) => {
  const statement = (
    tenantId: string,
    call: Parameters<typeof decisions.claimKey>[1],
    signal: Signals.Prepared,
    asked: Velocity.Asked,
    now: Date
  ) => {
    const place = sql`${tenantId}, ${signal.occurredAt}::timestamptz, new_subject.signal_id, ${signal.kind}`
    const value = sql`${signal.result ?? "attempted"}, ${signal.amount === undefined ? null : String(signal.amount)}::bigint, ${signal.currency ?? null}::text`
    return sql<Row>`
      WITH new_key AS (
        ${decisions.claimKey(tenantId, call, now)}
      ),
      -- Of a subject that is decided about for the first time.
      new_subject AS (
        INSERT INTO hm_fraud_signal_subject (tenant_id, kind, subject, signal_id, occurred_at, version, decisions, recorded_at)
        SELECT ${tenantId}, ${signal.kind}, ${signal.subject}, ${signal.signalId}::uuid, ${signal.occurredAt}::timestamptz, 0, 1,
               ${now}::timestamptz
          FROM new_key
            ON CONFLICT (tenant_id, kind, subject) DO NOTHING
        RETURNING signal_id
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
      )
      SELECT EXISTS (SELECT FROM new_key) AS "isNewKey",
             EXISTS (SELECT FROM new_subject) AS "isNew",
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
  }

  const open = Effect.fnUntraced(function* (
    tenantId: string,
    call: Parameters<typeof decisions.claimKey>[1],
    signal: Signals.Prepared,
    asked: Velocity.Asked,
    now: Date
  ): Effect.fn.Return<Opened, SqlError> {
    const [row] = yield* statement(tenantId, call, signal, asked, now)
    if (row === undefined || !row.isNew) return { isNewKey: row?.isNewKey === true, read: undefined }
    const [features] = velocity.resultsOf([asked], Signals.parsed(row.cells), Signals.parsed(row.distincts))
    return {
      isNewKey: true,
      read: { features: features ?? Velocity.nothing, listed: Signals.parsed(row.listed) }
    }
  })

  return { open }
}
