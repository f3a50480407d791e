/**
 * The API of GrowthBook's SDKs under `/growthbook`: `apiHost` is that address, and `clientKey` a key of the platform.
 *
 * An SDK evaluates by itself what GrowthBook can express, and `remoteEval` has everything evaluated here. GrowthBook's `id` is
 * the targeting key. The key is in the URL: use a client key, which gets only flags whose rules are public, wherever an URL may
 * be seen.
 *
 * Source: the SDK for JavaScript 1.8 and https://docs.growthbook.io/lib/build-your-own.
 *
 * @since 0.1.0
 */
import { Caller, type Credential, Credentials } from "@hypermarket/core/Credentials"
import { FeatureSource } from "@hypermarket/core/FeatureSource"
import * as LiveConfig from "@hypermarket/core/LiveConfig"
import * as ProtocolRoute from "@hypermarket/core/ProtocolRoute"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as Sse from "@hypermarket/core/Sse"
import * as Storage from "@hypermarket/core/Storage"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Attributes, FlagEvaluation } from "./FlagEvaluation.ts"
import { FlagEvaluations } from "./FlagEvaluations.ts"
import type { FlagEvaluator } from "./FlagEvaluator.ts"
import { ageHeaders } from "./flags/ageHeaders.ts"
import { parseAttributes } from "./flags/context.ts"
import { unitAttribute } from "./flags/growthbook/condition.ts"
import { payloadText } from "./flags/growthbook/payload.ts"
import { orRefused, refuse, scope } from "./flags/protocolProblems.ts"
import { streamCaps, streamRefusal, whileKeyOpens } from "./flags/streams.ts"

/** Enough for the largest context in any alphabet. */
const bodyBytesMax = 1_048_576

const options = {
  key: ["path:key"],
  scope,
  clientKeys: true,
  body: { max: bodyBytesMax, inflatedMax: bodyBytesMax },
  guard: "own",
  refuse
} as const satisfies Omit<ProtocolRoute.Options, "method" | "path">

/** The SDK opens a stream only when it may read this header. `no-cache`: the SDK keeps features by itself. */
const headers = { "x-sse-support": "enabled", "cache-control": "no-cache" }

/** How often the revision of added features is asked for, once per tenant that has a stream open. */
const addedPoll = "2 seconds"

/** Tenants whose added features are followed. Past it the least recently used one without a stream is dropped. */
const tenantsMax = 1_000

/** GrowthBook's `id` is the targeting key. */
const contextOf = (attributes: Attributes): Attributes => {
  const { targetingKey: _, ...others } = attributes
  const unit = Object.hasOwn(attributes, unitAttribute) ? attributes[unitAttribute] : undefined
  return unit === undefined ? others : { ...others, targetingKey: unit }
}

/** An evaluated flag as a feature. A flag without a value leaves it to the caller's code. */
const evaluatedFeature = (evaluation: FlagEvaluation, credential: Credential): Schema.Json => {
  const { ruleId, value } = evaluation
  if (value === undefined) return {}
  return credential.kind === "server" && ruleId !== undefined
    ? { rules: [{ id: ruleId, force: value }] }
    : { defaultValue: value }
}

const evaluated = (evaluator: FlagEvaluator, attributes: Attributes, credential: Credential) => ({
  status: 200,
  features: Object.fromEntries(
    evaluator
      .evaluateAll(contextOf(attributes))
      .map((evaluation) => [evaluation.flagKey, evaluatedFeature(evaluation, credential)])
  )
})

/**
 * The routes of features, their stream, and remote evaluation.
 *
 * @category routes
 * @since 0.1.0
 */
export const routes: Effect.Effect<
  ReadonlyArray<ProtocolRoute.ProtocolRoute>,
  never,
  Credentials | FlagEvaluations | Scope.Scope | Shutdown
> = Effect.gen(function* () {
  const evaluations = yield* FlagEvaluations
  const credentials = yield* Credentials
  const shutdown = yield* Shutdown
  const source = yield* FeatureSource
  const addedRevisions = yield* LiveConfig.make({
    // Writers of added features signal nothing.
    channel: "core.features",
    revision: source.revision,
    read: (_tenant, revision) => Effect.succeed(revision),
    poll: addedPoll,
    tenantsMax
  }).pipe(Effect.provide(Wakeup.layerSilent))

  const payload = Effect.fnUntraced(function* (evaluator: FlagEvaluator, caller: Credential) {
    // Their rules are not known to be public.
    const added = caller.kind === "client" ? [] : yield* source.features(evaluator.environment)
    return payloadText(evaluator, caller.kind, added)
  })

  const features = Effect.fnUntraced(function* () {
    const caller = yield* Caller
    const text = yield* evaluations.newest(caller.environment).pipe(
      Effect.flatMap((evaluator) => payload(evaluator, caller)),
      Storage.orUnavailable
    )
    return HttpServerResponse.text(text, {
      contentType: "application/json",
      headers: { ...headers, ...(yield* ageHeaders(evaluations)) }
    })
  }, orRefused)

  const evaluate = Effect.fnUntraced(function* ({ body }: ProtocolRoute.Input) {
    const caller = yield* Caller
    const parsed = parseAttributes(body, "attributes")
    if ("errorCode" in parsed) return HttpServerResponse.jsonUnsafe(parsed, { status: 400 })
    const evaluator = yield* evaluations.newest(caller.environment).pipe(Storage.orUnavailable)
    return HttpServerResponse.jsonUnsafe(evaluated(evaluator, parsed.attributes, caller), {
      headers: { ...headers, ...(yield* ageHeaders(evaluations)) }
    })
  }, orRefused)

  /** A public key's readers may evaluate remotely, each with other attributes: they are told to fetch. */
  const stream = Effect.fnUntraced(function* ({ params }: ProtocolRoute.Input) {
    const caller = yield* Caller
    const { id } = yield* Tenant
    const opens = whileKeyOpens(credentials, params["key"] ?? "")
    const flags = evaluations.changes(caller.environment)
    const events =
      caller.kind === "client"
        ? flags.pipe(
            opens,
            Stream.map(({ revision }) => ({ event: "features-updated", data: String(revision) }))
          )
        : Stream.merge(
            flags,
            Stream.mapEffect(addedRevisions.changes(id), () => evaluations.evaluator(caller.environment))
          ).pipe(
            opens,
            Stream.mapEffect((evaluator) => payload(evaluator, caller)),
            // Either of the two may have been read with the other's change in it.
            Stream.changes,
            Stream.map((data) => ({ event: "features", data }))
          )
    return yield* Sse.respond(events, streamCaps).pipe(
      Effect.provideService(Shutdown, shutdown),
      Effect.catch(() => Effect.succeed(streamRefusal))
    )
  })

  return [
    ProtocolRoute.make({ ...options, method: "GET", path: "/growthbook/api/features/:key" }, features),
    ProtocolRoute.make({ ...options, method: "POST", path: "/growthbook/api/eval/:key" }, evaluate),
    ProtocolRoute.make({ ...options, method: "GET", path: "/growthbook/sub/:key", stream: true }, stream)
  ]
})

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.unwrap(Effect.map(routes, ProtocolRoute.layer))
