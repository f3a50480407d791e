/**
 * Handlers of the HTTP groups of flags and segments.
 *
 * @since 0.1.0
 */
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import { expectedVersion, tagged } from "@hypermarket/core/Precondition"
import * as Storage from "@hypermarket/core/Storage"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import { FeatureFlag, NewFeatureFlag } from "./FeatureFlag.ts"
import { FlagNotFound } from "./FlagProblems.ts"
import { FeatureFlags } from "./FeatureFlags.ts"
import { FlagEvaluations } from "./FlagEvaluations.ts"
import { FlagsApi } from "./FlagsApi.ts"
import { FlagSegment, NewFlagSegment } from "./FlagSegment.ts"
import { FlagSegments } from "./FlagSegments.ts"

const createFlag = IdempotentRequests.create({
  operation: "platform.createFlag",
  payload: NewFeatureFlag,
  answer: FeatureFlag
})
const createSegment = IdempotentRequests.create({
  operation: "platform.createSegment",
  payload: NewFlagSegment,
  answer: FlagSegment
})

const flags = HttpApiBuilder.group(
  FlagsApi,
  "flags",
  Effect.fn(function* (handlers) {
    const flags = yield* FeatureFlags
    const evaluations = yield* FlagEvaluations
    const createOnce = yield* createFlag
    return handlers.handleAll({
      createFlag: ({ headers, payload }) =>
        createOnce({ headers, payload }, flags.create(payload)).pipe(
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      listFlags: ({ query }) => flags.list(query).pipe(Storage.orUnavailable),
      getFlag: ({ params }) => flags.get(params.flagKey).pipe(Effect.map(tagged), Storage.orUnavailable),
      changeFlag: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => flags.change(params.flagKey, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      setEnvironment: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) =>
            flags.setEnvironment(params.flagKey, params.environment, version, payload)
          ),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      killFlag: ({ params, payload }) =>
        flags
          .kill(params.flagKey, params.environment, payload.reason)
          .pipe(Effect.catchTag("VersionStale", Effect.die), Effect.map(tagged), Storage.orUnavailable),
      archiveFlag: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => flags.archive(params.flagKey, version, payload.reason)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      rollBackFlag: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => flags.rollBack(params.flagKey, version, payload.version)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      listVersions: ({ params, query }) =>
        flags.listVersions(params.flagKey, query).pipe(Storage.orUnavailable),
      diffFlag: ({ params, query }) =>
        flags.get(params.flagKey).pipe(
          Effect.flatMap(({ version }) => {
            const to = query.to ?? version
            return flags.diff(params.flagKey, query.from ?? Math.max(1, to - 1), to)
          }),
          Storage.orUnavailable
        ),
      explainFlag: ({ params, payload }) =>
        evaluations.explain(payload.environment, params.flagKey, payload.context).pipe(
          Effect.filterOrFail(
            ({ evaluation }) => evaluation.errorCode !== "FLAG_NOT_FOUND",
            () => new FlagNotFound({ flagKey: params.flagKey })
          ),
          Storage.orUnavailable
        )
    })
  })
)

const segments = HttpApiBuilder.group(
  FlagsApi,
  "segments",
  Effect.fn(function* (handlers) {
    const segments = yield* FlagSegments
    const createOnce = yield* createSegment
    return handlers.handleAll({
      createSegment: ({ headers, payload }) =>
        createOnce({ headers, payload }, segments.create(payload)).pipe(
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      listSegments: ({ query }) => segments.list(query).pipe(Storage.orUnavailable),
      getSegment: ({ params }) =>
        segments.get(params.segmentKey).pipe(Effect.map(tagged), Storage.orUnavailable),
      changeSegment: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => segments.change(params.segmentKey, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      removeSegment: ({ headers, params }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => segments.remove(params.segmentKey, version)),
          Storage.orUnavailable
        )
    })
  })
)

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(flags, segments)
