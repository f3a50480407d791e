/**
 * Handlers of region policies.
 *
 * @since 0.1.0
 */
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import { expectedVersion, tagged } from "@hypermarket/core/Precondition"
import * as Storage from "@hypermarket/core/Storage"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import { InstallationPolicies } from "./InstallationPolicies.ts"
import { PolicyApi } from "./PolicyApi.ts"
import { RegionPolicies } from "./RegionPolicies.ts"
import { NewRegionPolicy, RegionPolicy } from "./RegionPolicy.ts"

const createPolicy = IdempotentRequests.create({
  operation: "platform.createPolicy",
  payload: NewRegionPolicy,
  answer: RegionPolicy
})
const createInstallationPolicy = IdempotentRequests.create({
  operation: "platform.createInstallationPolicy",
  payload: NewRegionPolicy,
  answer: RegionPolicy
})

const policy = HttpApiBuilder.group(
  PolicyApi,
  "policy",
  Effect.fn(function* (handlers) {
    const policies = yield* RegionPolicies
    const createOnce = yield* createPolicy
    return handlers.handleAll({
      createPolicy: ({ headers, payload }) =>
        createOnce({ headers, payload }, policies.create(payload)).pipe(
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      listPolicies: ({ query }) => policies.list(query).pipe(Storage.orUnavailable),
      getPolicy: ({ params }) =>
        policies.get(params.policyKey).pipe(Effect.map(tagged), Storage.orUnavailable),
      changePolicy: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => policies.change(params.policyKey, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      removePolicy: ({ headers, params }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => policies.remove(params.policyKey, version)),
          Storage.orUnavailable
        ),
      listVersions: ({ params, query }) =>
        policies.listVersions(params.policyKey, query).pipe(Storage.orUnavailable),
      // What is decided about something is stored before it is answered.
      decide: ({ payload }) =>
        (payload.reference === undefined ? policies.decide(payload) : policies.decideNow(payload)).pipe(
          Storage.orUnavailable
        ),
      decisions: ({ query }) => policies.decisions(query).pipe(Storage.orUnavailable),
      dryRun: ({ payload }) => policies.dryRun(payload).pipe(Storage.orUnavailable)
    })
  })
)

const installationPolicies = HttpApiBuilder.group(
  PolicyApi,
  "installationPolicies",
  Effect.fn(function* (handlers) {
    const policies = yield* InstallationPolicies
    const createOnce = yield* createInstallationPolicy
    return handlers.handleAll({
      createPolicy: ({ headers, payload }) =>
        createOnce({ headers, payload }, policies.create(payload)).pipe(
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      listPolicies: ({ query }) => policies.list(query).pipe(Storage.orUnavailable),
      getPolicy: ({ params }) =>
        policies.get(params.policyKey).pipe(Effect.map(tagged), Storage.orUnavailable),
      changePolicy: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => policies.change(params.policyKey, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      removePolicy: ({ headers, params }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => policies.remove(params.policyKey, version)),
          Storage.orUnavailable
        )
    })
  })
)

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(policy, installationPolicies)
