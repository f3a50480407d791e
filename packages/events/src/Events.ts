/**
 * Publishing: an event exists if and only if the caller's transaction commits.
 *
 * Each event is fanned out, in one statement, to the queues of the domains' handlers and of the tenant's matching
 * subscriptions. Another statement writes the deliveries to matching webhook endpoints, where a tenant has some. `source` and
 * `id` are unique per tenant for {@link dedupeDays}: the same event again changes nothing, another event under the same name
 * refuses the whole batch.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import { now } from "@hypermarket/core/Now"
import { Outbox } from "@hypermarket/core/Outbox"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { hash } from "node:crypto"
import * as CloudEvent from "./CloudEvent.ts"
import type { EventName, PublicationNotFound, EventState } from "./EventState.ts"
import * as EventLog from "./internal/eventLog.ts"
import * as EventStates from "./internal/eventStates.ts"
import { matchable } from "./internal/filterPath.ts"
import { prefix } from "./internal/prefix.ts"
import { eventQueue, subscriptionHeader } from "./internal/workflow/eventSink.ts"
import * as WebhookFanOut from "./internal/webhookFanOut.ts"
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

/** Planning is a small part of a call with more events. */
const plannedFrom = 10

/** Jobs of one event that are returned to the process. More of them stay in the database, between its two statements. */
const jobsReturnedMax = 100

const dayMillis = 24 * 60 * 60 * 1000

/**
 * @category services
 * @since 0.1.0
 */
export class Events extends Context.Service<
  Events,
  {
    /**
     * All or nothing, in the caller's transaction, up to 1,000. The answers are in the order of the events. An event that
     * is not valid, a fact that is not what `Commerce` promises, and a type or source of the installation refuse the batch.
     */
    readonly publish: (
      events: ReadonlyArray<CloudEvent.Publication>
    ) => Effect.Effect<ReadonlyArray<Receipt>, CloudEvent.EventInvalid | EventConflict | SqlError, Tenant>
    /**
     * Returns the state of an event of the last {@link dedupeDays} in each queue that it went to. Reads at most 10,000
     * waiting jobs of a queue: for operators, not for loops.
     */
    readonly state: (
      event: typeof EventName.Type
    ) => Effect.Effect<EventState, PublicationNotFound | SqlError, Tenant>
  }
>()("@hypermarket/events/Events") {
  static readonly layer: Layer.Layer<Events, never, SqlClient.SqlClient | Wakeup> = Layer.effect(
    Events,
    Effect.gen(function* () {
      const publish = (yield* makePublish)("tenant")
      return {
        publish: Effect.fn("Events.publish")((events) => publish(events)),
        state: yield* EventStates.make(dedupeDays)
      }
    })
  )
}

/** Publishes for a tenant, whose names are limited, or for a domain. */
const makePublish = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const queue = yield* WorkQueue.make({ prefix })

  /**
   * A parameter whose length the planner does not see, for few events: it takes 10 for any number. With the length, a custom
   * plan looks cheaper than the generic one, and each call is planned again: half of its time.
   */
  const texts = (values: ReadonlyArray<string>) =>
    values.length > plannedFrom ? sql`${values}::text[]` : sql`(SELECT ${values}::text[])`

  /**
   * Remembers the names, with the jobs that are made of the events. Sorted, so that two publishers of the same events cannot
   * deadlock.
   */
  const remember = (tenantId: string, rows: ReadonlyArray<Row>, moment: Date) =>
    sql<{
      readonly source: string
      readonly id: string
      readonly jobs: string | null
      readonly hasWebhooks: boolean
      readonly hasLog: boolean
    }>`
          INSERT INTO hm_event_dedupe AS d (tenant_id, source, event_id, body_hash, expires_at, jobs)
          SELECT ${tenantId}, e.source, e.id, e.hash, ${new Date(moment.getTime() + dedupeDays * dayMillis)}, wanted.jobs
            FROM (
                  SELECT DISTINCT ON (source, id) source, id, hash, type, nullif(subject, '') AS subject,
                         attributes_text::jsonb AS attributes, nullif(domain, '') AS domain
                    FROM unnest(${texts(rows.map((row) => row.source))}, ${texts(rows.map((row) => row.id))},
                                ${texts(rows.map((row) => row.hash))}, ${texts(rows.map((row) => row.type))},
                                ${texts(rows.map((row) => row.subject ?? ""))},
                                ${texts(rows.map((row) => row.attributes))}, ${texts(rows.map((row) => row.domain))})
                         AS i (source, id, hash, type, subject, attributes_text, domain)
                   ORDER BY source, id) e
           CROSS JOIN LATERAL (
                 SELECT array_agg(s.queue || ' ' || gen_random_uuid() || CASE WHEN s.ordered AND e.subject IS NOT NULL THEN ' ' || e.subject
                                  WHEN s.workflow IS NOT NULL THEN ' ' || s.subscription_id ELSE '' END) AS jobs
                   FROM (
                         SELECT h.queue, false AS ordered, NULL::jsonb AS workflow, NULL::uuid AS subscription_id
                           FROM hm_event_handler h
                          WHERE h.type = e.type
                          UNION ALL
                         SELECT s.queue, s.ordered, s.workflow, s.subscription_id
                           FROM hm_event_subscription s
                          WHERE s.tenant_id = ${tenantId}
                            AND s.status = 'active'
                            AND (s.exact_type IS NULL OR s.exact_type = e.type)
                            AND (s.prefix_type IS NULL OR starts_with(e.type, s.prefix_type))
                            AND (s.compiled IS NULL OR e.attributes @@ s.compiled)
                            AND (e.domain IS NULL OR s.reads IS NULL OR e.domain = ANY (s.reads))) s) wanted
           ORDER BY e.source, e.id
              ON CONFLICT (tenant_id, source, event_id)
              DO UPDATE SET body_hash = excluded.body_hash, expires_at = excluded.expires_at, jobs = excluded.jobs
                  WHERE d.expires_at <= ${moment}
          RETURNING source, event_id AS id,
                    CASE WHEN jobs IS NULL THEN NULL WHEN cardinality(jobs) <= ${jobsReturnedMax}::int THEN jobs::text ELSE '' END AS jobs,
                    EXISTS (SELECT 1 FROM hm_webhook_endpoint WHERE tenant_id = ${tenantId}) AS "hasWebhooks",
                    EXISTS (SELECT 1 FROM hm_event_retention WHERE tenant_id = ${tenantId}) AS "hasLog"
        `

  const remembered = (tenantId: string, rows: ReadonlyArray<Row>) =>
    sql<{ readonly source: string; readonly id: string; readonly hash: string }>`
          SELECT d.source, d.event_id AS id, d.body_hash AS hash
            FROM hm_event_dedupe d
            JOIN unnest(${rows.map((row) => row.source)}::text[], ${rows.map((row) => row.id)}::text[]) AS e (source, id)
              ON d.source = e.source AND d.event_id = e.id
           WHERE d.tenant_id = ${tenantId}
        `

  /**
   * Jobs as {@link remember} has returned them. Those of an event with many are read where they are. For one event and 4,000
   * jobs, 208 KB that went to the process and back, this took 160 ms instead of 205 ms. Storing them without compression
   * changed nothing that could be measured.
   */
  const jobsOf = (
    tenantId: string,
    rows: ReadonlyArray<{ readonly source: string; readonly id: string; readonly jobs: string }>
  ) =>
    rows.every(({ jobs }) => jobs !== "")
      ? texts(rows.map(({ jobs }) => jobs))
      : sql`(
          SELECT array_agg(CASE WHEN r.jobs <> '' THEN r.jobs ELSE (
                                SELECT jobs::text
                                  FROM hm_event_dedupe
                                 WHERE tenant_id = ${tenantId} AND source = r.source AND event_id = r.id) END
                           ORDER BY r.n)
            FROM unnest(${texts(rows.map(({ jobs }) => jobs))}, ${texts(rows.map(({ source }) => source))},
                        ${texts(rows.map(({ id }) => id))}) WITH ORDINALITY AS r (jobs, source, id, n))`

  /** One row for each job that {@link remember} has noted. */
  const fanOut = (tenantId: string, rows: ReadonlyArray<Row & { readonly jobs: string }>) => sql`
        SELECT row_number() OVER (ORDER BY e.n, job.place) AS n, ${tenantId}::text AS tenant_id, split_part(job.value, ' ', 1) AS queue,
               0::smallint AS priority, split_part(job.value, ' ', 2)::uuid AS job_id, e.type, NULL::smallint AS attempts_max,
               CASE WHEN starts_with(job.value, ${`${eventQueue} `})
                    THEN (coalesce(nullif(e.headers, ''), '{}')::jsonb
                          || jsonb_build_object(${subscriptionHeader}::text, substr(job.value, strpos(job.value, ' ') + 38)))::text
                    ELSE nullif(e.headers, '') END AS headers,
               NULL::text AS options, e.envelope AS payload, e.n AS share,
               CASE WHEN starts_with(job.value, ${`${eventQueue} `}) THEN NULL
                    ELSE nullif(substr(job.value, strpos(job.value, ' ') + 38), '') END AS ordering_key,
               NULL::timestamptz AS run_at
          FROM unnest(${texts(rows.map((row) => row.type))}, ${texts(rows.map((row) => row.envelope))},
                      ${texts(rows.map((row) => row.headers ?? ""))}, ${jobsOf(tenantId, rows)})
               WITH ORDINALITY AS e (type, envelope, headers, jobs, n)
         CROSS JOIN LATERAL unnest(e.jobs::text[]) WITH ORDINALITY AS job (value, place)
      `

  /** Writes the deliveries to the tenant's webhook endpoints, and a job that begins them. */
  const deliver = Effect.fnUntraced(function* (
    tenantId: string,
    published: ReadonlyArray<WebhookFanOut.Published>,
    at: Date
  ) {
    const deliveries = yield* WebhookFanOut.fanOut(sql, tenantId, published, at)
    if (deliveries.length === 0) return
    const job = { queue: WebhookFanOut.dispatchQueue, type: WebhookFanOut.dispatchQueue, payload: null }
    // A constant job is valid, and in a transaction the queue holds no backlog.
    yield* Effect.catchTags(queue.enqueue([job]), { JobInvalid: Effect.die, QueueOverloaded: Effect.die })
  })

  const publishIn = Effect.fnUntraced(function* (tenantId: string, rows: ReadonlyArray<Row>) {
    const moment = yield* now
    const remembers = yield* remember(tenantId, rows, moment)
    const fresh = new Map(remembers.map((row) => [nameOf(row), row.jobs]))
    const firsts = new Map<string, Row>()
    for (const row of rows) {
      const first = firsts.get(nameOf(row))
      if (first === undefined) firsts.set(nameOf(row), row)
      else if (first.hash !== row.hash) return yield* new EventConflict({ source: row.source, id: row.id })
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
    if (accepted.length > 0) {
      const wanted = accepted.flatMap((row) => {
        const jobs = fresh.get(nameOf(row)) ?? null
        return jobs === null ? [] : [{ ...row, jobs }]
      })
      if (wanted.length > 0) yield* queue.enqueueFrom(fanOut(tenantId, wanted))
      const [{ hasLog, hasWebhooks } = { hasLog: false, hasWebhooks: false }] = remembers
      if (hasLog || hasWebhooks) {
        const messageIds = yield* Identifier.nextMany(accepted.length)
        const published = accepted.map((row, index) => ({ ...row, messageId: messageIds[index] ?? "" }))
        if (hasLog) yield* EventLog.record(sql, tenantId, published, moment)
        if (hasWebhooks) yield* deliver(tenantId, published, moment)
      }
    }
    const isAccepted = new Set(accepted)
    return rows.map((row): Receipt => ({
      id: row.id,
      state: isAccepted.has(row) ? "accepted" : "duplicate"
    }))
  })

  return (publisher: "tenant" | "domain") =>
    Effect.fnUntraced(function* (publications: ReadonlyArray<CloudEvent.Publication>) {
      const tenant = yield* Tenant
      if (publications.length === 0) return []
      if (publications.length > CloudEvent.batchMax) {
        return yield* new CloudEvent.EventInvalid({
          errors: [{ path: [CloudEvent.batchMax], message: `Expected at most ${CloudEvent.batchMax} events` }]
        })
      }
      const events = publications.map(CloudEvent.fromPublication)
      yield* Effect.forEach(events, (event, index) => CloudEvent.check(event, index, publisher), {
        discard: true
      })
      return yield* transactionOf(sql)(publishIn(tenant.id, events.map(toRow)))
    })
})

interface Row {
  readonly source: string
  readonly id: string
  readonly type: string
  readonly subject: string | undefined
  readonly envelope: string
  readonly headers: string | undefined
  readonly hash: string
  readonly attributes: string
  readonly domain: string
}

const nameOf = (event: { readonly source: string; readonly id: string }): string =>
  `${event.source}\u0000${event.id}`

const domainPattern = /^com\.hypermarket\.([a-z]+)\./

/** The domain whose event it is; empty for the shop's facts and for foreign types. */
const domainOf = (type: string): string => {
  const domain = domainPattern.exec(type)?.[1] ?? ""
  return domain === "shop" ? "" : domain
}

const toRow = (event: CloudEvent.CloudEvent): Row => {
  const envelope = CloudEvent.toJson(event)
  return {
    source: event.source,
    id: event.id,
    type: event.type,
    subject: event.subject,
    envelope,
    headers: event.traceparent === undefined ? undefined : JSON.stringify({ traceparent: event.traceparent }),
    hash: hash("sha256", CloudEvent.toCanonical(event), "base64url"),
    attributes: matchable(CloudEvent.toAttributes(event)),
    domain: domainOf(event.type)
  }
}

/**
 * Core's `Outbox`: the domains' own events, whose types and sources no other door publishes. An event that is not valid is a
 * defect of its domain.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerOutbox: Layer.Layer<never, never, SqlClient.SqlClient | Wakeup> = Layer.effect(
  Outbox,
  Effect.map(makePublish, (publishAs) => {
    const publish = publishAs("domain")
    return {
      publish: (published) =>
        publish(
          published.map((event) => ({
            specversion: "1.0" as const,
            id: event.id,
            source: event.source,
            type: event.type,
            ...(event.subject === undefined ? {} : { subject: event.subject }),
            time: DateTime.fromDateUnsafe(event.time),
            data: event.data
          }))
        ).pipe(
          // Our own ids are new: a conflict, like an event that is not valid, is a mistake in the publishing domain.
          Effect.catchTag("EventConflict", Effect.die),
          Effect.catchTag("EventInvalid", Effect.die),
          Effect.asVoid
        )
    }
  })
)

/**
 * An id for an event without one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const newId = Identifier.next
