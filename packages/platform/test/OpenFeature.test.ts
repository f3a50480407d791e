import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import type { FlagRule, NewFeatureFlag } from "@hypermarket/platform/FeatureFlag"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import type { FlagEvaluator } from "@hypermarket/platform/FlagEvaluator"
import { OFREPProvider } from "@openfeature/ofrep-provider"
import {
  type Client,
  ErrorCode,
  type EvaluationContext,
  type EvaluationDetails,
  type JsonValue,
  OpenFeature,
  type Provider,
  type ResolutionDetails
} from "@openfeature/server-sdk"
import { Effect, Schema } from "effect"
import * as ConformanceData from "@hypermarket/testing/ConformanceData"
import { baseUrl, keyOf, layerServer, settled } from "./flagServer.ts"
import { type Scenario, scenariosOf } from "./gherkin.ts"

const feature = ConformanceData.text("openfeature/evaluation_v2.feature")
const testFlags = ConformanceData.text("openfeature/test-flags.json")

/** Of the SDK alone, whichever flags there are: status, hooks, caches, promises. */
const ofTheSdk = /provider|CACHED|hooks|immutability|Asynchronous/i

const scenarios = (feature === undefined ? [] : scenariosOf(feature)).filter(
  ({ name }) => !ofTheSdk.test(name)
)

const TestFlags = Schema.fromJsonString(
  Schema.Record(
    Schema.String,
    Schema.Struct({
      disabled: Schema.optionalKey(Schema.Boolean),
      variants: Schema.Record(Schema.String, Schema.Json),
      defaultVariant: Schema.optionalKey(Schema.NullOr(Schema.String)),
      contextEvaluator: Schema.optionalKey(Schema.String),
      flagMetadata: Schema.optionalKey(
        Schema.NullOr(
          Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Boolean]))
        )
      )
    })
  )
)

const byEmail = { attribute: "email", operator: "in" as const, values: ["ballmer@macrosoft.com"] }

/** The two CEL expressions of the data as rules. */
const rulesOf = (expression: string | undefined): ReadonlyArray<FlagRule> => {
  if (expression === undefined) return []
  if (expression.startsWith("email =="))
    return [{ ruleId: "email", condition: byEmail, serve: { variant: "zero" } }]
  return [
    {
      ruleId: "internal",
      condition: {
        all: [
          { attribute: "customer", operator: "equals", value: false },
          byEmail,
          { attribute: "age", operator: "gt", value: 10 }
        ]
      },
      serve: { variant: "internal" }
    }
  ]
}

const kindOf = (value: Schema.Json | undefined): NewFeatureFlag["kind"] =>
  typeof value === "boolean"
    ? "boolean"
    : typeof value === "string"
      ? "string"
      : typeof value === "number"
        ? "number"
        : "json"

/** A provider of OpenFeature's SDK that evaluates in this process. */
const inProcess = (evaluator: FlagEvaluator): Provider => {
  const resolve = <T>(flagKey: string, fallback: T, context: EvaluationContext): ResolutionDetails<T> => {
    const { errorCode, reason, value, variant } = evaluator.evaluate(flagKey, context)
    if (errorCode !== undefined) {
      return {
        value: fallback,
        reason,
        errorCode: errorCode === "FLAG_NOT_FOUND" ? ErrorCode.FLAG_NOT_FOUND : ErrorCode.GENERAL
      }
    }
    if (value === undefined) return { value: fallback, reason }
    if (typeof value !== typeof fallback) {
      return { value: fallback, reason: "ERROR", errorCode: ErrorCode.TYPE_MISMATCH }
    }
    const isPrimitive = (item: unknown): item is string | number | boolean =>
      ["string", "number", "boolean"].includes(typeof item)
    const flagMetadata = Object.fromEntries(
      Object.entries(evaluator.metadataOf(flagKey)).flatMap(([key, item]) =>
        isPrimitive(item) ? [[key, item]] : []
      )
    )
    const isSame = (item: unknown): item is T => typeof item === typeof fallback
    const details = { reason, flagMetadata, ...(variant === undefined ? {} : { variant }) }
    return isSame(value) ? { ...details, value } : { ...details, value: fallback }
  }
  return {
    metadata: { name: "in process" },
    runsOn: "server",
    resolveBooleanEvaluation: (key, fallback, context) => Promise.resolve(resolve(key, fallback, context)),
    resolveStringEvaluation: (key, fallback, context) => Promise.resolve(resolve(key, fallback, context)),
    resolveNumberEvaluation: (key, fallback, context) => Promise.resolve(resolve(key, fallback, context)),
    resolveObjectEvaluation: (key, fallback, context) => Promise.resolve(resolve(key, fallback, context))
  }
}

const decodeJson = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Json))

const parsed = (type: string, text: string): Schema.Json => {
  switch (type) {
    case "Boolean":
      return text === "true"
    case "Integer":
    case "Float":
      return Number(text)
    case "Object":
      return decodeJson(text.replaceAll('\\"', '"'))
    default:
      return text
  }
}

const isObject = (value: Schema.Json): value is { [key: string]: JsonValue } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const detailsOf = (
  client: Client,
  key: string,
  fallback: Schema.Json,
  context: EvaluationContext
): Promise<EvaluationDetails<JsonValue>> => {
  if (typeof fallback === "boolean") return client.getBooleanDetails(key, fallback, context)
  if (typeof fallback === "string") return client.getStringDetails(key, fallback, context)
  if (typeof fallback === "number") return client.getNumberDetails(key, fallback, context)
  return client.getObjectDetails(key, isObject(fallback) ? fallback : {}, context)
}

/** OFREP has no DEFAULT; the metadata has OpenFeature's reason. */
const reasonOf = (details: EvaluationDetails<JsonValue>): unknown =>
  details.reason === "UNKNOWN" ? details.flagMetadata["reason"] : details.reason

/** Plays a scenario and returns its steps that did not hold or are unknown. */
const play = async (client: Client, { steps }: Scenario): Promise<ReadonlyArray<string>> => {
  const failures: Array<string> = []
  const context: Record<string, string | number | boolean | null> = {}
  let flag = { type: "", key: "", fallback: "" }
  let details: EvaluationDetails<JsonValue> | undefined
  const expect = (text: string, actual: unknown, expected: unknown) => {
    if (JSON.stringify(actual) !== JSON.stringify(expected))
      failures.push(`${text}: ${JSON.stringify(details)}`)
  }
  for (const { table, text } of steps) {
    const flagStep = /^an? (\w+)-flag with key "(.*?)" and a fallback value "(.*)"$/.exec(text)
    const contextStep = /^a context containing a key "(.*?)", with type "(\w+)" and with value "(.*)"$/.exec(
      text
    )
    const nullStep = /^a context containing a key "(.*?)" with null value$/.exec(text)
    const valueStep = /^the resolved details value should be "(.*)"$/.exec(text)
    const fieldStep = /^the (reason|variant|error-code|flag key) should be "(.*)"$/.exec(text)
    if (flagStep !== null) {
      flag = { type: flagStep[1] ?? "", key: flagStep[2] ?? "", fallback: flagStep[3] ?? "" }
    } else if (contextStep !== null) {
      const value = parsed(contextStep[2] ?? "", contextStep[3] ?? "")
      if (typeof value !== "object") context[contextStep[1] ?? ""] = value
    } else if (nullStep !== null) {
      context[nullStep[1] ?? ""] = null
    } else if (text === "the flag was evaluated with details") {
      details = await detailsOf(client, flag.key, parsed(flag.type, flag.fallback), context)
    } else if (valueStep !== null) {
      expect(text, details?.value, parsed(flag.type, valueStep[1] ?? ""))
    } else if (fieldStep !== null && details !== undefined) {
      const fields = {
        reason: reasonOf(details),
        variant: details.variant,
        "error-code": details.errorCode,
        "flag key": details.flagKey
      }
      const name = fieldStep[1]
      if (name === "reason" || name === "variant" || name === "error-code" || name === "flag key") {
        expect(text, fields[name], fieldStep[2])
      }
    } else if (text === "the resolved metadata should contain") {
      for (const row of table) {
        expect(
          text,
          details?.flagMetadata[row["key"] ?? ""],
          parsed(row["metadata_type"] ?? "", row["value"] ?? "")
        )
      }
    } else {
      failures.push(`unknown step: ${text}`)
    }
  }
  return failures
}

const tenantId = TenantId.make("openfeature")

const seeded = Effect.gen(function* () {
  const flags = yield* FeatureFlags
  const data = yield* Schema.decodeEffect(TestFlags)(testFlags ?? "{}")
  const entries = Object.entries(data)
  for (const [flagKey, { contextEvaluator, defaultVariant, disabled, flagMetadata, variants }] of entries) {
    yield* flags
      .create({
        flagKey,
        kind: kindOf(Object.values(variants)[0]),
        variants: Object.entries(variants).map(([name, value]) => ({ name, value })),
        metadata: flagMetadata ?? {},
        environments: {
          live: {
            isEnabled: disabled !== true,
            rules: rulesOf(contextEvaluator),
            otherwise: typeof defaultVariant === "string" ? { variant: defaultVariant } : null
          }
        }
      })
      .pipe(Effect.catchTag("FlagExists", () => Effect.void))
  }
  return yield* settled("live", BigInt(entries.length))
}).pipe(provide(tenantId))

const playAll = (provider: Provider, played: ReadonlyArray<Scenario>) =>
  Effect.promise(async () => {
    const domain = provider.metadata.name
    await OpenFeature.setProviderAndWait(domain, provider)
    const client = OpenFeature.getClient(domain)
    const failures: Array<string> = []
    for (const scenario of played) {
      for (const failure of await play(client, scenario)) failures.push(`${scenario.name} > ${failure}`)
    }
    await OpenFeature.clearProviders()
    return failures
  })

/** The released provider takes a success without a value, which leaves the value to the code, for a broken answer. */
const withValue = scenarios.filter(({ name }) => !name.startsWith("DISABLED"))

layer(layerServer, { excludeTestServices: true })("OpenFeature", (it) => {
  it.effect(`${scenarios.length} scenarios of evaluation hold in process`, () =>
    Effect.gen(function* () {
      const evaluator = yield* seeded
      assert.deepStrictEqual(yield* playAll(inProcess(evaluator), scenarios), [])
      if (feature !== undefined) assert.strictEqual(scenarios.length, 58)
    })
  )

  it.effect(`${withValue.length} scenarios of evaluation hold over OFREP with the released provider`, () =>
    Effect.gen(function* () {
      yield* seeded
      const key = yield* keyOf(tenantId)
      const provider = new OFREPProvider({
        baseUrl: yield* baseUrl,
        headers: [["X-API-Key", key]]
      })
      assert.deepStrictEqual(yield* playAll(provider, withValue), [])
    })
  )
})
