import { layer } from "@effect/vitest"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import * as GrowthbookProtocol from "@hypermarket/platform/GrowthbookProtocol"
import * as KeyCredentials from "@hypermarket/platform/KeyCredentials"
import * as UnleashProtocol from "@hypermarket/platform/UnleashProtocol"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import { Effect } from "effect"
import { flagOf } from "./exportedFlags.ts"
import { keyOf, layerServer } from "./flagServer.ts"

const stranger = TenantId.make("protocols-stranger")

/** Streams never end: a stranger's has the events of the stranger's own tenant. */
const routes = Effect.all([GrowthbookProtocol.routes, UnleashProtocol.routes]).pipe(
  Effect.map((lists) => lists.flat().filter((route) => route.stream !== true)),
  Effect.provide([KeyCredentials.layer, Shutdown.layer]),
  Effect.scoped
)

layer(layerServer, { excludeTestServices: true })("GrowthBook's and Unleash's protocols", (it) => {
  TenantIsolation.protocols(
    it,
    routes,
    Effect.gen(function* () {
      const flags = yield* FeatureFlags
      const flagKey = `flag-${crypto.randomUUID()}`
      const owner = TenantId.make(`t${crypto.randomUUID().slice(0, 8)}`)
      yield* flags.create(flagOf(flagKey, { otherwise: { variant: "on" } })).pipe(provide(owner))
      const context = { context: { userId: "1" } }
      const metrics = { bucket: { toggles: { [flagKey]: { yes: 3, no: 1 } } } }
      return {
        ownerKey: yield* keyOf(owner),
        strangerKey: yield* keyOf(stranger),
        params: { flagKey },
        payloads: {
          "/growthbook/api/eval/:key": { attributes: { id: "1" } },
          "/unleash/api/frontend": context,
          "/unleash/api/client/register": { appName: "shop" },
          "/unleash/api/frontend/client/register": { appName: "shop" },
          "/unleash/api/client/metrics": metrics,
          "/unleash/api/frontend/client/metrics": metrics
        },
        watched: [`/v1/platform/flags/${flagKey}`]
      }
    })
  )
})
