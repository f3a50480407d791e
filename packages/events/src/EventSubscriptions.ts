/**
 * The service of a tenant's subscriptions.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Column from "@hypermarket/core/Column"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import {
  EventSubscription,
  type NewSubscription,
  type SubscriptionChange,
  SubscriptionId,
  SubscriptionNotFound,
  type WantedSubscription,
  type WorkflowSink
} from "./EventSubscription.ts"
import { compile } from "./internal/filterPath.ts"
import type { DomainName } from "./internal/reads.ts"
import { textArray } from "./internal/textArray.ts"
import { eventQueue } from "./internal/workflow/eventSink.ts"

const Row = Schema.Struct({
  ...EventSubscription.fields,
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
})

const columns = `
  subscription_id::text AS "subscriptionId", name, status, filters, CASE WHEN workflow IS NULL THEN queue END AS queue, workflow,
  ordered, version,
  recorded_at AS "recordedAt", updated_at AS "updatedAt"
`

const pages = Page.make({
  list: "events.subscriptions",
  key: Schema.Tuple([SubscriptionId]),
  keyOf: (subscription: EventSubscription) => [subscription.subscriptionId] as const
})

/** Of the advisory lock by which `ensure` takes turns per tenant and name. */
const ensureLock = "hypermarket events.subscription"

const jsonOf = (workflow: WorkflowSink | undefined): string | null =>
  workflow === undefined ? null : JSON.stringify(workflow)

type Stale = SubscriptionNotFound | VersionStale

/**
 * Creates, reads, changes and removes subscriptions.
 *
 * @category services
 * @since 0.1.0
 */
export class EventSubscriptions extends Context.Service<
  EventSubscriptions,
  {
    /** Creates a subscription. `reads` names the domains whose own events it may get; without it all. */
    readonly create: (
      subscription: typeof NewSubscription.Type,
      reads?: ReadonlyArray<DomainName>
    ) => Effect.Effect<EventSubscription, SqlError, Tenant>
    /**
     * Creates the subscription unless the tenant has one with this name, whose sink, filters and order it changes to the
     * wanted ones. Idempotent, also when several processes start at once. Of several with the name, the oldest counts; a
     * paused one stays paused, and events that are already in a queue stay there.
     */
    readonly ensure: (
      name: string,
      wanted: typeof WantedSubscription.Type
    ) => Effect.Effect<EventSubscription, SqlError, Tenant>
    readonly get: (
      id: SubscriptionId
    ) => Effect.Effect<EventSubscription, SubscriptionNotFound | SqlError, Tenant>
    /** Lists the oldest first. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<EventSubscription>, Page.CursorInvalid | SqlError, Tenant>
    readonly change: (
      id: SubscriptionId,
      version: number,
      change: typeof SubscriptionChange.Type
    ) => Effect.Effect<EventSubscription, Stale | SqlError, Tenant>
    /** Removes a subscription. Events that are already in its queue stay there; no execution gets one from then on. */
    readonly remove: (id: SubscriptionId, version: number) => Effect.Effect<void, Stale | SqlError, Tenant>
  }
>()("@hypermarket/events/EventSubscriptions") {
  static readonly layer: Layer.Layer<EventSubscriptions, never, SqlClient.SqlClient> = Layer.effect(
    EventSubscriptions,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const returned = sql.literal(columns)
      const decode = Schema.decodeUnknownEffect(Row)
      const toSubscription = (row: unknown) =>
        Effect.orDie(Effect.map(decode(row), (decoded) => new EventSubscription(decoded)))

      const create = Effect.fn("EventSubscriptions.create")(function* (
        subscription: typeof NewSubscription.Type,
        reads?: ReadonlyArray<DomainName>
      ) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const [row] = yield* sql`
          INSERT INTO hm_event_subscription (tenant_id, subscription_id, name, status, filters, compiled, reads, queue,
                                             workflow, ordered, recorded_at, updated_at)
          VALUES (${tenant.id}, ${yield* Identifier.next}::uuid, ${subscription.name}, 'active',
                  ${JSON.stringify(subscription.filters)}::text::jsonb, ${compile(subscription.filters)}::text::jsonpath,
                  ${textArray(sql, reads)},
                  ${subscription.queue ?? eventQueue}, ${jsonOf(subscription.workflow)}::text::jsonb,
                  ${subscription.ordered ?? false}, ${now}, ${now})
          RETURNING ${returned}
        `
        return yield* toSubscription(row)
      })

      const ensure = Effect.fn("EventSubscriptions.ensure")(function* (
        name: string,
        wanted: typeof WantedSubscription.Type
      ) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const { filters = [], ordered = false } = wanted
        const queue = wanted.queue ?? eventQueue
        const workflow = jsonOf(wanted.workflow)
        return yield* transactionOf(sql)(
          Effect.gen(function* () {
            // No index makes names unique: two processes that start at once take turns.
            yield* sql`SELECT pg_advisory_xact_lock(hashtextextended(${`${ensureLock} ${tenant.id} ${name}`}, 0))::text`
            const [existing] = yield* sql<{ readonly id: string }>`
              SELECT subscription_id::text AS id
                FROM hm_event_subscription
               WHERE tenant_id = ${tenant.id} AND name = ${name}
               ORDER BY subscription_id
               LIMIT 1
            `
            if (existing === undefined) return yield* create({ ...wanted, name, filters })
            yield* sql`
              UPDATE hm_event_subscription
                 SET queue = ${queue}, workflow = ${workflow}::text::jsonb, filters = ${JSON.stringify(filters)}::text::jsonb,
                     compiled = ${compile(filters)}::text::jsonpath, ordered = ${ordered}, version = version + 1, updated_at = ${now}
               WHERE tenant_id = ${tenant.id} AND subscription_id = ${existing.id}::uuid
                 AND (queue, workflow, filters, ordered)
                     IS DISTINCT FROM (${queue}::text, ${workflow}::text::jsonb, ${JSON.stringify(filters)}::text::jsonb,
                                       ${ordered}::boolean)
            `
            const [row] = yield* sql`
              SELECT ${returned}
                FROM hm_event_subscription
               WHERE tenant_id = ${tenant.id} AND subscription_id = ${existing.id}::uuid
            `
            return yield* toSubscription(row)
          })
        )
      })

      const get = Effect.fn("EventSubscriptions.get")(function* (subscriptionId: SubscriptionId) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${returned}
            FROM hm_event_subscription
           WHERE tenant_id = ${tenant.id} AND subscription_id = ${subscriptionId}::uuid
        `
        if (row === undefined) return yield* new SubscriptionNotFound({ subscriptionId })
        return yield* toSubscription(row)
      })

      const list = Effect.fn("EventSubscriptions.list")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [after] = Option.getOrElse(yield* pages.after(request), () => [Page.firstUuid] as const)
        const rows = yield* sql`
          SELECT ${returned}
            FROM hm_event_subscription
           WHERE tenant_id = ${tenant.id} AND subscription_id > ${after}::uuid
           ORDER BY subscription_id
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* pages.page(yield* Effect.forEach(rows, toSubscription), request)
      })

      /** Fails with the reason why a conditional write matched no row. */
      const whyMissed = (subscriptionId: SubscriptionId) =>
        Effect.flatMap(get(subscriptionId), (current) =>
          Effect.fail(new VersionStale({ currentVersion: current.version }))
        )

      const change = Effect.fn("EventSubscriptions.change")(function* (
        subscriptionId: SubscriptionId,
        version: number,
        changed: typeof SubscriptionChange.Type
      ) {
        const tenant = yield* Tenant
        const filters = changed.filters === undefined ? null : JSON.stringify(changed.filters)
        const compiled = changed.filters === undefined ? null : compile(changed.filters)
        const [row] = yield* sql`
          UPDATE hm_event_subscription
             SET name = coalesce(${changed.name ?? null}, name), status = coalesce(${changed.status ?? null}, status),
                 filters = coalesce(${filters}::text::jsonb, filters),
                 compiled = CASE WHEN ${filters}::text IS NULL THEN compiled ELSE ${compiled}::text::jsonpath END,
                 ordered = coalesce(${changed.ordered ?? null}::boolean, ordered),
                 version = version + 1, updated_at = ${yield* Now.now}
           WHERE tenant_id = ${tenant.id} AND subscription_id = ${subscriptionId}::uuid AND version = ${version}
          RETURNING ${returned}
        `
        return row === undefined ? yield* whyMissed(subscriptionId) : yield* toSubscription(row)
      })

      const remove = Effect.fn("EventSubscriptions.remove")(function* (
        subscriptionId: SubscriptionId,
        version: number
      ) {
        const tenant = yield* Tenant
        const rows = yield* sql`
          DELETE FROM hm_event_subscription
           WHERE tenant_id = ${tenant.id} AND subscription_id = ${subscriptionId}::uuid AND version = ${version}
          RETURNING 1
        `
        if (rows.length === 0) return yield* whyMissed(subscriptionId)
      })

      const targetOf = ({ subscriptionId }: { readonly subscriptionId: string }) => ({
        type: "subscription",
        id: subscriptionId
      })

      return EventSubscriptions.of({
        create: (subscription, reads) =>
          AuditedChange.change(sql, create(subscription, reads), {
            action: "subscription.created",
            target: targetOf,
            after: (created) => created
          }),
        // A program ensures its subscriptions at each start: what is deployed is their record.
        ensure,
        get,
        list,
        change: (subscriptionId, version, changed) =>
          AuditedChange.change(sql, change(subscriptionId, version, changed), {
            action: "subscription.changed",
            target: targetOf,
            before: get(subscriptionId),
            after: (subscription) => subscription
          }),
        remove: (subscriptionId, version) =>
          AuditedChange.change(sql, remove(subscriptionId, version), {
            action: "subscription.removed",
            target: targetOf({ subscriptionId }),
            before: get(subscriptionId)
          })
      })
    })
  )
}
