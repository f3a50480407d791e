/**
 * Handlers of the HTTP groups of quotas.
 *
 * @since 0.1.0
 */
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import { expectedVersion, tagged } from "@hypermarket/core/Precondition"
import * as Storage from "@hypermarket/core/Storage"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import { InstallationLimits } from "./InstallationLimits.ts"
import { QuotasApi } from "./QuotasApi.ts"
import { RateLimits } from "./RateLimits.ts"
import { NewRatePolicy, RatePolicy } from "./RatePolicy.ts"
import { NewQuotaFeature, NewQuotaGrant, QuotaFeature, QuotaGrant } from "./QuotaFeature.ts"
import { TenantQuotas } from "./TenantQuotas.ts"

const createPolicy = IdempotentRequests.create({
  operation: "quotas.createPolicy",
  payload: NewRatePolicy,
  answer: RatePolicy
})

const createFeature = IdempotentRequests.create({
  operation: "quotas.createFeature",
  payload: NewQuotaFeature,
  answer: QuotaFeature
})

const createGrant = IdempotentRequests.create({
  operation: "quotas.grant",
  payload: NewQuotaGrant,
  answer: QuotaGrant
})

const limits = HttpApiBuilder.group(
  QuotasApi,
  "limits",
  Effect.fn(function* (handlers) {
    const service = yield* RateLimits
    const createOnce = yield* createPolicy
    return handlers.handleAll({
      createPolicy: ({ headers, payload }) =>
        createOnce({ headers, payload }, service.createPolicy(payload)).pipe(
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      listPolicies: ({ query }) => service.listPolicies(query).pipe(Storage.orUnavailable),
      getPolicy: ({ params }) =>
        service.getPolicy(params.policy).pipe(Effect.map(tagged), Storage.orUnavailable),
      updatePolicy: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => service.updatePolicy(params.policy, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      removePolicy: ({ headers, params }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => service.removePolicy(params.policy, version)),
          Storage.orUnavailable
        ),
      putOverride: ({ params, payload }) =>
        service.putOverride(params.policy, payload).pipe(Storage.orUnavailable),
      listOverrides: ({ params, query }) =>
        service.listOverrides(params.policy, query).pipe(Storage.orUnavailable),
      removeOverride: ({ params }) =>
        service.removeOverride(params.policy, params.overrideId).pipe(Storage.orUnavailable),
      check: ({ payload }) => service.check(payload),
      peek: ({ payload }) => service.peek(payload).pipe(Storage.orUnavailable),
      refund: ({ payload }) => service.refund(payload).pipe(Storage.orUnavailable),
      reset: ({ payload }) => service.reset(payload).pipe(Storage.orUnavailable),
      release: ({ payload }) => service.release(payload).pipe(Storage.orUnavailable)
    })
  })
)

const installationLimits = HttpApiBuilder.group(
  QuotasApi,
  "installationLimits",
  Effect.fn(function* (handlers) {
    const service = yield* InstallationLimits
    const createOnce = yield* createPolicy
    return handlers.handleAll({
      createPolicy: ({ headers, payload }) =>
        createOnce({ headers, payload }, service.createPolicy(payload)).pipe(
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      listPolicies: ({ query }) => service.listPolicies(query).pipe(Storage.orUnavailable),
      getPolicy: ({ params }) =>
        service.getPolicy(params.policy).pipe(Effect.map(tagged), Storage.orUnavailable),
      updatePolicy: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => service.updatePolicy(params.policy, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      removePolicy: ({ headers, params }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => service.removePolicy(params.policy, version)),
          Storage.orUnavailable
        ),
      putOverride: ({ params, payload }) =>
        service.putOverride(params.policy, payload).pipe(Storage.orUnavailable),
      listOverrides: ({ params, query }) =>
        service.listOverrides(params.policy, query).pipe(Storage.orUnavailable),
      removeOverride: ({ params }) =>
        service.removeOverride(params.policy, params.overrideId).pipe(Storage.orUnavailable)
    })
  })
)

const quotas = HttpApiBuilder.group(
  QuotasApi,
  "quotas",
  Effect.fn(function* (handlers) {
    const service = yield* TenantQuotas
    const createFeatureOnce = yield* createFeature
    const grantOnce = yield* createGrant
    return handlers.handleAll({
      createFeature: ({ headers, payload }) =>
        createFeatureOnce({ headers, payload }, service.createFeature(payload)).pipe(
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      listFeatures: ({ query }) => service.listFeatures(query).pipe(Storage.orUnavailable),
      getFeature: ({ params }) =>
        service.getFeature(params.feature).pipe(Effect.map(tagged), Storage.orUnavailable),
      updateFeature: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => service.updateFeature(params.feature, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      removeFeature: ({ headers, params }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => service.removeFeature(params.feature, version)),
          Storage.orUnavailable
        ),
      grant: ({ headers, params, payload }) =>
        grantOnce(
          { headers, payload, scope: { feature: params.feature } },
          service.grant(params.feature, payload)
        ).pipe(Storage.orUnavailable),
      listGrants: ({ params, query }) =>
        service.listGrants(params.feature, query).pipe(Storage.orUnavailable),
      revokeGrant: ({ params }) =>
        service.revokeGrant(params.feature, params.grantId).pipe(Storage.orUnavailable),
      reserve: ({ payload }) => service.reserve(payload).pipe(Storage.orUnavailable),
      getReservation: ({ params }) =>
        service.getReservation(params.reservationId).pipe(Storage.orUnavailable),
      commit: ({ params, payload }) =>
        service.commit(params.reservationId, payload.amount).pipe(Storage.orUnavailable),
      release: ({ params }) => service.release(params.reservationId).pipe(Storage.orUnavailable),
      record: ({ payload }) => service.record(payload).pipe(Storage.orUnavailable),
      usage: ({ payload }) => service.usage(payload).pipe(Storage.orUnavailable),
      check: ({ payload }) => service.check(payload).pipe(Storage.orUnavailable)
    })
  })
)

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(limits, installationLimits, quotas)
