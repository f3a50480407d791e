/** Services and policies of these tests. */
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { AllTenants } from "@hypermarket/core/Tenant"
import { InstallationPolicies } from "@hypermarket/platform/InstallationPolicies"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import { RegionPolicies } from "@hypermarket/platform/RegionPolicies"
import { NewRegionPolicy } from "@hypermarket/platform/RegionPolicy"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Result, Schedule, Schema } from "effect"

export const services = Layer.mergeAll(
  RegionPolicies.layer,
  InstallationPolicies.layer,
  RegionPolicies.layerPolicy
).pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

export const asSystem = Effect.provideService(AllTenants, { actor: "test" })
export const law = { legalBasis: "Test Code 1", source: "https://example.com/law" }
export const publish = ["listing.publish"]

export const isRefused = (input: unknown) =>
  Result.match(Schema.decodeUnknownResult(NewRegionPolicy)(input), {
    onFailure: ({ message }) => message,
    onSuccess: () => undefined
  })

/** Waits until the process's copy is what the database holds. */
export const settled = Effect.gen(function* () {
  const policies = yield* RegionPolicies
  const question = { action: "listing.publish" }
  const { revision } = yield* policies.decideNow(question)
  yield* policies.decide(question).pipe(
    Effect.repeat({
      until: (decision) => decision.revision === revision,
      schedule: Schedule.spaced("50 millis")
    })
  )
})
