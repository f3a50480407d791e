/** Writes signals and their events, set-based. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Attributes, NewSignal, SignalKind, SignalResult } from "../FraudSignal.ts"
import type { HashedEntity } from "./entity.ts"

type Currency = NonNullable<NewSignal["amount"]>["currency"]

/** A payment has two or three. Past it the oldest is forgotten, and a backtest from before it counts the next one. */
const earlierResultsMax = 20

/** A signal to be stored. `version` orders the facts of a subject; a call has none. */
export interface Prepared {
  readonly signalId: string
  readonly kind: SignalKind
  readonly subject: string
  readonly version: number | undefined
  readonly occurredAt: Date
  /** Undefined leaves the result of a signal that exists. */
  readonly result: SignalResult | undefined
  readonly amount: bigint | undefined
  readonly currency: Currency | undefined
  readonly entities: ReadonlyArray<HashedEntity>
  readonly attributes: Attributes
  readonly source: string
  /** False for a fact that is too late: it completes a signal and makes none. */
  readonly mayMake: boolean
}

/** A signal as it is stored, after the call. */
export interface Stored {
  readonly signalId: string
  readonly kind: SignalKind
  readonly subject: string
  readonly source: string
  readonly result: SignalResult
  readonly occurredAt: Date
  readonly amount: bigint | undefined
  readonly currency: Currency | undefined
  readonly entities: ReadonlyArray<HashedEntity>
  readonly attributes: Attributes
  readonly isNew: boolean
}

const placeOf = ({ kind, subject }: { readonly kind: string; readonly subject: string }): string =>
  JSON.stringify([kind, subject])

/** Entities on the wire of jsonb: a bigint there would lose digits in a client. */
export const encodeEntities = (entities: ReadonlyArray<HashedEntity>) =>
  entities.map(({ hash, kind }) => ({ kind, hash: String(hash) }))

interface EntityJson {
  readonly kind: HashedEntity["kind"]
  readonly hash: string
}

export const decodeEntities = (entities: ReadonlyArray<EntityJson>): ReadonlyArray<HashedEntity> =>
  entities.map(({ hash, kind }) => ({ kind, hash: BigInt(hash) }))

export const parsed = <A>(json: A | string): A => (typeof json === "string" ? JSON.parse(json) : json)

/** Facts of one subject in one batch: the first makes the signal, the highest version says what is known. */
const merged = (batch: ReadonlyArray<Prepared>): ReadonlyArray<Prepared> => {
  const bySubject = new Map<string, Prepared>()
  for (const signal of batch) {
    const place = placeOf(signal)
    const existing = bySubject.get(place)
    if (existing === undefined) {
      bySubject.set(place, signal)
      continue
    }
    const isNewer = (signal.version ?? 0) >= (existing.version ?? 0)
    bySubject.set(place, {
      ...existing,
      version: isNewer ? signal.version : existing.version,
      result: signal.result ?? existing.result,
      attributes: isNewer
        ? { ...existing.attributes, ...signal.attributes }
        : { ...signal.attributes, ...existing.attributes }
    })
  }
  // In one order, so that two batches cannot wait for each other.
  return Array.from(bySubject.values()).toSorted((left, right) => (placeOf(left) < placeOf(right) ? -1 : 1))
}

interface SubjectRow {
  readonly kind: SignalKind
  readonly subject: string
  readonly signalId: string
  readonly occurredAt: Date
  readonly version: bigint | number | string
}

interface SignalRow {
  readonly signalId: string
  readonly kind: SignalKind
  readonly subject: string
  readonly source: string
  readonly result: SignalResult
  readonly occurredAt: Date
  readonly amount: bigint | string | null
  readonly currency: Currency | null
  readonly entities: ReadonlyArray<EntityJson> | string
  readonly attributes: Attributes | string
}

const storedOf = (row: SignalRow, isNew: boolean): Stored => ({
  signalId: row.signalId,
  kind: row.kind,
  subject: row.subject,
  source: row.source,
  result: row.result,
  occurredAt: row.occurredAt,
  amount: row.amount === null ? undefined : BigInt(row.amount),
  currency: row.currency ?? undefined,
  entities: decodeEntities(parsed(row.entities)),
  attributes: parsed(row.attributes),
  isNew
})

export const make = (sql: SqlClient.SqlClient) => {
  const claimSubjects = (tenantId: string, batch: ReadonlyArray<Prepared>, now: Date) => sql<{
    readonly kind: SignalKind
    readonly subject: string
  }>`
    INSERT INTO hm_fraud_signal_subject (tenant_id, kind, subject, signal_id, occurred_at, version, recorded_at)
    SELECT ${tenantId}, claimed.kind, claimed.subject, claimed.signal_id, claimed.occurred_at, claimed.version, ${now}::timestamptz
      FROM unnest(
             ${batch.map(({ kind }) => kind)}::text[],
             ${batch.map(({ subject }) => subject)}::text[],
             ${batch.map(({ signalId }) => signalId)}::uuid[],
             ${batch.map(({ occurredAt }) => occurredAt.toISOString())}::timestamptz[],
             ${batch.map(({ version }) => String(version ?? 0))}::bigint[]
           ) AS claimed (kind, subject, signal_id, occurred_at, version)
        ON CONFLICT (tenant_id, kind, subject) DO NOTHING
    RETURNING kind, subject
  `

  const lockSubjects = (
    tenantId: string,
    batch: ReadonlyArray<{ readonly kind: string; readonly subject: string }>
  ) => sql<SubjectRow>`
    SELECT s.kind, s.subject, s.signal_id::text AS "signalId", s.occurred_at AS "occurredAt", s.version
      FROM unnest(
             ${batch.map(({ kind }) => kind)}::text[],
             ${batch.map(({ subject }) => subject)}::text[]
           ) AS asked (kind, subject)
      JOIN hm_fraud_signal_subject s
        ON s.tenant_id = ${tenantId}
       AND s.kind = asked.kind
       AND s.subject = asked.subject
     ORDER BY s.kind, s.subject
       FOR UPDATE OF s
  `

  const insertSignals = (tenantId: string, batch: ReadonlyArray<Prepared>, now: Date) => {
    const rows = batch.map((signal) => ({
      signal_id: signal.signalId,
      occurred_at: signal.occurredAt.toISOString(),
      kind: signal.kind,
      subject: signal.subject,
      result: signal.result ?? "attempted",
      amount: signal.amount === undefined ? null : String(signal.amount),
      currency: signal.currency ?? null,
      entities: encodeEntities(signal.entities),
      attributes: signal.attributes,
      source: signal.source
    }))
    return sql`
      WITH incoming AS (
        SELECT *
          FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
            AS incoming (signal_id uuid, occurred_at timestamptz, kind text, subject text, result text, amount bigint, currency text, entities jsonb, attributes jsonb, source text)
      ),
      written AS (
        INSERT INTO hm_fraud_signal (tenant_id, occurred_at, signal_id, kind, subject, result, amount, currency, entities, attributes, source, recorded_at)
        SELECT ${tenantId}, occurred_at, signal_id, kind, subject, result, amount, currency, entities, attributes, source, ${now}::timestamptz
          FROM incoming
      )
      INSERT INTO hm_fraud_entity_event (tenant_id, entity, is_folded, occurred_at, signal_id, kind, result, amount, currency, others)
      SELECT ${tenantId}, (entity ->> 'hash')::bigint, false, incoming.occurred_at, incoming.signal_id, incoming.kind, incoming.result,
             incoming.amount, incoming.currency,
             ARRAY(
               SELECT (other ->> 'hash')::bigint
                 FROM jsonb_array_elements(incoming.entities) AS other
                WHERE other ->> 'hash' <> entity ->> 'hash'
             )
        FROM incoming
       CROSS JOIN LATERAL jsonb_array_elements(incoming.entities) AS entity
    `
  }

  const readSignals = (
    tenantId: string,
    places: ReadonlyArray<{ readonly signalId: string; readonly occurredAt: Date }>
  ) => sql<SignalRow>`
    SELECT s.signal_id::text AS "signalId", s.kind, s.subject, s.source, s.result, s.occurred_at AS "occurredAt",
           s.amount, s.currency, s.entities, s.attributes
      FROM unnest(
             ${places.map(({ signalId }) => signalId)}::uuid[],
             ${places.map(({ occurredAt }) => occurredAt.toISOString())}::timestamptz[]
           ) AS asked (signal_id, occurred_at)
      JOIN hm_fraud_signal s
        ON s.tenant_id = ${tenantId}
       AND s.occurred_at = asked.occurred_at
       AND s.signal_id = asked.signal_id
  `

  const updateAttributes = (
    tenantId: string,
    changes: ReadonlyArray<{
      readonly row: SubjectRow
      readonly attributes: Attributes
      readonly version: number
    }>
  ) => sql`
    WITH changed AS (
      SELECT *
        FROM jsonb_to_recordset(${JSON.stringify(
          changes.map(({ attributes, row, version }) => ({
            signal_id: row.signalId,
            occurred_at: row.occurredAt.toISOString(),
            kind: row.kind,
            subject: row.subject,
            version,
            attributes
          }))
        )}::jsonb)
          AS changed (signal_id uuid, occurred_at timestamptz, kind text, subject text, version bigint, attributes jsonb)
    ),
    versions AS (
      UPDATE hm_fraud_signal_subject s
         SET version = greatest(s.version, changed.version)
        FROM changed
       WHERE s.tenant_id = ${tenantId} AND s.kind = changed.kind AND s.subject = changed.subject
    )
    UPDATE hm_fraud_signal s
       SET attributes = s.attributes || changed.attributes
      FROM changed
     WHERE s.tenant_id = ${tenantId} AND s.occurred_at = changed.occurred_at AND s.signal_id = changed.signal_id
  `

  /** The condition of the events of a signal: one per entity. */
  const ofSignal = (tenantId: string, signal: Stored) => sql`
    e.tenant_id = ${tenantId}
    AND e.entity = ANY (${signal.entities.map(({ hash }) => String(hash))}::bigint[])
    AND e.is_folded IN (false, true)
    AND e.occurred_at = ${signal.occurredAt}
    AND e.signal_id = ${signal.signalId}::uuid
  `

  /**
   * Locks the events of a signal, so that no job folds them meanwhile. A statement by itself: one that had waited for a job would
   * still join the events and hours of before, and change none.
   */
  const lockEvents = (tenantId: string, signal: Stored) => sql`
    SELECT 1 AS locked
      FROM hm_fraud_entity_event e
     WHERE ${ofSignal(tenantId, signal)}
       FOR UPDATE
  `

  /**
   * Moves a signal from one result to another: it stays one event of each entity, also where its hour is folded. The caller holds
   * the events' locks.
   */
  const changeResult = (tenantId: string, signal: Stored, result: SignalResult, now: Date) => sql`
    WITH locked AS (
      SELECT e.entity, e.is_folded, e.kind, e.result, e.amount, coalesce(e.currency, '') AS currency,
             to_timestamp(ceil(extract(epoch FROM e.occurred_at) / 3600) * 3600) AS hour
        FROM hm_fraud_entity_event e
       WHERE ${ofSignal(tenantId, signal)}
    ),
    changed_events AS (
      UPDATE hm_fraud_entity_event e
         SET result = ${result}
        FROM locked
       WHERE e.tenant_id = ${tenantId}
         AND e.entity = locked.entity
         AND e.is_folded = locked.is_folded
         AND e.occurred_at = ${signal.occurredAt}
         AND e.signal_id = ${signal.signalId}::uuid
    ),
    changed_signal AS (
      UPDATE hm_fraud_signal s
         SET result = ${result},
             earlier_results = CASE
                                 WHEN jsonb_array_length(s.earlier_results) >= ${earlierResultsMax} THEN s.earlier_results - 0
                                 ELSE coalesce(s.earlier_results, '[]')
                               END || jsonb_build_object('result', s.result, 'until', ${now}::timestamptz)
       WHERE s.tenant_id = ${tenantId} AND s.occurred_at = ${signal.occurredAt} AND s.signal_id = ${signal.signalId}::uuid
    ),
    taken AS (
      UPDATE hm_fraud_entity_hour h
         SET count = h.count - 1, sum = h.sum - coalesce(locked.amount, 0)
        FROM locked
       WHERE locked.is_folded
         AND locked.result <> ${result}
         AND h.tenant_id = ${tenantId}
         AND h.entity = locked.entity
         AND h.hour = locked.hour
         AND h.kind = locked.kind
         AND h.result = locked.result
         AND h.currency = locked.currency
    )
    INSERT INTO hm_fraud_entity_hour AS h (tenant_id, entity, hour, kind, result, currency, count, sum)
    SELECT ${tenantId}, entity, hour, kind, ${result}, currency, 1, coalesce(amount, 0)
      FROM locked
     WHERE is_folded AND result <> ${result}
        ON CONFLICT (tenant_id, entity, hour, kind, result, currency)
        DO UPDATE SET count = h.count + excluded.count, sum = h.sum + excluded.sum
  `

  /**
   * Stores signals. One whose subject is known completes the signal there: its attributes are added, its result replaces the
   * other, and it counts no second time.
   */
  const store = Effect.fnUntraced(function* (
    tenantId: string,
    batch: ReadonlyArray<Prepared>,
    now: Date
  ): Effect.fn.Return<ReadonlyArray<Stored>, SqlError> {
    const signals = merged(batch)
    const makers = signals.filter(({ mayMake }) => mayMake)
    const claimed = makers.length === 0 ? [] : yield* claimSubjects(tenantId, makers, now)
    const isClaimed = new Set(claimed.map(placeOf))
    const fresh = makers.filter((signal) => isClaimed.has(placeOf(signal)))
    if (fresh.length > 0) yield* insertSignals(tenantId, fresh, now)
    const made = fresh.map((signal): Stored => ({
      ...signal,
      result: signal.result ?? "attempted",
      isNew: true
    }))
    const others = signals.filter((signal) => !isClaimed.has(placeOf(signal)))
    if (others.length === 0) return made
    const subjects = yield* lockSubjects(tenantId, others)
    const bySubject = new Map(others.map((signal) => [placeOf(signal), signal]))
    const changes = subjects.flatMap((row) => {
      const signal = bySubject.get(placeOf(row))
      if (signal === undefined) return []
      const isStale = signal.version !== undefined && signal.version <= Number(row.version)
      return isStale ? [] : [{ row, attributes: signal.attributes, version: signal.version ?? 0 }]
    })
    if (changes.length > 0) yield* updateAttributes(tenantId, changes)
    const rows = subjects.length === 0 ? [] : yield* readSignals(tenantId, subjects)
    const existing: Array<Stored> = []
    for (const row of rows) {
      const stored = storedOf(row, false)
      const result = bySubject.get(placeOf(row))?.result
      if (result !== undefined && result !== stored.result) {
        yield* lockEvents(tenantId, stored)
        yield* changeResult(tenantId, stored, result, now)
      }
      existing.push(result === undefined ? stored : { ...stored, result })
    }
    return [...made, ...existing]
  })

  const find = Effect.fnUntraced(function* (tenantId: string, kind: string, subject: string) {
    const rows = yield* sql<SignalRow & { readonly recordedAt: Date }>`
      SELECT s.signal_id::text AS "signalId", s.kind, s.subject, s.source, s.result, s.occurred_at AS "occurredAt",
             s.amount, s.currency, s.entities, s.attributes, s.recorded_at AS "recordedAt"
        FROM hm_fraud_signal_subject known
        JOIN hm_fraud_signal s
          ON s.tenant_id = known.tenant_id
         AND s.occurred_at = known.occurred_at
         AND s.signal_id = known.signal_id
       WHERE known.tenant_id = ${tenantId} AND known.kind = ${kind} AND known.subject = ${subject}
    `
    const [row] = rows
    return row === undefined ? undefined : { ...storedOf(row, false), recordedAt: row.recordedAt }
  })

  return { store, find }
}
