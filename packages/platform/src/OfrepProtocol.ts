/**
 * OpenFeature Remote Evaluation Protocol (OFREP) 0.3 under `/ofrep/v1`, for the providers of OpenFeature's SDKs.
 *
 * The key is a bearer token or in `X-API-Key`; client keys are accepted. A key evaluates in its own environment only. To a
 * client key, which is public, neither rules nor what is wrong with them is named.
 *
 * The answer for all flags names a stream, opened by a token, that tells of changes. A process that is then
 * asked for that revision answers with it or a newer one.
 *
 * Source: https://github.com/open-feature/protocol, OpenAPI document 0.3.0.
 *
 * @since 0.1.0
 */
import { Caller, type Credential } from "@hypermarket/core/Credentials"
import * as ProtocolRoute from "@hypermarket/core/ProtocolRoute"
import * as Storage from "@hypermarket/core/Storage"
import * as Now from "@hypermarket/core/Now"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { SignedToken } from "@hypermarket/core/SignedToken"
import * as Sse from "@hypermarket/core/Sse"
import { Tenant } from "@hypermarket/core/Tenant"
import * as TokenRoute from "@hypermarket/core/TokenRoute"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { Environment } from "./FeatureFlag.ts"
import type { FlagEvaluation } from "./FlagEvaluation.ts"
import { FlagEvaluations } from "./FlagEvaluations.ts"
import type { FlagEvaluator } from "./FlagEvaluator.ts"
import { canonicalJson, type ContextRefusal, etagMatches, parseContext } from "./flags/context.ts"
import { ageHeaders } from "./flags/ageHeaders.ts"
import { orRefused, refuse, scope } from "./flags/protocolProblems.ts"
import { streamCaps, streamRefusal } from "./flags/streams.ts"

const path = "/ofrep/v1/evaluate/flags"

/** Enough for the largest context in any alphabet. */
const bodyBytesMax = 1_048_576

const json = (
  body: { readonly [name: string]: Schema.Json },
  status: number,
  headers?: Readonly<Record<string, string>>
) => HttpServerResponse.jsonUnsafe(body, headers === undefined ? { status } : { status, headers })

/** OFREP has no DEFAULT, though OpenFeature has: the metadata names it. */
const reasonOf = (evaluation: FlagEvaluation): string =>
  evaluation.reason === "DEFAULT" ? "UNKNOWN" : evaluation.reason

const answerOf = (
  evaluation: FlagEvaluation,
  evaluator: FlagEvaluator,
  credential: Credential
): { readonly [name: string]: Schema.Json } => {
  const isServer = credential.kind === "server"
  const { errorCode, errorDetails, flagKey, ruleId, value, variant } = evaluation
  if (errorCode !== undefined) {
    const isNamed = isServer || errorCode === "FLAG_NOT_FOUND" || errorCode === "TARGETING_KEY_MISSING"
    return {
      key: flagKey,
      errorCode,
      errorDetails: isNamed ? (errorDetails ?? "") : "The flag cannot be evaluated"
    }
  }
  return {
    key: flagKey,
    reason: reasonOf(evaluation),
    ...(value === undefined ? {} : { value }),
    ...(variant === undefined ? {} : { variant }),
    metadata: {
      ...evaluator.metadataOf(flagKey),
      reason: evaluation.reason,
      ...(isServer && ruleId !== undefined ? { ruleId } : {})
    }
  }
}

const refusalOf = (refusal: ContextRefusal, key?: string) =>
  json({ ...(key === undefined ? {} : { key }), ...refusal }, 400)

/** The revision of a change notice that the client repeats: an ETag of ours, or the number. */
const revisionPattern = /[?&]flagConfigEtag=(?:W%2F|W\/)?(?:%22|")?(\d{1,18})/

const revisionOf = (url: string): bigint => BigInt(revisionPattern.exec(url)?.[1] ?? "0")

const etagOf = (
  evaluator: FlagEvaluator,
  credential: Credential,
  tenantId: string,
  context: { readonly [name: string]: Schema.Json }
): string => {
  const hash = createHash("sha256")
    .update(canonicalJson([tenantId, evaluator.environment, credential.kind, context]))
    .digest("hex")
  return `"${evaluator.revision}-${hash.slice(0, 32)}"`
}

const options = {
  method: "POST",
  key: ["bearer", "x-api-key"],
  scope,
  clientKeys: true,
  body: { max: bodyBytesMax, inflatedMax: bodyBytesMax },
  guard: "own",
  refuse
} as const satisfies Omit<ProtocolRoute.Options, "path">

const streamPath = "/ofrep/v1/streams/:token"
const purpose = "flags.stream"
const StreamClaims = Schema.Struct({ environment: Environment })

/**
 * Tokens of streams end at whole half hours, an hour or more from now: the URL of a stream stays the same for a while, and in
 * every process. A provider keeps its connection while the URL does.
 */
const tokenStepMillis = 30 * 60_000

/** A token is signed once per environment and half hour. Without one a provider polls. */
const tokenPatience = "500 millis"

/** Closed tabs of browsers end their streams after this time; it is the protocol's default. */
const inactivityDelaySec = 120

/** URLs of streams in memory; past it all are made again. */
const urlsMax = 10_000

/** Makes the URLs of streams. Without keys for tokens, and while they cannot be read, there are none. */
const streamUrls = Effect.gen(function* () {
  const tokens = yield* SignedToken
  const urls = new Map<string, string>()
  return Effect.fnUntraced(function* (environment: string) {
    const { id } = yield* Tenant
    const nowMillis = (yield* Now.now).getTime()
    const endsAtMillis = (Math.floor(nowMillis / tokenStepMillis) + 3) * tokenStepMillis
    const place = JSON.stringify([id, environment, endsAtMillis])
    const existing = urls.get(place)
    if (existing !== undefined) return existing
    const token = yield* tokens
      .make({ purpose, claims: { environment }, expiresIn: endsAtMillis - nowMillis })
      .pipe(Effect.timeout(tokenPatience), Effect.option)
    if (Option.isNone(token)) return undefined
    if (urls.size >= urlsMax) urls.clear()
    const url = streamPath.replace(":token", token.value)
    urls.set(place, url)
    return url
  })
})

const streamRoute = Effect.gen(function* () {
  const evaluations = yield* FlagEvaluations
  const shutdown = yield* Shutdown
  return TokenRoute.make(
    {
      method: "GET",
      path: streamPath,
      purpose,
      claims: StreamClaims,
      bodyBytesMax: 0,
      stream: true,
      refuse: (reason) => refuse(reasonOfToken[reason])
    },
    ({ claims, expiresAt }) =>
      Sse.respond(
        evaluations.changes(claims.environment).pipe(
          Stream.map(({ revision }) => ({
            id: String(revision),
            data: JSON.stringify({ type: "refetchEvaluation", etag: String(revision) })
          }))
        ),
        { ...streamCaps, endsAt: expiresAt }
      ).pipe(
        Effect.provideService(Shutdown, shutdown),
        Effect.catch(() => Effect.succeed(streamRefusal))
      )
  )
})

const reasonOfToken = {
  limited: "limited",
  "body-too-large": "body-too-large",
  "body-too-slow": "body-too-slow",
  deadline: "deadline",
  "not-configured": "storage-unavailable",
  "storage-unavailable": "storage-unavailable",
  "token-invalid": "unauthenticated",
  "token-expired": "unauthenticated"
} as const satisfies Record<TokenRoute.Reason, ProtocolRoute.Reason>

/**
 * The routes of one flag and of all flags.
 *
 * @category routes
 * @since 0.1.0
 */
export const routes: Effect.Effect<
  ReadonlyArray<ProtocolRoute.ProtocolRoute>,
  never,
  FlagEvaluations | SignedToken
> = Effect.gen(function* () {
  const evaluations = yield* FlagEvaluations
  const streamUrl = yield* streamUrls

  const one = Effect.fnUntraced(function* ({ body, params }: ProtocolRoute.Input) {
    const caller = yield* Caller
    const key = params["key"] ?? ""
    const context = parseContext(body)
    if ("errorCode" in context) return refusalOf(context, key)
    const flags = yield* evaluations.evaluator(caller.environment).pipe(Storage.orUnavailable)
    const evaluation = flags.evaluate(key, context.attributes)
    const status =
      evaluation.errorCode === undefined ? 200 : evaluation.errorCode === "FLAG_NOT_FOUND" ? 404 : 400
    return json(answerOf(evaluation, flags, caller), status, yield* ageHeaders(evaluations))
  }, orRefused)

  const all = Effect.fnUntraced(function* ({ body, request }: ProtocolRoute.Input) {
    const caller = yield* Caller
    const tenant = yield* Tenant
    const context = parseContext(body)
    if ("errorCode" in context) return refusalOf(context)
    const flags = yield* evaluations
      .evaluator(caller.environment, revisionOf(request.url))
      .pipe(Storage.orUnavailable)
    const etag = etagOf(flags, caller, tenant.id, context.attributes)
    const headers = { etag, ...(yield* ageHeaders(evaluations)) }
    if (etagMatches(request.headers["if-none-match"], etag)) {
      return HttpServerResponse.empty({ status: 304, headers })
    }
    const url = yield* streamUrl(caller.environment)
    return json(
      {
        ...(url === undefined
          ? {}
          : { eventStreams: [{ type: "sse", endpoint: { requestUri: url }, inactivityDelaySec }] }),
        flags: flags.evaluateAll(context.attributes).map((evaluation) => answerOf(evaluation, flags, caller)),
        metadata: { revision: String(flags.revision), environment: flags.environment }
      },
      200,
      headers
    )
  }, orRefused)

  return [
    ProtocolRoute.make({ ...options, path }, all),
    ProtocolRoute.make({ ...options, path: `${path}/:key` }, one)
  ]
})

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.merge(
  Layer.unwrap(Effect.map(routes, ProtocolRoute.layer)),
  Layer.unwrap(Effect.map(streamRoute, (route) => TokenRoute.layer([route])))
)
