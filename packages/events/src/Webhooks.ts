/**
 * The service of a tenant's webhook endpoints: creates, changes, rotates, pauses and enables them, lists their deliveries
 * and attempts, and replays.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import { OutboundHttp } from "@hypermarket/core/OutboundHttp"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import { type Secrets, type SecretsNotConfigured } from "@hypermarket/core/Secrets"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Backfill, EventRetention, RetainedTypes } from "./EventRetention.ts"
import { makeEventLog } from "./internal/eventLog.ts"
import { compile } from "./internal/filterPath.ts"
import type { DomainName } from "./internal/reads.ts"
import { textArray } from "./internal/textArray.ts"
import { makeDeliveries } from "./internal/webhookDeliveries.ts"
import { makeDispatch } from "./internal/webhookDispatch.ts"
import * as WebhookHold from "./internal/webhookHold.ts"
import { makeSecrets, shown } from "./internal/webhookSecrets.ts"
import { settingsOf } from "./internal/webhookSettings.ts"
import * as Statements from "./internal/webhookStatements.ts"
import {
  EndpointId,
  endpointsMax,
  IssuedWebhook,
  type NewWebhook,
  type WebhookChange,
  type WebhookEndpoint,
  WebhookInvalid,
  WebhookLimit,
  WebhookNotFound,
  type WebhookRotation,
  type WebhookSecretLimit
} from "./Webhook.ts"
import type {
  DeliveryId,
  DeliveryNotFound,
  DeliveryQuery,
  Replay,
  WebhookAttempt,
  WebhookDelivery
} from "./WebhookDelivery.ts"

const pages = Page.make({
  list: "events.webhooks",
  key: Schema.Tuple([Identifier.Uuid]),
  keyOf: (endpoint: WebhookEndpoint) => [endpoint.endpointId] as const
})

/** Of the advisory lock under which a tenant's endpoints are counted. */
const createLock = "hypermarket events.webhook"

type Stale = WebhookNotFound | VersionStale

/**
 * Manages webhook endpoints and their deliveries.
 *
 * @category services
 * @since 0.1.0
 */
export class Webhooks extends Context.Service<
  Webhooks,
  {
    /**
     * Creates an endpoint and returns its secret, which is shown only once. `reads` names the domains whose own events the
     * endpoint may get; without it all.
     */
    readonly create: (
      webhook: typeof NewWebhook.Type,
      reads?: ReadonlyArray<DomainName>
    ) => Effect.Effect<IssuedWebhook, WebhookInvalid | WebhookLimit | SecretsNotConfigured | SqlError, Tenant>
    readonly get: (id: EndpointId) => Effect.Effect<WebhookEndpoint, WebhookNotFound | SqlError, Tenant>
    /** Lists the oldest first. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<WebhookEndpoint>, Page.CursorInvalid | SqlError, Tenant>
    readonly change: (
      id: EndpointId,
      version: number,
      change: typeof WebhookChange.Type
    ) => Effect.Effect<WebhookEndpoint, Stale | WebhookInvalid | SqlError, Tenant>
    /** Removes an endpoint with its deliveries. */
    readonly remove: (id: EndpointId, version: number) => Effect.Effect<void, Stale | SqlError, Tenant>
    /** Makes a new secret. Earlier ones still sign for 24 hours after their own rotation, unless they are revoked. */
    readonly rotate: (
      id: EndpointId,
      rotation: typeof WebhookRotation.Type
    ) => Effect.Effect<
      IssuedWebhook,
      WebhookNotFound | WebhookInvalid | WebhookSecretLimit | SecretsNotConfigured | SqlError,
      Tenant
    >
    /**
     * Holds the deliveries of an endpoint until it is enabled: for 30 days, and at most 100,000, after which the oldest are
     * dead. Idempotent; a disabled endpoint stays disabled.
     */
    readonly pause: (id: EndpointId) => Effect.Effect<WebhookEndpoint, WebhookNotFound | SqlError, Tenant>
    /**
     * Ends a pause or a disablement. Everything that waits is due at once, in the order of publishing, and so is what died
     * since the endpoint began to fail.
     */
    readonly enable: (id: EndpointId) => Effect.Effect<WebhookEndpoint, WebhookNotFound | SqlError, Tenant>
    /** Sends a test event to the endpoint, whatever its filters are. Returns its delivery. */
    readonly test: (id: EndpointId) => Effect.Effect<WebhookDelivery, WebhookNotFound | SqlError, Tenant>
    /** Lists the deliveries of an endpoint, the newest first. */
    readonly deliveries: (
      query: typeof DeliveryQuery.Type
    ) => Effect.Effect<Page.Page<WebhookDelivery>, WebhookNotFound | Page.CursorInvalid | SqlError, Tenant>
    /** Lists the last 200 attempts of a delivery, the newest first. */
    readonly attempts: (
      endpointId: EndpointId,
      deliveryId: DeliveryId
    ) => Effect.Effect<ReadonlyArray<WebhookAttempt>, DeliveryNotFound | SqlError, Tenant>
    /**
     * Sends deliveries again, the oldest first, with all their attempts. Returns the count, at most 10,000. One that is being
     * sent is left out.
     */
    readonly replay: (replay: Replay) => Effect.Effect<number, WebhookNotFound | SqlError, Tenant>
    /** The types of events that the tenant retains for 90 days. */
    readonly retention: Effect.Effect<EventRetention, SqlError, Tenant>
    /** Changes the types that are retained from now on. What is retained already stays for its 90 days. */
    readonly retain: (
      version: number,
      types: typeof RetainedTypes.Type
    ) => Effect.Effect<EventRetention, VersionStale | SqlError, Tenant>
    /**
     * Delivers retained events that match the endpoint's filters and were not delivered to it, the oldest first. Returns the
     * count, at most 10,000.
     */
    readonly backfill: (backfill: Backfill) => Effect.Effect<number, WebhookNotFound | SqlError, Tenant>
  }
>()("@hypermarket/events/Webhooks") {
  static readonly layer: Layer.Layer<Webhooks, never, SqlClient.SqlClient | Wakeup | Secrets | OutboundHttp> =
    Layer.effect(
      Webhooks,
      Effect.suspend(() => make)
    )
}

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const secrets = yield* makeSecrets
  const http = yield* OutboundHttp
  const dispatch = yield* makeDispatch
  const columns = sql.literal(Statements.endpoint)
  const inTransaction = transactionOf(sql)

  const checkUrl = (url: string) =>
    Effect.mapError(
      http.check(url),
      ({ message }) => new WebhookInvalid({ errors: [{ path: ["url"], message }] })
    )

  const get = Effect.fn("Webhooks.get")(function* (endpointId: EndpointId) {
    const tenant = yield* Tenant
    const [row] = yield* sql`
      SELECT ${columns}
        FROM hm_webhook_endpoint e
       WHERE e.tenant_id = ${tenant.id} AND e.endpoint_id = ${endpointId}::uuid
    `
    if (row === undefined) return yield* new WebhookNotFound({ endpointId })
    return yield* Statements.EndpointRow.decode(row)
  })

  const list = Effect.fn("Webhooks.list")(function* (request: Page.Request) {
    const tenant = yield* Tenant
    const [after] = Option.getOrElse(yield* pages.after(request), () => [Page.firstUuid] as const)
    const rows = yield* sql`
      SELECT ${columns}
        FROM hm_webhook_endpoint e
       WHERE e.tenant_id = ${tenant.id} AND e.endpoint_id > ${after}::uuid
       ORDER BY e.endpoint_id
       LIMIT ${Page.limitOf(request) + 1}
    `
    return yield* pages.page(yield* Statements.EndpointRow.decodeAll(rows), request)
  })

  const create = Effect.fn("Webhooks.create")(function* (
    webhook: typeof NewWebhook.Type,
    reads?: ReadonlyArray<DomainName>
  ) {
    const tenant = yield* Tenant
    yield* checkUrl(webhook.url)
    const { description = "", filters = [], format = "cloudevents", ordered = false, url } = webhook
    const secret = yield* secrets.choose(webhook, "v1")
    const endpointId = EndpointId.make(yield* Identifier.next)
    const now = yield* Now.now
    const endpoint = yield* inTransaction(
      Effect.gen(function* () {
        // Two creations at once would both find room for one.
        yield* sql`SELECT pg_advisory_xact_lock(hashtextextended(${`${createLock} ${tenant.id}`}, 0))::text`
        const rows = yield* sql`
          INSERT INTO hm_webhook_endpoint (tenant_id, endpoint_id, url, description, filters, compiled, reads, ordered,
                                           format, status, recorded_at, updated_at)
          SELECT ${tenant.id}, ${endpointId}::uuid, ${url}, ${description}, ${JSON.stringify(filters)}::text::jsonb,
                 ${compile(filters)}::text::jsonpath, ${textArray(sql, reads)}, ${ordered}::boolean, ${format},
                 'enabled', ${now}, ${now}
           WHERE (SELECT count(*) FROM hm_webhook_endpoint WHERE tenant_id = ${tenant.id}) < ${endpointsMax}::int
          RETURNING 1
        `
        if (rows.length === 0) return yield* new WebhookLimit({ limit: endpointsMax })
        yield* secrets.insert(endpointId, secret, now)
        return yield* Effect.catchTag(get(endpointId), "WebhookNotFound", Effect.die)
      })
    )
    return new IssuedWebhook({ ...endpoint, secret: shown(secret) })
  })

  /** Fails with the reason why a conditional write matched no row. */
  const whyMissed = (endpointId: EndpointId) =>
    Effect.flatMap(get(endpointId), ({ version }) =>
      Effect.fail(new VersionStale({ currentVersion: version }))
    )

  const change = Effect.fn("Webhooks.change")(function* (
    endpointId: EndpointId,
    version: number,
    changed: typeof WebhookChange.Type
  ) {
    const tenant = yield* Tenant
    if (changed.url !== undefined) yield* checkUrl(changed.url)
    const filters = changed.filters === undefined ? null : JSON.stringify(changed.filters)
    const compiled = changed.filters === undefined ? null : compile(changed.filters)
    const [row] = yield* sql`
      UPDATE hm_webhook_endpoint e
         SET url = coalesce(${changed.url ?? null}, url),
             description = coalesce(${changed.description ?? null}, description),
             filters = coalesce(${filters}::text::jsonb, filters),
             compiled = CASE WHEN ${filters}::text IS NULL THEN compiled ELSE ${compiled}::text::jsonpath END,
             ordered = coalesce(${changed.ordered ?? null}::boolean, ordered),
             format = coalesce(${changed.format ?? null}, format),
             version = version + 1, updated_at = ${yield* Now.now}
       WHERE tenant_id = ${tenant.id} AND endpoint_id = ${endpointId}::uuid AND version = ${version}
      RETURNING ${columns}
    `
    return row === undefined ? yield* whyMissed(endpointId) : yield* Statements.EndpointRow.decode(row)
  })

  const remove = Effect.fn("Webhooks.remove")(function* (endpointId: EndpointId, version: number) {
    const tenant = yield* Tenant
    const rows = yield* sql`
      DELETE FROM hm_webhook_endpoint
       WHERE tenant_id = ${tenant.id} AND endpoint_id = ${endpointId}::uuid AND version = ${version}
      RETURNING 1
    `
    if (rows.length === 0) return yield* whyMissed(endpointId)
  })

  /** Returns the endpoint, locked against other changes until the transaction ends. */
  const locked = Effect.fnUntraced(function* (endpointId: EndpointId) {
    const tenant = yield* Tenant
    yield* sql`
      SELECT 1
        FROM hm_webhook_endpoint
       WHERE tenant_id = ${tenant.id} AND endpoint_id = ${endpointId}::uuid
         FOR NO KEY UPDATE
    `
    return yield* get(endpointId)
  })

  const rotateIn = Effect.fnUntraced(function* (
    endpointId: EndpointId,
    rotation: typeof WebhookRotation.Type
  ) {
    const secret = yield* secrets.rotate(yield* locked(endpointId), rotation)
    return new IssuedWebhook({ ...(yield* get(endpointId)), secret: shown(secret) })
  })

  const rotate = Effect.fn("Webhooks.rotate")(
    (endpointId: EndpointId, rotation: typeof WebhookRotation.Type) =>
      inTransaction(rotateIn(endpointId, rotation))
  )

  const pause = Effect.fn("Webhooks.pause")(function* (endpointId: EndpointId) {
    const tenant = yield* Tenant
    yield* sql`
      UPDATE hm_webhook_endpoint
         SET status = 'paused', version = version + 1, updated_at = ${yield* Now.now}
       WHERE tenant_id = ${tenant.id} AND endpoint_id = ${endpointId}::uuid AND status = 'enabled'
    `
    return yield* get(endpointId)
  })

  const enable = Effect.fn("Webhooks.enable")((endpointId: EndpointId) =>
    inTransaction(
      Effect.gen(function* () {
        const { failingSince, status } = yield* locked(endpointId)
        if (status === "enabled") return yield* get(endpointId)
        const tenant = yield* Tenant
        const now = yield* Now.now
        yield* sql`
          UPDATE hm_webhook_endpoint
             SET status = 'enabled', disabled_reason = NULL, disabled_at = NULL, failing_since = NULL, warned_at = NULL,
                 last_error = NULL, timeouts = 0, version = version + 1, updated_at = ${now}
           WHERE tenant_id = ${tenant.id} AND endpoint_id = ${endpointId}::uuid
        `
        yield* Statements.revive(sql, tenant.id, endpointId, {
          now,
          since: failingSince,
          except: WebhookHold.reasons
        })
        yield* dispatch
        return yield* get(endpointId)
      })
    )
  )

  const deliveries = yield* makeDeliveries({ dispatch, get })
  const log = yield* makeEventLog({ dispatch, get })

  const targetOf = ({ endpointId }: { readonly endpointId: string }) => ({ type: "webhook", id: endpointId })
  const settings = (endpointId: EndpointId) => Effect.map(get(endpointId), settingsOf)

  return Webhooks.of({
    ...deliveries,
    retention: log.retention,
    retain: (version, types) =>
      AuditedChange.change(sql, log.retain(version, types), {
        action: "events.retained",
        target: { type: "eventRetention", id: "types" },
        before: log.retention,
        after: (retention) => ({ types: retention.types, version: retention.version })
      }),
    backfill: (request) =>
      AuditedChange.change(sql, log.backfill(request), {
        action: "webhook.backfilled",
        target: targetOf(request),
        after: (delivered) => ({ ...request, delivered })
      }),
    create: (webhook, reads) =>
      AuditedChange.change(sql, create(webhook, reads), {
        action: "webhook.created",
        target: targetOf,
        after: settingsOf
      }),
    get,
    list,
    change: (endpointId, version, changed) =>
      AuditedChange.change(sql, change(endpointId, version, changed), {
        action: "webhook.changed",
        target: targetOf,
        before: settings(endpointId),
        after: settingsOf
      }),
    remove: (endpointId, version) =>
      AuditedChange.change(sql, remove(endpointId, version), {
        action: "webhook.removed",
        target: targetOf({ endpointId }),
        before: settings(endpointId)
      }),
    rotate: (endpointId, rotation) =>
      AuditedChange.change(sql, rotate(endpointId, rotation), {
        action: "webhook.rotated",
        target: targetOf({ endpointId }),
        after: () => ({ revoke: rotation.revoke === true })
      }),
    pause: (endpointId) =>
      AuditedChange.change(sql, pause(endpointId), {
        action: "webhook.paused",
        target: targetOf,
        before: settings(endpointId),
        after: settingsOf
      }),
    enable: (endpointId) =>
      AuditedChange.change(sql, enable(endpointId), {
        action: "webhook.enabled",
        target: targetOf,
        before: settings(endpointId),
        after: settingsOf
      }),
    replay: (request) =>
      AuditedChange.change(sql, deliveries.replay(request), {
        action: "webhook.replayed",
        target: targetOf(request),
        after: (replayed) => ({ ...request, replayed })
      })
  })
})
