/** Reads what a decision needs beside features, and writes decisions. */
import type * as SqlClient from "effect/sql/SqlClient"
import type { HashedEntity } from "./entity.ts"
import type { Frozen, Verdict } from "./ruleEngine.ts"

export interface NewDecision {
  readonly decisionId: string
  readonly signalId: string
  readonly occurredAt: Date
  readonly kind: string
  readonly subject: string
  readonly observed: boolean
  readonly version: number | undefined
  readonly verdict: Verdict
  readonly frozen: Frozen
  readonly shadow: ReadonlyArray<{
    readonly version: number
    readonly outcome: string
    readonly score: number
  }>
  readonly latencyMicros: number
}

export interface ListRow {
  readonly entity: bigint | string
  readonly list: "allow" | "block" | null
  readonly rule: string | null
}

export interface KeyRow {
  readonly bodyHash: Uint8Array
  readonly decisionId: string | null
}

/** The rows of decisions, without their numbers. */
export const made = (sql: SqlClient.SqlClient, decisions: ReadonlyArray<NewDecision>) => sql`
      SELECT *
        FROM jsonb_to_recordset(${JSON.stringify(
          decisions.map((decision) => ({
            decision_id: decision.decisionId,
            signal_id: decision.signalId,
            occurred_at: decision.occurredAt.toISOString(),
            kind: decision.kind,
            subject: decision.subject,
            outcome: decision.verdict.outcome,
            score: decision.verdict.score,
            reasons: decision.verdict.reasons,
            observed: decision.observed,
            version: decision.version ?? null,
            verdict: decision.verdict,
            frozen: decision.frozen,
            shadow: decision.shadow,
            latency_micros: decision.latencyMicros
          }))
        )}::jsonb)
          AS made (decision_id uuid, signal_id uuid, occurred_at timestamptz, kind text, subject text, outcome text, score integer, reasons jsonb, observed boolean, version integer, verdict jsonb, frozen jsonb, shadow jsonb, latency_micros integer)
`

/** Writes `made` with the numbers of `numbered`, both of which are parts of the statement. */
export const insertNumbered = (sql: SqlClient.SqlClient, tenantId: string, now: Date) => sql`
    INSERT INTO hm_risk_decision (
             tenant_id, decision_id, signal_id, occurred_at, kind, subject, number, outcome, score, reasons, observed, version,
             verdict, frozen, shadow, latency_micros, recorded_at
           )
    SELECT ${tenantId}, made.decision_id, made.signal_id, made.occurred_at, made.kind, made.subject, numbered.decisions, made.outcome,
           made.score, made.reasons, made.observed, made.version, made.verdict, made.frozen, made.shadow, made.latency_micros,
           ${now}::timestamptz
      FROM made
      JOIN numbered ON numbered.signal_id = made.signal_id
`

export const make = (sql: SqlClient.SqlClient) => ({
  claimKey: (
    tenantId: string,
    call: {
      readonly source: string
      readonly key: string
      readonly bodyHash: Uint8Array
      readonly signalId: string
      readonly decisionId: string | undefined
    },
    now: Date
  ) => sql`
    INSERT INTO hm_fraud_signal_key (tenant_id, source, key, body_hash, signal_id, decision_id, recorded_at)
    VALUES (${tenantId}, ${call.source}, ${call.key}, ${call.bodyHash}, ${call.signalId}::uuid, ${call.decisionId ?? null}::uuid, ${now})
        ON CONFLICT (tenant_id, source, key) DO NOTHING
    RETURNING 1 AS claimed
  `,

  findKey: (tenantId: string, source: string, key: string) => sql<KeyRow>`
    SELECT body_hash AS "bodyHash", decision_id::text AS "decisionId"
      FROM hm_fraud_signal_key
     WHERE tenant_id = ${tenantId} AND source = ${source} AND key = ${key}
  `,

  setKeyDecision: (tenantId: string, source: string, key: string, decisionId: string) => sql`
    UPDATE hm_fraud_signal_key
       SET decision_id = ${decisionId}::uuid
     WHERE tenant_id = ${tenantId} AND source = ${source} AND key = ${key}
  `,

  /** Held until the transaction ends, in one order. */
  lockEntities: (tenantId: string, entities: ReadonlyArray<bigint>) => sql`
    SELECT pg_advisory_xact_lock(
             hashtextextended(concat_ws(' ', 'hm_fraud_entity', current_schema(), ${tenantId}::text, ordered.entity), 0)
           )::text
      FROM (
           SELECT entity
             FROM unnest(${entities.map(String)}::bigint[]) AS entity
            ORDER BY entity
           ) AS ordered
  `,

  /** The lists and snoozes of entities, as they are now. */
  listed: (tenantId: string, entities: ReadonlyArray<HashedEntity>, now: Date) => sql<ListRow>`
    SELECT l.entity, l.list, NULL AS rule
      FROM hm_risk_list_entry l
     WHERE l.tenant_id = ${tenantId}
       AND l.entity = ANY (${entities.map(({ hash }) => String(hash))}::bigint[])
       AND (l.expires_at IS NULL OR l.expires_at > ${now})
     UNION ALL
    SELECT s.entity, NULL AS list, s.rule
      FROM hm_risk_snooze s
     WHERE s.tenant_id = ${tenantId}
       AND s.entity = ANY (${entities.map(({ hash }) => String(hash))}::bigint[])
       AND s.until > ${now}
  `,

  /** Writes decisions and numbers each within its signal. The caller holds the subjects' locks. */
  insert: (tenantId: string, decisions: ReadonlyArray<NewDecision>, now: Date) => sql`
    WITH made AS (
      ${made(sql, decisions)}
    ),
    numbered AS (
      UPDATE hm_fraud_signal_subject s
         SET decisions = s.decisions + 1
        FROM made
       WHERE s.tenant_id = ${tenantId} AND s.kind = made.kind AND s.subject = made.subject
      RETURNING s.signal_id, s.decisions
    )
    ${insertNumbered(sql, tenantId, now)}
  `,

  /** Notes entities whose rows the job should fold. */
  noteDue: (tenantId: string, entities: ReadonlyArray<bigint>, now: Date) => sql`
    INSERT INTO hm_fraud_entity_due (tenant_id, entity, noted_at)
    SELECT ${tenantId}, entity, ${now}::timestamptz
      FROM unnest(${entities.map(String)}::bigint[]) AS entity
        ON CONFLICT (tenant_id, entity) DO NOTHING
  `
})
