/**
 * The API of Unleash's SDKs under `/unleash`: `url` is `<address>/unleash/api`, and `Authorization` a key of the platform.
 *
 * SDKs of servers evaluate by themselves what Unleash can express. Those of browsers have everything evaluated here, under
 * `/unleash/api/frontend`, with client keys. Unleash's `userId` is the targeting key, and contexts are text.
 *
 * Source: https://docs.getunleash.io/reference/api/unleash and the SDK for Node 6.12.
 *
 * @since 0.1.0
 */
import { Caller } from "@hypermarket/core/Credentials"
import * as ProtocolRoute from "@hypermarket/core/ProtocolRoute"
import * as Storage from "@hypermarket/core/Storage"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Attributes, FlagEvaluation } from "./FlagEvaluation.ts"
import { FlagEvaluations } from "./FlagEvaluations.ts"
import type { FlagEvaluator } from "./FlagEvaluator.ts"
import * as FlagExports from "./FlagExports.ts"
import { FlagUsage } from "./FlagUsage.ts"
import { ageHeaders } from "./flags/ageHeaders.ts"
import { etagMatches, parseAttributes } from "./flags/context.ts"
import { orRefused, refuse, scope } from "./flags/protocolProblems.ts"
import { unitAttribute } from "./flags/unleash/constraints.ts"
import { payloadOf } from "./flags/unleash/toggle.ts"

const bodyBytesMax = 1_048_576

const options = {
  key: ["bare", "bearer"],
  scope,
  body: { max: bodyBytesMax, inflatedMax: bodyBytesMax },
  guard: "own",
  refuse
} as const satisfies Omit<ProtocolRoute.Options, "method" | "path" | "clientKeys">

const server = { ...options, clientKeys: false } as const
const frontend = { ...options, clientKeys: true } as const

interface Made {
  readonly text: string
}

const made = new WeakMap<FlagEvaluator, Made>()

/** The toggles as JSON, made once per revision. SDKs ignore `refused`. */
const textOf = (evaluator: FlagEvaluator): string => {
  const existing = made.get(evaluator)
  if (existing !== undefined) return existing.text
  const { features, refused } = FlagExports.unleash(evaluator)
  const text = JSON.stringify({
    version: 2,
    features: Array.from(features.values()),
    segments: [],
    refused: Object.fromEntries(refused)
  })
  made.set(evaluator, { text })
  return text
}

const isScalar = (value: unknown): value is string | number | boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean"

/** Fields and properties of a context, as the text that SDKs compare. A field comes before a property of its name. */
const contextOf = (context: Attributes): Attributes => {
  const { properties, ...fields } = context
  const entries = [
    ...(typeof properties === "object" && properties !== null ? Object.entries(properties) : []),
    ...Object.entries(fields)
  ].flatMap(([name, value]) => (isScalar(value) ? [[name, String(value)] as const] : []))
  const { targetingKey: _, ...attributes } = Object.fromEntries(entries)
  const unit = attributes[unitAttribute]
  return unit === undefined ? attributes : { ...attributes, targetingKey: unit }
}

/** A browser is told of toggles that are on, and of no other. */
const toggleOf = (evaluator: FlagEvaluator, evaluation: FlagEvaluation): ReadonlyArray<Schema.Json> => {
  const flag = evaluator.source().flags.get(evaluation.flagKey)
  const { flagKey, value, variant } = evaluation
  if (flag === undefined || value === undefined || variant === undefined) return []
  if (flag.kind === "boolean" && value !== true) return []
  return [
    {
      name: flagKey,
      enabled: true,
      variant: {
        name: variant,
        enabled: true,
        payload: payloadOf(flag.kind, value),
        feature_enabled: true,
        featureEnabled: true
      },
      impressionData: false
    }
  ]
}

/** `properties[plan]=pro` of a query, as Unleash's frontend SDKs send it. */
const contextOfQuery = (url: string): Attributes => {
  const fields: Record<string, string> = {}
  const properties: Record<string, string> = {}
  for (const [name, value] of new URLSearchParams(url.split("?")[1] ?? "")) {
    const property = /^properties\[(.{1,200})\]$/.exec(name)?.[1]
    if (property === undefined) fields[name] = value
    else properties[property] = value
  }
  return { ...fields, properties }
}

const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))
const Metrics = Schema.fromJsonString(
  Schema.Struct({
    bucket: Schema.Struct({
      toggles: Schema.Record(
        Schema.String,
        Schema.Struct({
          yes: Count,
          no: Count,
          variants: Schema.optional(Schema.Record(Schema.String, Count))
        })
      )
    })
  })
)
const decodeMetrics = Schema.decodeUnknownResult(Metrics, { onExcessProperty: "ignore" })

const accepted = HttpServerResponse.empty({ status: 202 })
const invalid = HttpServerResponse.jsonUnsafe({ message: "Expected the SDK's metrics" }, { status: 400 })

/**
 * The routes of toggles, registration, metrics and the frontend.
 *
 * @category routes
 * @since 0.1.0
 */
export const routes: Effect.Effect<
  ReadonlyArray<ProtocolRoute.ProtocolRoute>,
  never,
  FlagEvaluations | FlagUsage
> = Effect.gen(function* () {
  const evaluations = yield* FlagEvaluations
  const usage = yield* FlagUsage

  const newest = Effect.gen(function* () {
    const caller = yield* Caller
    return yield* evaluations.newest(caller.environment).pipe(Storage.orUnavailable)
  })

  const features = Effect.fnUntraced(function* ({ request }: ProtocolRoute.Input) {
    const evaluator = yield* newest
    const { id } = yield* Tenant
    const etag = `"${id}-${evaluator.environment}-${evaluator.revision}"`
    const headers = { etag, ...(yield* ageHeaders(evaluations)) }
    if (etagMatches(request.headers["if-none-match"], etag)) {
      return HttpServerResponse.empty({ status: 304, headers })
    }
    return HttpServerResponse.text(textOf(evaluator), { contentType: "application/json", headers })
  }, orRefused)

  const toggles = Effect.fnUntraced(function* (context: Attributes) {
    const evaluator = yield* newest
    const attributes = contextOf(context)
    return HttpServerResponse.jsonUnsafe(
      { toggles: evaluator.evaluateAll(attributes).flatMap((evaluation) => toggleOf(evaluator, evaluation)) },
      { headers: yield* ageHeaders(evaluations) }
    )
  }, orRefused)

  const togglesOfBody = ({ body }: ProtocolRoute.Input) => {
    const parsed = parseAttributes(body, "context")
    return "errorCode" in parsed
      ? Effect.succeed(HttpServerResponse.jsonUnsafe(parsed, { status: 400 }))
      : toggles(parsed.attributes)
  }

  const metrics = Effect.fnUntraced(function* ({ body }: ProtocolRoute.Input) {
    const caller = yield* Caller
    const decoded = decodeMetrics(new TextDecoder().decode(body))
    if (Result.isFailure(decoded)) return invalid
    const counts = Object.entries(decoded.success.bucket.toggles).map(([flagKey, { no, yes }]) => ({
      flagKey,
      count: yes + no
    }))
    yield* usage.record(caller.environment, counts).pipe(Storage.orUnavailable)
    return accepted
  }, orRefused)

  const register = () => Effect.succeed(accepted)
  const path = "/unleash/api"
  return [
    ProtocolRoute.make({ ...server, method: "GET", path: `${path}/client/features` }, features),
    ProtocolRoute.make({ ...server, method: "POST", path: `${path}/client/register` }, register),
    ProtocolRoute.make({ ...server, method: "POST", path: `${path}/client/metrics` }, metrics),
    ProtocolRoute.make({ ...frontend, method: "GET", path: `${path}/frontend` }, ({ request }) =>
      toggles(contextOfQuery(request.url))
    ),
    ProtocolRoute.make({ ...frontend, method: "POST", path: `${path}/frontend` }, togglesOfBody),
    ProtocolRoute.make({ ...frontend, method: "POST", path: `${path}/frontend/client/register` }, register),
    ProtocolRoute.make({ ...frontend, method: "POST", path: `${path}/frontend/client/metrics` }, metrics)
  ]
})

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.unwrap(Effect.map(routes, ProtocolRoute.layer))
