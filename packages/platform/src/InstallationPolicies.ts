/**
 * Region policies of the installation: they bind every tenant.
 *
 * @since 0.1.0
 */
import * as Audit from "@hypermarket/core/Audit"
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import type * as Page from "@hypermarket/core/Page"
import type { VersionStale } from "@hypermarket/core/Precondition"
import { AllTenants, system } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { PolicySets } from "./policy/policySets.ts"
import type {
  NewRegionPolicy,
  PolicyExists,
  PolicyInvalid,
  PolicyLimitReached,
  PolicyNotFound,
  PolicyTie,
  RegionPolicy,
  RegionPolicyChange
} from "./RegionPolicy.ts"

/**
 * @category services
 * @since 0.1.0
 */
export class InstallationPolicies extends Context.Service<
  InstallationPolicies,
  {
    readonly create: (
      policy: NewRegionPolicy
    ) => Effect.Effect<
      RegionPolicy,
      PolicyExists | PolicyTie | PolicyInvalid | PolicyLimitReached | SqlError,
      AllTenants
    >
    readonly get: (policyKey: string) => Effect.Effect<RegionPolicy, PolicyNotFound | SqlError, AllTenants>
    /** Lists the policies that are recorded now, in the order of their keys. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<RegionPolicy>, Page.CursorInvalid | SqlError, AllTenants>
    /** Replaces the policy. The version before it is kept. */
    readonly change: (
      policyKey: string,
      version: number,
      policy: RegionPolicyChange
    ) => Effect.Effect<
      RegionPolicy,
      PolicyNotFound | PolicyTie | PolicyInvalid | VersionStale | SqlError,
      AllTenants
    >
    /** Ends the policy now. Decisions as of an earlier time still know it. */
    readonly remove: (
      policyKey: string,
      version: number
    ) => Effect.Effect<void, PolicyNotFound | VersionStale | SqlError, AllTenants>
  }
>()("@hypermarket/platform/InstallationPolicies") {
  static readonly layer: Layer.Layer<InstallationPolicies, never, SqlClient.SqlClient> = Layer.effect(
    InstallationPolicies,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { store } = yield* PolicySets

      /** An act on the one tenant that a policy names is in that tenant's log too. */
      const inTenantsLog = <A extends RegionPolicy | void, E>(
        self: Effect.Effect<A, E>,
        policyKey: string,
        action: string,
        read: Effect.Effect<RegionPolicy | undefined, E>
      ) =>
        transactionOf(sql)(
          Effect.gen(function* () {
            const before = yield* read
            const result = yield* self
            const after = result ?? undefined
            for (const tenant of new Set([before?.tenant, after?.tenant])) {
              if (tenant === undefined) continue
              yield* AuditedChange.change(sql, Effect.void, {
                action,
                target: { type: "region-policy", id: policyKey },
                ...(before === undefined ? {} : { before: Effect.succeed(before) }),
                after: () => after
              }).pipe(Audit.inLogOf(tenant))
            }
            return result
          })
        )

      return InstallationPolicies.of({
        create: Effect.fn("InstallationPolicies.create")(function* (policy) {
          yield* AllTenants
          return yield* inTenantsLog(
            store.create(system, policy, true),
            policy.policyKey,
            "region-policy.created",
            Effect.succeed(undefined)
          )
        }),
        get: Effect.fn("InstallationPolicies.get")(function* (policyKey) {
          yield* AllTenants
          return yield* store.get(system, policyKey)
        }),
        list: Effect.fn("InstallationPolicies.list")(function* (request) {
          yield* AllTenants
          return yield* store.list(system, request)
        }),
        change: Effect.fn("InstallationPolicies.change")(function* (policyKey, version, policy) {
          yield* AllTenants
          return yield* inTenantsLog(
            store.change(system, policyKey, version, policy, true),
            policyKey,
            "region-policy.changed",
            store.get(system, policyKey)
          )
        }),
        remove: Effect.fn("InstallationPolicies.remove")(function* (policyKey, version) {
          yield* AllTenants
          return yield* inTenantsLog(
            store.remove(system, policyKey, version),
            policyKey,
            "region-policy.removed",
            store.get(system, policyKey)
          )
        })
      })
    })
  ).pipe(Layer.provide(PolicySets.layer))
}
