/**
 * Rate policies of the installation: they hold for the requests of all tenants, in addition to each tenant's own.
 *
 * @since 0.1.0
 */
import type * as Page from "@hypermarket/core/Page"
import type { VersionStale } from "@hypermarket/core/Precondition"
import { AllTenants, system } from "@hypermarket/core/Tenant"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { RateEngine } from "./internal/rateEngine.ts"
import type { RateSubjectInvalid } from "./RateLimit.ts"
import type {
  NewRateOverride,
  NewRatePolicy,
  RateOverride,
  RateOverrideId,
  RateOverrideNotFound,
  RatePolicy,
  RatePolicyChange,
  RatePolicyExists,
  RatePolicyInvalid,
  RatePolicyLimit,
  RatePolicyNotFound
} from "./RatePolicy.ts"

/**
 * @category services
 * @since 0.1.0
 */
export class InstallationLimits extends Context.Service<
  InstallationLimits,
  {
    readonly createPolicy: (
      policy: NewRatePolicy
    ) => Effect.Effect<RatePolicy, RatePolicyExists | RatePolicyLimit | SqlError, AllTenants>
    readonly getPolicy: (
      policy: string
    ) => Effect.Effect<RatePolicy, RatePolicyNotFound | SqlError, AllTenants>
    /** By name. */
    readonly listPolicies: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<RatePolicy>, Page.CursorInvalid | SqlError, AllTenants>
    readonly updatePolicy: (
      policy: string,
      version: number,
      change: RatePolicyChange
    ) => Effect.Effect<
      RatePolicy,
      RatePolicyNotFound | RatePolicyInvalid | VersionStale | SqlError,
      AllTenants
    >
    readonly removePolicy: (
      policy: string,
      version: number
    ) => Effect.Effect<void, RatePolicyNotFound | VersionStale | SqlError, AllTenants>
    /** Replaces the override that the subject has. The subject names its tenant where the policy counts by it. */
    readonly putOverride: (
      policy: string,
      override: NewRateOverride
    ) => Effect.Effect<
      RateOverride,
      RatePolicyNotFound | RatePolicyInvalid | RatePolicyLimit | RateSubjectInvalid | SqlError,
      AllTenants
    >
    /** Oldest first. */
    readonly listOverrides: (
      policy: string,
      request: Page.Request
    ) => Effect.Effect<
      Page.Page<RateOverride>,
      RatePolicyNotFound | Page.CursorInvalid | SqlError,
      AllTenants
    >
    readonly removeOverride: (
      policy: string,
      overrideId: RateOverrideId
    ) => Effect.Effect<void, RateOverrideNotFound | SqlError, AllTenants>
  }
>()("@hypermarket/quotas/InstallationLimits") {
  static readonly layer: Layer.Layer<InstallationLimits, Config.ConfigError, SqlClient.SqlClient> =
    Layer.effect(
      InstallationLimits,
      Effect.gen(function* () {
        const { store } = yield* RateEngine
        return InstallationLimits.of({
          createPolicy: Effect.fn("InstallationLimits.createPolicy")(function* (policy) {
            yield* AllTenants
            return yield* store.create(system, policy)
          }),
          getPolicy: Effect.fn("InstallationLimits.getPolicy")(function* (policy) {
            yield* AllTenants
            return yield* store.get(system, policy)
          }),
          listPolicies: Effect.fn("InstallationLimits.listPolicies")(function* (request) {
            yield* AllTenants
            return yield* store.list(system, request)
          }),
          updatePolicy: Effect.fn("InstallationLimits.updatePolicy")(function* (policy, version, change) {
            yield* AllTenants
            return yield* store.update(system, policy, version, change)
          }),
          removePolicy: Effect.fn("InstallationLimits.removePolicy")(function* (policy, version) {
            yield* AllTenants
            return yield* store.remove(system, policy, version)
          }),
          putOverride: Effect.fn("InstallationLimits.putOverride")(function* (policy, override) {
            yield* AllTenants
            return yield* store.putOverride(system, policy, override)
          }),
          listOverrides: Effect.fn("InstallationLimits.listOverrides")(function* (policy, request) {
            yield* AllTenants
            return yield* store.listOverrides(system, policy, request)
          }),
          removeOverride: Effect.fn("InstallationLimits.removeOverride")(function* (policy, overrideId) {
            yield* AllTenants
            return yield* store.removeOverride(system, policy, overrideId)
          })
        })
      })
    ).pipe(Layer.provide(RateEngine.layer))
}
