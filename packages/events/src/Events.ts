/**
 * Publishing: an event exists if and only if the caller's transaction commits.
 *
 * Each event is fanned out, in one statement, to the queues of the domains' handlers and of the tenant's active
 * subscriptions that it matches. `source` and `id` are unique per tenant for {@link dedupeDays}: the same event again
 * changes nothing, another event under the same name refuses the whole batch.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import { now } from "@hypermarket/core/Now"
import { Outbox } from "@hypermarket/core/Outbox"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import * as WorkQueue from "@hypermarket/core/WorkQueue"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Struct from "effect/Struct"
import { hash } from "node:crypto"
import * as CloudEvent from "./CloudEvent.ts"
import { prefix } from "./internal/prefix.ts"
import { EventConflict, type Receipt } from "./Receipt.ts"

/**
 * The prefix of this package's queue.
 *
 * @category constants
 * @since 0.1.0
 */
export { prefix }

/**
 * How long an event's name is remembered.
 *
 * @category limits
 * @since 0.1.0
 */
export const dedupeDays = 30

const dayMillis = 24 * 60 * 60 * 1000

/**
 * @category services
 * @since 0.1.0
 */
export class Events extends Context.Service<
  Events,
  {
    /** All or nothing, in the caller's transaction. The answers are in the order of the events. */
    readonly publish: (
      events: ReadonlyArray<CloudEvent.CloudEvent>
    ) => Effect.Effect<ReadonlyArray<Receipt>, EventConflict | SqlError, Tenant>
  }
>()("@hypermarket/events/Events") {
  static readonly layer: Layer.Layer<Events, never, SqlClient.SqlClient | Wakeup> = Layer.effect(
    Events,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const queue = yield* WorkQueue.make({ prefix })

      /** Remembers the names. Sorted, so that two publishers of the same events cannot deadlock. */
      const remember = (tenantId: string, rows: ReadonlyArray<Row>, moment: Date) =>
        sql<{ readonly source: string; readonly id: string }>`
          INSERT INTO hm_event_dedupe AS d (tenant_id, source, event_id, body_hash, expires_at)
          SELECT ${tenantId}, source, id, hash, ${new Date(moment.getTime() + dedupeDays * dayMillis)}
            FROM (SELECT DISTINCT ON (source, id) source, id, hash
                    FROM unnest(${rows.map((row) => row.source)}::text[], ${rows.map((row) => row.id)}::text[],
                                ${rows.map((row) => row.hash)}::text[]) AS e (source, id, hash)
                   ORDER BY source, id) e
              ON CONFLICT (tenant_id, source, event_id)
              DO UPDATE SET body_hash = excluded.body_hash, expires_at = excluded.expires_at
                  WHERE d.expires_at <= ${moment}
          RETURNING source, event_id AS id
        `

      const remembered = (tenantId: string, rows: ReadonlyArray<Row>) =>
        sql<{ readonly source: string; readonly id: string; readonly hash: string }>`
          SELECT d.source, d.event_id AS id, d.body_hash AS hash
            FROM hm_event_dedupe d
            JOIN unnest(${rows.map((row) => row.source)}::text[], ${rows.map((row) => row.id)}::text[]) AS e (source, id)
              ON d.source = e.source AND d.event_id = e.id
           WHERE d.tenant_id = ${tenantId}
        `

      /** One row for each event and each queue that wants it. */
      const fanOut = (tenantId: string, rows: ReadonlyArray<Row>) => sql`
        SELECT row_number() OVER (ORDER BY e.n, s.queue) AS n, ${tenantId}::text AS tenant_id, s.queue,
               0::smallint AS priority, gen_random_uuid() AS job_id, e.type, NULL::smallint AS attempts_max,
               e.headers, NULL::text AS options, e.envelope AS payload, e.n AS share,
               CASE WHEN s.ordered THEN e.subject END AS ordering_key, NULL::timestamptz AS run_at
          FROM unnest(${rows.map((row) => row.source)}::text[], ${rows.map((row) => row.type)}::text[],
                      ${rows.map((row) => row.subject ?? "")}::text[], ${rows.map((row) => row.envelope)}::text[],
                      ${rows.map((row) => row.headers ?? "")}::text[])
               WITH ORDINALITY AS i (source, type, subject, envelope, headers_text, n)
          CROSS JOIN LATERAL (SELECT i.n, i.source, i.type, nullif(i.subject, '') AS subject, i.envelope,
                                     nullif(i.headers_text, '') AS headers) e
          JOIN LATERAL (
               SELECT h.queue, false AS ordered FROM hm_event_handler h WHERE e.type = ANY (h.types)
               UNION ALL
               SELECT s.queue, s.ordered
                 FROM hm_event_subscription s
                WHERE s.tenant_id = ${tenantId} AND s.status = 'active'
                  AND (s.exact_type IS NULL OR s.exact_type = e.type)
                  AND (s.prefix_type IS NULL OR starts_with(e.type, s.prefix_type))
                  AND NOT EXISTS (
                      SELECT 1
                        FROM jsonb_array_elements(s.filters) f
                        CROSS JOIN LATERAL jsonb_each(f) d (dialect, wanted)
                        CROSS JOIN LATERAL jsonb_each_text(d.wanted) w (attribute, value)
                        CROSS JOIN LATERAL (SELECT CASE w.attribute WHEN 'type' THEN e.type WHEN 'source' THEN e.source
                                                                    WHEN 'subject' THEN e.subject END AS value) a
                       WHERE NOT coalesce(CASE d.dialect WHEN 'exact' THEN a.value = w.value
                                                         ELSE starts_with(a.value, w.value) END, false))) s ON true
      `

      const publishIn = Effect.fnUntraced(function* (tenantId: string, rows: ReadonlyArray<Row>) {
        const moment = yield* now
        const fresh = new Set((yield* remember(tenantId, rows, moment)).map(nameOf))
        const firsts = new Map<string, Row>()
        for (const row of rows) {
          const first = firsts.get(nameOf(row))
          if (first === undefined) firsts.set(nameOf(row), row)
          else if (first.hash !== row.hash)
            return yield* new EventConflict({ source: row.source, id: row.id })
        }
        const known = rows.filter((row) => !fresh.has(nameOf(row)))
        if (known.length > 0) {
          const hashes = new Map((yield* remembered(tenantId, known)).map((row) => [nameOf(row), row.hash]))
          for (const row of known) {
            if (hashes.get(nameOf(row)) !== row.hash)
              return yield* new EventConflict({ source: row.source, id: row.id })
          }
        }
        const accepted = rows.filter((row) => fresh.has(nameOf(row)) && firsts.get(nameOf(row)) === row)
        const lanes =
          accepted.length === 0 ? [] : yield* queue.statements.enqueueFrom(fanOut(tenantId, accepted), moment)
        yield* queue.wake(tenantId, lanes)
        const isAccepted = new Set(accepted)
        return rows.map((row): Receipt => ({
          id: row.id,
          state: isAccepted.has(row) ? "accepted" : "duplicate"
        }))
      })

      const publish = Effect.fn("Events.publish")(function* (events: ReadonlyArray<CloudEvent.CloudEvent>) {
        const tenant = yield* Tenant
        if (events.length === 0) return []
        return yield* transactionOf(sql)(publishIn(tenant.id, events.map(toRow)))
      })

      return Events.of({ publish })
    })
  )
}

interface Row {
  readonly source: string
  readonly id: string
  readonly type: string
  readonly subject: string | undefined
  readonly envelope: string
  readonly headers: string | undefined
  readonly hash: string
}

const nameOf = (event: { readonly source: string; readonly id: string }): string =>
  `${event.source}\u0000${event.id}`

const toRow = (event: CloudEvent.CloudEvent): Row => {
  const envelope = CloudEvent.toJson(event)
  return {
    source: event.source,
    id: event.id,
    type: event.type,
    subject: event.subject,
    envelope,
    headers: event.traceparent === undefined ? undefined : JSON.stringify({ traceparent: event.traceparent }),
    // A publisher that tries again does so in another trace.
    hash: hash(
      "sha256",
      event.traceparent === undefined ? envelope : CloudEvent.toJson(Struct.omit(event, ["traceparent"])),
      "base64url"
    )
  }
}

/**
 * Core's `Outbox` over {@link Events}: the domains' own events.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerOutbox: Layer.Layer<Outbox, never, Events> = Layer.effect(
  Outbox,
  Effect.map(Events, (events) => ({
    publish: (published) =>
      events
        .publish(
          published.map((event) => ({
            specversion: "1.0" as const,
            id: event.id,
            source: event.source,
            type: event.type,
            ...(event.subject === undefined ? {} : { subject: event.subject }),
            time: DateTime.fromDateUnsafe(event.time),
            data: event.data
          }))
        )
        .pipe(
          // Our own ids are new: a conflict is a mistake in the publishing domain.
          Effect.catchTag("EventConflict", Effect.die),
          Effect.asVoid
        )
  }))
)

/**
 * An id for an event that has none of its own.
 *
 * @category constructors
 * @since 0.1.0
 */
export const newId = Identifier.next
