/** The server of the tests of OFREP. */
import { provide, TenantId } from "@hypermarket/core/Tenant"
import type { FlagEnvironment, NewFeatureFlag } from "@hypermarket/platform/FeatureFlag"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { Effect, Schema } from "effect"
import { keyOf, settled } from "./flagServer.ts"

export const acme = TenantId.make("acme")

export const path = "/ofrep/v1/evaluate/flags"

export const Single = Schema.Record(Schema.String, Schema.Json)

export const decodeSingle = Schema.decodeEffect(Schema.fromJsonString(Single))

export const secretAddress = "ceo@secret.example"

export const rules: FlagEnvironment["rules"] = [
  {
    ruleId: "board",
    condition: { attribute: "email", operator: "in", values: [secretAddress] },
    serve: { variant: "on" }
  },
  { ruleId: "half", percentage: 50, serve: { variant: "on" } }
]

export const on = { isEnabled: true, rules: [], otherwise: { variant: "on" } }

export const seeds: ReadonlyArray<NewFeatureFlag> = [
  {
    flagKey: "static",
    kind: "boolean",
    environments: { live: on, staging: { ...on, otherwise: { variant: "off" } } }
  },
  { flagKey: "off", kind: "boolean", environments: { live: { ...on, isEnabled: false } } },
  {
    flagKey: "off-variant",
    kind: "boolean",
    environments: { live: { ...on, isEnabled: false, offVariant: "off" } }
  },
  {
    flagKey: "rules",
    kind: "boolean",
    environments: { live: { ...on, rules, otherwise: { variant: "off" } } }
  },
  {
    flagKey: "keyed",
    kind: "boolean",
    environments: { live: { ...on, rules, otherwise: { variant: "off" }, requiresTargetingKey: true } }
  },
  {
    flagKey: "colour",
    kind: "string",
    variants: [
      { name: "a", value: "red" },
      { name: "b", value: "blue" }
    ],
    metadata: { owner: "design", revisionLimit: 3 },
    environments: {
      live: {
        ...on,
        otherwise: {
          weights: [
            { variant: "a", weight: 33.333 },
            { variant: "b", weight: 66.667 }
          ]
        }
      }
    }
  },
  {
    flagKey: "json",
    kind: "json",
    variants: [{ name: "big", value: { list: [1, -0.5, 1e21], text: "ä" } }],
    environments: { live: { ...on, otherwise: { variant: "big" } } }
  },
  { flagKey: "code", kind: "boolean", environments: { live: { ...on, otherwise: null } } },
  { flagKey: "later", kind: "boolean" }
]

/** The flags of a tenant, once per file. */
export const seeded = Effect.fnUntraced(function* (tenantId: TenantId) {
  const flags = yield* FeatureFlags
  yield* Effect.gen(function* () {
    const first = yield* flags.create(seeds[0] ?? { flagKey: "static", kind: "boolean" }).pipe(
      Effect.as(true),
      Effect.catchTag("FlagExists", () => Effect.succeed(false))
    )
    if (first) for (const seed of seeds.slice(1)) yield* flags.create(seed)
    yield* settled("live", BigInt(seeds.length - 1))
    yield* settled("staging", 1n)
  }).pipe(provide(tenantId))
  return yield* keyOf(tenantId)
})

export const bearer = (key: string) => ({ authorization: `Bearer ${key}` })
