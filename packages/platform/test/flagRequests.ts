/** Flags and change requests of these tests. */
import * as Actor from "@hypermarket/core/Actor"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { AllTenants } from "@hypermarket/core/Tenant"
import type { FlagEnvironment } from "@hypermarket/platform/FeatureFlag"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { FlagApprovalPolicies } from "@hypermarket/platform/FlagApprovalPolicies"
import { type FlagStep } from "@hypermarket/platform/FlagChangeRequest"
import * as FlagChangeRequests from "@hypermarket/platform/FlagChangeRequests"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { DateTime, Effect, Layer } from "effect"

export const Requests = FlagChangeRequests.FlagChangeRequests

export const layerAll = PlatformDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

export const off: FlagEnvironment = { isEnabled: true, rules: [], otherwise: { variant: "off" } }
export const on: FlagEnvironment = { ...off, otherwise: { variant: "on" } }
export const rollout: FlagEnvironment = {
  ...off,
  rules: [{ ruleId: "some", percentage: 5, serve: { variant: "on" } }]
}

export const as = (id: string, onBehalfOf?: string) =>
  Effect.provideService(Actor.Actor, {
    type: "key" as const,
    id,
    ...(onBehalfOf === undefined ? {} : { onBehalfOf })
  })

export const inMinutes = (minutes: number) =>
  Effect.map(Now.now, (now) => DateTime.fromDateUnsafe(new Date(now.getTime() + minutes * 60_000)))

export const later = Effect.fnUntraced(function* (minutes: number) {
  const clock = yield* Now.TestNow
  yield* clock.adjust(`${minutes} minutes`)
})

export const runDue = Effect.flatMap(Requests, (requests) => requests.runDue).pipe(
  Effect.provideService(AllTenants, { actor: "test" })
)

export const state = (environment: string, wanted: FlagEnvironment): FlagStep => ({
  does: { environment, state: wanted }
})

/** The flag's rollout, or its default, as it is stored. */
export const stored = Effect.fnUntraced(function* (flagKey: string) {
  const flags = yield* FeatureFlags
  const flag = yield* flags.get(flagKey)
  return { version: flag.version, live: flag.environments["live"] }
})

export const guard = (environment: string, version = 0) =>
  Effect.flatMap(FlagApprovalPolicies, (policies) =>
    policies.set(environment, version, { requiresApproval: true })
  )
