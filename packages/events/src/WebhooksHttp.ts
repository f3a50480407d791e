/**
 * Handlers of the HTTP group of webhooks.
 *
 * @since 0.1.0
 */
import * as AccessScope from "@hypermarket/core/AccessScope"
import * as AuditedReading from "@hypermarket/core/AuditedReading"
import { Caller } from "@hypermarket/core/Credentials"
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import { expectedVersion, tagged } from "@hypermarket/core/Precondition"
import * as Storage from "@hypermarket/core/Storage"
import * as Withheld from "@hypermarket/core/Withheld"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as SqlClient from "effect/sql/SqlClient"
import { readsOf } from "./internal/reads.ts"
import { IssuedWebhook, NewWebhook, WebhookRotation } from "./Webhook.ts"
import { WebhookAttempt } from "./WebhookDelivery.ts"
import { WebhooksApi } from "./WebhooksApi.ts"
import { Webhooks } from "./Webhooks.ts"

const withoutSecret = (issued: IssuedWebhook) => new IssuedWebhook({ ...issued, secret: null })

const createWebhook = IdempotentRequests.create({
  operation: "events.createWebhook",
  payload: NewWebhook,
  answer: IssuedWebhook,
  stored: withoutSecret
})

const rotateWebhook = IdempotentRequests.create({
  operation: "events.rotateWebhook",
  payload: WebhookRotation,
  answer: IssuedWebhook,
  stored: withoutSecret
})

/** An answer may repeat what was sent. */
const attempt = Withheld.unless(
  AccessScope.payload,
  (recorded: WebhookAttempt) =>
    new WebhookAttempt({ ...recorded, answer: null, withheld: [AccessScope.payload] })
)

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  WebhooksApi,
  "webhooks",
  Effect.fn(function* (handlers) {
    const all = yield* Webhooks
    const createOnce = yield* createWebhook
    const rotateOnce = yield* rotateWebhook
    const readings = AuditedReading.make(yield* SqlClient.SqlClient)
    return handlers.handleAll({
      createWebhook: Effect.fnUntraced(function* ({ headers, payload }) {
        const { scopes } = yield* Caller
        return tagged(yield* createOnce({ headers, payload }, all.create(payload, readsOf(scopes))))
      }, Storage.orUnavailable),
      listWebhooks: ({ query }) => all.list(query).pipe(Storage.orUnavailable),
      getWebhook: ({ params }) => all.get(params.endpointId).pipe(Effect.map(tagged), Storage.orUnavailable),
      changeWebhook: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => all.change(params.endpointId, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      removeWebhook: ({ headers, params }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => all.remove(params.endpointId, version)),
          Storage.orUnavailable
        ),
      rotateWebhook: ({ headers, params, payload }) =>
        rotateOnce(
          { headers, payload, scope: { endpointId: params.endpointId } },
          all.rotate(params.endpointId, payload)
        ).pipe(Storage.orUnavailable),
      pauseWebhook: ({ params }) => all.pause(params.endpointId).pipe(Storage.orUnavailable),
      enableWebhook: ({ params }) => all.enable(params.endpointId).pipe(Storage.orUnavailable),
      testWebhook: ({ params }) => all.test(params.endpointId).pipe(Storage.orUnavailable),
      deliveries: ({ params, query }) =>
        all.deliveries({ ...query, endpointId: params.endpointId }).pipe(Storage.orUnavailable),
      attempts: Effect.fnUntraced(function* ({ params }) {
        const attempts = yield* all.attempts(params.endpointId, params.deliveryId)
        const items = attempts.map(yield* attempt)
        if (items.some(({ answer }) => answer !== null)) {
          yield* readings.record({
            action: "webhook-delivery.answers-read",
            target: { type: "webhook-delivery", id: params.deliveryId }
          })
        }
        return { items }
      }, Storage.orUnavailable),
      replay: ({ params, payload }) =>
        all.replay({ ...payload, endpointId: params.endpointId }).pipe(
          Effect.map((replayed) => ({ replayed })),
          Storage.orUnavailable
        ),
      backfillWebhook: ({ params, payload }) =>
        all.backfill({ ...payload, endpointId: params.endpointId }).pipe(
          Effect.map((delivered) => ({ delivered })),
          Storage.orUnavailable
        ),
      retention: () => all.retention.pipe(Effect.map(tagged), Storage.orUnavailable),
      retain: ({ headers, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => all.retain(version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        )
    })
  })
)
