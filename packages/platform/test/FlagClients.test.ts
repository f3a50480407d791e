import { assert, layer } from "@effect/vitest"
import { GrowthBook } from "@growthbook/growthbook"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { OFREPProvider } from "@openfeature/ofrep-provider"
import { OpenFeature } from "@openfeature/server-sdk"
import { Effect } from "effect"
import { UnleashClient } from "unleash-proxy-client"
import { flagOf } from "./exportedFlags.ts"
import { baseUrl, keyOf, layerServer } from "./flagServer.ts"

const tenantId = TenantId.make("three-clients")
const usersCount = 1_000
const countries = ["AT", "DE", "CH", "FR", "US"]

/** A region and a percentage, by the hashing that GrowthBook's SDK evaluates by itself. */
const regional = flagOf("new-checkout", {
  rules: [
    {
      ruleId: "alps",
      condition: { attribute: "country", operator: "in", values: ["AT", "CH"] },
      percentage: 37.5,
      serve: { variant: "on" }
    }
  ]
})

layer(layerServer, { excludeTestServices: true })("A flag for a region and a percentage", (it) => {
  it.effect("has the same value for 1,000 users in the clients of OpenFeature, GrowthBook and Unleash", () =>
    Effect.gen(function* () {
      const flags = yield* FeatureFlags
      yield* flags.create(regional).pipe(provide(tenantId))
      const url = yield* baseUrl
      const serverKey = yield* keyOf(tenantId)
      const clientKey = yield* keyOf(tenantId, { kind: "client" })
      const provider = new OFREPProvider({
        baseUrl: url,
        headers: [["Authorization", `Bearer ${serverKey}`]]
      })
      yield* Effect.acquireRelease(
        // The released provider's types are not for exact optional properties.
        Effect.promise(() => Reflect.apply(OpenFeature.setProviderAndWait, OpenFeature, ["three", provider])),
        () => Effect.promise(() => OpenFeature.clearProviders())
      )
      const openFeature = OpenFeature.getClient("three")
      const growthbook = yield* Effect.acquireRelease(
        Effect.sync(() => new GrowthBook({ apiHost: `${url}/growthbook`, clientKey: serverKey })),
        (client) => Effect.sync(() => client.destroy({ destroyAllStreams: true }))
      )
      yield* Effect.promise(() => growthbook.init({ timeout: 10_000 }))
      const unleash = yield* Effect.acquireRelease(
        Effect.sync(
          () =>
            new UnleashClient({
              url: `${url}/unleash/api/frontend`,
              clientKey,
              appName: "web",
              refreshInterval: 0,
              disableMetrics: true
            })
        ),
        (client) => Effect.sync(() => client.stop())
      )
      yield* Effect.promise(() => unleash.start())
      let on = 0
      for (let index = 0; index < usersCount; index++) {
        const targetingKey = `customer-${index}`
        const country = countries[index % countries.length] ?? ""
        const values = [
          yield* Effect.promise(() =>
            openFeature.getBooleanValue("new-checkout", false, { targetingKey, country })
          )
        ]
        yield* Effect.promise(() => growthbook.setAttributes({ id: targetingKey, country }))
        values.push(growthbook.isOn("new-checkout"))
        yield* Effect.promise(() => unleash.updateContext({ userId: targetingKey, properties: { country } }))
        values.push(unleash.isEnabled("new-checkout"))
        assert.lengthOf(new Set(values), 1, `${targetingKey} in ${country}: ${values.join(", ")}`)
        if (values[0] === true) on++
      }
      // Two of five countries, and 37.5 % of their 400 customers: 150, give or take four standard deviations.
      assert.approximately(on, 150, 39)
    }).pipe(Effect.scoped)
  )
})
