// Generated from the API's document: `pnpm generate`. A list of all operations, whatever its length.
import type { CallOptions, CloudEvent, Paged } from "./call.ts"

/** A value of JSON. */
export type Json =
  | null
  | boolean
  | number
  | string
  | ReadonlyArray<Json>
  | { readonly [key: string]: Json }

export type Activity = {
  readonly activityId: string
  readonly recordedAt: string
  readonly action: string
  readonly actorType: "key" | "user" | "job" | "operator" | "process"
  readonly actor: {
    readonly id: string
    readonly onBehalfOf?: string
    readonly address?: string
    readonly requestId?: string
    readonly traceId?: string
  } | null
  readonly targetType: string
  readonly targetId: string | null
  readonly before?: Json
  readonly after?: Json
}

export type ActivityHead = {
  readonly tenantId: string
  readonly number: number
  readonly hash: string
  readonly checkpoint: string
  readonly signature: string | null
}

export type ActivityKey = {
  readonly keyId: string
  readonly publicKey: string
  readonly since: string
}

export type ActivityProblem = {
  readonly kind: "row" | "checkpoint"
  readonly id: string
  readonly checkpoint: number | null
  readonly reason: string
}

export type ActivityReport = {
  readonly tenantId: string
  readonly checkpoints: number
  readonly rows: number
  readonly unsealed: number
  readonly erased: number
  readonly dropped: number
  readonly unsigned: number
  readonly late: ReadonlyArray<{
    readonly activityId: string
    readonly recordedAt: string
    readonly checkpoint: number
  }>
  readonly problems: ReadonlyArray<ActivityProblem>
  readonly head: {
    readonly tenantId: string
    readonly number: number
    readonly hash: string
  } | null
}

export type ApiKey = {
  readonly apiKeyId: string
  readonly kind: "server" | "client"
  readonly name: string
  readonly environment: string
  readonly resource: {
    readonly kind: "project" | "index"
    readonly id: string
  } | null
  readonly scopes: ReadonlyArray<string>
  readonly replacedBy: string | null
  readonly expiresAt: string | null
  readonly revokedAt: string | null
  readonly revokedReason: string | null
  readonly lastUsedAt: string | null
  readonly version: number
  readonly recordedAt: string
  readonly updatedAt: string
}

export type ApiKeyInactive = {
  readonly detail?: string
  readonly instance?: string
  readonly apiKeyId: string
  readonly type: "urn:hypermarket:problem:platform:api-key-inactive"
  readonly status?: 409
  readonly title: "The key is revoked or expired"
}

export type ApiKeyNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly apiKeyId: string
  readonly type: "urn:hypermarket:problem:platform:api-key-not-found"
  readonly status?: 404
  readonly title: "No such key"
}

export type AttributeConflict = {
  readonly detail?: string
  readonly instance?: string
  readonly kind: string
  readonly name: string
  readonly declaredType: "bool" | "int" | "double" | "string" | "timestamp" | "list(string)" | "list(int)" | "map(string, string)" | "dyn"
  readonly type: "urn:hypermarket:problem:risk:attribute-conflict"
  readonly status?: 409
  readonly title: "Attribute has another type"
}

export type AttributeLimit = {
  readonly detail?: string
  readonly instance?: string
  readonly attributesMax: number
  readonly type: "urn:hypermarket:problem:risk:attribute-limit"
  readonly status?: 409
  readonly title: "Too many attributes"
}

export type BacktestReport = {
  readonly version: number
  readonly truncated: boolean
  readonly decisions: number
  readonly different: number
  readonly alerts: number
  readonly alertsPerDay: number
  readonly outcomes: ReadonlyArray<{
    readonly decided: "allow" | "challenge" | "review" | "hold" | "block"
    readonly version: "allow" | "challenge" | "review" | "hold" | "block"
    readonly decisions: number
  }>
  readonly labelled: number
  readonly bad: number
  readonly labelledAlerts: number
  readonly badAlerts: number
  readonly valueSaved: { readonly [key: string]: string }
  readonly precision: number | null
  readonly recall: number | null
  readonly recallAtOnePercent: number | null
  readonly cardPrecisionAt100: number | null
  readonly recomputedDecisions: number
  readonly recomputedFeatures: ReadonlyArray<{
    readonly feature: string
    readonly decisions: number
    readonly nearbySignals: number
  }>
  readonly leftOut: number
}

export type BadRequestProblem = {
  readonly detail?: string
  readonly instance?: string
  readonly errors?: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "about:blank"
  readonly status?: 400
  readonly title: "Bad Request"
}

export type BodyTooLarge = {
  readonly detail?: string
  readonly instance?: string
  readonly type: "urn:hypermarket:problem:core:payload-too-large"
  readonly status?: 413
  readonly title: "The body is larger than this endpoint accepts"
}

export type BodyTooSlow = {
  readonly detail?: string
  readonly instance?: string
  readonly type: "urn:hypermarket:problem:core:body-too-slow"
  readonly status?: 408
  readonly title: "The body arrived too slowly; try again"
}

export type CloseExists = {
  readonly detail?: string
  readonly instance?: string
  readonly period: "day" | "month"
  readonly fromDay: string
  readonly type: "urn:hypermarket:problem:analytics:close-exists"
  readonly status?: 409
  readonly title: "The period is closed already"
}

export type CloseNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly closeId: string
  readonly type: "urn:hypermarket:problem:analytics:close-not-found"
  readonly status?: 404
  readonly title: "No such close"
}

export type Condition = {
  readonly all: ReadonlyArray<Condition>
} | {
  readonly any: ReadonlyArray<Condition>
} | {
  readonly not: Condition
} | {
  readonly segment: string
} | {
  readonly attribute?: string
  readonly operator: "exists"
} | {
  readonly attribute?: string
  readonly operator: "type"
  readonly value: "string" | "number" | "boolean" | "null" | "array" | "object"
} | {
  readonly attribute?: string
  readonly operator: "equals"
  readonly value: Json
} | {
  readonly attribute?: string
  readonly operator: "in" | "includesAll"
  readonly values: ReadonlyArray<string | number | boolean>
  readonly ignoreCase?: boolean
} | {
  readonly attribute?: string
  readonly operator: "contains" | "startsWith" | "endsWith"
  readonly values: ReadonlyArray<string>
  readonly ignoreCase?: boolean
} | {
  readonly attribute?: string
  readonly operator: "matches"
  readonly pattern: string
  readonly ignoreCase?: boolean
} | {
  readonly attribute?: string
  readonly operator: "numberEquals" | "lt" | "lte" | "gt" | "gte"
  readonly value: number
} | {
  readonly attribute?: string
  readonly operator: "textLt" | "textLte" | "textGt" | "textGte"
  readonly value: string
} | {
  readonly attribute?: string
  readonly operator: "before" | "after"
  readonly value: string
} | {
  readonly attribute?: string
  readonly operator: "versionEquals" | "versionLt" | "versionLte" | "versionGt" | "versionGte"
  readonly value: string
  readonly prefix?: boolean
} | {
  readonly attribute?: string
  readonly operator: "network"
  readonly values: ReadonlyArray<string>
} | {
  readonly attribute?: string
  readonly operator: "some" | "every" | "size"
  readonly condition: Condition
}

export type ContentTypeUnsupported = {
  readonly detail?: string
  readonly instance?: string
  readonly type: "urn:hypermarket:problem:core:media-type-unsupported"
  readonly status?: 415
  readonly title: "This endpoint does not accept this content type"
}

export type CursorInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:core:cursor-invalid"
  readonly status?: 400
  readonly title: "The cursor was not made by this endpoint"
}

export type DeadGroup = {
  readonly failure: string
  readonly count: number
  readonly firstDiedAt: string
  readonly lastDiedAt: string
  readonly types: ReadonlyArray<string>
  readonly jobId: string
  readonly error: string
}

export type DeadJob = {
  readonly queue: string
  readonly seq: string
  readonly jobId: string
  readonly type: string
  readonly attempt: number
  readonly orderingKey: string | null
  readonly errors: Json | null
  readonly rejected: string | null
  readonly failure: string
  readonly diedAt: string
}

export type DeadlineExceeded = {
  readonly detail?: string
  readonly instance?: string
  readonly type: "urn:hypermarket:problem:core:deadline"
  readonly status?: 503
  readonly title: "The request took longer than its deadline; try again, or ask for less"
}

export type DecisionNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly decisionId: string
  readonly type: "urn:hypermarket:problem:risk:decision-not-found"
  readonly status?: 404
  readonly title: "Not found"
}

export type DeliveryNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly deliveryId: string
  readonly type: "urn:hypermarket:problem:events:delivery-not-found"
  readonly status?: 404
  readonly title: "No such delivery"
}

export type DocumentInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:search:document-invalid"
  readonly status?: 422
  readonly title: "A document cannot be indexed"
}

export type DocumentNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly id: string
  readonly type: "urn:hypermarket:problem:search:document-not-found"
  readonly status?: 404
  readonly title: "No such document"
}

export type ErrorProject = {
  readonly projectId: number
  readonly slug: string
  readonly name: string
  readonly status: "active" | "closed"
  readonly keepsAddresses: boolean
  readonly groupingRules: ReadonlyArray<{
    readonly match: ReadonlyArray<{
      readonly field: "type" | "message" | "function" | "file"
      readonly pattern: string
    }>
    readonly fingerprint: ReadonlyArray<string>
  }>
  readonly version: number
  readonly recordedAt: string
  readonly updatedAt: string
}

export type ErrorProjectExists = {
  readonly detail?: string
  readonly instance?: string
  readonly slug: string
  readonly type: "urn:hypermarket:problem:observability:project-exists"
  readonly status?: 409
  readonly title: "A project has this slug"
}

export type ErrorProjectLimit = {
  readonly detail?: string
  readonly instance?: string
  readonly projectsMax: number
  readonly type: "urn:hypermarket:problem:observability:project-limit"
  readonly status?: 409
  readonly title: "Too many projects"
}

export type ErrorProjectNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly projectId: number
  readonly type: "urn:hypermarket:problem:observability:project-not-found"
  readonly status?: 404
  readonly title: "No such project"
}

export type ErrorRelease = {
  readonly release: string
  readonly eventCount: number
  readonly firstSeen: string
  readonly lastSeen: string
}

export type EventConflict = {
  readonly detail?: string
  readonly instance?: string
  readonly source: string
  readonly id: string
  readonly type: "urn:hypermarket:problem:events:event-conflict"
  readonly status?: 409
  readonly title: "Another event has this source and id"
}

export type EventFilter = {
  readonly exact: { readonly [key: string]: string }
} | {
  readonly prefix: { readonly [key: string]: string }
} | {
  readonly suffix: { readonly [key: string]: string }
} | {
  readonly all: ReadonlyArray<EventFilterLevel2>
} | {
  readonly any: ReadonlyArray<EventFilterLevel2>
} | {
  readonly not: EventFilterLevel2
}

export type EventFilterComparison = {
  readonly exact: { readonly [key: string]: string }
} | {
  readonly prefix: { readonly [key: string]: string }
} | {
  readonly suffix: { readonly [key: string]: string }
}

export type EventFilterLevel2 = {
  readonly exact: { readonly [key: string]: string }
} | {
  readonly prefix: { readonly [key: string]: string }
} | {
  readonly suffix: { readonly [key: string]: string }
} | {
  readonly all: ReadonlyArray<EventFilterLevel3>
} | {
  readonly any: ReadonlyArray<EventFilterLevel3>
} | {
  readonly not: EventFilterLevel3
}

export type EventFilterLevel3 = {
  readonly exact: { readonly [key: string]: string }
} | {
  readonly prefix: { readonly [key: string]: string }
} | {
  readonly suffix: { readonly [key: string]: string }
} | {
  readonly all: ReadonlyArray<EventFilterComparison>
} | {
  readonly any: ReadonlyArray<EventFilterComparison>
} | {
  readonly not: EventFilterComparison
}

export type EventInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:events:event-invalid"
  readonly status?: 400
  readonly title: "An event is not valid"
}

export type EventNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly eventId: string
  readonly type: "urn:hypermarket:problem:observability:event-not-found"
  readonly status?: 404
  readonly title: "No such event"
}

export type EventQueue = {
  readonly queue: string
  readonly ready: number
  readonly leased: number
  readonly delayed: number
  readonly dead: number
  readonly oldestAgeSeconds: number | null
  readonly paused: boolean
  readonly weight: number
  readonly concurrencyMax: number | null
  readonly rate: {
    readonly max: number
    readonly periodMillis: number
  } | null
  readonly version: number
  readonly lastHour: {
    readonly jobs: number
    readonly failed: number
  }
}

export type EventRetention = {
  readonly types: ReadonlyArray<string>
  readonly version: number
}

export type EventState = {
  readonly source: string
  readonly id: string
  readonly publishedAt: string
  readonly handlers: ReadonlyArray<{
    readonly queue: string
    readonly jobId: string
    readonly state: "waiting" | "running" | "retrying" | "dead" | "done" | "waiting-or-done"
    readonly attempt: number | null
    readonly nextAt: string | null
    readonly error: string | null
    readonly unsearched: number
  }>
}

export type EventSubscription = {
  readonly subscriptionId: string
  readonly name: string
  readonly status: "active" | "paused"
  readonly filters: ReadonlyArray<EventFilter>
  readonly queue: string | null
  readonly workflow: {
    readonly name: string
    readonly version?: number
    readonly key?: string
    readonly signal?: string
  } | null
  readonly ordered: boolean
  readonly version: number
  readonly recordedAt: string
  readonly updatedAt: string
}

export type Experiment = {
  readonly experimentId: string
  readonly key: string
  readonly name: string
  readonly hypothesis: string
  readonly environment: string
  readonly unitKind: string
  readonly status: "draft" | "running" | "paused" | "stopped"
  readonly scheme: "murmur3" | "gb_v2"
  readonly seed: string
  readonly layer: {
    readonly key: string
    readonly from: number
    readonly until: number
  } | null
  readonly plan: {
    readonly alpha: number
    readonly unitsPlanned: number
    readonly spending: "obrien-fleming" | "pocock"
    readonly correction: "none" | "bonferroni" | "holm" | "hochberg" | "bh" | "by"
    readonly method: "group-sequential" | "confidence-sequence" | "msprt"
    readonly expectedLift: number
    readonly prior: {
      readonly mean: number
      readonly deviation: number
    }
    readonly lookEverySeconds?: number
  }
  readonly phase: number
  readonly variants: ReadonlyArray<{
    readonly variantId: string
    readonly key: string
    readonly name: string
    readonly weight: number
  }>
  readonly coverage: number
  readonly targeting: Condition | null
  readonly metrics: ReadonlyArray<{
    readonly metric: string
    readonly role: "goal" | "guardrail"
    readonly margin?: number | null
  }>
  readonly decision: {
    readonly outcome: "ship" | "roll-back" | "keep"
    readonly variant: string | null
    readonly look: number
    readonly why: string
    readonly decidedAt: string
  } | null
  readonly startedAt: string | null
  readonly stoppedAt: string | null
  readonly version: number
  readonly recordedAt: string
  readonly updatedAt: string
}

export type ExperimentExists = {
  readonly detail?: string
  readonly instance?: string
  readonly key: string
  readonly type: "urn:hypermarket:problem:experiments:experiment-exists"
  readonly status?: 409
  readonly title: "An experiment has this key"
}

export type ExperimentInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:experiments:experiment-invalid"
  readonly status?: 422
  readonly title: "The experiment contradicts itself"
}

export type ExperimentLimit = {
  readonly detail?: string
  readonly instance?: string
  readonly experimentsMax: number
  readonly type: "urn:hypermarket:problem:experiments:experiment-limit"
  readonly status?: 409
  readonly title: "Too many experiments"
}

export type ExperimentLook = {
  readonly experimentId: string
  readonly look: number
  readonly recordedAt: string
  readonly settings: {
    readonly alpha: number
    readonly unitsPlanned: number
    readonly spending: "obrien-fleming" | "pocock"
    readonly correction: "none" | "bonferroni" | "holm" | "hochberg" | "bh" | "by"
    readonly method: "group-sequential" | "confidence-sequence" | "msprt"
    readonly expectedLift: number
    readonly prior: {
      readonly mean: number
      readonly deviation: number
    }
    readonly lookEverySeconds?: number
    readonly comparisons: number
    readonly information: number
    readonly level: number | null
    readonly phases: number
  }
  readonly units: ReadonlyArray<{
    readonly variant: string
    readonly units: number
  }>
  readonly excluded: {
    readonly crossed: number
    readonly crossedShare: number
    readonly suspicious: boolean
  }
  readonly sampleRatio: {
    readonly chiSquare: number
    readonly df: number
    readonly p: number
    readonly sequentialP?: number
    readonly mismatch: boolean
  }
  readonly metrics: ReadonlyArray<{
    readonly metric: string
    readonly role: "goal" | "guardrail"
    readonly kind: "conversion" | "retention" | "count" | "sum" | "ratio"
    readonly caps?: {
      readonly value: number
      readonly denominator: number
    }
    readonly otherCurrency?: number
    readonly arms: ReadonlyArray<{
      readonly variant: string
      readonly units: number
      readonly value: number | null
      readonly standardError: number | null
    }>
    readonly comparisons: ReadonlyArray<{
      readonly variant: string
      readonly method: "welch" | "cuped"
      readonly absolute: {
        readonly estimate: number
        readonly low: number | null
        readonly high: number | null
        readonly standardError: number
        readonly df: number | null
      } | null
      readonly relative: {
        readonly estimate: number
        readonly low: number | null
        readonly high: number | null
        readonly method: "fieller" | "log-ratio"
      } | null
      readonly p: number | null
      readonly adjustedP: number | null
      readonly significant: boolean
      readonly favourable: boolean | null
      readonly anyTime?: {
        readonly low: number | null
        readonly high: number | null
        readonly p: number
      } | null
      readonly bayesian?: {
        readonly method: "normal" | "beta-binomial"
        readonly chanceToWin: number
        readonly low: number
        readonly high: number
        readonly riskOfTreatment: number
        readonly riskOfControl: number
        readonly caution: string
      } | null
      readonly nonInferiority?: {
        readonly margin: number
        readonly distance: number | null
        readonly p: number | null
        readonly level: number | null
        readonly passes: boolean
      } | null
      readonly flags: ReadonlyArray<"too-few-units" | "no-variance" | "no-baseline" | "unbounded" | "no-covariate" | "no-denominator" | "phase-left-out" | "other-currency" | "spent-nothing" | "p-is-bound">
    }>
  }>
  readonly recommendation: {
    readonly outcome: "ship" | "roll-back" | "keep-going" | "do-not-trust"
    readonly variant: string | null
    readonly because: string
  }
}

export type ExperimentMetric = {
  readonly metricId: string
  readonly key: string
  readonly name: string
  readonly kind: "conversion" | "retention" | "count" | "sum" | "ratio"
  readonly direction: "up" | "down"
  readonly source: string
  readonly denominatorSource: string | null
  readonly currency: string | null
  readonly windowSeconds: number
  readonly windowStartSeconds: number
  readonly prePeriodSeconds: number
  readonly cap: string | null
  readonly denominatorCap: string | null
  readonly capPercentile: number | null
  readonly recordedAt: string
}

export type ExperimentNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly experiment: string
  readonly type: "urn:hypermarket:problem:experiments:experiment-not-found"
  readonly status?: 404
  readonly title: "No such experiment"
}

export type ExperimentStatusWrong = {
  readonly detail?: string
  readonly instance?: string
  readonly current: string
  readonly expected: ReadonlyArray<string>
  readonly type: "urn:hypermarket:problem:experiments:status-wrong"
  readonly status?: 409
  readonly title: "The experiment's status does not allow this"
}

export type FactUnknown = {
  readonly detail?: string
  readonly instance?: string
  readonly fact: string
  readonly type: "urn:hypermarket:problem:events:fact-unknown"
  readonly status?: 404
  readonly title: "There is no fact of this type"
}

export type FeatureFlag = {
  readonly flagKey: string
  readonly kind: "boolean" | "string" | "number" | "json"
  readonly description: string | null
  readonly variants: ReadonlyArray<FlagVariant>
  readonly metadata: { readonly [key: string]: string | number | boolean }
  readonly owner: string | null
  readonly expiresAt: string | null
  readonly environments: { readonly [key: string]: FlagEnvironment }
  readonly salt: string
  readonly hashing: "murmur3" | "gb_v2" | "unleash"
  readonly status: "active" | "archived"
  readonly archivedReason: string | null
  readonly version: number
  readonly recordedAt: string
  readonly updatedAt: string
}

export type FlagApprovalPolicy = {
  readonly environment: string
  readonly requiresApproval: boolean
  readonly version: number
}

export type FlagApprovalRequired = {
  readonly detail?: string
  readonly instance?: string
  readonly environments: ReadonlyArray<string>
  readonly type: "urn:hypermarket:problem:platform:flag-approval-required"
  readonly status?: 409
  readonly title: "The change needs an approval"
}

export type FlagApproverIsAuthor = {
  readonly detail?: string
  readonly instance?: string
  readonly requestId: string
  readonly type: "urn:hypermarket:problem:platform:flag-approver-is-author"
  readonly status?: 403
  readonly title: "The author cannot approve the request"
}

export type FlagChangeRequest = {
  readonly requestId: string
  readonly flagKey: string
  readonly description: string | null
  readonly baseVersion: number
  readonly steps: ReadonlyArray<FlagStep>
  readonly stepsDone: number
  readonly status: "pending" | "scheduled" | "applied" | "conflict" | "closed"
  readonly reason: string | null
  readonly dueAt: string | null
  readonly author: {
    readonly type: "key" | "user" | "job" | "operator" | "process"
    readonly id: string
    readonly onBehalfOf?: string
    readonly address?: string
    readonly requestId?: string
  }
  readonly approver: {
    readonly type: "key" | "user" | "job" | "operator" | "process"
    readonly id: string
    readonly onBehalfOf?: string
    readonly address?: string
    readonly requestId?: string
  } | null
  readonly recordedAt: string
  readonly updatedAt: string
}

export type FlagDiff = {
  readonly from: number
  readonly to: number
  readonly patch: ReadonlyArray<Json>
}

export type FlagEnvironment = {
  readonly isEnabled: boolean
  readonly rules: ReadonlyArray<FlagRule>
  readonly otherwise: FlagServe | null
  readonly offVariant?: string
  readonly prerequisites?: ReadonlyArray<FlagPrerequisite>
  readonly requiresTargetingKey?: boolean
  readonly hasPublicRules?: boolean
}

export type FlagEnvironmentNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly flagKey: string
  readonly environment: string
  readonly type: "urn:hypermarket:problem:platform:flag-environment-not-found"
  readonly status?: 404
  readonly title: "The flag is not in this environment"
}

export type FlagEvaluation = {
  readonly flagKey: string
  readonly value?: Json
  readonly variant?: string
  readonly reason: "STATIC" | "TARGETING_MATCH" | "SPLIT" | "DEFAULT" | "DISABLED" | "ERROR"
  readonly ruleId?: string
  readonly errorCode?: "FLAG_NOT_FOUND" | "TARGETING_KEY_MISSING" | "PARSE_ERROR" | "GENERAL"
  readonly errorDetails?: string
}

export type FlagExists = {
  readonly detail?: string
  readonly instance?: string
  readonly flagKey: string
  readonly type: "urn:hypermarket:problem:platform:flag-exists"
  readonly status?: 409
  readonly title: "The flag exists"
}

export type FlagExplanation = {
  readonly evaluation: FlagEvaluation
  readonly environment: string
  readonly revision: string
  readonly rules: ReadonlyArray<{
    readonly ruleId: string
    readonly outcome: "applies" | "condition" | "prerequisite" | "no unit" | "bucket" | "broken"
    readonly decided: boolean
    readonly bucket?: number
    readonly condition?: Json
    readonly prerequisites?: ReadonlyArray<{
      readonly evaluation: FlagEvaluation
      readonly isMet: boolean
    }>
    readonly errorDetails?: string
  }>
}

export type FlagInUse = {
  readonly detail?: string
  readonly instance?: string
  readonly usedBy: ReadonlyArray<string>
  readonly type: "urn:hypermarket:problem:platform:flag-in-use"
  readonly status?: 409
  readonly title: "Flags use it"
}

export type FlagInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:platform:flag-invalid"
  readonly status?: 422
  readonly title: "The flag cannot be evaluated"
}

export type FlagLimitReached = {
  readonly detail?: string
  readonly instance?: string
  readonly limit: number
  readonly type: "urn:hypermarket:problem:platform:flag-limit-reached"
  readonly status?: 409
  readonly title: "The tenant has as many as it may have"
}

export type FlagNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly flagKey: string
  readonly type: "urn:hypermarket:problem:platform:flag-not-found"
  readonly status?: 404
  readonly title: "No such flag"
}

export type FlagPrerequisite = {
  readonly flag: string
  readonly variants: ReadonlyArray<string>
}

export type FlagRequestNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly requestId: string
  readonly type: "urn:hypermarket:problem:platform:flag-request-not-found"
  readonly status?: 404
  readonly title: "No such change request"
}

export type FlagRequestNotOpen = {
  readonly detail?: string
  readonly instance?: string
  readonly state: string
  readonly type: "urn:hypermarket:problem:platform:flag-request-not-open"
  readonly status?: 409
  readonly title: "The request is in another state"
}

export type FlagRequestStale = {
  readonly detail?: string
  readonly instance?: string
  readonly baseVersion: number
  readonly currentVersion: number
  readonly type: "urn:hypermarket:problem:platform:flag-request-stale"
  readonly status?: 409
  readonly title: "The flag has changed since the base of the request"
}

export type FlagRevisionBusy = {
  readonly detail?: string
  readonly instance?: string
  readonly requestId: string | null
  readonly type: "urn:hypermarket:problem:platform:flags-revision-busy"
  readonly status?: 409
  readonly title: "Another change of the flags is not committed yet"
}

export type FlagRule = {
  readonly ruleId: string
  readonly description?: string
  readonly condition?: Condition
  readonly prerequisites?: ReadonlyArray<FlagPrerequisite>
  readonly percentage?: number
  readonly by?: string
  readonly salt?: string
  readonly serve: FlagServe
}

export type FlagSegment = {
  readonly segmentKey: string
  readonly description: string | null
  readonly condition: Condition
  readonly version: number
  readonly recordedAt: string
  readonly updatedAt: string
}

export type FlagSegmentExists = {
  readonly detail?: string
  readonly instance?: string
  readonly segmentKey: string
  readonly type: "urn:hypermarket:problem:platform:flag-segment-exists"
  readonly status?: 409
  readonly title: "The segment exists"
}

export type FlagSegmentNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly segmentKey: string
  readonly type: "urn:hypermarket:problem:platform:flag-segment-not-found"
  readonly status?: 404
  readonly title: "No such segment"
}

export type FlagServe = {
  readonly variant: string
} | {
  readonly weights: ReadonlyArray<{
    readonly variant: string
    readonly weight: number
  }>
}

export type FlagStep = {
  readonly at?: string
  readonly does: FlagStepChange
}

export type FlagStepChange = {
  readonly environment: string
  readonly state: FlagEnvironment
} | {
  readonly environment: string
  readonly isEnabled: boolean
} | {
  readonly environment: string
  readonly ruleId: string
  readonly percentage: number
} | {
  readonly change: {
    readonly flagKey?: string
    readonly description?: string | null
    readonly variants?: ReadonlyArray<FlagVariant>
    readonly metadata?: { readonly [key: string]: string | number | boolean }
    readonly owner?: string | null
    readonly expiresAt?: string | null
  }
} | {
  readonly rollBackTo: number
} | {
  readonly archive: string
}

export type FlagVariant = {
  readonly name: string
  readonly value: Json
}

export type FlagVersion = {
  readonly version: number
  readonly definition: {
    readonly description: string | null
    readonly variants: ReadonlyArray<FlagVariant>
    readonly metadata: { readonly [key: string]: string | number | boolean }
    readonly owner: string | null
    readonly expiresAt: string | null
    readonly environments: { readonly [key: string]: FlagEnvironment }
  }
  readonly actor: {
    readonly type: "key" | "user" | "job" | "operator" | "process"
    readonly id: string
    readonly onBehalfOf?: string
    readonly address?: string
    readonly requestId?: string
  }
  readonly recordedAt: string
}

export type FlagVersionNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly flagKey: string
  readonly version: number
  readonly type: "urn:hypermarket:problem:platform:flag-version-not-found"
  readonly status?: 404
  readonly title: "The flag has no such version"
}

export type FraudSignal = {
  readonly signalId: string
  readonly kind: "order" | "payment" | "login" | "listing" | "payout" | "message" | "return"
  readonly subject: string
  readonly source: string
  readonly result: "attempted" | "approved" | "declined"
  readonly occurredAt: string
  readonly amount: {
    readonly amount: string
    readonly currency: string
  } | null
  readonly entities: ReadonlyArray<"account" | "card" | "ip" | "device" | "email" | "emailBase" | "phone" | "address" | "seller">
  readonly attributes: { readonly [key: string]: Json }
  readonly recordedAt: string
  readonly withheld?: ReadonlyArray<"events:payload" | "customers:contact">
}

export type IdempotencyKeyReused = {
  readonly detail?: string
  readonly instance?: string
  readonly type: "urn:hypermarket:problem:core:idempotency-key-reused"
  readonly status?: 422
  readonly title: "This Idempotency-Key was used with another request"
}

export type InternalServerErrorProblem = {
  readonly detail?: string
  readonly instance?: string
  readonly type: "about:blank"
  readonly status?: 500
  readonly title: "Internal Server Error"
}

export type Issue = {
  readonly issueId: string
  readonly projectId: number
  readonly kind: "exception" | "message"
  readonly title: string
  readonly culprit: string | null
  readonly level: "debug" | "info" | "warning" | "error" | "fatal"
  readonly status: "unresolved" | "resolved" | "muted"
  readonly mergedInto: string | null
  readonly assignee: string | null
  readonly eventCount: number
  readonly sampledCount: number
  readonly userCount: number
  readonly firstSeen: string
  readonly lastSeen: string
  readonly firstRelease: string | null
  readonly lastRelease: string | null
  readonly resolution: {
    readonly in: "now" | "release" | "next release"
    readonly release: string | null
    readonly at: string
  } | null
  readonly mute: {
    readonly until: string | null
    readonly eventsLeft: number | null
    readonly window: {
      readonly events: number
      readonly minutes: number
    } | null
    readonly escalating: boolean
  } | null
  readonly regressedAt: string | null
  readonly version: number
  readonly recordedAt: string
  readonly updatedAt: string
}

export type IssueEventData = {
  readonly eventId: string
  readonly issueId: string
  readonly projectId: number
  readonly level: "debug" | "info" | "warning" | "error" | "fatal"
  readonly title: string
  readonly release: string | null
  readonly environment: string | null
  readonly traceId: string | null
  readonly occurredAt: string
  readonly receivedAt: string
  readonly isSkewed: boolean
  readonly untranslatedDebugIds: ReadonlyArray<string>
  readonly data: Json
  readonly withheld?: ReadonlyArray<"events:payload" | "customers:contact">
}

export type IssueEvent = {
  readonly eventId: string
  readonly issueId: string
  readonly projectId: number
  readonly level: "debug" | "info" | "warning" | "error" | "fatal"
  readonly title: string
  readonly release: string | null
  readonly environment: string | null
  readonly traceId: string | null
  readonly occurredAt: string
  readonly receivedAt: string
  readonly isSkewed: boolean
}

export type IssueMerged = {
  readonly detail?: string
  readonly instance?: string
  readonly issueId: string
  readonly mergedInto: string
  readonly type: "urn:hypermarket:problem:observability:issue-merged"
  readonly status?: 409
  readonly title: "The issue is merged into another"
}

export type IssueNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly issueId: string
  readonly type: "urn:hypermarket:problem:observability:issue-not-found"
  readonly status?: 404
  readonly title: "No such issue"
}

export type IssueSummary = {
  readonly hours: ReadonlyArray<{
    readonly hour: string
    readonly events: number
  }>
  readonly tags: ReadonlyArray<{
    readonly name: string
    readonly value: string
    readonly events: number
  }>
  readonly merges: ReadonlyArray<{
    readonly issueId: string
    readonly reason: string
    readonly at: string
    readonly undoneAt: string | null
    readonly undoneReason: string | null
  }>
}

export type IssuedKey = {
  readonly apiKey: ApiKey
  readonly secret: string | null
}

export type IssuedWebhook = {
  readonly endpointId: string
  readonly url: string
  readonly description: string
  readonly filters: ReadonlyArray<EventFilter>
  readonly ordered: boolean
  readonly format: "cloudevents" | "standard"
  readonly publicKey: string | null
  readonly status: "enabled" | "paused" | "disabled"
  readonly disabledReason: "failing" | "gone" | null
  readonly disabledAt: string | null
  readonly failingSince: string | null
  readonly lastError: string | null
  readonly waiting: number
  readonly version: number
  readonly recordedAt: string
  readonly updatedAt: string
  readonly secret: string | null
}

export type ItemCount = {
  readonly day: string
  readonly category: string
  readonly outcome: "stored" | "counted" | "dropped" | "client" | "sampled" | "removed"
  readonly reason: string
  readonly quantity: number
}

export type JobNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly queue: string
  readonly jobId: string
  readonly unsearched: number
  readonly type: "urn:hypermarket:problem:events:job-not-found"
  readonly status?: 404
  readonly title: "No such job"
}

export type JobRunning = {
  readonly detail?: string
  readonly instance?: string
  readonly queue: string
  readonly jobId: string
  readonly type: "urn:hypermarket:problem:events:job-running"
  readonly status?: 409
  readonly title: "The job is being worked on"
}

export type JobSchedule = {
  readonly scheduleId: string
  readonly name: string
  readonly queue: string
  readonly type: string
  readonly payload: Json
  readonly withheld?: ReadonlyArray<"events:payload" | "customers:contact">
  readonly cron: string | null
  readonly timeZone: string
  readonly everySeconds: number | null
  readonly overlap: "skip" | "queue" | "cancel"
  readonly catchUp: "none" | "one" | "all"
  readonly catchUpSeconds: number
  readonly jitterSeconds: number
  readonly paused: boolean
  readonly nextAt: string | null
  readonly lastAt: string | null
  readonly failures: number
  readonly lastError: string | null
  readonly failedAt: string | null
  readonly version: number
  readonly recordedAt: string
  readonly updatedAt: string
}

export type KeyKindRefused = {
  readonly detail?: string
  readonly instance?: string
  readonly type: "urn:hypermarket:problem:core:key-kind-refused"
  readonly status?: 403
  readonly title: "This endpoint does not accept this kind of key"
}

export type LayerOverlap = {
  readonly detail?: string
  readonly instance?: string
  readonly layer: string
  readonly experiments: ReadonlyArray<string>
  readonly type: "urn:hypermarket:problem:experiments:layer-overlap"
  readonly status?: 409
  readonly title: "The layer's buckets are in use"
}

export type ListEntryNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly entryId: string
  readonly type: "urn:hypermarket:problem:risk:list-entry-not-found"
  readonly status?: 404
  readonly title: "Not found"
}

export type ListLimit = {
  readonly detail?: string
  readonly instance?: string
  readonly entriesMax: number
  readonly type: "urn:hypermarket:problem:risk:list-limit"
  readonly status?: 409
  readonly title: "List is full"
}

export type ListedJob = {
  readonly queue: string
  readonly jobId: string
  readonly state: "ready" | "delayed" | "running" | "dead"
  readonly type: string
  readonly priority: number
  readonly attempt: number
  readonly orderingKey: string | null
  readonly recordedAt: string
  readonly runAt: string | null
  readonly errors: Json | null
  readonly seq: string
}

export type LookNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly look: number
  readonly type: "urn:hypermarket:problem:experiments:look-not-found"
  readonly status?: 404
  readonly title: "No such look"
}

export type LookUnavailable = {
  readonly detail?: string
  readonly instance?: string
  readonly reason: "no-units" | "not-next" | "too-many-looks" | "not-due"
  readonly type: "urn:hypermarket:problem:experiments:look-unavailable"
  readonly status?: 409
  readonly title: "This look cannot be taken"
}

export type MergeInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly issueId: string
  readonly reason: "same-issue" | "other-project" | "not-merged"
  readonly type: "urn:hypermarket:problem:observability:merge-invalid"
  readonly status?: 422
  readonly title: "The issues cannot be merged"
}

export type MetricExists = {
  readonly detail?: string
  readonly instance?: string
  readonly key: string
  readonly type: "urn:hypermarket:problem:experiments:metric-exists"
  readonly status?: 409
  readonly title: "A metric has this key"
}

export type MetricLimit = {
  readonly detail?: string
  readonly instance?: string
  readonly metricsMax: number
  readonly type: "urn:hypermarket:problem:experiments:metric-limit"
  readonly status?: 409
  readonly title: "Too many metrics"
}

export type MetricNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly metric: string
  readonly type: "urn:hypermarket:problem:experiments:metric-not-found"
  readonly status?: 404
  readonly title: "No such metric"
}

export type Money = {
  readonly amount: string
  readonly currency: string
}

export type MonitorCheckIn = {
  readonly checkInId: string
  readonly status: "running" | "ok" | "error" | "missed" | "timed-out"
  readonly isLate: boolean
  readonly dueAt: string | null
  readonly startedAt: string
  readonly endedAt: string | null
}

export type Monitor = {
  readonly projectId: number
  readonly slug: string
  readonly environment: string
  readonly schedule: {
    readonly cron: string | null
    readonly timeZone: string
    readonly intervalMillis: number | null
    readonly marginMillis: number
    readonly runtimeMillis: number
  } | null
  readonly status: "ok" | "missed" | "late" | "error" | "timed-out"
  readonly since: string
  readonly lastCheckIn: string | null
  readonly nextDue: string | null
  readonly recordedAt: string
}

export type MonitorNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly slug: string
  readonly environment: string
  readonly type: "urn:hypermarket:problem:observability:monitor-not-found"
  readonly status?: 404
  readonly title: "No such monitor"
}

export type NothingToRollBack = {
  readonly detail?: string
  readonly instance?: string
  readonly indexName: string
  readonly type: "urn:hypermarket:problem:search:nothing-to-roll-back"
  readonly status?: 409
  readonly title: "There is no version to return to"
}

export type NotificationAudience = {
  readonly customer: string
} | {
  readonly seller: string
} | {
  readonly operator: string
} | {
  readonly list: string
} | {
  readonly everyone: "customer" | "seller" | "operator"
}

export type NotificationBranding = {
  readonly name: string | null
  readonly logoUrl: string | null
  readonly websiteUrl: string | null
  readonly primaryColor: string | null
  readonly secondaryColor: string | null
  readonly postalAddress: string | null
  readonly footer: string | null
  readonly supportEmail: string | null
  readonly version: number
}

export type NotificationCancellation = {
  readonly cancelled: number
  readonly tooLate: number
}

export type NotificationCategory = {
  readonly category: string
  readonly name: string
  readonly kind: "required" | "service" | "marketing"
  readonly freshnessSeconds: number
  readonly whenUnknown: "retry" | "park"
  readonly heedsQuiet: boolean
  readonly version: number
  readonly updatedAt: string
}

export type NotificationCategoryNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly category: string
  readonly type: "urn:hypermarket:problem:notifications:category-not-found"
  readonly status?: 404
  readonly title: "Not found"
}

export type NotificationCategoryRequired = {
  readonly detail?: string
  readonly instance?: string
  readonly category: string
  readonly type: "urn:hypermarket:problem:notifications:category-required"
  readonly status?: 409
  readonly title: "A required category cannot be switched"
}

export type NotificationContent = {
  readonly locale?: string
  readonly subject: string
  readonly text: string
  readonly html?: string
  readonly mjml?: string
}

export type NotificationDefaults = {
  readonly locale: string
  readonly timeZone: string
  readonly fromName: string | null
  readonly replyTo: string | null
  readonly quiet: NotificationQuietHours | null
  readonly version: number
}

export type NotificationExplanation = {
  readonly channel: "email"
  readonly state: "pending" | "filtered" | "suppressed" | "expired" | "cancelled" | "held" | "leased" | "sending" | "accepted" | "caught" | "delivered" | "bounced" | "complained" | "retry" | "unknown" | "dead"
  readonly reason: string | null
  readonly until: string | null
}

export type NotificationKeyReused = {
  readonly detail?: string
  readonly instance?: string
  readonly key: string
  readonly type: "urn:hypermarket:problem:notifications:key-reused"
  readonly status?: 409
  readonly title: "The key was used with another body"
}

export type NotificationLimit = {
  readonly detail?: string
  readonly instance?: string
  readonly what: string
  readonly max: number
  readonly type: "urn:hypermarket:problem:notifications:limit"
  readonly status?: 409
  readonly title: "Too many"
}

export type NotificationListChange = {
  readonly list: string
  readonly add?: ReadonlyArray<NotificationRecipient>
  readonly remove?: ReadonlyArray<NotificationRecipient>
}

export type NotificationMapping = {
  readonly mapping: string
  readonly fact: "order.placed" | "order.cancelled"
  readonly template: string
  readonly category: string
  readonly delaySeconds: number
  readonly freshnessSeconds: number | null
  readonly version: number
  readonly updatedAt: string
}

export type NotificationMappingNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly mapping: string
  readonly type: "urn:hypermarket:problem:notifications:mapping-not-found"
  readonly status?: 404
  readonly title: "Not found"
}

export type NotificationMessage = {
  readonly notificationId: string
  readonly triggerId: string
  readonly to: NotificationRecipient
  readonly channel: "email"
  readonly category: string
  readonly state: "pending" | "filtered" | "suppressed" | "expired" | "cancelled" | "held" | "leased" | "sending" | "accepted" | "caught" | "delivered" | "bounced" | "complained" | "retry" | "unknown" | "dead"
  readonly reason: string | null
  readonly until: string | null
  readonly attempts: number
  readonly uncertain: number
  readonly history: ReadonlyArray<{
    readonly state: "pending" | "filtered" | "suppressed" | "expired" | "cancelled" | "held" | "leased" | "sending" | "accepted" | "caught" | "delivered" | "bounced" | "complained" | "retry" | "unknown" | "dead"
    readonly reason: string | null
    readonly at: string
  }>
  readonly recordedAt: string
  readonly updatedAt: string
}

export type NotificationNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly key: string
  readonly type: "urn:hypermarket:problem:notifications:notification-not-found"
  readonly status?: 404
  readonly title: "Not found"
}

export type NotificationPayloadInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly template: string
  readonly templateVersion: number
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:notifications:payload-invalid"
  readonly status?: 422
  readonly title: "The payload does not fit its schema"
}

export type NotificationPreference = {
  readonly category: string
  readonly channel: "email"
  readonly enabled: boolean
  readonly because: "chosen" | "default" | "required"
  readonly source: string | null
  readonly changedAt: string | null
}

export type NotificationPreview = {
  readonly locale: string | null
  readonly subject: string
  readonly text: string
  readonly html: string | null
}

export type NotificationPreviewRequest = {
  readonly payload: { readonly [key: string]: unknown }
  readonly locale?: string
  readonly timeZone?: string
}

export type NotificationProfile = {
  readonly to: NotificationRecipient
  readonly email: string | null
  readonly emailProblem: "too_long" | "control_character" | "syntax" | "domain" | null
  readonly name: string | null
  readonly locale: string | null
  readonly timeZone: string | null
  readonly quiet: NotificationQuietHours | null
  readonly updatedAt: string
  readonly withheld?: ReadonlyArray<"events:payload" | "customers:contact">
}

export type NotificationProfileNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly recipient: string
  readonly type: "urn:hypermarket:problem:notifications:profile-not-found"
  readonly status?: 404
  readonly title: "Not found"
}

export type NotificationQuietHours = {
  readonly from: string
  readonly until: string
}

export type NotificationRecipient = {
  readonly customer: string
} | {
  readonly seller: string
} | {
  readonly operator: string
}

export type NotificationRefused = {
  readonly detail?: string
  readonly instance?: string
  readonly field: string
  readonly reason: "category-unknown" | "template-unknown" | "critical-marketing"
  readonly type: "urn:hypermarket:problem:notifications:refused"
  readonly status?: 422
  readonly title: "Notification refused"
}

export type NotificationSuppression = {
  readonly reason: "bounce" | "complaint" | "manual"
  readonly detail: string | null
  readonly expiresAt: string | null
  readonly recordedAt: string
}

export type NotificationSuppressionNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly type: "urn:hypermarket:problem:notifications:suppression-not-found"
  readonly status?: 404
  readonly title: "Not found"
}

export type NotificationTemplate = {
  readonly template: string
  readonly templateVersion: number
  readonly kind: "message" | "layout"
  readonly layout: string | null
  readonly state: "draft" | "published" | "archived"
  readonly strict: boolean
  readonly contents: ReadonlyArray<NotificationContent>
  readonly payloadSchema: Json | null
  readonly recordedAt: string
  readonly publishedAt: string | null
}

export type NotificationTemplateInUse = {
  readonly detail?: string
  readonly instance?: string
  readonly template: string
  readonly templates: ReadonlyArray<string>
  readonly mappings: ReadonlyArray<string>
  readonly type: "urn:hypermarket:problem:notifications:template-in-use"
  readonly status?: 409
  readonly title: "The template is in use"
}

export type NotificationTemplateInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly part: string
  readonly line: number
  readonly column: number
  readonly message: string
  readonly type: "urn:hypermarket:problem:notifications:template-invalid"
  readonly status?: 422
  readonly title: "The template is invalid"
}

export type NotificationTemplateNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly template: string
  readonly type: "urn:hypermarket:problem:notifications:template-not-found"
  readonly status?: 404
  readonly title: "Not found"
}

export type NotificationTemplateSettled = {
  readonly detail?: string
  readonly instance?: string
  readonly template: string
  readonly state: string
  readonly type: "urn:hypermarket:problem:notifications:template-settled"
  readonly status?: 409
  readonly title: "The version is no draft"
}

export type NotificationTrigger = {
  readonly triggerId: string
  readonly key: string
  readonly state: "expanding" | "expanded" | "cancelled" | "expired"
  readonly duplicate: boolean
}

export type OrderFactConflict = {
  readonly detail?: string
  readonly instance?: string
  readonly index: number
  readonly kind: "order" | "refund" | "shipment" | "credit"
  readonly id: string
  readonly version: number
  readonly type: "urn:hypermarket:problem:analytics:order-fact-conflict"
  readonly status?: 409
  readonly title: "This version is known with another content; nothing was written"
}

export type OrderFactInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:analytics:order-fact-invalid"
  readonly status?: 400
  readonly title: "A fact is not valid; nothing was written"
}

export type OrderFigure = {
  readonly orderId: string
  readonly version: number
  readonly status: "placed" | "cancelled" | "deleted"
  readonly customerId: string | null
  readonly region: string | null
  readonly channel: string | null
  readonly currency: string | null
  readonly placedAt: string | null
  readonly day: string | null
  readonly totals: {
    readonly units: string
    readonly gross: string
    readonly discount: string
    readonly tax: string
    readonly shipping: string
    readonly fees: string
    readonly cancelledUnits: string
    readonly cancelledAmount: string
    readonly refundUnits: string
    readonly refundAmount: string
    readonly refundTax: string
    readonly refundShipping: string
    readonly refundFees: string
    readonly refundCancelledAmount: string
    readonly net: string
  }
  readonly lines: ReadonlyArray<{
    readonly lineId: string
    readonly productId: string
    readonly sellerId: string
    readonly category: string
    readonly isRemoved: boolean
    readonly sellerDay: string
    readonly units: number
    readonly gross: string
    readonly discount: string
    readonly tax: string
    readonly shipping: string
    readonly fees: string
    readonly cancelledUnits: number
    readonly cancelledAmount: string
  }>
  readonly adjustments: ReadonlyArray<{
    readonly kind: "refund" | "shipment"
    readonly id: string
    readonly version: number
    readonly at: string
    readonly day: string
    readonly sellerDay: string | null
    readonly lineId: string
    readonly units: number
    readonly amount: string
    readonly tax: string
    readonly shipping: string
    readonly fees: string
  }>
  readonly isComplete: boolean
}

export type OrderNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly orderId: string
  readonly type: "urn:hypermarket:problem:analytics:order-not-found"
  readonly status?: 404
  readonly title: "No such order"
}

export type OrderRetired = {
  readonly detail?: string
  readonly instance?: string
  readonly orderId: string
  readonly type: "urn:hypermarket:problem:analytics:order-retired"
  readonly status?: 410
  readonly title: "The facts of the order were removed"
}

export type PeriodInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:analytics:period-invalid"
  readonly status?: 400
  readonly title: "This is no period that can be closed"
}

export type PolicyDecision = {
  readonly decisionId: string
  readonly decidedAt: string
  readonly lastDecidedAt: string
  readonly decisions: number
  readonly action: string
  readonly region?: string
  readonly channel?: string
  readonly category?: string
  readonly reference?: string
  readonly at?: string
  readonly knownAt?: string
  readonly effect: "allow" | "deny"
  readonly value?: Json
  readonly requires: ReadonlyArray<string>
  readonly because: ReadonlyArray<{
    readonly policyId: string
    readonly policyKey: string
    readonly version: number
  }>
  readonly undetermined: boolean
  readonly installationRevision: string
  readonly tenantRevision: string
}

export type PolicyDryRunReport = {
  readonly questions: number
  readonly deniedBefore: number
  readonly deniedAfter: number
  readonly changed: ReadonlyArray<{
    readonly question: number
    readonly before: RegionDecision
    readonly after: RegionDecision
  }>
  readonly changedCount: number
}

export type PolicyExists = {
  readonly detail?: string
  readonly instance?: string
  readonly policyKey: string
  readonly type: "urn:hypermarket:problem:platform:policy-exists"
  readonly status?: 409
  readonly title: "A policy has this key"
}

export type PolicyInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:platform:policy-invalid"
  readonly status?: 422
  readonly title: "The policy cannot be evaluated"
}

export type PolicyLimitReached = {
  readonly detail?: string
  readonly instance?: string
  readonly limit: number
  readonly type: "urn:hypermarket:problem:platform:policy-limit-reached"
  readonly status?: 409
  readonly title: "The owner has as many policies as it may have"
}

export type PolicyNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly policyKey: string
  readonly type: "urn:hypermarket:problem:platform:policy-not-found"
  readonly status?: 404
  readonly title: "No such policy"
}

export type PolicyTie = {
  readonly detail?: string
  readonly instance?: string
  readonly policyKeys: ReadonlyArray<string>
  readonly type: "urn:hypermarket:problem:platform:policy-tie"
  readonly status?: 409
  readonly title: "Another value is equally specific and has the same priority"
}

export type PreconditionRequired = {
  readonly detail?: string
  readonly instance?: string
  readonly type: "urn:hypermarket:problem:core:precondition-required"
  readonly status?: 428
  readonly title: "If-Match with the version of the thing is required"
}

export type PublicationNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly source: string
  readonly id: string
  readonly type: "urn:hypermarket:problem:events:event-not-found"
  readonly status?: 404
  readonly title: "No such event"
}

export type QueueMinute = {
  readonly at: string
  readonly jobs: number
  readonly failed: number
  readonly batchMillis: number
}

export type QueueNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly queue: string
  readonly type: "urn:hypermarket:problem:events:queue-not-found"
  readonly status?: 404
  readonly title: "No such queue"
}

export type QueueOverloaded = {
  readonly detail?: string
  readonly instance?: string
  readonly type: "urn:hypermarket:problem:queue:queue-overloaded"
  readonly status?: 503
  readonly title: "Queue overloaded"
}

export type QueuedJob = {
  readonly queue: string
  readonly jobId: string
  readonly state: "ready" | "delayed" | "running" | "dead"
  readonly type: string
  readonly priority: number
  readonly attempt: number
  readonly orderingKey: string | null
  readonly recordedAt: string
  readonly runAt: string | null
  readonly errors: Json | null
}

export type QuotaAmountTooHigh = {
  readonly detail?: string
  readonly instance?: string
  readonly reservationId: string
  readonly reserved: number
  readonly type: "urn:hypermarket:problem:quotas:amount-too-high"
  readonly status?: 422
  readonly title: "Amount too high"
}

export type QuotaCatalogLimit = {
  readonly detail?: string
  readonly instance?: string
  readonly max: number
  readonly type: "urn:hypermarket:problem:quotas:catalog-limit"
  readonly status?: 409
  readonly title: "Too many features or grants"
}

export type QuotaCheck = {
  readonly feature: string
  readonly subject: string | null
  readonly kind: "boolean" | "static" | "metered" | "concurrent"
  readonly granted: boolean
  readonly value: Json
  readonly periodStart: string | null
  readonly periodEnd: string | null
  readonly quota: number
  readonly used: number
  readonly held: number
  readonly remaining: number
  readonly overage: number
  readonly allowed: boolean
}

export type QuotaExceeded = {
  readonly detail?: string
  readonly instance?: string
  readonly feature: string
  readonly requested: number
  readonly remaining: number
  readonly quota: number
  readonly periodEnd: string | null
  readonly type: "urn:hypermarket:problem:quotas:quota-exceeded"
  readonly status?: 409
  readonly title: "Quota exceeded"
}

export type QuotaFeature = {
  readonly feature: string
  readonly kind: "boolean" | "static" | "metered" | "concurrent"
  readonly period: {
    readonly unit: "hour" | "day" | "week" | "month" | "quarter" | "year"
    readonly anchor: string
    readonly zone: string
  } | null
  readonly soft: boolean
  readonly thresholds: ReadonlyArray<number>
  readonly version: number
  readonly recordedAt: string
  readonly updatedAt: string
}

export type QuotaFeatureExists = {
  readonly detail?: string
  readonly instance?: string
  readonly feature: string
  readonly type: "urn:hypermarket:problem:quotas:feature-exists"
  readonly status?: 409
  readonly title: "Feature exists"
}

export type QuotaFeatureNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly feature: string
  readonly type: "urn:hypermarket:problem:quotas:feature-not-found"
  readonly status?: 404
  readonly title: "Feature not found"
}

export type QuotaGrant = {
  readonly grantId: string
  readonly feature: string
  readonly subject: string | null
  readonly source: "plan" | "override" | "grant"
  readonly amount: number | null
  readonly value: Json
  readonly recurring: boolean
  readonly priority: number
  readonly rolloverMax: number | null
  readonly effectiveAt: string
  readonly expiresAt: string | null
  readonly recordedAt: string
}

export type QuotaGrantInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:quotas:grant-invalid"
  readonly status?: 422
  readonly title: "Grant invalid"
}

export type QuotaGrantNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly grantId: string
  readonly type: "urn:hypermarket:problem:quotas:grant-not-found"
  readonly status?: 404
  readonly title: "Grant not found"
}

export type QuotaKeyReused = {
  readonly detail?: string
  readonly instance?: string
  readonly key: string
  readonly type: "urn:hypermarket:problem:quotas:key-reused"
  readonly status?: 422
  readonly title: "Key reused"
}

export type QuotaKindMismatch = {
  readonly detail?: string
  readonly instance?: string
  readonly feature: string
  readonly kind: string
  readonly field: string
  readonly type: "urn:hypermarket:problem:quotas:kind-mismatch"
  readonly status?: 422
  readonly title: "Kind mismatch"
}

export type QuotaReservation = {
  readonly reservationId: string
  readonly feature: string
  readonly subject: string | null
  readonly periodStart: string
  readonly periodEnd: string | null
  readonly amount: number
  readonly status: "open" | "committed" | "released" | "expired"
  readonly committed: number | null
  readonly expiresAt: string
  readonly recordedAt: string
  readonly settledAt: string | null
}

export type QuotaReservationNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly reservationId: string
  readonly type: "urn:hypermarket:problem:quotas:reservation-not-found"
  readonly status?: 404
  readonly title: "Reservation not found"
}

export type QuotaReservationSettled = {
  readonly detail?: string
  readonly instance?: string
  readonly reservationId: string
  readonly reason: "committed" | "released" | "expired"
  readonly type: "urn:hypermarket:problem:quotas:reservation-settled"
  readonly status?: 409
  readonly title: "Reservation settled"
}

export type QuotaUsage = {
  readonly feature: string
  readonly subject: string | null
  readonly kind: "boolean" | "static" | "metered" | "concurrent"
  readonly granted: boolean
  readonly value: Json
  readonly periodStart: string | null
  readonly periodEnd: string | null
  readonly quota: number
  readonly used: number
  readonly held: number
  readonly remaining: number
  readonly overage: number
}

export type RateCostTooHigh = {
  readonly detail?: string
  readonly instance?: string
  readonly policy: string
  readonly costMax: number
  readonly type: "urn:hypermarket:problem:quotas:cost-too-high"
  readonly status?: 422
  readonly title: "Cost too high"
}

export type RateDecision = {
  readonly allowed: boolean
  readonly states: ReadonlyArray<RateState>
  readonly lease: string | null
  readonly retryAfterSeconds: number | null
  readonly decidedBy: "database" | "process"
}

export type RateLimitsUnavailable = {
  readonly detail?: string
  readonly instance?: string
  readonly policy: string
  readonly type: "urn:hypermarket:problem:quotas:limits-unavailable"
  readonly status?: 503
  readonly title: "Limits unavailable"
}

export type RateOverride = {
  readonly overrideId: string
  readonly policy: string
  readonly subject: {
    readonly tenant?: string
    readonly plan?: string
    readonly key?: string
    readonly route?: string
    readonly user?: string
    readonly address?: string
  }
  readonly quota: number | null
  readonly burst: number | null
  readonly bypass: boolean
  readonly reason: string
  readonly recordedAt: string
}

export type RateOverrideNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly overrideId: string
  readonly type: "urn:hypermarket:problem:quotas:override-not-found"
  readonly status?: 404
  readonly title: "Override not found"
}

export type RatePolicy = {
  readonly policy: string
  readonly kind: "gcra" | "window" | "concurrency"
  readonly quota: number
  readonly burst: number
  readonly periodMillis: number
  readonly by: ReadonlyArray<"tenant" | "plan" | "key" | "route" | "user" | "address">
  readonly plans: ReadonlyArray<string>
  readonly routes: ReadonlyArray<string>
  readonly fallback: boolean
  readonly shadow: boolean
  readonly whenUnavailable: "open" | "closed"
  readonly version: number
  readonly recordedAt: string
  readonly updatedAt: string
}

export type RatePolicyExists = {
  readonly detail?: string
  readonly instance?: string
  readonly policy: string
  readonly type: "urn:hypermarket:problem:quotas:policy-exists"
  readonly status?: 409
  readonly title: "Policy exists"
}

export type RatePolicyInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:quotas:policy-invalid"
  readonly status?: 422
  readonly title: "Policy invalid"
}

export type RatePolicyLimit = {
  readonly detail?: string
  readonly instance?: string
  readonly max: number
  readonly type: "urn:hypermarket:problem:quotas:policy-limit"
  readonly status?: 409
  readonly title: "Too many policies or overrides"
}

export type RatePolicyNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly policy: string
  readonly type: "urn:hypermarket:problem:quotas:policy-not-found"
  readonly status?: 404
  readonly title: "Policy not found"
}

export type RateState = {
  readonly policy: string
  readonly quota: number
  readonly burst: number
  readonly periodMillis: number
  readonly remaining: number
  readonly fullAfterMillis: number
  readonly retryAfterMillis: number
}

export type RateSubjectInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly policy: string
  readonly part: string
  readonly reason: "missing" | "too_long"
  readonly type: "urn:hypermarket:problem:quotas:subject-invalid"
  readonly status?: 422
  readonly title: "Subject invalid"
}

export type Recorded = {
  readonly accepted: number
  readonly repeated: number
  readonly rejected: ReadonlyArray<{
    readonly index: number
    readonly reason: "unknown-experiment" | "unknown-variant" | "not-started" | "stopped" | "unused-source" | "too-old" | "too-far-ahead"
  }>
}

export type RegionDecision = {
  readonly effect: "allow" | "deny"
  readonly value?: Json
  readonly requires: ReadonlyArray<string>
  readonly because: ReadonlyArray<{
    readonly policyId: string
    readonly policyKey: string
    readonly version: number
    readonly legalBasis: string
    readonly source: string
  }>
  readonly undetermined: boolean
  readonly revision: string
}

export type RegionPolicy = {
  readonly policyId: string
  readonly policyKey: string
  readonly description?: string
  readonly actions: ReadonlyArray<string>
  readonly region: string
  readonly channel?: string
  readonly category?: string
  readonly tenant?: string
  readonly effect: "allow" | "deny" | "require" | "value"
  readonly requirements?: ReadonlyArray<string>
  readonly value?: Json
  readonly condition?: Condition
  readonly priority: number
  readonly effectiveFrom?: string
  readonly effectiveUntil?: string
  readonly legalBasis: string
  readonly source: string
  readonly version: number
  readonly recordedAt: string
  readonly supersededAt: string | null
}

export type ReleaseNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly release: string
  readonly type: "urn:hypermarket:problem:observability:release-not-found"
  readonly status?: 404
  readonly title: "No such release"
}

export type RequestInProgress = {
  readonly detail?: string
  readonly instance?: string
  readonly type: "urn:hypermarket:problem:core:request-in-progress"
  readonly status?: 409
  readonly title: "A request with this Idempotency-Key is still running; try again"
}

export type ResourceRefused = {
  readonly detail?: string
  readonly instance?: string
  readonly kind: "project" | "index"
  readonly id: string
  readonly type: "urn:hypermarket:problem:core:resource-refused"
  readonly status?: 403
  readonly title: "The key opens another resource"
}

export type RiskAnswer = {
  readonly outcome: "allow" | "challenge" | "review" | "hold" | "block"
  readonly decisionId: string | null
  readonly fallback: "deadline" | "unavailable" | null
  readonly score: number
  readonly reasons: ReadonlyArray<string>
  readonly version: number | null
}

export type RiskAttribute = {
  readonly kind: "order" | "payment" | "login" | "listing" | "payout" | "message" | "return"
  readonly name: string
  readonly type: "bool" | "int" | "double" | "string" | "timestamp" | "list(string)" | "list(int)" | "map(string, string)" | "dyn"
}

export type RiskDecision = {
  readonly decisionId: string
  readonly signalId: string
  readonly kind: "order" | "payment" | "login" | "listing" | "payout" | "message" | "return"
  readonly subject: string
  readonly number: number
  readonly outcome: "allow" | "challenge" | "review" | "hold" | "block"
  readonly observed: boolean
  readonly version: number | null
  readonly verdict: {
    readonly outcome: "allow" | "challenge" | "review" | "hold" | "block"
    readonly score: number
    readonly reasons: ReadonlyArray<string>
    readonly fired: ReadonlyArray<{
      readonly rule: string
      readonly reason: string
      readonly weight: number
      readonly outcome: "allow" | "challenge" | "review" | "hold" | "block" | null
      readonly values: { readonly [key: string]: string }
    }>
    readonly errors: ReadonlyArray<{
      readonly rule: string
      readonly reason: string
      readonly message: string
    }>
    readonly snoozed: ReadonlyArray<string>
    readonly overridden: "allow" | "challenge" | "review" | "hold" | "block" | null
    readonly scored?: {
      readonly probability: number
      readonly reasons: ReadonlyArray<string>
    }
  }
  readonly frozen: {
    readonly kind: "order" | "payment" | "login" | "listing" | "payout" | "message" | "return"
    readonly subject: string
    readonly source: string
    readonly result: string
    readonly at: string
    readonly amount: string | null
    readonly currency: string | null
    readonly entities: ReadonlyArray<string>
    readonly attributes: { readonly [key: string]: Json }
    readonly features: { readonly [key: string]: string | number }
    readonly capped?: ReadonlyArray<string>
    readonly snoozed: ReadonlyArray<string>
    readonly listed: "allow" | "block" | null
  }
  readonly shadow: ReadonlyArray<{
    readonly version: number
    readonly outcome: "allow" | "challenge" | "review" | "hold" | "block"
    readonly score: number
  }>
  readonly latencyMicros: number
  readonly occurredAt: string
  readonly recordedAt: string
  readonly withheld?: ReadonlyArray<"events:payload" | "customers:contact">
}

export type RiskListEntry = {
  readonly entryId: string
  readonly list: "allow" | "block"
  readonly entityKind: "account" | "card" | "ip" | "device" | "email" | "emailBase" | "phone" | "address" | "seller"
  readonly reason: string
  readonly expiresAt: string | null
  readonly recordedAt: string
}

export type RiskRing = {
  readonly entities: ReadonlyArray<{
    readonly id: string
    readonly kind: "account" | "card" | "ip" | "device" | "email" | "emailBase" | "phone" | "address" | "seller"
    readonly hops: number
    readonly degree: number
    readonly isHub: boolean
  }>
  readonly links: ReadonlyArray<{
    readonly from: string
    readonly to: string
    readonly firstSeen: string
    readonly lastSeen: string
  }>
  readonly signals: ReadonlyArray<{
    readonly kind: "order" | "payment" | "login" | "listing" | "payout" | "message" | "return"
    readonly subject: string
    readonly result: "attempted" | "approved" | "declined"
    readonly occurredAt: string
    readonly outcome: "allow" | "challenge" | "review" | "hold" | "block" | null
    readonly entities: ReadonlyArray<string>
  }>
  readonly truncated: boolean
}

export type RiskRuleSet = {
  readonly version: number
  readonly note: string
  readonly rules: ReadonlyArray<{
    readonly key: string
    readonly expression: string
    readonly reason: string
    readonly weight?: number
    readonly outcome?: "allow" | "challenge" | "review" | "hold" | "block"
    readonly kinds?: ReadonlyArray<"order" | "payment" | "login" | "listing" | "payout" | "message" | "return">
  }>
  readonly thresholds: {
    readonly challenge?: number
    readonly review?: number
    readonly hold?: number
    readonly block?: number
  }
  readonly strict: ReadonlyArray<"account" | "card" | "ip" | "device" | "email" | "emailBase" | "phone" | "address" | "seller">
  readonly scorer: {
    readonly format: 1
    readonly kinds: ReadonlyArray<"order" | "payment" | "login" | "listing" | "payout" | "message" | "return">
    readonly intercept: number
    readonly slope: number
    readonly offset: number
    readonly inputs: ReadonlyArray<{
      readonly name: string
      readonly mean: number
      readonly deviation: number
      readonly weight: number
    }>
  } | null
  readonly recordedAt: string
}

export type RiskRuleState = {
  readonly version: number
  readonly newest: number
  readonly live: number | null
  readonly shadow: ReadonlyArray<number>
}

export type RiskSample = {
  readonly decisionId: string
  readonly recordedAt: string
  readonly amount: string | null
  readonly features: { readonly [key: string]: string | number }
  readonly labels: ReadonlyArray<{
    readonly label: "chargeback" | "fraud" | "abuse" | "legitimate"
    readonly availableAt: string
  }>
}

export type RiskSnooze = {
  readonly snoozeId: string
  readonly rule: string
  readonly entityKind: "account" | "card" | "ip" | "device" | "email" | "emailBase" | "phone" | "address" | "seller"
  readonly until: string
  readonly reason: string
  readonly recordedAt: string
}

export type RuleHealth = {
  readonly rule: string
  readonly fired: number
  readonly errors: number
  readonly lastError: string | null
  readonly labelled: number
  readonly bad: number
}

export type RuleSetInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly rule: string
    readonly message: string
    readonly line: number
    readonly column: number
  }>
  readonly type: "urn:hypermarket:problem:risk:rule-set-invalid"
  readonly status?: 422
  readonly title: "Rules are not valid"
}

export type RuleSetLimit = {
  readonly detail?: string
  readonly instance?: string
  readonly versionsMax: number
  readonly type: "urn:hypermarket:problem:risk:rule-set-limit"
  readonly status?: 409
  readonly title: "Too many versions"
}

export type RuleSetNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly version: number
  readonly type: "urn:hypermarket:problem:risk:rule-set-not-found"
  readonly status?: 404
  readonly title: "Not found"
}

export type SalesClose = {
  readonly closeId: string
  readonly period: "day" | "month"
  readonly fromDay: string
  readonly untilDay: string
  readonly cells: number
  readonly closedAt: string
}

export type SalesFreshness = {
  readonly status: "proven" | "differing" | "unproven"
  readonly changedAt: string | null
  readonly backlog: {
    readonly rows: number
    readonly oldestAt: string | null
  }
  readonly proof: {
    readonly provedAt: string
    readonly months: number
    readonly differences: number
  } | null
  readonly factsFrom: string | null
  readonly differingMonths: ReadonlyArray<{
    readonly month: string
    readonly differences: number
  }>
}

export type SalesQueryInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:analytics:sales-query-invalid"
  readonly status?: 400
  readonly title: "The query cannot be answered"
}

export type ScheduleExists = {
  readonly detail?: string
  readonly instance?: string
  readonly name: string
  readonly type: "urn:hypermarket:problem:events:schedule-exists"
  readonly status?: 409
  readonly title: "A schedule has this name"
}

export type ScheduleInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:events:schedule-invalid"
  readonly status?: 400
  readonly title: "The schedule is not valid"
}

export type ScheduleLimit = {
  readonly detail?: string
  readonly instance?: string
  readonly limit: number
  readonly type: "urn:hypermarket:problem:events:schedule-limit"
  readonly status?: 409
  readonly title: "The tenant has as many schedules as it may have: remove one"
}

export type ScheduleNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly scheduleId: string
  readonly type: "urn:hypermarket:problem:events:schedule-not-found"
  readonly status?: 404
  readonly title: "No such schedule"
}

export type ScheduleRun = {
  readonly at: string
  readonly jobId: string | null
  readonly outcome: "waiting" | "running" | "retrying" | "done" | "dead" | "skipped" | "cancelled"
  readonly error: string | null
}

export type ScopeMissing = {
  readonly detail?: string
  readonly instance?: string
  readonly scope: string
  readonly type: "urn:hypermarket:problem:core:scope-missing"
  readonly status?: 403
  readonly title: "The key lacks a scope"
}

export type ScopeTooWide = {
  readonly detail?: string
  readonly instance?: string
  readonly scopes: ReadonlyArray<string>
  readonly type: "urn:hypermarket:problem:platform:scope-too-wide"
  readonly status?: 403
  readonly title: "A key cannot give what it does not have"
}

export type SearchCuration = {
  readonly indexName: string
  readonly synonyms: ReadonlyArray<{
    readonly kind: "two-way"
    readonly phrases: ReadonlyArray<string>
  } | {
    readonly kind: "one-way"
    readonly from: string
    readonly to: ReadonlyArray<string>
  }>
  readonly rules: ReadonlyArray<{
    readonly ruleId: string
    readonly when?: {
      readonly query: string
      readonly match: "is" | "contains"
    }
    readonly pins?: ReadonlyArray<{
      readonly id: string
      readonly position: number
    }>
    readonly hides?: ReadonlyArray<string>
    readonly boosts?: ReadonlyArray<{
      readonly filter: string
      readonly factor: number
    }>
    readonly redirect?: string
  }>
  readonly clientFilter?: string
  readonly version: number
  readonly updatedAt: string | null
}

export type SearchIndexBuilding = {
  readonly detail?: string
  readonly instance?: string
  readonly indexName: string
  readonly reason: "restored" | "behind" | "upgrading"
  readonly type: "urn:hypermarket:problem:search:index-building"
  readonly status?: 503
  readonly title: "The index is being built; try again"
}

export type SearchIndex = {
  readonly indexName: string
  readonly settings: {
    readonly fields: ReadonlyArray<{
      readonly name: string
      readonly weight: number
      readonly b: number
    }>
    readonly columns: ReadonlyArray<{
      readonly name: string
      readonly kind: "keyword" | "number"
    }>
    readonly k1: number
    readonly popularityWeight: number
    readonly popularityWindow: "day" | "week" | "month"
    readonly signals: ReadonlyArray<{
      readonly signal: string
      readonly weight: number
    }>
    readonly synonyms: ReadonlyArray<{
      readonly kind: "two-way"
      readonly phrases: ReadonlyArray<string>
    } | {
      readonly kind: "one-way"
      readonly from: string
      readonly to: ReadonlyArray<string>
    }>
    readonly stemming: "plural" | "none"
    readonly stopWords: ReadonlyArray<string>
    readonly units: boolean
  }
  readonly automatic: boolean
  readonly activeVersion: string
  readonly previousVersion: string | null
  readonly version: number
  readonly recordedAt: string
  readonly updatedAt: string
}

export type SearchIndexExists = {
  readonly detail?: string
  readonly instance?: string
  readonly indexName: string
  readonly type: "urn:hypermarket:problem:search:index-exists"
  readonly status?: 409
  readonly title: "The index exists already"
}

export type SearchIndexLimit = {
  readonly detail?: string
  readonly instance?: string
  readonly limit: number
  readonly type: "urn:hypermarket:problem:search:index-limit"
  readonly status?: 409
  readonly title: "The tenant has as many indexes as it may have"
}

export type SearchIndexNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly indexName: string
  readonly type: "urn:hypermarket:problem:search:index-not-found"
  readonly status?: 404
  readonly title: "No such index"
}

export type SearchIndexVersion = {
  readonly versionId: string
  readonly indexName: string
  readonly status: "building" | "validating" | "ready" | "active" | "retired" | "failed"
  readonly reason: "created" | "requested" | "changes" | "popularity" | "upgraded" | "restored"
  readonly activates: boolean
  readonly phase: "none" | "documents" | "postings"
  readonly settings: {
    readonly fields: ReadonlyArray<{
      readonly name: string
      readonly weight: number
      readonly b: number
    }>
    readonly columns: ReadonlyArray<{
      readonly name: string
      readonly kind: "keyword" | "number"
    }>
    readonly k1: number
    readonly popularityWeight: number
    readonly popularityWindow: "day" | "week" | "month"
    readonly signals: ReadonlyArray<{
      readonly signal: string
      readonly weight: number
    }>
    readonly synonyms: ReadonlyArray<{
      readonly kind: "two-way"
      readonly phrases: ReadonlyArray<string>
    } | {
      readonly kind: "one-way"
      readonly from: string
      readonly to: ReadonlyArray<string>
    }>
    readonly stemming: "plural" | "none"
    readonly stopWords: ReadonlyArray<string>
    readonly units: boolean
  }
  readonly analyserHash: string | null
  readonly documents: number
  readonly checksum: string | null
  readonly gates: ReadonlyArray<{
    readonly gate: "documents" | "checksum" | "postings" | "catalogue" | "zero-results" | "overlap"
    readonly passed: boolean
    readonly effect: "stops" | "warns" | "reports"
    readonly expected: string
    readonly found: string
  }> | null
  readonly failure: string | null
  readonly version: number
  readonly recordedAt: string
  readonly builtAt: string | null
  readonly activatedAt: string | null
  readonly retiredAt: string | null
  readonly updatedAt: string
}

export type SearchInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:search:search-invalid"
  readonly status?: 400
  readonly title: "The search is not understood"
}

export type SearchVersionHeld = {
  readonly detail?: string
  readonly instance?: string
  readonly versionId: string
  readonly gates: ReadonlyArray<"documents" | "checksum" | "postings" | "catalogue" | "zero-results" | "overlap">
  readonly type: "urn:hypermarket:problem:search:version-held"
  readonly status?: 409
  readonly title: "Gates hold the version back"
}

export type SearchVersionLimit = {
  readonly detail?: string
  readonly instance?: string
  readonly limit: number
  readonly type: "urn:hypermarket:problem:search:version-limit"
  readonly status?: 409
  readonly title: "The index has as many versions as it may have: retire one"
}

export type SearchVersionNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly versionId: string
  readonly type: "urn:hypermarket:problem:search:version-not-found"
  readonly status?: 404
  readonly title: "No such version"
}

export type SearchVersionState = {
  readonly detail?: string
  readonly instance?: string
  readonly versionId: string
  readonly currentStatus: "building" | "validating" | "ready" | "active" | "retired" | "failed"
  readonly type: "urn:hypermarket:problem:search:version-state"
  readonly status?: 409
  readonly title: "The version's status does not allow this"
}

export type SecretsMissing = {
  readonly detail?: string
  readonly instance?: string
  readonly type: "urn:hypermarket:problem:risk:secrets-missing"
  readonly status?: 503
  readonly title: "This installation has no key for secrets; its operator sets HM_SECRETS_KEYS"
}

export type SecretsNotConfigured = {
  readonly detail?: string
  readonly instance?: string
  readonly type: "urn:hypermarket:problem:core:secrets-not-configured"
  readonly status?: 503
  readonly title: "This installation has no key for secrets; its operator sets HM_SECRETS_KEYS"
}

export type ShadowReport = {
  readonly version: number
  readonly decisions: number
  readonly different: number
  readonly outcomes: ReadonlyArray<{
    readonly decided: "allow" | "challenge" | "review" | "hold" | "block"
    readonly version: "allow" | "challenge" | "review" | "hold" | "block"
    readonly decisions: number
  }>
}

export type SignalInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:risk:signal-invalid"
  readonly status?: 422
  readonly title: "Signal out of bounds"
}

export type SignalKeyReused = {
  readonly detail?: string
  readonly instance?: string
  readonly source: string
  readonly key: string
  readonly type: "urn:hypermarket:problem:risk:signal-key-reused"
  readonly status?: 409
  readonly title: "Key used for another signal"
}

export type SignalNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly kind: string
  readonly subject: string
  readonly type: "urn:hypermarket:problem:risk:signal-not-found"
  readonly status?: 404
  readonly title: "Not found"
}

export type SignalsInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:search:signals-invalid"
  readonly status?: 400
  readonly title: "A time is out of bounds"
}

export type SignalsRecorded = {
  readonly recorded: number
  readonly completed: number
}

export type StorageUnavailable = {
  readonly detail?: string
  readonly instance?: string
  readonly type: "urn:hypermarket:problem:core:storage-unavailable"
  readonly status?: 503
  readonly title: "The database is away or overloaded; try again"
}

export type SubjectPartNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly part: number
  readonly type: "urn:hypermarket:problem:platform:subject-part-not-found"
  readonly status?: 404
  readonly title: "There is no such part of the export"
}

export type SubjectRequest = {
  readonly requestId: string
  readonly kind: "export" | "erasure" | "tenant-erasure"
  readonly state: "running" | "done"
  readonly rows: number
  readonly domains: { readonly [key: string]: number }
  readonly kept: ReadonlyArray<{
    readonly table: string
    readonly rows: number
    readonly reason: string
  }>
  readonly parts: number
  readonly recordedAt: string
  readonly finishedAt: string | null
}

export type SubjectRequestNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly requestId: string
  readonly type: "urn:hypermarket:problem:platform:subject-request-not-found"
  readonly status?: 404
  readonly title: "There is no such request"
}

export type SubscriptionNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly subscriptionId: string
  readonly type: "urn:hypermarket:problem:events:subscription-not-found"
  readonly status?: 404
  readonly title: "No such subscription"
}

export type SumTooLarge = {
  readonly detail?: string
  readonly instance?: string
  readonly period: "day" | "month"
  readonly fromDay: string
  readonly type: "urn:hypermarket:problem:analytics:sum-too-large"
  readonly status?: 409
  readonly title: "A sum is too large"
}

export type SummariesDiffer = {
  readonly detail?: string
  readonly instance?: string
  readonly month: string
  readonly cells: number
  readonly type: "urn:hypermarket:problem:analytics:summaries-differ"
  readonly status?: 409
  readonly title: "Figures of the month differ from their facts"
}

export type SystemFigure = {
  readonly name: string
  readonly description: string
  readonly attributes: { readonly [key: string]: string }
  readonly value: number
}

export type SystemFinding = {
  readonly domain: string
  readonly check: string
  readonly status: "ok" | "warn" | "fail"
  readonly message: string
  readonly hint: string | null
}

export type SystemInstallation = {
  readonly installedRelease: string
  readonly nodeRelease: string
  readonly postgresRelease: string
  readonly startedAt: string
  readonly domains: ReadonlyArray<{
    readonly domain: string
    readonly migrations: number
    readonly newestMigration: string | null
  }>
}

export type SystemSetting = {
  readonly domain: string
  readonly name: string
  readonly doc: string
  readonly default: string | null
  readonly isSet: boolean
  readonly isSecret: boolean
  readonly value: string | null
}

export type TenantAccount = {
  readonly tenantId: string
  readonly name: string
  readonly plan: string
  readonly region: string | null
  readonly status: "active" | "suspended"
  readonly statusReason: string | null
  readonly version: number
  readonly recordedAt: string
  readonly updatedAt: string
}

export type TenantExists = {
  readonly detail?: string
  readonly instance?: string
  readonly tenantId: string
  readonly type: "urn:hypermarket:problem:platform:tenant-exists"
  readonly status?: 409
  readonly title: "The tenant exists already"
}

export type TenantNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly tenantId: string
  readonly type: "urn:hypermarket:problem:platform:tenant-not-found"
  readonly status?: 404
  readonly title: "No such tenant"
}

export type TenantSuspended = {
  readonly detail?: string
  readonly instance?: string
  readonly type: "urn:hypermarket:problem:core:tenant-suspended"
  readonly status?: 403
  readonly title: "The tenant is suspended"
}

export type TooManyStreams = {
  readonly detail?: string
  readonly instance?: string
  readonly cap: "tenant" | "credential"
  readonly streamsMax: number
  readonly type: "urn:hypermarket:problem:core:too-many-streams"
  readonly status?: 429
  readonly title: "Too many streams are open; close one"
}

export type Unauthenticated = {
  readonly detail?: string
  readonly instance?: string
  readonly type: "urn:hypermarket:problem:core:unauthenticated"
  readonly status?: 401
  readonly title: "The key is missing, unknown, expired or revoked"
}

export type UnplacedFact = {
  readonly reason: "unknown" | "removed"
  readonly kind: "order" | "refund" | "shipment"
  readonly orderId: string
  readonly id: string
  readonly version: number
  readonly at: string
  readonly units: number
  readonly amount: string
  readonly tax: string
  readonly shipping: string
  readonly fees: string
}

export type VersionStale = {
  readonly detail?: string
  readonly instance?: string
  readonly currentVersion: number
  readonly type: "urn:hypermarket:problem:core:version-stale"
  readonly status?: 412
  readonly title: "The thing has changed since that version"
}

export type WebhookAttempt = {
  readonly number: number
  readonly attemptedAt: string
  readonly status: number | null
  readonly error: string | null
  readonly durationMillis: number
  readonly answer: string | null
  readonly withheld?: ReadonlyArray<"events:payload" | "customers:contact">
}

export type WebhookDelivery = {
  readonly deliveryId: string
  readonly endpointId: string
  readonly messageId: string
  readonly source: string
  readonly eventId: string
  readonly type: string
  readonly subject: string | null
  readonly state: "waiting" | "sending" | "delivered" | "dead"
  readonly attempts: number
  readonly nextAt: string | null
  readonly firstFailedAt: string | null
  readonly lastStatus: number | null
  readonly lastError: string | null
  readonly recordedAt: string
  readonly finishedAt: string | null
}

export type WebhookEndpoint = {
  readonly endpointId: string
  readonly url: string
  readonly description: string
  readonly filters: ReadonlyArray<EventFilter>
  readonly ordered: boolean
  readonly format: "cloudevents" | "standard"
  readonly publicKey: string | null
  readonly status: "enabled" | "paused" | "disabled"
  readonly disabledReason: "failing" | "gone" | null
  readonly disabledAt: string | null
  readonly failingSince: string | null
  readonly lastError: string | null
  readonly waiting: number
  readonly version: number
  readonly recordedAt: string
  readonly updatedAt: string
}

export type WebhookInvalid = {
  readonly detail?: string
  readonly instance?: string
  readonly errors: ReadonlyArray<{
    readonly path: ReadonlyArray<string | number>
    readonly message: string
  }>
  readonly type: "urn:hypermarket:problem:events:webhook-invalid"
  readonly status?: 400
  readonly title: "The webhook endpoint is not valid"
}

export type WebhookLimit = {
  readonly detail?: string
  readonly instance?: string
  readonly limit: number
  readonly type: "urn:hypermarket:problem:events:webhook-limit"
  readonly status?: 409
  readonly title: "The tenant has the maximum number of webhook endpoints"
}

export type WebhookNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly endpointId: string
  readonly type: "urn:hypermarket:problem:events:webhook-not-found"
  readonly status?: 404
  readonly title: "No such webhook endpoint"
}

export type WebhookSecretLimit = {
  readonly detail?: string
  readonly instance?: string
  readonly endpointId: string
  readonly type: "urn:hypermarket:problem:events:webhook-secret-limit"
  readonly status?: 409
  readonly title: "Three secrets of the endpoint sign; wait for the overlap of the oldest, or send revoke"
}

export type WorkflowActivityNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly executionId: string
  readonly activity: string
  readonly type: "urn:hypermarket:problem:events:workflow-activity-not-found"
  readonly status?: 404
  readonly title: "No such recorded activity"
}

export type WorkflowCompensated = {
  readonly detail?: string
  readonly instance?: string
  readonly executionId: string
  readonly type: "urn:hypermarket:problem:events:workflow-compensated"
  readonly status?: 409
  readonly title: "The execution has run its compensations"
}

export type WorkflowExecution = {
  readonly executionId: string
  readonly name: string
  readonly version: number
  readonly state: "expected" | "ready" | "running" | "suspended" | "succeeded" | "failed" | "cancelled" | "killed"
  readonly cancelRequested: boolean
  readonly needsResume: boolean
  readonly compensated: boolean
  readonly runs: number
  readonly error: string | null
  readonly parentId: string | null
  readonly unasked: ReadonlyArray<string>
  readonly recordedAt: string
  readonly startedAt: string | null
  readonly updatedAt: string
  readonly finishedAt: string | null
}

export type WorkflowFinished = {
  readonly detail?: string
  readonly instance?: string
  readonly executionId: string
  readonly state: "expected" | "ready" | "running" | "suspended" | "succeeded" | "failed" | "cancelled" | "killed"
  readonly type: "urn:hypermarket:problem:events:workflow-finished"
  readonly status?: 409
  readonly title: "The execution is finished"
}

export type WorkflowInspection = {
  readonly execution: WorkflowExecution
  readonly payload: Json
  readonly result: Json
  readonly withheld?: ReadonlyArray<"events:payload" | "customers:contact">
}

export type WorkflowNotFound = {
  readonly detail?: string
  readonly instance?: string
  readonly executionId: string
  readonly type: "urn:hypermarket:problem:events:workflow-not-found"
  readonly status?: 404
  readonly title: "No such execution"
}

export type WorkflowTask = {
  readonly kind: "activity" | "clock" | "signal" | "child"
  readonly name: string
  readonly attempt: number
  readonly outcome: "succeeded" | "failed" | null
  readonly result: Json
  readonly resultBytes: number
  readonly error: string | null
  readonly dueAt: string | null
  readonly childId: string | null
  readonly recordedAt: string
  readonly finishedAt: string | null
  readonly withheld?: ReadonlyArray<"events:payload" | "customers:contact">
}

export type ZoneFixed = {
  readonly detail?: string
  readonly instance?: string
  readonly zone: string
  readonly type: "urn:hypermarket:problem:analytics:zone-fixed"
  readonly status?: 409
  readonly title: "Orders have days of another zone already"
}

export type ZoneUnknown = {
  readonly detail?: string
  readonly instance?: string
  readonly zone: string
  readonly type: "urn:hypermarket:problem:analytics:zone-unknown"
  readonly status?: 400
  readonly title: "The database knows no such time zone"
}

/** Every problem that an operation declares. */
export type KnownProblem =
  | ApiKeyInactive
  | ApiKeyNotFound
  | AttributeConflict
  | AttributeLimit
  | BadRequestProblem
  | BodyTooLarge
  | BodyTooSlow
  | CloseExists
  | CloseNotFound
  | ContentTypeUnsupported
  | CursorInvalid
  | DeadlineExceeded
  | DecisionNotFound
  | DeliveryNotFound
  | DocumentInvalid
  | DocumentNotFound
  | ErrorProjectExists
  | ErrorProjectLimit
  | ErrorProjectNotFound
  | EventConflict
  | EventInvalid
  | EventNotFound
  | ExperimentExists
  | ExperimentInvalid
  | ExperimentLimit
  | ExperimentNotFound
  | ExperimentStatusWrong
  | FactUnknown
  | FlagApprovalRequired
  | FlagApproverIsAuthor
  | FlagEnvironmentNotFound
  | FlagExists
  | FlagInUse
  | FlagInvalid
  | FlagLimitReached
  | FlagNotFound
  | FlagRequestNotFound
  | FlagRequestNotOpen
  | FlagRequestStale
  | FlagRevisionBusy
  | FlagSegmentExists
  | FlagSegmentNotFound
  | FlagVersionNotFound
  | IdempotencyKeyReused
  | InternalServerErrorProblem
  | IssueMerged
  | IssueNotFound
  | JobNotFound
  | JobRunning
  | KeyKindRefused
  | LayerOverlap
  | ListEntryNotFound
  | ListLimit
  | LookNotFound
  | LookUnavailable
  | MergeInvalid
  | MetricExists
  | MetricLimit
  | MetricNotFound
  | MonitorNotFound
  | NothingToRollBack
  | NotificationCategoryNotFound
  | NotificationCategoryRequired
  | NotificationKeyReused
  | NotificationLimit
  | NotificationMappingNotFound
  | NotificationNotFound
  | NotificationPayloadInvalid
  | NotificationProfileNotFound
  | NotificationRefused
  | NotificationSuppressionNotFound
  | NotificationTemplateInUse
  | NotificationTemplateInvalid
  | NotificationTemplateNotFound
  | NotificationTemplateSettled
  | OrderFactConflict
  | OrderFactInvalid
  | OrderNotFound
  | OrderRetired
  | PeriodInvalid
  | PolicyExists
  | PolicyInvalid
  | PolicyLimitReached
  | PolicyNotFound
  | PolicyTie
  | PreconditionRequired
  | PublicationNotFound
  | QueueNotFound
  | QueueOverloaded
  | QuotaAmountTooHigh
  | QuotaCatalogLimit
  | QuotaExceeded
  | QuotaFeatureExists
  | QuotaFeatureNotFound
  | QuotaGrantInvalid
  | QuotaGrantNotFound
  | QuotaKeyReused
  | QuotaKindMismatch
  | QuotaReservationNotFound
  | QuotaReservationSettled
  | RateCostTooHigh
  | RateLimitsUnavailable
  | RateOverrideNotFound
  | RatePolicyExists
  | RatePolicyInvalid
  | RatePolicyLimit
  | RatePolicyNotFound
  | RateSubjectInvalid
  | ReleaseNotFound
  | RequestInProgress
  | ResourceRefused
  | RuleSetInvalid
  | RuleSetLimit
  | RuleSetNotFound
  | SalesQueryInvalid
  | ScheduleExists
  | ScheduleInvalid
  | ScheduleLimit
  | ScheduleNotFound
  | ScopeMissing
  | ScopeTooWide
  | SearchIndexBuilding
  | SearchIndexExists
  | SearchIndexLimit
  | SearchIndexNotFound
  | SearchInvalid
  | SearchVersionHeld
  | SearchVersionLimit
  | SearchVersionNotFound
  | SearchVersionState
  | SecretsMissing
  | SecretsNotConfigured
  | SignalInvalid
  | SignalKeyReused
  | SignalNotFound
  | SignalsInvalid
  | StorageUnavailable
  | SubjectPartNotFound
  | SubjectRequestNotFound
  | SubscriptionNotFound
  | SumTooLarge
  | SummariesDiffer
  | TenantExists
  | TenantNotFound
  | TenantSuspended
  | TooManyStreams
  | Unauthenticated
  | VersionStale
  | WebhookInvalid
  | WebhookLimit
  | WebhookNotFound
  | WebhookSecretLimit
  | WorkflowActivityNotFound
  | WorkflowCompensated
  | WorkflowFinished
  | WorkflowNotFound
  | ZoneFixed
  | ZoneUnknown

/** Every operation, by group. */
export interface Operations {
  readonly overview: {
    /** List what needs an operator. Returns at most 20 alerts per domain: critical ones first, the oldest first. An empty list with an empty `missing` means that every domain was asked and has nothing to report. */
    listAlerts(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<{
        readonly domain: string
        readonly kind: string
        readonly severity: "critical" | "warning" | "info"
        readonly subject: string
        readonly value: number | null
        readonly since: string | null
        readonly data: Json
      }>
      readonly missing: ReadonlyArray<{
        readonly domain: string
        readonly reason: "scope-missing" | "late" | "failed"
      }>
    }>
    /** Get a subject's timeline. Returns what every domain knows of an order, a customer, a product or a seller, newest first, at most 200 items per page. `links` name other things by kind and id. A domain that is in `missing` on one page is asked again for the next. */
    getTimeline(input: {
      readonly kind: "order" | "customer" | "product" | "seller"
      readonly id: string
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<{
        readonly domain: string
        readonly itemId: string
        readonly at: string
        readonly kind: string
        readonly data: Json
        readonly links: ReadonlyArray<{
          readonly kind: string
          readonly id: string
        }>
      }>
      readonly nextCursor: string | null
      readonly missing: ReadonlyArray<{
        readonly domain: string
        readonly reason: "scope-missing" | "late" | "failed"
      }>
    }>
    /** Watch for changes. Returns server-sent events until the client closes the stream, and for at most five minutes. `ready` comes first; `changed` names a topic that has changed and when, without any data: ask the operation that shows it. A key may have 5 open streams, a tenant 200, per process. */
    watch(input: {
      readonly topics: string
    }, options?: CallOptions): Promise<Response>
    /** Find a thing by its id. Returns at most 5 matches per domain for an id or the beginning of one, and for names where a domain has them. */
    find(input: {
      readonly q: string
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<{
        readonly domain: string
        readonly kind: string
        readonly id: string
        readonly title: string
      }>
      readonly missing: ReadonlyArray<{
        readonly domain: string
        readonly reason: "scope-missing" | "late" | "failed"
      }>
    }>
  }
  readonly system: {
    /** Check the installation. Runs the checks of `hypermarket doctor` in this process and returns what they find: `warn` needs a look this week, `fail` needs one now, and `hint` is the remedy. Filter by `domain` or `status`; a monitor asks for `status=fail`. A check that fails or takes more than 10 seconds is reported as a finding. While migrations are pending that is the only finding. */
    listChecks(input?: {
      readonly domain?: string
      readonly status?: "ok" | "warn" | "fail"
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<SystemFinding>
    }>
    /** List the settings in force. Returns every setting that this process reads, with its default and its value since the process started. Secrets are never returned: `isSecret` is true, and `isSet` says whether there is one. The worker may have other settings. */
    listSettings(input?: {
      readonly domain?: string
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<SystemSetting>
    }>
    /** Get the releases. Returns the releases of Hypermarket, Node and Postgres, when this process started, and the newest migration of every domain. */
    getInstallation(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<SystemInstallation>
    /** List the figures of the process. Returns the gauges of this process, at most 1,000: what waits for a connection, memory, spools. `/metrics` has them with counters and histograms, in the format of Prometheus. Send `name` for one of them. */
    listFigures(input?: {
      readonly name?: string
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<SystemFigure>
    }>
  }
  readonly tenants: {
    /** List tenants. Returns tenants in the order of their ids, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page; it is null on the last one. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<TenantAccount>
      readonly nextCursor: string | null
    }>
    /** Create a tenant. Creates a tenant under an id that you choose. The id cannot be changed later. `plan` is `standard` by default. An id that is in use is answered with 409 `tenant-exists`. Send an `Idempotency-Key` to repeat the request safely within 24 hours. Then create the tenant's first key. */
    create(input: {
      readonly body: {
        readonly tenantId: string
        readonly name: string
        readonly plan?: string
        readonly region?: string | null
      }
    }, options?: CallOptions): Promise<TenantAccount>
    /** Get a tenant. Returns the tenant. The `ETag` header holds its version, which a change needs in `If-Match`. */
    get(input: {
      readonly tenantId: string
    }, options?: CallOptions): Promise<TenantAccount>
    /** Change or suspend a tenant. Changes the fields in the body; absent fields keep their value. A suspension requires a `statusReason`. A suspended tenant's keys are answered with 403, and its data stays. Send the version in `If-Match`. After a 412, get the tenant, apply your change to it, and send it with the new version. */
    change(input: {
      readonly tenantId: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly name?: string
        readonly plan?: string
        readonly region?: string | null
        readonly status?: "active" | "suspended"
        readonly statusReason?: string | null
      }
    }, options?: CallOptions): Promise<TenantAccount>
    /** Create a key of a tenant. Creates a key for the tenant and returns its secret. The secret is shown once, so store it before you go on. A repeated request with the same `Idempotency-Key` returns the same key with `secret` null. */
    createTenantKey(input: {
      readonly tenantId: string
      readonly body: {
        readonly name: string
        readonly kind?: "server" | "client"
        readonly environment?: string
        readonly resource?: {
          readonly kind: "project" | "index"
          readonly id: string
        }
        readonly scopes: ReadonlyArray<string>
        readonly expiresAt?: string
      }
    }, options?: CallOptions): Promise<IssuedKey>
  }
  readonly keys: {
    /** Get your tenant. Returns the tenant that the key of this request belongs to. Use it to check a key and to find out the tenant's plan and region. */
    currentTenant(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<TenantAccount>
    /** List keys. Returns the tenant's keys without their secrets, newest first, at most 200 per page. Expired and revoked keys are in the list. `lastUsedAt` is exact to the minute. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<ApiKey>
      readonly nextCursor: string | null
    }>
    /** Create a key. Creates a key and returns its secret. The secret is shown once, so store it before you go on. A `server` key is secret and works for every operation within its scopes. A `client` key may be in a browser, and only works for operations that are made for it. A key has 1 to 64 scopes. It cannot have scopes that the calling key lacks: 403 `scope-too-wide` lists them. */
    create(input: {
      readonly body: {
        readonly name: string
        readonly kind?: "server" | "client"
        readonly environment?: string
        readonly resource?: {
          readonly kind: "project" | "index"
          readonly id: string
        }
        readonly scopes: ReadonlyArray<string>
        readonly expiresAt?: string
      }
    }, options?: CallOptions): Promise<IssuedKey>
    /** Get a key. Returns the key without its secret. The `ETag` header holds its version. Another tenant's key is not found. */
    get(input: {
      readonly apiKeyId: string
    }, options?: CallOptions): Promise<ApiKey>
    /** Revoke a key. Ends the key within 5 seconds in every process. This cannot be undone. The key stays in the list, with the `reason` of the query. Rotate the key instead if clients still use it. */
    revoke(input: {
      readonly apiKeyId: string
      readonly reason?: string
      /** The version that was read. */
      readonly version: number
    }, options?: CallOptions): Promise<ApiKey>
    /** Replace a key. Creates a key with the same name, scopes and environment, and returns its secret. The old key stays valid for `overlapSeconds`: one day by default, 30 days at most, 0 to end it now. Deploy the new secret within that time. A revoked or expired key is answered with 409 `api-key-inactive`: create a new key instead. */
    rotate(input: {
      readonly apiKeyId: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly overlapSeconds?: number
      }
    }, options?: CallOptions): Promise<IssuedKey>
  }
  readonly flags: {
    /** List flags. Returns the active flags in the order of their keys, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page; it is null on the last one. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<FeatureFlag>
      readonly nextCursor: string | null
    }>
    /** Create a flag. Creates a flag and puts it into the environments that are named. A boolean flag has the variants `on` and `off` unless others are given. `salt` and `hashing` never change: they decide which customers a rollout reaches. A tenant has at most 2,000 active flags. Send an `Idempotency-Key` to repeat the request safely within 24 hours. Then change an environment with its own operation. */
    create(input: {
      readonly body: {
        readonly flagKey: string
        readonly kind: "boolean" | "string" | "number" | "json"
        readonly description?: string
        readonly variants?: ReadonlyArray<FlagVariant>
        readonly metadata?: { readonly [key: string]: string | number | boolean }
        readonly salt?: string
        readonly hashing?: "murmur3" | "gb_v2" | "unleash"
        readonly owner?: string
        readonly expiresAt?: string
        readonly environments?: { readonly [key: string]: FlagEnvironment }
      }
    }, options?: CallOptions): Promise<FeatureFlag>
    /** Get a flag. Returns the flag with its state in every environment. The `ETag` header holds its version, which a change needs in `If-Match`. */
    get(input: {
      readonly flagKey: string
    }, options?: CallOptions): Promise<FeatureFlag>
    /** Change a flag. Changes what all environments share; absent fields keep their value. A new `flagKey` renames the flag: customers keep their buckets, because the salt stays. A flag that others need cannot be renamed. Send the version in `If-Match`. After a 412, get the flag, apply your change to it, and send it with the new version. */
    change(input: {
      readonly flagKey: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly flagKey?: string
        readonly description?: string | null
        readonly variants?: ReadonlyArray<FlagVariant>
        readonly metadata?: { readonly [key: string]: string | number | boolean }
        readonly owner?: string | null
        readonly expiresAt?: string | null
      }
    }, options?: CallOptions): Promise<FeatureFlag>
    /** Set a flag's environment. Replaces the flag's rules and state in one environment, or adds the environment. Rules are tried in their order, and the first that applies decides. A variant, segment or flag that does not exist is refused with 422 `flag-invalid`, and so is a cycle of prerequisites. A flag has at most 20 environments, with 100 rules each. */
    setEnvironment(input: {
      readonly flagKey: string
      readonly environment: string
      /** The version that was read. */
      readonly version: number
      readonly body: FlagEnvironment
    }, options?: CallOptions): Promise<FeatureFlag>
    /** Kill a flag. Turns the flag off in one environment at once. It needs no `If-Match`, because in an emergency the version does not matter. Repeating it changes nothing. Set the environment to turn the flag on again. */
    kill(input: {
      readonly flagKey: string
      readonly environment: string
      readonly body: {
        readonly reason: string
      }
    }, options?: CallOptions): Promise<FeatureFlag>
    /** Archive a flag. Takes the flag out of every environment, where SDKs then find no such flag. Its key is free again. A flag that others need cannot be archived: 409 `flag-in-use` lists them. */
    archive(input: {
      readonly flagKey: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly reason: string
      }
    }, options?: CallOptions): Promise<FeatureFlag>
    /** Roll a flag back. Restores what an earlier version held, as a new version. The key stays. What that version needs must still exist. List the versions or compare two of them first. */
    rollBack(input: {
      readonly flagKey: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly version: number
      }
    }, options?: CallOptions): Promise<FeatureFlag>
    /** List a flag's versions. Returns the versions of a flag with who made them, newest first, at most 200 per page. The newest 500 are kept. */
    listVersions(input: {
      readonly flagKey: string
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<FlagVersion>
      readonly nextCursor: string | null
    }>
    /** Compare two versions of a flag. Returns a JSON Patch (RFC 6902) that turns the version `from` into the version `to`. By default they are the current version and the one before it. */
    diff(input: {
      readonly flagKey: string
      readonly from?: string
      readonly to?: string
    }, options?: CallOptions): Promise<FlagDiff>
    /** Explain an evaluation. Evaluates a flag for a context and returns every rule with its outcome, the parts of its condition and the customer's bucket. `context.targetingKey` is the customer's id. The operation writes nothing. */
    explain(input: {
      readonly flagKey: string
      readonly body: {
        readonly environment: string
        readonly context: { readonly [key: string]: unknown }
      }
    }, options?: CallOptions): Promise<FlagExplanation>
  }
  readonly segments: {
    /** List segments. Returns segments in the order of their keys, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page; it is null on the last one. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<FlagSegment>
      readonly nextCursor: string | null
    }>
    /** Create a segment. Creates a segment. Rules refer to it by `{ "segment": "<key>" }`. A tenant has at most 1,000 segments. Send an `Idempotency-Key` to repeat the request safely within 24 hours. */
    create(input: {
      readonly body: {
        readonly segmentKey: string
        readonly description?: string
        readonly condition: Condition
      }
    }, options?: CallOptions): Promise<FlagSegment>
    /** Get a segment. Returns the segment. The `ETag` header holds its version, which a change needs in `If-Match`. */
    get(input: {
      readonly segmentKey: string
    }, options?: CallOptions): Promise<FlagSegment>
    /** Change a segment. Changes the segment for every flag that uses it, in all environments at once. Absent fields keep their value. Send the version in `If-Match`. */
    change(input: {
      readonly segmentKey: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly description?: string | null
        readonly condition?: Condition
      }
    }, options?: CallOptions): Promise<FlagSegment>
    /** Remove a segment. Removes a segment that no flag and no other segment uses; 409 `flag-in-use` lists those that do. Send the version in `If-Match`. */
    remove(input: {
      readonly segmentKey: string
      /** The version that was read. */
      readonly version: number
    }, options?: CallOptions): Promise<void>
  }
  readonly flagRequests: {
    /** List change requests. Returns change requests, the newest first, 50 per page by default and at most 200; `status` filters them. Send `nextCursor` as `cursor` for the next page; it is null on the last one. Requests are kept for 400 days after they end. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
      readonly status?: "pending" | "scheduled" | "applied" | "conflict" | "closed"
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<FlagChangeRequest>
      readonly nextCursor: string | null
    }>
    /** Propose a change of a flag. Proposes up to 50 steps. A step replaces the flag's `state` in an environment, turns it on or off, moves the `percentage` of a rule, changes what all environments share, restores a version or archives the flag. Steps with `at` are applied at their times: several percentages of one rule are a ramp. `baseVersion` is the version of the flag that you have seen; after another change the answer is 409 `flag-request-stale`. The request is `pending` where an environment asks for an approval or the first step has no `at`, else `scheduled`. A tenant has at most 1,000 open requests. Send an `Idempotency-Key` to repeat the request safely within 24 hours. */
    create(input: {
      readonly body: {
        readonly flagKey: string
        readonly baseVersion: number
        readonly description?: string
        readonly steps: ReadonlyArray<FlagStep>
      }
    }, options?: CallOptions): Promise<FlagChangeRequest>
    /** Get a change request. Returns the request with its steps, and how many of them are in the flag. `reason` says why a request is a `conflict` or was closed. */
    get(input: {
      readonly requestId: string
    }, options?: CallOptions): Promise<FlagChangeRequest>
    /** Approve a change request. Approves a pending request, and applies its first step unless that has a time to come. The author is answered 403. When the flag has changed since the base of the request, the answer is 409 `flag-request-stale` and nothing is changed: close the request, and propose it again. */
    approve(input: {
      readonly requestId: string
    }, options?: CallOptions): Promise<FlagChangeRequest>
    /** Close a change request. Ends a pending or scheduled request, whether its author withdraws it or a reviewer refuses it. Steps that were applied stay in the flag. */
    close(input: {
      readonly requestId: string
      readonly body: {
        readonly reason: string
      }
    }, options?: CallOptions): Promise<FlagChangeRequest>
  }
  readonly flagEnvironments: {
    /** List environments of flags. Returns the environments that flags are in, and those that were set, in the order of their names, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page; it is null on the last one. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<FlagApprovalPolicy>
      readonly nextCursor: string | null
    }>
    /** Get an environment of flags. Returns whether changes of the environment's flags need an approval. The `ETag` header holds the version, which is 0 until the environment is first set. */
    get(input: {
      readonly environment: string
    }, options?: CallOptions): Promise<FlagApprovalPolicy>
    /** Ask for approvals in an environment. Sets whether changes of the environment's flags need a second person. Direct changes are then answered 409 `flag-approval-required`, and so is a change of a segment that its flags use. `kill` is not: it only turns a flag off. Send the version in `If-Match`. */
    set(input: {
      readonly environment: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly requiresApproval: boolean
      }
    }, options?: CallOptions): Promise<FlagApprovalPolicy>
  }
  readonly audit: {
    /** List activity. Returns the entries of the tenant's log, the newest first, at most 200 per page. Filter by `action`, `actorId`, `targetType` or `targetId`. A page with a filter examines 10,000 entries: it may have few items, or none, and still have a `nextCursor`. `before` and `after` hold the members that differ. The request is recorded as `activity.read`. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
      readonly action?: string
      readonly actorId?: string
      readonly targetType?: string
      readonly targetId?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<Activity>
      readonly nextCursor: string | null
    }>
    /** Get the head of the log. Returns the newest checkpoint and the public keys that have signed. `head` is null until a worker has sealed the first entries, which takes a minute. Keep it elsewhere: a verification that is given a kept head finds out when the end of the log was dropped. Each head is also published as the event `com.hypermarket.platform.activity.sealed.v1`. */
    head(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<{
      readonly head: ActivityHead | null
      readonly keys: ReadonlyArray<ActivityKey>
    }>
    /** List keys of checkpoints. Returns the Ed25519 public keys that have signed checkpoints of this installation, the first one first. `since` is the first checkpoint that the key signed. The list is empty while the operator has set no key. */
    keys(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<ActivityKey>
    }>
    /** Export checkpoints and entries. Returns lines of JSON: the public keys, then each checkpoint with its entries in the order of their leaves, then `end`. About 10,000 entries or 16 MiB are returned at a time: send the header `X-Next-After` of the response as `after` until it is absent; `next` of the last line has it too. Entries without a checkpoint are not in it. With `format` `csv` the response is `text/csv` (RFC 4180) with a header in the first part; with `ocsf` it has one event of the Open Cybersecurity Schema Framework per line. Both have the entries without their proofs. The package's README describes each line, byte by byte, so that anyone can verify it. The request is recorded as `activity.exported`. */
    exportActivity(input?: {
      readonly after?: number
      readonly format?: "ndjson" | "csv" | "ocsf"
    }, options?: CallOptions): Promise<Response>
    /** Verify the log. Compares all entries with their checkpoints, and names those that were changed, deleted, moved or inserted, each with the reason. The log is intact when `problems` is empty. Send a `head` that you kept, so that dropped checkpoints at the end are found. Send the public `keys` that you kept, so that a checkpoint of another key is. A log of more than some 100,000 entries takes longer than a request may: use `hypermarket audit verify`. */
    verify(input: {
      readonly body: {
        readonly head?: {
          readonly tenantId: string
          readonly number: number
          readonly hash: string
        }
        readonly keys?: { readonly [key: string]: string }
      }
    }, options?: CallOptions): Promise<ActivityReport>
  }
  readonly policy: {
    /** List policies. Returns the tenant's policies in the order of their keys, 50 per page by default and at most 200. Those of the installation are not in the list. Send `nextCursor` as `cursor` for the next page; it is null on the last one. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<RegionPolicy>
      readonly nextCursor: string | null
    }>
    /** Create a policy. Creates a policy for the `actions`, within `region`, `channel` and `category`. A region is `GLOBAL`, a group such as `EU`, a country or a subdivision; `UK` and `EL` are refused, naming `GB` and `GR`. `effectiveFrom` and `effectiveUntil` are a half-open interval. `deny` wins over everything. An `allow` denies its actions, within its channel and category, wherever no `allow` applies. A value that ties with another is refused with 409 `policy-tie`: give one of them a greater `priority`. */
    create(input: {
      readonly body: {
        readonly policyKey: string
        readonly description?: string
        readonly actions: ReadonlyArray<string>
        readonly region?: string
        readonly channel?: string
        readonly category?: string
        readonly tenant?: string
        readonly effect: "allow" | "deny" | "require" | "value"
        readonly requirements?: ReadonlyArray<string>
        readonly value?: unknown
        readonly condition?: Condition
        readonly priority?: number
        readonly effectiveFrom?: string
        readonly effectiveUntil?: string
        readonly legalBasis: string
        readonly source: string
      }
    }, options?: CallOptions): Promise<RegionPolicy>
    /** Get a policy. Returns the policy. The `ETag` header holds its version, which a change and a removal need in `If-Match`. */
    get(input: {
      readonly policyKey: string
    }, options?: CallOptions): Promise<RegionPolicy>
    /** Replace a policy. Replaces everything but the key, as a new version. The version before it is kept: a decision as of an earlier time (`knownAt`) still knows it. Send the version in `If-Match`. After a 412, get the policy, apply your change to it, and send it with the new version. */
    change(input: {
      readonly policyKey: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly description?: string
        readonly actions: ReadonlyArray<string>
        readonly region?: string
        readonly channel?: string
        readonly category?: string
        readonly tenant?: string
        readonly effect: "allow" | "deny" | "require" | "value"
        readonly requirements?: ReadonlyArray<string>
        readonly value?: unknown
        readonly condition?: Condition
        readonly priority?: number
        readonly effectiveFrom?: string
        readonly effectiveUntil?: string
        readonly legalBasis: string
        readonly source: string
      }
    }, options?: CallOptions): Promise<RegionPolicy>
    /** Remove a policy. Ends the policy now. Its versions are kept, and decisions as of an earlier time still know it. Set `effectiveUntil` instead when the law ends on a day. Its key is free again. */
    remove(input: {
      readonly policyKey: string
      /** The version that was read. */
      readonly version: number
    }, options?: CallOptions): Promise<void>
    /** List a policy's versions. Returns the versions of a policy, the newest first, at most 200 per page. `recordedAt` and `supersededAt` are the time in which a version was known. */
    listVersions(input: {
      readonly policyKey: string
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<RegionPolicy>
      readonly nextCursor: string | null
    }>
    /** List decisions. Returns what was decided, the newest first: the question without its attributes, the effect, and in `because` the versions of policies that led to it. Equal decisions of a few seconds are one item, which `decisions` counts. A decision with a `reference` is always in the list, any other only when a policy led to it. Decisions are kept for 90 days. A page with a filter other than `reference` examines 10,000 items: it may have fewer than asked for, or none, and go on with `nextCursor`. */
    decisions(input?: {
      readonly limit?: number
      readonly cursor?: string
      readonly action?: string
      readonly effect?: "allow" | "deny"
      readonly policyKey?: string
      readonly reference?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<PolicyDecision>
      readonly nextCursor: string | null
    }>
    /** Decide a question. Decides by the policies of the installation and of the tenant, as of `at` in force and `knownAt` recorded, both now by default. The copy that it asks is at most 500 ms old; `revision` names it. `because` names the policies with their versions, legal basis and source. `undetermined` is true when something unknown decided: a missing attribute, or a country asked about where the policy is of one of its states. A deny holds then, and an allow does not. With `reference`, which names what is decided about, the decision is made by what is in the database and is in the log of decisions before it is answered. Without it the log has the decision within seconds, when a policy led to it. */
    decide(input: {
      readonly body: {
        readonly action: string
        readonly region?: string
        readonly channel?: string
        readonly category?: string
        readonly attributes?: { readonly [key: string]: unknown }
        readonly reference?: string
        readonly at?: string
        readonly knownAt?: string
      }
    }, options?: CallOptions): Promise<RegionDecision>
    /** Try a policy. Decides up to 1,000 questions without and with a policy that is not stored, and returns how many are denied before and after, and the first 100 that change. A policy with the same key is replaced. Create the policy with the same body to put it into force. */
    dryRun(input: {
      readonly body: {
        readonly policy: {
          readonly policyKey: string
          readonly description?: string
          readonly actions: ReadonlyArray<string>
          readonly region?: string
          readonly channel?: string
          readonly category?: string
          readonly tenant?: string
          readonly effect: "allow" | "deny" | "require" | "value"
          readonly requirements?: ReadonlyArray<string>
          readonly value?: unknown
          readonly condition?: Condition
          readonly priority?: number
          readonly effectiveFrom?: string
          readonly effectiveUntil?: string
          readonly legalBasis: string
          readonly source: string
        }
        readonly questions: ReadonlyArray<{
          readonly action: string
          readonly region?: string
          readonly channel?: string
          readonly category?: string
          readonly attributes?: { readonly [key: string]: unknown }
          readonly reference?: string
          readonly at?: string
          readonly knownAt?: string
        }>
      }
    }, options?: CallOptions): Promise<PolicyDryRunReport>
  }
  readonly installationPolicies: {
    /** List policies of the installation. Returns the policies that bind all tenants, in the order of their keys, 50 per page by default and at most 200. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<RegionPolicy>
      readonly nextCursor: string | null
    }>
    /** Create a policy for all tenants. Creates a policy that binds every tenant, or the one that `tenant` names. Tenants can narrow it with policies of their own, and cannot lift it. */
    create(input: {
      readonly body: {
        readonly policyKey: string
        readonly description?: string
        readonly actions: ReadonlyArray<string>
        readonly region?: string
        readonly channel?: string
        readonly category?: string
        readonly tenant?: string
        readonly effect: "allow" | "deny" | "require" | "value"
        readonly requirements?: ReadonlyArray<string>
        readonly value?: unknown
        readonly condition?: Condition
        readonly priority?: number
        readonly effectiveFrom?: string
        readonly effectiveUntil?: string
        readonly legalBasis: string
        readonly source: string
      }
    }, options?: CallOptions): Promise<RegionPolicy>
    /** Get a policy of the installation. Returns the policy. The `ETag` header holds its version, which a change and a removal need in `If-Match`. */
    get(input: {
      readonly policyKey: string
    }, options?: CallOptions): Promise<RegionPolicy>
    /** Replace a policy of the installation. Replaces everything but the key, as a new version. The version before it is kept. Send the version in `If-Match`. */
    change(input: {
      readonly policyKey: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly description?: string
        readonly actions: ReadonlyArray<string>
        readonly region?: string
        readonly channel?: string
        readonly category?: string
        readonly tenant?: string
        readonly effect: "allow" | "deny" | "require" | "value"
        readonly requirements?: ReadonlyArray<string>
        readonly value?: unknown
        readonly condition?: Condition
        readonly priority?: number
        readonly effectiveFrom?: string
        readonly effectiveUntil?: string
        readonly legalBasis: string
        readonly source: string
      }
    }, options?: CallOptions): Promise<RegionPolicy>
    /** Remove a policy of the installation. Ends the policy now, for all tenants. Its versions are kept, and decisions as of an earlier time still know it. */
    remove(input: {
      readonly policyKey: string
      /** The version that was read. */
      readonly version: number
    }, options?: CallOptions): Promise<void>
  }
  readonly subjects: {
    /** List requests. Returns exports and erasures, the newest first, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page; it is null on the last one. They do not name the persons: keep the `requestId`. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<SubjectRequest>
      readonly nextCursor: string | null
    }>
    /** Export or erase a person. Records the request and returns 202. A worker begins within 15 seconds. `identifiers` are further names of the person; the domains add those that they hold, such as the e-mail address of a profile. An erasure looks through all tables until it finds nothing. Stop sending facts of the person first. Amounts and counts stay, without the person. Jobs that still wait get an empty payload, and their handler rejects them. */
    create(input: {
      readonly body: {
        readonly kind: "export" | "erasure"
        readonly subject: {
          readonly kind: "customer" | "seller" | "user"
          readonly id: string
          readonly identifiers?: ReadonlyArray<{
            readonly kind: string
            readonly value: string
          }>
        }
      }
    }, options?: CallOptions): Promise<SubjectRequest>
    /** Get a request or its receipt. Returns the request. When `state` is `done`, `rows` and `domains` count what was exported or erased, `kept` names the rows that remain without the person and the reason, and `parts` is the number of parts of an export. */
    get(input: {
      readonly requestId: string
    }, options?: CallOptions): Promise<SubjectRequest>
    /** Read a part of an export. Returns lines of JSON, each with `domain`, `table` and `row`. Parts are numbered from 1 and can be read for seven days after the export, or until the person is erased. The read is recorded as `subject.export-read`. */
    part(input: {
      readonly requestId: string
      readonly part: number
    }, options?: CallOptions): Promise<Response>
  }
  readonly events: {
    /** Publish events. Publishes one event or a batch of at most 1,000, all or nothing. The body is one of the three content modes of CloudEvents 1.0: - `application/cloudevents+json`: one event with its `data`. - `application/cloudevents-batch+json`: an array of events. - Any other type, with the attributes in `ce-` headers: the `data` alone. JSON is kept as it is, and everything else as `data_base64`. `application/json` without `ce-` headers is read as one event, or as a batch. Publishing is idempotent by `source` and `id`. The same event again is answered with the state `duplicate`, so repeat a request that failed. Another event with the same `source` and `id` is answered with 409 `event-conflict`. An event has at most 256 KiB and a body at most 8 MiB. The `data` of a fact, for example `com.hypermarket.shop.order.placed.v1`, is checked against its schema. A 400 `event-invalid` names the fields; each path begins with the index of the event. */
    publish(input: {
      readonly body: CloudEvent | ReadonlyArray<CloudEvent>
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<{
        readonly id: string
        readonly state: "accepted" | "duplicate"
      }>
    }>
    /** Get the state of an event. Returns what became of a published event in each queue that it went to: those of handlers and of subscriptions. It is known for 30 days after publishing; then the event is answered with 404 `event-not-found`. `source` is `/` if you leave it out. - `waiting`: no worker has it yet. `nextAt` is set if it is not due. - `running`: a worker has it. - `retrying`: it has failed `attempt` times and is tried again. `error` is the last error. - `dead`: it is in the dead-letter queue. - `done`: it is completed, or was cancelled or discarded. - `waiting-or-done`: one of the two. A look-up reads the first 10,000 jobs that wait in a queue, and `unsearched` more wait. `handlers` is empty when no handler and no subscription wanted the event. Deliveries to webhooks have a list of their own. */
    state(input: {
      readonly id: string
      readonly source?: string
    }, options?: CallOptions): Promise<EventState>
  }
  readonly facts: {
    /** Get the schema of a fact. Returns the JSON Schema (draft 2020-12) of the `data` of a fact. It is the same for every tenant. Use it to check events before you publish them. An unknown type is answered with 404 `fact-unknown`. */
    factSchema(input: {
      readonly type: string
    }, options?: CallOptions): Promise<Json>
  }
  readonly queues: {
    /** List queues. Returns every queue of the tenant, with its depth, its settings and the attempts of the last hour. Queues of handlers and subscriptions are listed while they are empty too. The depth is counted at the time of the request. */
    list(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<EventQueue>
    }>
    /** Get a queue. Returns the depth and the settings of one queue. `oldestAgeSeconds` is the age of the oldest runnable job, and null when there is none. The `ETag` header holds the version of the settings, which is 0 while they are the defaults. */
    get(input: {
      readonly queue: string
    }, options?: CallOptions): Promise<EventQueue>
    /** Change a queue. Changes the settings in the body; absent fields keep their value, and null removes a limit. - `weight` (1 to 100) is the queue's share of the workers' time. - `concurrencyMax` limits the jobs that run at the same time over all workers. - `rate` limits the starts per `periodMillis`. Send the version in `If-Match`, `"0"` for a queue with default settings. After a 412, get the queue and try again. */
    change(input: {
      readonly queue: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly weight?: number
        readonly concurrencyMax?: number | null
        readonly rate?: {
          readonly max: number
          readonly periodMillis: number
        } | null
      }
    }, options?: CallOptions): Promise<EventQueue>
    /** List the work per minute. Returns how many jobs the workers finished per minute, and how many failed. It covers the last 60 minutes, newest first. Minutes without work are left out. Use it to see whether a queue keeps up with its producers. */
    minutes(input: {
      readonly queue: string
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<QueueMinute>
    }>
    /** Pause a queue. Stops the workers from claiming jobs of the queue, within 2 seconds. Running jobs finish, and new jobs are still accepted. Pausing a paused queue changes nothing. */
    pause(input: {
      readonly queue: string
    }, options?: CallOptions): Promise<void>
    /** Resume a queue. Ends the pause of a queue. Jobs that arrived meanwhile run in their order. Resuming a queue that is not paused changes nothing. */
    resume(input: {
      readonly queue: string
    }, options?: CallOptions): Promise<void>
    /** Get a job. Returns the state of one job, its failed attempts and their errors. `ready` includes a job that waits behind its ordering key. A job that is done is deleted, so it is answered with 404 `job-not-found`. A look-up reads the first 10,000 jobs that wait in the queue: with `unsearched` above 0 in the problem, the job may be one of those behind them. */
    job(input: {
      readonly queue: string
      readonly jobId: string
    }, options?: CallOptions): Promise<QueuedJob>
    /** List jobs that wait or run. Returns the jobs of one `state` (`ready` by default), at most 200 per page, and only those of `type` if you send it. - `ready`: in the order in which workers claim them. - `ordered`: jobs with an ordering key, by key; `state` in the response is `delayed` until their time comes. - `delayed`: they wait for their time or their next attempt, oldest first. - `running`: a worker has them, oldest first. */
    jobs(input: {
      readonly queue: string
      readonly limit?: number
      readonly cursor?: string
      readonly state?: "ready" | "ordered" | "delayed" | "running"
      readonly type?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<ListedJob>
      readonly nextCursor: string | null
    }>
    /** Get the payload of a job. Returns the payload of a job that is not done. It needs the scope `events:payload`, which no other includes, because a payload may hold data of a customer. A reading through the console is in the activity log. It is null when a large payload of a job that died long ago is no longer kept. A job that is done is answered with 404 `job-not-found`. */
    payload(input: {
      readonly queue: string
      readonly jobId: string
    }, options?: CallOptions): Promise<{
      readonly payload: Json
    }>
    /** Cancel a job. Deletes a job that has not started. A job that a worker runs is answered with 409 `job-running`: try again when its attempt has ended. A dead job is answered with 404 `job-not-found`: discard it instead. */
    cancel(input: {
      readonly queue: string
      readonly jobId: string
    }, options?: CallOptions): Promise<void>
    /** List dead jobs. Returns the jobs of the dead-letter queue, oldest first, at most 200 per page. Filter them by `type`, by `failure` as the groups have it, or by the time of death. A job is there after its last attempt, or after its handler rejected it. `errors` has the last ten failures. Redrive the jobs once the cause is fixed, or discard them. */
    dead(input: {
      readonly queue: string
      readonly limit?: number
      readonly cursor?: string
      readonly type?: string
      readonly failure?: string
      readonly diedFrom?: string
      readonly diedBefore?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<DeadJob>
      readonly nextCursor: string | null
    }>
    /** Group dead jobs by error. Returns the dead jobs of a queue by their last error, the most frequent first, at most 100 groups. Errors that differ in ids and numbers only are one group: `failure` has `#` in their place. Send it to list, redrive or discard the jobs of one group. */
    deadGroups(input: {
      readonly queue: string
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<DeadGroup>
    }>
    /** Redrive dead jobs. Moves dead jobs back to the queue, with all their attempts. Select them by `type`, `failure` (as the groups have it), `jobIds` (at most 1,000) or the time of death. Without a condition, all of them are moved, oldest first. One request moves at most 10,000 jobs: call it again while `redriven` is 10,000. `perSecond` spreads them, so that a dependency that has just recovered is not overloaded. */
    redrive(input: {
      readonly queue: string
      readonly body: {
        readonly type?: string
        readonly failure?: string
        readonly jobIds?: ReadonlyArray<string>
        readonly diedFrom?: string
        readonly diedBefore?: string
        readonly limit?: number
        readonly perSecond?: number
      }
    }, options?: CallOptions): Promise<{
      readonly redriven: number
    }>
    /** Discard dead jobs. Deletes dead jobs, selected as for a redrive. This cannot be undone. One request deletes at most 10,000: call it again while `discarded` is 10,000. */
    discard(input: {
      readonly queue: string
      readonly body: {
        readonly type?: string
        readonly failure?: string
        readonly jobIds?: ReadonlyArray<string>
        readonly diedFrom?: string
        readonly diedBefore?: string
        readonly limit?: number
      }
    }, options?: CallOptions): Promise<{
      readonly discarded: number
    }>
  }
  readonly subscriptions: {
    /** List subscriptions. Returns the tenant's subscriptions, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<EventSubscription>
      readonly nextCursor: string | null
    }>
    /** Create a subscription. Creates a subscription. From now on, each published event that matches every filter becomes a job in `queue`. Earlier events are not delivered. With `workflow` instead of `queue`, the event starts an execution with its `data` as the payload, or sends `data` as the `signal`. `key` says where the event has the key of the execution: an attribute, or a field such as `data.orderId`; `subject` by default. A repeated start, and a second signal of the same name, change nothing. An event without a key is in the dead-letter queue of `events.workflow-event`. A filter compares attributes or extensions by `exact`, `prefix` or `suffix`; `all`, `any` and `not` combine filters. There are at most 20; without filters every event matches that the key may read. With `ordered`, events of one `subject` run one at a time, in the order of publishing. Every request creates another subscription, and each delivers every event. Send an `Idempotency-Key` to repeat the request safely within 24 hours. */
    create(input: {
      readonly body: {
        readonly name: string
        readonly filters: ReadonlyArray<EventFilter>
        readonly queue?: string
        readonly workflow?: {
          readonly name: string
          readonly version?: number
          readonly key?: string
          readonly signal?: string
        }
        readonly ordered?: boolean
      }
    }, options?: CallOptions): Promise<EventSubscription>
    /** Get a subscription. Returns the subscription. The `ETag` header holds its version, which a change needs in `If-Match`. */
    get(input: {
      readonly subscriptionId: string
    }, options?: CallOptions): Promise<EventSubscription>
    /** Change or pause a subscription. Changes the fields in the body; absent fields keep their value. New filters apply to events that are published afterwards. Events that are published while `status` is `paused` are never delivered to this subscription. To keep them, pause the queue instead. Send the version in `If-Match`. */
    change(input: {
      readonly subscriptionId: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly name?: string
        readonly status?: "active" | "paused"
        readonly filters?: ReadonlyArray<EventFilter>
        readonly ordered?: boolean
      }
    }, options?: CallOptions): Promise<EventSubscription>
    /** Remove a subscription. Removes the subscription at the version in `If-Match`. Jobs that are in its queue stay there and still run. */
    remove(input: {
      readonly subscriptionId: string
      /** The version that was read. */
      readonly version: number
    }, options?: CallOptions): Promise<void>
  }
  readonly schedules: {
    /** List schedules. Returns the tenant's schedules with their next run, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<JobSchedule>
      readonly nextCursor: string | null
    }>
    /** Create a schedule. Creates a schedule that enqueues a job of `type` in `queue`. Send exactly one of `cron`, `everySeconds` and `runAt`. A cron expression has five fields, or six with seconds first, and is read in `timeZone` (IANA, UTC by default). `overlap` decides about a run that is due while the last one is unfinished: `skip`, `queue` (default) or `cancel`. `catchUp` decides about times that passed while no worker ran: `none`, `one` (default) or `all`, at most 1,000. A name that is in use is answered with 409 `schedule-exists`. A 400 `schedule-invalid` names the field. */
    create(input: {
      readonly body: {
        readonly name: string
        readonly queue: string
        readonly type: string
        readonly payload?: unknown
        readonly cron?: string
        readonly timeZone?: string
        readonly everySeconds?: number
        readonly runAt?: string
        readonly overlap?: "skip" | "queue" | "cancel"
        readonly catchUp?: "none" | "one" | "all"
        readonly catchUpSeconds?: number
        readonly jitterSeconds?: number
      }
    }, options?: CallOptions): Promise<JobSchedule>
    /** Get a schedule. Returns the schedule. `nextAt` is its next run, and null after the only run of a schedule with `runAt`. Without the scope `events:payload` `payload` is null, and `withheld` says so. The `ETag` header holds its version. */
    get(input: {
      readonly scheduleId: string
    }, options?: CallOptions): Promise<JobSchedule>
    /** Pause or resume a schedule. Sets `paused`. A paused schedule enqueues nothing, and times that are due during the pause are skipped. Send the version in `If-Match`. To change the times, remove the schedule and create it again. */
    change(input: {
      readonly scheduleId: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly paused: boolean
      }
    }, options?: CallOptions): Promise<JobSchedule>
    /** Remove a schedule. Removes the schedule at the version in `If-Match`. Jobs that it has enqueued stay in their queue. */
    remove(input: {
      readonly scheduleId: string
      /** The version that was read. */
      readonly version: number
    }, options?: CallOptions): Promise<void>
    /** Run a schedule now. Enqueues one job of the schedule at once. Its next run stays as it is. A 503 `queue-overloaded` means that nothing was enqueued: try again later. */
    runNow(input: {
      readonly scheduleId: string
    }, options?: CallOptions): Promise<void>
    /** List the last runs of a schedule. Returns the last five runs, newest first, each with its outcome: `waiting`, `running`, `retrying`, `done`, `dead`, `skipped` (the run before was not done, or the time had passed) or `cancelled`. `error` is the last error of a run that is dead or tried again. */
    runs(input: {
      readonly scheduleId: string
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<ScheduleRun>
    }>
  }
  readonly webhooks: {
    /** List webhook endpoints. Returns the tenant's endpoints, oldest first, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<WebhookEndpoint>
      readonly nextCursor: string | null
    }>
    /** Create a webhook endpoint. Creates an endpoint. From now on, each published event that matches every filter is posted to `url`, as a structured CloudEvent. Without filters every event matches that the key may read. `url` is HTTPS on port 443 or 8443, and its host is public. The answer has the `secret`, which is shown only once. Verify each request with it: any library of Standard Webhooks does. With `scheme` `v1a` requests are signed with ed25519 instead: the answer has a `publicKey`, and the signing key is never shown. With `format` `standard` the body is `{type,timestamp,data}` instead of the CloudEvent; `data` is the same. Send an `Idempotency-Key` to repeat the request safely within 24 hours. The repeated answer has no secret. */
    create(input: {
      readonly body: {
        readonly url: string
        readonly description?: string
        readonly filters?: ReadonlyArray<EventFilter>
        readonly ordered?: boolean
        readonly format?: "cloudevents" | "standard"
        readonly scheme?: "v1" | "v1a"
        readonly secret?: string
      }
    }, options?: CallOptions): Promise<IssuedWebhook>
    /** Get a webhook endpoint. Returns the endpoint with its health. `failingSince` is the first failure since the last success, `lastError` the last one, and `waiting` counts what it has missed, up to 1,000. `disabledReason` is `failing` after five days without a success, and `gone` after an answer of 410. */
    get(input: {
      readonly endpointId: string
    }, options?: CallOptions): Promise<WebhookEndpoint>
    /** Change a webhook endpoint. Changes the fields in the body; absent fields keep their value. A new `url` or `format` applies to the next attempts, new filters to events that are published afterwards. Send the version in `If-Match`. */
    change(input: {
      readonly endpointId: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly url?: string
        readonly description?: string
        readonly filters?: ReadonlyArray<EventFilter>
        readonly ordered?: boolean
        readonly format?: "cloudevents" | "standard"
      }
    }, options?: CallOptions): Promise<WebhookEndpoint>
    /** Remove a webhook endpoint. Removes the endpoint at the version in `If-Match`, with its deliveries. Pause it instead to keep what it misses. */
    remove(input: {
      readonly endpointId: string
      /** The version that was read. */
      readonly version: number
    }, options?: CallOptions): Promise<void>
    /** Rotate the secret. Makes a new secret and returns it, once. Each earlier secret still signs for 24 hours after its own rotation, so a receiver can change over in between. `scheme` changes how requests are signed. With `revoke` the earlier secrets stop at once. At most three secrets sign at the same time. A further rotation is answered with 409 `webhook-secret-limit`. */
    rotate(input: {
      readonly endpointId: string
      readonly body: {
        readonly scheme?: "v1" | "v1a"
        readonly secret?: string
        readonly revoke?: boolean
      }
    }, options?: CallOptions): Promise<IssuedWebhook>
    /** Pause a webhook endpoint. Holds the deliveries of the endpoint until it is enabled, for 30 days and at most 100,000 of them. Beyond that the oldest are dead, and `lastError` has the reason. Attempts that run finish, and events are still collected. Pausing a paused endpoint changes nothing. */
    pause(input: {
      readonly endpointId: string
    }, options?: CallOptions): Promise<WebhookEndpoint>
    /** Enable a webhook endpoint. Ends a pause or a disablement. Everything that waits is sent, in the order of publishing, with all attempts. So is every delivery that used up its attempts since the endpoint began to fail. Enabling an enabled endpoint changes nothing. */
    enable(input: {
      readonly endpointId: string
    }, options?: CallOptions): Promise<WebhookEndpoint>
    /** Send a test event. Sends an event of type `com.hypermarket.events.webhook.tested.v1` to the endpoint, whatever its filters are. The answer is its delivery: list the attempts to see how the receiver answered. */
    test(input: {
      readonly endpointId: string
    }, options?: CallOptions): Promise<WebhookDelivery>
    /** List deliveries. Returns the deliveries of the endpoint, newest first, 50 per page by default and at most 200. `state` selects those that are `waiting`, `sending`, `delivered` or `dead`. A delivery is dead after ten failed attempts, in a little more than three days. Finished ones are kept for 30 days. */
    deliveries(input: {
      readonly endpointId: string
      readonly limit?: number
      readonly cursor?: string
      readonly state?: "waiting" | "sending" | "delivered" | "dead"
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<WebhookDelivery>
      readonly nextCursor: string | null
    }>
    /** List the attempts of a delivery. Returns the last 200 attempts of the delivery, newest first, with the status, the duration and the first 4 KiB of each answer. Attempts are kept for 30 days. Without the scope `events:payload` `answer` is null, and `withheld` says so. A reading through the console is in the activity log, once per view. */
    attempts(input: {
      readonly endpointId: string
      readonly deliveryId: string
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<WebhookAttempt>
    }>
    /** Replay deliveries. Sends deliveries again, with all their attempts and the same `webhook-id`. Select them by `deliveryIds` (at most 1,000), or by time with `since` and `until`; by time only the dead ones, unless `state` names another. One request replays at most 10,000, oldest first: call it again while `replayed` is 10,000. */
    replay(input: {
      readonly endpointId: string
      readonly body: {
        readonly since?: string
        readonly until?: string
        readonly state?: "waiting" | "delivered" | "dead"
        readonly deliveryIds?: ReadonlyArray<string>
      }
    }, options?: CallOptions): Promise<{
      readonly replayed: number
    }>
    /** Deliver retained events. Delivers retained events of the past to the endpoint: those published from `since` up to `until` that match its filters and were not delivered to it. An endpoint that is made today gets the events of the last weeks this way. Only events of types that were retained when they were published are there. One request delivers at most 10,000, oldest first: call it again while `delivered` is 10,000. */
    backfill(input: {
      readonly endpointId: string
      readonly body: {
        readonly since: string
        readonly until?: string
      }
    }, options?: CallOptions): Promise<{
      readonly delivered: number
    }>
    /** Get the retained types. Returns the types whose events are retained for 90 days; none by default. The version is 0 until it is first changed. */
    retention(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<EventRetention>
    /** Change the retained types. Sets the types whose events are retained from now on. A type that ends with a dot stands for all types that begin with it. What is retained already stays for its 90 days. Send the version in `If-Match`. */
    retain(input: {
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly types: ReadonlyArray<string>
      }
    }, options?: CallOptions): Promise<EventRetention>
  }
  readonly workflows: {
    /** List executions. Returns executions, newest first, 50 per page by default and at most 200. Filter them by `name`, `version`, `state`, and the time of their start: from `since` on, and before `until`. Send `nextCursor` as `cursor` for the next page. Finished executions are deleted after 30 days. */
    list(input?: {
      readonly name?: string
      readonly state?: "expected" | "ready" | "running" | "suspended" | "succeeded" | "failed" | "cancelled" | "killed"
      readonly since?: string
      readonly until?: string
      readonly version?: number
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<WorkflowExecution>
      readonly nextCursor: string | null
    }>
    /** Start a workflow. Starts an execution of the workflow `name`, which a worker with this `version` (1 by default) runs. `payload` is what its code gets, at most 256 KiB. Name and `key` identify the execution. The same name and key again changes nothing and returns the execution as it is, so repeat a request that failed. The key is for example the id of an order. An execution without a worker for its version stays `ready`. The worker checks the payload: one that its code does not accept fails the execution. */
    start(input: {
      readonly body: {
        readonly name: string
        readonly version?: number
        readonly key: string
        readonly payload: unknown
      }
    }, options?: CallOptions): Promise<WorkflowExecution>
    /** Get an execution. Returns one execution with its payload. `result` is the value that it succeeded with, and null in every other state. `error` describes a failure. Without the scope `events:payload` `payload` and `result` are null, and `withheld` says so. A reading through the console is in the activity log, once per view. `unasked` names recorded activities that the last run did not ask for. Its code may have changed. Branches of a race are left out. */
    get(input: {
      readonly executionId: string
    }, options?: CallOptions): Promise<WorkflowInspection>
    /** List the tasks of an execution. Returns activities, clocks, signals and children in the order in which they were recorded, at most 200 per page. `outcome` is null while a clock or a child is pending. A `result` of more than 16 KiB is null here; `resultBytes` is its size. Without the scope `events:payload` each `result` is null, and `withheld` says so. */
    tasks(input: {
      readonly executionId: string
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<WorkflowTask>
      readonly nextCursor: string | null
    }>
    /** Send a signal. Stores `value` under `name` and wakes the execution if it waits for it. The signal may come before the code waits. The first value of a name counts, and another one changes nothing. An id without an execution is answered with 404: start the execution first. A finished execution is answered with 409. */
    signal(input: {
      readonly executionId: string
      readonly body: {
        readonly name: string
        readonly value?: unknown
      }
    }, options?: CallOptions): Promise<void>
    /** Resume an execution. Runs an execution again that a failure has suspended (`needsResume`). Fix the cause first. For an execution that waits for something else, its code runs to the same wait. */
    resume(input: {
      readonly executionId: string
    }, options?: CallOptions): Promise<void>
    /** Retry an execution from an activity. Runs an execution again from a recorded activity, in any state and also when it is finished. This activity and everything that was recorded after it runs again. Signals stay, and so do the results before it. A cancellation that has not begun is withdrawn. A run in progress loses the execution within a quarter of a second; an activity that runs at this moment may overlap with the new run. A child that is finished keeps its result: retry it first. Its parent keeps the result that it has recorded. Once compensations began, a retry is answered with 409: start another execution. */
    retry(input: {
      readonly executionId: string
      readonly body: {
        readonly activity: string
      }
    }, options?: CallOptions): Promise<void>
    /** Cancel an execution. Requests a cancellation. It takes effect where the run would wait: a running activity ends first, then the compensations run in reverse. A worker with the version must be there for it, so `state` may stay `ready`. To cancel again changes nothing. */
    cancel(input: {
      readonly executionId: string
    }, options?: CallOptions): Promise<void>
    /** Kill an execution. Ends the execution at once, in any state and without a worker. Its compensations do not run, and its children go on. Prefer to cancel. An activity that runs at this moment ends by itself, and its result is not recorded. */
    kill(input: {
      readonly executionId: string
    }, options?: CallOptions): Promise<void>
  }
  readonly search: {
    /** Search an index. Returns the documents that match `query`, best first, with the facets that you ask for. An empty query finds every document. `filter` is an expression such as `brand = "Canon" AND price >= 10000`. Words in quotes must all be in a document, in any order. `-word` leaves out the documents that have the word. A document needs one word of the query to be found, and those with more words come first; `missingWords` of a hit counts the words that it lacks. `foundBest` counts the documents with the most words, and facets count these. With `sort`, only the documents with the most words are found. Set `match` to `all`, `most` or `any` to choose one set of documents for hits, order and facets. A page has 20 hits by default and at most 200. `refinements` choose values of columns, whose facets keep the counts of the other values. `distinct` shows only the first documents with the same value in a column. `$id` in a filter is the id of a document. A query has at most 20,000 characters; `truncated` is true when words at its end were not used. Words that no document has are corrected to near words, unless `typos` is false. Set `prefix` while the last word is being typed. Send `queryId` with the clicks that follow. `snippet` returns the part of a field with the most found words. `versionId` searches a ready version that is not active; a 409 `version-state` means that it is not built or already retired. `productId` explains a document in `product`, whether it is found or not. A 400 `search-invalid` names the field that is not understood. A 503 `index-building` means that the index is being rebuilt: try again. Client keys may use this operation. */
    search(input: {
      readonly indexName: string
      readonly body: {
        readonly query?: string
        readonly filter?: string
        readonly refinements?: ReadonlyArray<{
          readonly column: string
          readonly values: ReadonlyArray<string | number>
        }>
        readonly distinct?: {
          readonly column: string
          readonly limit?: number
        }
        readonly facets?: ReadonlyArray<{
          readonly column: string
          readonly limit?: number
          readonly query?: string
        }>
        readonly match?: "all" | "most" | "any"
        readonly sort?: ReadonlyArray<{
          readonly column: string
          readonly direction: "ascending" | "descending"
        }>
        readonly offset?: number
        readonly limit?: number
        readonly typos?: boolean
        readonly prefix?: boolean
        readonly highlight?: {
          readonly fields: ReadonlyArray<string>
          readonly before?: string
          readonly after?: string
        }
        readonly snippet?: {
          readonly fields: ReadonlyArray<string>
          readonly before?: string
          readonly after?: string
          readonly words?: number
        }
        readonly retrieve?: ReadonlyArray<string>
        readonly explain?: boolean
        readonly productId?: string
        readonly curated?: boolean
        readonly versionId?: string
      }
    }, options?: CallOptions): Promise<{
      readonly queryId: string
      readonly indexVersion: string
      readonly hits: ReadonlyArray<{
        readonly id: string
        readonly score: number
        readonly missingWords: number
        readonly fields: { readonly [key: string]: Json }
        readonly highlights?: { readonly [key: string]: string }
        readonly snippets?: { readonly [key: string]: string }
        readonly pinned?: boolean
        readonly explanation?: {
          readonly words: ReadonlyArray<{
            readonly word: string
            readonly terms: ReadonlyArray<string>
            readonly how: "exact" | "prefix" | "typo" | "split" | "synonym" | "joined" | "unit"
            readonly score: number
          }>
          readonly share: number
          readonly popularity: number
          readonly popularityParts?: {
            readonly window: "day" | "week" | "month"
            readonly events: number
            readonly signals: ReadonlyArray<{
              readonly signal: string
              readonly weight: number
              readonly value: number
            }>
          }
          readonly boost: number
          readonly score: number
        }
      }>
      readonly found: number
      readonly level: number
      readonly foundBest: number
      readonly words: ReadonlyArray<{
        readonly word: string
        readonly start: number
        readonly end: number
        readonly terms: ReadonlyArray<string>
        readonly how: "exact" | "prefix" | "typo" | "split" | "synonym" | "joined" | "unit" | "unknown"
      }>
      readonly facets: ReadonlyArray<{
        readonly column: string
        readonly of: "best" | "found"
        readonly values: ReadonlyArray<{
          readonly value: string | number
          readonly count: number
        }>
        readonly distinct: number
        readonly stats?: {
          readonly min: number
          readonly max: number
          readonly sum: number
          readonly count: number
        }
      }>
      readonly rules?: ReadonlyArray<string>
      readonly redirect?: string
      readonly product?: {
        readonly id: string
        readonly outcome: "found" | "absent" | "hidden" | "filtered" | "excluded" | "required" | "words"
        readonly position: number | null
        readonly missingWords: number
        readonly explanation: {
          readonly words: ReadonlyArray<{
            readonly word: string
            readonly terms: ReadonlyArray<string>
            readonly how: "exact" | "prefix" | "typo" | "split" | "synonym" | "joined" | "unit"
            readonly score: number
          }>
          readonly share: number
          readonly popularity: number
          readonly popularityParts?: {
            readonly window: "day" | "week" | "month"
            readonly events: number
            readonly signals: ReadonlyArray<{
              readonly signal: string
              readonly weight: number
              readonly value: number
            }>
          }
          readonly boost: number
          readonly score: number
        } | null
      }
      readonly truncated: boolean
    }>
    /** Search several times in one index. Answers up to 20 searches of one index, in their order, from one version and one snapshot: a document that changes meanwhile is the same in all of them. A refusal names the search in the path of its error, and then none is answered. All searches have the same `versionId`, or none. Client keys may use this operation. */
    searchAll(input: {
      readonly indexName: string
      readonly body: {
        readonly searches: ReadonlyArray<{
          readonly query?: string
          readonly filter?: string
          readonly refinements?: ReadonlyArray<{
            readonly column: string
            readonly values: ReadonlyArray<string | number>
          }>
          readonly distinct?: {
            readonly column: string
            readonly limit?: number
          }
          readonly facets?: ReadonlyArray<{
            readonly column: string
            readonly limit?: number
            readonly query?: string
          }>
          readonly match?: "all" | "most" | "any"
          readonly sort?: ReadonlyArray<{
            readonly column: string
            readonly direction: "ascending" | "descending"
          }>
          readonly offset?: number
          readonly limit?: number
          readonly typos?: boolean
          readonly prefix?: boolean
          readonly highlight?: {
            readonly fields: ReadonlyArray<string>
            readonly before?: string
            readonly after?: string
          }
          readonly snippet?: {
            readonly fields: ReadonlyArray<string>
            readonly before?: string
            readonly after?: string
            readonly words?: number
          }
          readonly retrieve?: ReadonlyArray<string>
          readonly explain?: boolean
          readonly productId?: string
          readonly curated?: boolean
          readonly versionId?: string
        }>
      }
    }, options?: CallOptions): Promise<{
      readonly results: ReadonlyArray<{
        readonly queryId: string
        readonly indexVersion: string
        readonly hits: ReadonlyArray<{
          readonly id: string
          readonly score: number
          readonly missingWords: number
          readonly fields: { readonly [key: string]: Json }
          readonly highlights?: { readonly [key: string]: string }
          readonly snippets?: { readonly [key: string]: string }
          readonly pinned?: boolean
          readonly explanation?: {
            readonly words: ReadonlyArray<{
              readonly word: string
              readonly terms: ReadonlyArray<string>
              readonly how: "exact" | "prefix" | "typo" | "split" | "synonym" | "joined" | "unit"
              readonly score: number
            }>
            readonly share: number
            readonly popularity: number
            readonly popularityParts?: {
              readonly window: "day" | "week" | "month"
              readonly events: number
              readonly signals: ReadonlyArray<{
                readonly signal: string
                readonly weight: number
                readonly value: number
              }>
            }
            readonly boost: number
            readonly score: number
          }
        }>
        readonly found: number
        readonly level: number
        readonly foundBest: number
        readonly words: ReadonlyArray<{
          readonly word: string
          readonly start: number
          readonly end: number
          readonly terms: ReadonlyArray<string>
          readonly how: "exact" | "prefix" | "typo" | "split" | "synonym" | "joined" | "unit" | "unknown"
        }>
        readonly facets: ReadonlyArray<{
          readonly column: string
          readonly of: "best" | "found"
          readonly values: ReadonlyArray<{
            readonly value: string | number
            readonly count: number
          }>
          readonly distinct: number
          readonly stats?: {
            readonly min: number
            readonly max: number
            readonly sum: number
            readonly count: number
          }
        }>
        readonly rules?: ReadonlyArray<string>
        readonly redirect?: string
        readonly product?: {
          readonly id: string
          readonly outcome: "found" | "absent" | "hidden" | "filtered" | "excluded" | "required" | "words"
          readonly position: number | null
          readonly missingWords: number
          readonly explanation: {
            readonly words: ReadonlyArray<{
              readonly word: string
              readonly terms: ReadonlyArray<string>
              readonly how: "exact" | "prefix" | "typo" | "split" | "synonym" | "joined" | "unit"
              readonly score: number
            }>
            readonly share: number
            readonly popularity: number
            readonly popularityParts?: {
              readonly window: "day" | "week" | "month"
              readonly events: number
              readonly signals: ReadonlyArray<{
                readonly signal: string
                readonly weight: number
                readonly value: number
              }>
            }
            readonly boost: number
            readonly score: number
          } | null
        }
        readonly truncated: boolean
      }>
    }>
    /** List the commonest queries. Returns the queries that were searched for most often, as the shop's events counted them, 50 by default and at most 200. `found` is the number of documents that a query finds now. With `withoutResults` true only those that find nothing are listed, of the 1,000 commonest. */
    queries(input: {
      readonly indexName: string
      readonly limit?: number
      readonly withoutResults?: "true" | "false"
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<{
        readonly query: string
        readonly searches: number
        readonly searchedAt: string
        readonly found: number
      }>
    }>
  }
  readonly documents: {
    /** List documents. Returns all documents of an index as they were last written, in the order of their ids, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page. `version` is 0 for a document that was written without one. */
    list(input: {
      readonly indexName: string
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<{
        readonly id: string
        readonly version: number
        readonly fields: { readonly [key: string]: Json }
        readonly updatedAt: string
      }>
      readonly nextCursor: string | null
    }>
    /** Write documents. Inserts, replaces, changes and removes documents, all or nothing. The next search finds them. A request has at most 1,000 documents and 16 MiB, and a document at most 100,000 bytes. An item of `updates` replaces only the fields that it names, and `null` removes a field; a document that is not in the index is ignored. A value of a number column is a number, or a text such as `12.50`, which is read as one; an empty text is no value. Anything else is refused. With a `version`, a write is ignored when the index has the same or a later version of the document, so requests may be repeated and arrive in any order. `ignored` counts these. A 422 `document-invalid` names the documents that cannot be indexed; nothing was written. */
    write(input: {
      readonly indexName: string
      readonly body: {
        readonly upserts?: ReadonlyArray<{
          readonly id: string
          readonly version?: number
          readonly fields: { readonly [key: string]: unknown }
        }>
        readonly updates?: ReadonlyArray<{
          readonly id: string
          readonly version?: number
          readonly fields: { readonly [key: string]: unknown }
        }>
        readonly removals?: ReadonlyArray<{
          readonly id: string
          readonly version?: number
        }>
      }
    }, options?: CallOptions): Promise<{
      readonly written: number
      readonly ignored: number
    }>
    /** Remove documents by a filter. Removes the documents in `filter`, an expression as in a search, and returns their number. The filter reads the columns of the index's settings and `$id`. Each thousand documents are committed as they are read, and a large index may take up to 60 seconds: repeat the request after an error, it removes what is left. A write with a version that is not later does not bring a removed document back. */
    removeWhere(input: {
      readonly indexName: string
      readonly body: {
        readonly filter: string
      }
    }, options?: CallOptions): Promise<{
      readonly removed: number
    }>
    /** Get a document. Returns a document as it was last written. A document that was removed, or never written, is answered with 404 `document-not-found`. */
    get(input: {
      readonly indexName: string
      readonly documentId: string
    }, options?: CallOptions): Promise<{
      readonly id: string
      readonly version: number
      readonly fields: { readonly [key: string]: Json }
      readonly updatedAt: string
    }>
    /** Compare documents with the index. Counts the documents of the catalogue and those of the active version, with a checksum of each. Equal checksums mean that searches see exactly the documents that were written. It reads every document and may take up to 60 seconds. */
    compare(input: {
      readonly indexName: string
    }, options?: CallOptions): Promise<{
      readonly documents: number
      readonly checksum: string
      readonly indexedDocuments: number
      readonly indexedChecksum: string
      readonly changes: number
    }>
  }
  readonly behaviour: {
    /** Record behavior. Records views, clicks, cart additions, purchases and searches, at most 1,000 per request. They are counted in the background, and popularity follows. An event is counted once by its `id` within 30 days, so repeat a request that failed. `limited` counts events beyond a user's limit per day. Send `queryId` and `position` with a click, so that the search can be measured. Client keys may use this operation, with events of the last 30 days. `at` is at most 24 hours ahead of the clock. */
    record(input: {
      readonly body: {
        readonly events: ReadonlyArray<{
          readonly id: string
          readonly kind: "view" | "click" | "cart" | "purchase"
          readonly userKey: string
          readonly productId: string
          readonly queryId?: string
          readonly position?: number
          readonly quantity?: number
          readonly at: string
        } | {
          readonly id: string
          readonly kind: "search"
          readonly indexName?: string
          readonly query: string
        }>
      }
    }, options?: CallOptions): Promise<{
      readonly recorded: number
      readonly duplicates: number
      readonly limited: number
    }>
    /** Count pending behavior. Returns how many recorded events are not counted yet. A number that keeps growing means that no worker runs. */
    pending(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<{
      readonly pending: number
    }>
    /** Get a user's history. Returns the products that the user viewed, most recent first, at most 100. `userKey` is the key that was sent with the events. An unknown user has an empty history. */
    history(input: {
      readonly userKey: string
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<{
        readonly productId: string
        readonly views: number
        readonly viewedAt: string
      }>
    }>
    /** Erase a user's history. Deletes the history and the pending events of a user. This cannot be undone. Sums of popularity stay, because they name no user. Repeat the request after an error: it erases what is left. */
    erase(input: {
      readonly body: {
        readonly userKey: string
      }
    }, options?: CallOptions): Promise<{
      readonly erased: number
    }>
  }
  readonly popularity: {
    /** Get a product's popularity. Returns the popularity of a product, as a weighted count of its events. Older events count less: the half-life is one day, one week and 30 days. A product without events has 0. */
    get(input: {
      readonly productId: string
    }, options?: CallOptions): Promise<{
      readonly day: number
      readonly week: number
      readonly month: number
    }>
  }
  readonly rankingSignals: {
    /** List ranking signals. Returns the values of one signal in the order of the products' ids, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page. */
    list(input: {
      readonly signal: string
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<{
        readonly signal: string
        readonly productId: string
        readonly value: number
      }>
      readonly nextCursor: string | null
    }>
    /** Set ranking signals. Sets values from 0 to 1 that raise products in the ranking, at most 1,000 per request. A value replaces the earlier one of the same signal and product. Signals count in an index whose settings name them, from its next version on. */
    put(input: {
      readonly body: {
        readonly signals: ReadonlyArray<{
          readonly signal: string
          readonly productId: string
          readonly value: number
        }>
      }
    }, options?: CallOptions): Promise<void>
  }
  readonly indexes: {
    /** List indexes. Returns the tenant's indexes in the order of their names, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<SearchIndex>
      readonly nextCursor: string | null
    }>
    /** Create an index. Creates an index with an empty active version, so it can be searched and written at once. Without `settings` it has those of a product catalogue. A tenant has at most 100 indexes: 409 `index-limit`. A name that is in use is answered with 409 `index-exists`. */
    create(input: {
      readonly body: {
        readonly indexName: string
        readonly settings?: {
          readonly fields: ReadonlyArray<{
            readonly name: string
            readonly weight: number
            readonly b: number
          }>
          readonly columns: ReadonlyArray<{
            readonly name: string
            readonly kind: "keyword" | "number"
          }>
          readonly k1: number
          readonly popularityWeight: number
          readonly popularityWindow: "day" | "week" | "month"
          readonly signals: ReadonlyArray<{
            readonly signal: string
            readonly weight: number
          }>
          readonly synonyms: ReadonlyArray<{
            readonly kind: "two-way"
            readonly phrases: ReadonlyArray<string>
          } | {
            readonly kind: "one-way"
            readonly from: string
            readonly to: ReadonlyArray<string>
          }>
          readonly stemming: "plural" | "none"
          readonly stopWords: ReadonlyArray<string>
          readonly units: boolean
        }
        readonly automatic?: boolean
      }
    }, options?: CallOptions): Promise<SearchIndex>
    /** Get an index. Returns the index, its settings and its active version. The `ETag` header holds the version of the settings, which a change needs in `If-Match`. */
    get(input: {
      readonly indexName: string
    }, options?: CallOptions): Promise<SearchIndex>
    /** Change an index. Changes the settings in the body; absent fields keep their value. New settings take effect with the next version: start one. With `automatic`, enough changes of documents start a version by themselves. Send the version in `If-Match`. */
    change(input: {
      readonly indexName: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly settings?: {
          readonly fields: ReadonlyArray<{
            readonly name: string
            readonly weight: number
            readonly b: number
          }>
          readonly columns: ReadonlyArray<{
            readonly name: string
            readonly kind: "keyword" | "number"
          }>
          readonly k1: number
          readonly popularityWeight: number
          readonly popularityWindow: "day" | "week" | "month"
          readonly signals: ReadonlyArray<{
            readonly signal: string
            readonly weight: number
          }>
          readonly synonyms: ReadonlyArray<{
            readonly kind: "two-way"
            readonly phrases: ReadonlyArray<string>
          } | {
            readonly kind: "one-way"
            readonly from: string
            readonly to: ReadonlyArray<string>
          }>
          readonly stemming: "plural" | "none"
          readonly stopWords: ReadonlyArray<string>
          readonly units: boolean
        }
        readonly automatic?: boolean
      }
    }, options?: CallOptions): Promise<SearchIndex>
    /** Remove an index. Removes the index with its documents and versions, at the version in `If-Match`. This cannot be undone. A large index may take up to 60 seconds. */
    remove(input: {
      readonly indexName: string
      /** The version that was read. */
      readonly version: number
    }, options?: CallOptions): Promise<void>
  }
  readonly curations: {
    /** Get the curation of an index. Returns the rules and the synonyms that apply to every search of the index, beside the synonyms of its settings. The `ETag` header holds their version, which a change needs in `If-Match`; it is 0 when they were never set. */
    get(input: {
      readonly indexName: string
    }, options?: CallOptions): Promise<SearchCuration>
    /** Set the curation of an index. Replaces the rules and the synonyms of the index. They take effect with the next search, without a new version. Send the version in `If-Match`. A rule applies to the queries in `when`, or to every search. It pins documents to positions, hides documents, multiplies the scores of the documents in a filter, or names an address to go to in `redirect`. A pinned document is shown only when it is in the filter of the search, and a sorted search has no pins. `rules` of a search result names the rules that applied; send `curated` false to search without them. An index has at most 500 rules and 2,000 synonyms here. `clientFilter` is a filter that every search with a client key has beside its own: what it leaves out does not exist for such a key. A filter that is not understood is answered with 400 `search-invalid`. */
    set(input: {
      readonly indexName: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly synonyms: ReadonlyArray<{
          readonly kind: "two-way"
          readonly phrases: ReadonlyArray<string>
        } | {
          readonly kind: "one-way"
          readonly from: string
          readonly to: ReadonlyArray<string>
        }>
        readonly rules: ReadonlyArray<{
          readonly ruleId: string
          readonly when?: {
            readonly query: string
            readonly match: "is" | "contains"
          }
          readonly pins?: ReadonlyArray<{
            readonly id: string
            readonly position: number
          }>
          readonly hides?: ReadonlyArray<string>
          readonly boosts?: ReadonlyArray<{
            readonly filter: string
            readonly factor: number
          }>
          readonly redirect?: string
        }>
        readonly clientFilter?: string
      }
    }, options?: CallOptions): Promise<SearchCuration>
  }
  readonly indexVersions: {
    /** Roll back an index. Activates the previous version again, in one step. Documents that were written meanwhile are found as before. Without a previous version the answer is 409 `nothing-to-roll-back`. */
    rollBack(input: {
      readonly indexName: string
    }, options?: CallOptions): Promise<SearchIndexVersion>
    /** List versions. Returns the versions of an index, newest first, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page. */
    list(input: {
      readonly indexName: string
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<SearchIndexVersion>
      readonly nextCursor: string | null
    }>
    /** Start a version. Starts to build a version with the current settings and returns at once. A worker builds it beside the active version, and searches go on. Get the version until its status is `ready` or `failed`, then activate it; with `activates`, it is activated as soon as its gates pass. An index has at most 5 versions: 409 `version-limit`. Retire one first. */
    start(input: {
      readonly indexName: string
      readonly body: {
        readonly activates?: boolean
      }
    }, options?: CallOptions): Promise<SearchIndexVersion>
    /** Get a version. Returns the status of a version and the results of its gates. A gate compares the version with the catalogue or with the active version. `failure` is the reason of a failed build. A gate of the effect `stops` fails the version; one that `warns` holds it back until it is activated by hand. */
    get(input: {
      readonly indexName: string
      readonly versionId: string
    }, options?: CallOptions): Promise<SearchIndexVersion>
    /** Validate a version. Runs the gates of a built version again, and returns their results. It reads every row of the version and may take up to 60 seconds. A version that is not built yet is answered with 409 `version-state`. */
    validate(input: {
      readonly indexName: string
      readonly versionId: string
    }, options?: CallOptions): Promise<SearchIndexVersion>
    /** Activate a version. Makes a ready version the one that answers searches, in one step. The version that answered before can be restored by a rollback. Another status is answered with 409 `version-state`. A version that did not pass a gate of the effect `warns` is answered with 409 `version-held`. To activate it nevertheless, name the gate: `{"despite": ["zero-results"]}`. The audit log records it. */
    activate(input: {
      readonly indexName: string
      readonly versionId: string
      readonly body: {
        readonly despite?: ReadonlyArray<"documents" | "checksum" | "postings" | "catalogue" | "zero-results" | "overlap">
      }
    }, options?: CallOptions): Promise<SearchIndexVersion>
    /** Retire a version. Removes a version that is not active. Its rows are deleted after a minute, because searches that began with it may still run. The active version is answered with 409 `version-state`. */
    retire(input: {
      readonly indexName: string
      readonly versionId: string
    }, options?: CallOptions): Promise<SearchIndexVersion>
  }
  readonly orders: {
    /** Record order facts. Records at most 1,000 facts, all or nothing. The body has at most 8 MiB, and the facts 20,000 lines. Amounts are minor units of the order's currency, as text. Each fact has a `version` that you increase with every change of the order, refund or shipment. `items` has one outcome per fact: `applied`, `duplicate` for the same version again, or `superseded` for an older one. So repeat a request that failed. A refund or shipment of an unknown order is `waiting`: it is counted when the order arrives. A new fact of an order whose facts retention has removed is `late`: it is listed, and in no figure. A refund without `orderId` is a credit: send its `region` and `currency`. `order.deleted` takes an order out of every figure. The same version with another content is answered with 409 `order-fact-conflict`. A 400 `order-fact-invalid` names the fields. In both cases nothing was written. */
    record(input: {
      readonly body: unknown
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<"applied" | "waiting" | "late" | "duplicate" | "superseded">
    }>
  }
  readonly unplaced: {
    /** List facts in no figure. Returns the facts that are in no figure, 50 per page by default and at most 200. With the reason `unknown` it is a refund or shipment whose order is unknown: send the order to count it, or a higher version without lines to withdraw it. With the reason `removed` retention has removed the facts of its order, and what it changes is not known any more. Send a refund that was not counted before as a credit: a refund without `orderId`. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<UnplacedFact>
      readonly nextCursor: string | null
    }>
  }
  readonly sales: {
    /** List measures and dimensions. Returns every measure and dimension of a query. `timeBase` is `order` when a measure counts on the day of the order, and `booking` when it counts on the day of the event itself. A measure cannot be grouped by the dimensions in its `notOver`. */
    catalogue(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<{
      readonly measures: ReadonlyArray<{
        readonly name: string
        readonly unit: "count" | "money" | "ratio"
        readonly timeBase: "order" | "booking"
        readonly doc: string
        readonly notOver: ReadonlyArray<"currency" | "region" | "channel" | "seller" | "category" | "product">
      }>
      readonly dimensions: ReadonlyArray<"currency" | "region" | "channel" | "seller" | "category" | "product">
    }>
    /** Query sales. Returns exact sums of the measures over the days from `from` up to, but not including, `until`. Group them by at most 4 dimensions, and by time with a `granularity`. Money is in minor units with its currency, and is never added across currencies. With `asOf` a query reads the figures that a close keeps, for days of its period. With `fill` times without figures have rows of 0. `having` bounds measures, `offset` passes over rows, and `compareWith` answers other days in `comparison`, read in the same snapshot. With `window` each row adds up all days from `from` on (`cumulative`), or itself and the rows before it (`rolling`). `fiscalYearStart` is the month in which years and quarters begin. Weeks of the granularity `isoWeek` are named as in `2026-W09`. With `byCurrency` counts are over all currencies, and each measure of money has a value per currency, as `net.EUR`. With `format` `csv` the response is `text/csv` with a header, amounts in minor units and all rows: more than 10,000 are refused unless you set `limit`. A query has at most 20 measures, 10 filters and 10,000 rows. `isComplete` is false when there are more rows than the limit: narrow the filters or raise `limit`. An order is in the sums as soon as its fact is answered. Over more than 400 days, products, other combinations and customers are read from at most 1,000,000 lines. Beyond that customers are estimated, and `estimate` has the error; other measures are refused. Days before `factsFrom` of the freshness are answered from summaries only, and new and returning customers are refused. A 400 `sales-query-invalid` names the field that cannot be answered. */
    run(input: {
      readonly body: {
        readonly measures: ReadonlyArray<"orders" | "sellerOrders" | "customers" | "newCustomers" | "returningCustomers" | "lines" | "units" | "gross" | "discount" | "tax" | "shipping" | "fees" | "cancelledOrders" | "cancelledUnits" | "cancelledAmount" | "refundUnits" | "refundAmount" | "refundTax" | "refundShipping" | "refundFees" | "refundCancelledAmount" | "bookedRefundUnits" | "bookedRefundAmount" | "bookedRefundTax" | "bookedRefundShipping" | "bookedRefundFees" | "shippedUnits" | "net" | "averageOrderValue" | "unitsPerOrder" | "refundRate" | "cancellationRate">
        readonly dimensions?: ReadonlyArray<"currency" | "region" | "channel" | "seller" | "category" | "product">
        readonly timeDimension: {
          readonly from: string
          readonly until: string
          readonly granularity?: "hour" | "day" | "week" | "isoWeek" | "month" | "quarter" | "year"
          readonly zone?: string
          readonly weekStart?: "monday" | "saturday" | "sunday"
          readonly fiscalYearStart?: number
        }
        readonly filters?: ReadonlyArray<{
          readonly dimension: "currency" | "region" | "channel" | "seller" | "category" | "product"
          readonly operator: "equals" | "notEquals" | "contains" | "notContains" | "startsWith" | "gt" | "gte" | "lt" | "lte"
          readonly values: ReadonlyArray<string>
        }>
        readonly asOf?: string
        readonly order?: ReadonlyArray<{
          readonly by: "orders" | "sellerOrders" | "customers" | "newCustomers" | "returningCustomers" | "lines" | "units" | "gross" | "discount" | "tax" | "shipping" | "fees" | "cancelledOrders" | "cancelledUnits" | "cancelledAmount" | "refundUnits" | "refundAmount" | "refundTax" | "refundShipping" | "refundFees" | "refundCancelledAmount" | "bookedRefundUnits" | "bookedRefundAmount" | "bookedRefundTax" | "bookedRefundShipping" | "bookedRefundFees" | "shippedUnits" | "net" | "averageOrderValue" | "unitsPerOrder" | "refundRate" | "cancellationRate" | "currency" | "region" | "channel" | "seller" | "category" | "product" | "time"
          readonly direction: "asc" | "desc"
        }>
        readonly window?: {
          readonly kind: "cumulative"
        } | {
          readonly kind: "rolling"
          readonly size: number
        }
        readonly byCurrency?: boolean
        readonly having?: ReadonlyArray<{
          readonly measure: "orders" | "sellerOrders" | "customers" | "newCustomers" | "returningCustomers" | "lines" | "units" | "gross" | "discount" | "tax" | "shipping" | "fees" | "cancelledOrders" | "cancelledUnits" | "cancelledAmount" | "refundUnits" | "refundAmount" | "refundTax" | "refundShipping" | "refundFees" | "refundCancelledAmount" | "bookedRefundUnits" | "bookedRefundAmount" | "bookedRefundTax" | "bookedRefundShipping" | "bookedRefundFees" | "shippedUnits" | "net" | "averageOrderValue" | "unitsPerOrder" | "refundRate" | "cancellationRate"
          readonly operator: "gt" | "gte" | "lt" | "lte"
          readonly value: string
        }>
        readonly limit?: number
        readonly offset?: number
        readonly fill?: boolean
        readonly compareWith?: {
          readonly from: string
          readonly until: string
        }
        readonly format?: "json" | "csv"
      }
    }, options?: CallOptions): Promise<{
      readonly rows: ReadonlyArray<{ readonly [key: string]: string | number | Money | null }>
      readonly isComplete: boolean
      readonly comparison?: {
        readonly rows: ReadonlyArray<{ readonly [key: string]: string | number | Money | null }>
        readonly isComplete: boolean
      }
      readonly estimate?: {
        readonly share: number
        readonly relativeError: number
      }
      readonly source: string
      readonly zone: string | null
    }>
    /** Get the freshness of figures. Returns how many changes wait for a merge, and when the figures were last compared with their facts. Figures are exact to the last commit whatever waits: a backlog costs readers time. `status` is `proven` after a comparison without a difference in the last 48 hours. It is `differing` while a month of `differingMonths` has wrong figures, and `unproven` otherwise. `factsFrom` is the first day whose facts are kept, when retention has removed older ones. */
    freshness(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<SalesFreshness>
  }
  readonly figures: {
    /** Get the figures of an order. Returns an order as the figures count it: its days, its lines, its refunds and shipments with the days of their booking, and its measures in `totals`. Amounts are minor units of `currency`. The line with the empty `lineId` has the amounts of the whole order. A deleted order has no lines. An order of which only a refund is known is answered with 404 `order-not-found`, and is in the list of facts in no figure. An order whose facts retention has removed is answered with 410 `order-retired`. */
    get(input: {
      readonly orderId: string
    }, options?: CallOptions): Promise<OrderFigure>
  }
  readonly zones: {
    /** Get a time zone. Returns the zone in which days begin: the tenant's, or with `sellerId` that of one seller. It is UTC by default. */
    get(input?: {
      readonly sellerId?: string
    }, options?: CallOptions): Promise<{
      readonly sellerId: string | null
      readonly zone: string
    }>
    /** Set a time zone. Sets the zone in which days begin, by its IANA name. Set `sellerId` to null for the tenant's zone. Set it before the first order: a zone with orders is fixed, and another one is answered with 409 `zone-fixed`. Setting the same zone again changes nothing. */
    set(input: {
      readonly body: {
        readonly sellerId: string | null
        readonly zone: string
      }
    }, options?: CallOptions): Promise<void>
  }
  readonly closes: {
    /** List closes. Returns the tenant's closes, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<SalesClose>
      readonly nextCursor: string | null
    }>
    /** Close a period. Keeps the figures of a day or month as they are now, so that a report can be compared with later changes. The period must be over in the zones of the tenant and of its sellers. A period can be closed once: 409 `close-exists`. 409 `summaries-differ` when a comparison with the facts finds a wrong figure, and 409 `sum-too-large` when a sum does not fit into 64 bits. A 400 `period-invalid` says why a period cannot be closed. Orders of a closed period can still change; the restatement shows it. */
    close(input: {
      readonly body: {
        readonly period: "day" | "month"
        readonly fromDay: string
      }
    }, options?: CallOptions): Promise<SalesClose>
    /** Get a close. Returns one close. `untilDay` is the first day after its period, and `cells` is the number of sums that it keeps. */
    get(input: {
      readonly closeId: string
    }, options?: CallOptions): Promise<SalesClose>
    /** List changes since a close. Returns how the figures of a closed period differ from those at the close: by cell, and by order. Each number is the difference. `by` is the dimension of the cells, `day` by default. By seller, the orders are those of the seller's days. A day has no figures by category: 400 `period-invalid`. An order id `credit:` and a refund's id is a credit without an order, and `rebuild` a repair. At most 1,000 cells and 1,000 orders are listed; `isComplete` is false when there are more. */
    restatement(input: {
      readonly closeId: string
      readonly by?: "day" | "region" | "seller" | "category"
    }, options?: CallOptions): Promise<{
      readonly closeId: string
      readonly cells: ReadonlyArray<{
        readonly day: string
        readonly sellerId: string
        readonly category: string
        readonly region: string
        readonly channel: string
        readonly currency: string
        readonly orders: number
        readonly units: number
        readonly gross: string
        readonly discount: string
        readonly cancelledAmount: string
        readonly refundAmount: string
        readonly bookedRefundAmount: string
      }>
      readonly orders: ReadonlyArray<{
        readonly orderId: string
        readonly sellerId: string
        readonly currency: string
        readonly orders: number
        readonly units: number
        readonly gross: string
        readonly discount: string
        readonly cancelledAmount: string
        readonly refundAmount: string
        readonly bookedRefundAmount: string
      }>
      readonly isComplete: boolean
    }>
  }
  readonly limits: {
    /** List rate policies. Returns policies by name, at most 200 per page. */
    listPolicies(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<RatePolicy>
      readonly nextCursor: string | null
    }>
    /** Create a rate policy. Creates a policy. Every process applies it within 500 ms. `burst` is the quota by default. A policy named `default` applies to requests whose route no other policy names. */
    createPolicy(input: {
      readonly body: {
        readonly policy: string
        readonly kind: "gcra" | "window" | "concurrency"
        readonly quota: number
        readonly burst?: number
        readonly periodMillis: number
        readonly by: ReadonlyArray<"tenant" | "plan" | "key" | "route" | "user" | "address">
        readonly plans?: ReadonlyArray<string>
        readonly routes?: ReadonlyArray<string>
        readonly fallback?: boolean
        readonly shadow?: boolean
        readonly whenUnavailable?: "open" | "closed"
      }
    }, options?: CallOptions): Promise<RatePolicy>
    /** Get a rate policy. Returns the policy, with its version as `ETag`. */
    getPolicy(input: {
      readonly policy: string
    }, options?: CallOptions): Promise<RatePolicy>
    /** Change a rate policy. Changes the policy at the version in `If-Match`. A raised limit admits everywhere within 500 ms, also requests that were just denied. A lowered one leaves no debt. */
    updatePolicy(input: {
      readonly policy: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly quota?: number
        readonly burst?: number
        readonly periodMillis?: number
        readonly plans?: ReadonlyArray<string>
        readonly routes?: ReadonlyArray<string>
        readonly fallback?: boolean
        readonly shadow?: boolean
        readonly whenUnavailable?: "open" | "closed"
      }
    }, options?: CallOptions): Promise<RatePolicy>
    /** Remove a rate policy. Removes the policy at the version in `If-Match`, with its overrides. */
    removePolicy(input: {
      readonly policy: string
      /** The version that was read. */
      readonly version: number
    }, options?: CallOptions): Promise<void>
    /** List overrides. Returns the overrides of a policy, oldest first. */
    listOverrides(input: {
      readonly policy: string
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<RateOverride>
      readonly nextCursor: string | null
    }>
    /** Set an override. Sets another quota for one subject, or lifts the policy for it with `bypass`. It replaces the override that the subject has, so the request is safe to repeat. */
    putOverride(input: {
      readonly policy: string
      readonly body: {
        readonly subject: {
          readonly tenant?: string
          readonly plan?: string
          readonly key?: string
          readonly route?: string
          readonly user?: string
          readonly address?: string
        }
        readonly quota?: number
        readonly burst?: number
        readonly bypass?: boolean
        readonly reason?: string
      }
    }, options?: CallOptions): Promise<RateOverride>
    /** Remove an override. Removes the override. The numbers of the policy apply within 500 ms. */
    removeOverride(input: {
      readonly policy: string
      readonly overrideId: string
    }, options?: CallOptions): Promise<void>
    /** Check a request. Charges all the policies, or none. A denial is an answer with `allowed: false` and the seconds to wait. A check that is not decided within 100 ms is decided by the policy's `whenUnavailable`. */
    check(input: {
      readonly body: {
        readonly policies: ReadonlyArray<string>
        readonly subject: {
          readonly tenant?: string
          readonly plan?: string
          readonly key?: string
          readonly route?: string
          readonly user?: string
          readonly address?: string
        }
        readonly cost?: number
      }
    }, options?: CallOptions): Promise<RateDecision>
    /** Read a bucket. Returns what is left for a subject and charges nothing. */
    peek(input: {
      readonly body: {
        readonly policy: string
        readonly subject: {
          readonly tenant?: string
          readonly plan?: string
          readonly key?: string
          readonly route?: string
          readonly user?: string
          readonly address?: string
        }
      }
    }, options?: CallOptions): Promise<RateState>
    /** Refund a cost. Gives a cost back, at most what is used. A refund of something that has drained, or of a bucket that is full, changes nothing. It is not idempotent: each request refunds again, so repeat an unanswered one only when a second refund is acceptable. A lease of the kind `concurrency` is released instead: refunding it changes nothing. */
    refund(input: {
      readonly body: {
        readonly policy: string
        readonly subject: {
          readonly tenant?: string
          readonly plan?: string
          readonly key?: string
          readonly route?: string
          readonly user?: string
          readonly address?: string
        }
        readonly cost: number
      }
    }, options?: CallOptions): Promise<RateState>
    /** Reset a bucket. Empties a subject's bucket: its next requests find all of the quota. */
    reset(input: {
      readonly body: {
        readonly policy: string
        readonly subject: {
          readonly tenant?: string
          readonly plan?: string
          readonly key?: string
          readonly route?: string
          readonly user?: string
          readonly address?: string
        }
      }
    }, options?: CallOptions): Promise<RateState>
    /** Release a lease. Frees the slots that a check under policies of the kind `concurrency` holds. Releasing again, after the lease has ended by itself, or with an unknown `lease`, answers 204 and changes nothing: it never frees another lease's slot. Policies of other kinds in the request are ignored. */
    release(input: {
      readonly body: {
        readonly policies: ReadonlyArray<string>
        readonly subject: {
          readonly tenant?: string
          readonly plan?: string
          readonly key?: string
          readonly route?: string
          readonly user?: string
          readonly address?: string
        }
        readonly lease: string
      }
    }, options?: CallOptions): Promise<void>
  }
  readonly installationLimits: {
    /** List installation policies. Returns the policies of the installation by name, at most 200 per page. */
    listPolicies(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<RatePolicy>
      readonly nextCursor: string | null
    }>
    /** Create an installation policy. Creates a policy for the requests of all tenants. Every process applies it within 500 ms. A policy that counts by `tenant` has a bucket per tenant. `burst` is the quota by default. */
    createPolicy(input: {
      readonly body: {
        readonly policy: string
        readonly kind: "gcra" | "window" | "concurrency"
        readonly quota: number
        readonly burst?: number
        readonly periodMillis: number
        readonly by: ReadonlyArray<"tenant" | "plan" | "key" | "route" | "user" | "address">
        readonly plans?: ReadonlyArray<string>
        readonly routes?: ReadonlyArray<string>
        readonly fallback?: boolean
        readonly shadow?: boolean
        readonly whenUnavailable?: "open" | "closed"
      }
    }, options?: CallOptions): Promise<RatePolicy>
    /** Get an installation policy. Returns the policy, with its version as `ETag`. */
    getPolicy(input: {
      readonly policy: string
    }, options?: CallOptions): Promise<RatePolicy>
    /** Change an installation policy. Changes the policy at the version in `If-Match`, for all tenants. Every process applies the change within 500 ms. A lowered limit leaves no debt. */
    updatePolicy(input: {
      readonly policy: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly quota?: number
        readonly burst?: number
        readonly periodMillis?: number
        readonly plans?: ReadonlyArray<string>
        readonly routes?: ReadonlyArray<string>
        readonly fallback?: boolean
        readonly shadow?: boolean
        readonly whenUnavailable?: "open" | "closed"
      }
    }, options?: CallOptions): Promise<RatePolicy>
    /** Remove an installation policy. Removes the policy at the version in `If-Match`, with its overrides. */
    removePolicy(input: {
      readonly policy: string
      /** The version that was read. */
      readonly version: number
    }, options?: CallOptions): Promise<void>
    /** List installation overrides. Returns the overrides of a policy, oldest first. */
    listOverrides(input: {
      readonly policy: string
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<RateOverride>
      readonly nextCursor: string | null
    }>
    /** Set an installation override. Sets another quota for one subject, for example a tenant, or lifts the policy for it with `bypass`. It replaces the override that the subject has, so the request is safe to repeat. */
    putOverride(input: {
      readonly policy: string
      readonly body: {
        readonly subject: {
          readonly tenant?: string
          readonly plan?: string
          readonly key?: string
          readonly route?: string
          readonly user?: string
          readonly address?: string
        }
        readonly quota?: number
        readonly burst?: number
        readonly bypass?: boolean
        readonly reason?: string
      }
    }, options?: CallOptions): Promise<RateOverride>
    /** Remove an installation override. Removes the override. The numbers of the policy apply within 500 ms. */
    removeOverride(input: {
      readonly policy: string
      readonly overrideId: string
    }, options?: CallOptions): Promise<void>
  }
  readonly quotas: {
    /** List features. Returns features by name, at most 200 per page. */
    listFeatures(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<QuotaFeature>
      readonly nextCursor: string | null
    }>
    /** Create a feature. Creates a feature. Periods follow one another from the anchor in the zone's calendar. Each threshold is a percent of the limit whose event `com.hypermarket.quotas.threshold.reached.v1` is published once per period and limit. */
    createFeature(input: {
      readonly body: {
        readonly feature: string
        readonly kind: "boolean" | "static" | "metered" | "concurrent"
        readonly period?: {
          readonly unit: "hour" | "day" | "week" | "month" | "quarter" | "year"
          readonly anchor: string
          readonly zone: string
        }
        readonly soft?: boolean
        readonly thresholds?: ReadonlyArray<number>
      }
    }, options?: CallOptions): Promise<QuotaFeature>
    /** Get a feature. Returns the feature, with its version as `ETag`. */
    getFeature(input: {
      readonly feature: string
    }, options?: CallOptions): Promise<QuotaFeature>
    /** Change a feature. Changes thresholds, and whether the limit is soft, at the version in `If-Match`. A feature keeps its kind and its period. */
    updateFeature(input: {
      readonly feature: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly soft?: boolean
        readonly thresholds?: ReadonlyArray<number>
      }
    }, options?: CallOptions): Promise<QuotaFeature>
    /** Remove a feature. Removes the feature and its grants at the version in `If-Match`. Recorded usage stays. */
    removeFeature(input: {
      readonly feature: string
      /** The version that was read. */
      readonly version: number
    }, options?: CallOptions): Promise<void>
    /** List grants. Returns the grants of a feature by subject, oldest first. */
    listGrants(input: {
      readonly feature: string
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<QuotaGrant>
      readonly nextCursor: string | null
    }>
    /** Grant an amount. Adds to the limit of the tenant, or of a subject. Overrides replace plans; the source `grant` is added. Grants burn by `priority`, then the one that expires soonest, then the oldest: after its expiry a grant counts for what it has burnt. With `rolloverMax` the rest of a recurring grant is added to the next period, up to that amount; it burns first there and expires with the period. Send the same `Idempotency-Key` to retry safely. */
    grant(input: {
      readonly feature: string
      readonly body: {
        readonly subject?: string | null
        readonly source: "plan" | "override" | "grant"
        readonly amount?: number
        readonly value?: unknown
        readonly recurring?: boolean
        readonly priority?: number
        readonly rolloverMax?: number
        readonly effectiveAt?: string
        readonly expiresAt?: string
      }
    }, options?: CallOptions): Promise<QuotaGrant>
    /** Revoke a grant. Removes a grant. What was used of it stays used: a lowered limit is overage. */
    revokeGrant(input: {
      readonly feature: string
      readonly grantId: string
    }, options?: CallOptions): Promise<void>
    /** Reserve an amount. Reserves an amount, or answers 409 with the rest. `key` is remembered for 35 days: repeat the request with it to retry safely. An open reservation ends after `expiresInSeconds`. */
    reserve(input: {
      readonly body: {
        readonly key: string
        readonly feature: string
        readonly subject?: string | null
        readonly amount: number
        readonly expiresInSeconds?: number
      }
    }, options?: CallOptions): Promise<QuotaReservation>
    /** Get a reservation. Returns a reservation. Settled ones are kept for 35 days. */
    getReservation(input: {
      readonly reservationId: string
    }, options?: CallOptions): Promise<QuotaReservation>
    /** Commit a reservation. Commits what was used, all of it by default, and gives the rest back. Committing the same amount again returns the same answer and changes nothing. More than is reserved is refused with 422, and the reservation stays open. A reservation that was committed with another amount, was released or has expired is refused with 409: record what was used instead. */
    commit(input: {
      readonly reservationId: string
      readonly body: {
        readonly amount?: number
      }
    }, options?: CallOptions): Promise<QuotaReservation>
    /** Release a reservation. Gives a reservation back. Releasing it again returns the same answer and changes nothing. A reservation that was committed or has expired is refused with 409; an expired one has given its amount back already. */
    release(input: {
      readonly reservationId: string
    }, options?: CallOptions): Promise<QuotaReservation>
    /** Record usage. Records usage that happened and returns the usage of its period. It is kept above the limit too, and the answer has the overage. `key` is remembered for 35 days: a repeated request counts once. */
    record(input: {
      readonly body: {
        readonly key: string
        readonly feature: string
        readonly subject?: string | null
        readonly amount: number
        readonly occurredAt?: string
      }
    }, options?: CallOptions): Promise<QuotaUsage>
    /** Read usage. Returns usage, open reservations and rest of the period that contains `at`, in one snapshot. */
    usage(input: {
      readonly body: {
        readonly feature: string
        readonly subject?: string | null
        readonly at?: string
      }
    }, options?: CallOptions): Promise<QuotaUsage>
    /** Check several features. Returns what could be reserved now, of up to 50 features in one snapshot. Reserves nothing. */
    check(input: {
      readonly body: {
        readonly items: ReadonlyArray<{
          readonly feature: string
          readonly subject?: string | null
          readonly amount?: number
        }>
      }
    }, options?: CallOptions): Promise<{
      readonly allowed: boolean
      readonly items: ReadonlyArray<QuotaCheck>
    }>
  }
  readonly experimentMetrics: {
    /** List metrics. Returns metrics, newest first, at most 200 per page. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<ExperimentMetric>
      readonly nextCursor: string | null
    }>
    /** Create a metric. Creates a metric. Facts of its source are kept from then on, for units in experiments and for others, so create it before the experiment starts. `prePeriodSeconds` turns on CUPED. */
    create(input: {
      readonly body: {
        readonly key: string
        readonly name?: string
        readonly kind: "conversion" | "retention" | "count" | "sum" | "ratio"
        readonly direction?: "up" | "down"
        readonly source: string
        readonly denominatorSource?: string
        readonly currency?: string
        readonly windowSeconds?: number
        readonly windowStartSeconds?: number
        readonly prePeriodSeconds?: number
        readonly cap?: string
        readonly denominatorCap?: string
        readonly capPercentile?: number
      }
    }, options?: CallOptions): Promise<ExperimentMetric>
    /** Get a metric. Returns the metric. */
    get(input: {
      readonly metricId: string
    }, options?: CallOptions): Promise<ExperimentMetric>
  }
  readonly experiments: {
    /** List experiments. Returns experiments, newest first, at most 200 per page. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<Experiment>
      readonly nextCursor: string | null
    }>
    /** Create an experiment. Creates a draft. The first variant is the control; weights are in 0.01 % and sum to 10,000. `plan.unitsPlanned` is the number of units at which the last look is due. Start it with `POST /start`. */
    create(input: {
      readonly body: {
        readonly key: string
        readonly name?: string
        readonly hypothesis?: string
        readonly environment?: string
        readonly unitKind?: string
        readonly scheme?: "murmur3" | "gb_v2"
        readonly layer?: {
          readonly key: string
          readonly from: number
          readonly until: number
        }
        readonly variants: ReadonlyArray<{
          readonly key: string
          readonly name?: string
          readonly weight: number
        }>
        readonly coverage?: number
        readonly targeting?: Condition
        readonly metrics?: ReadonlyArray<{
          readonly metric: string
          readonly role: "goal" | "guardrail"
          readonly margin?: number | null
        }>
        readonly plan: {
          readonly alpha?: number
          readonly unitsPlanned: number
          readonly spending?: "obrien-fleming" | "pocock"
          readonly correction?: "none" | "bonferroni" | "holm" | "hochberg" | "bh" | "by"
          readonly method?: "group-sequential" | "confidence-sequence" | "msprt"
          readonly expectedLift?: number
          readonly prior?: {
            readonly mean: number
            readonly deviation: number
          }
          readonly lookEverySeconds?: number
        }
      }
    }, options?: CallOptions): Promise<Experiment>
    /** Get an experiment. Returns the experiment, with its version as `ETag`. */
    get(input: {
      readonly experimentId: string
    }, options?: CallOptions): Promise<Experiment>
    /** Change an experiment. Changes what the body names and keeps the rest, variants that it leaves out included. After the start, other weights, coverage or targeting begin a new phase, and estimates are computed within phases. More coverage moves no unit between variants; other weights do, except for units that were exposed. */
    change(input: {
      readonly experimentId: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly name?: string
        readonly hypothesis?: string
        readonly coverage?: number
        readonly targeting?: Condition | null
        readonly variants?: ReadonlyArray<{
          readonly key: string
          readonly name?: string
          readonly weight?: number
        }>
      }
    }, options?: CallOptions): Promise<Experiment>
    /** Start an experiment. Starts a draft, or resumes a paused experiment. Answers 409 while a running experiment has some of its buckets of the layer. */
    start(input: {
      readonly experimentId: string
      /** The version that was read. */
      readonly version: number
    }, options?: CallOptions): Promise<Experiment>
    /** Set a layer's holdout. Keeps the first buckets of a layer, of 0.001 % each, out of all its experiments. Answers 409 while a running experiment has some of them. */
    setHoldout(input: {
      readonly body: {
        readonly layer: string
        readonly buckets: number
      }
    }, options?: CallOptions): Promise<void>
    /** Record exposures. Records that units have seen their variants, at most 1,000 per request. A unit counts once, so a batch may be sent again. What is left out is named by its place in the batch, with the reason. `at` is at most 24 hours ahead of the clock. */
    expose(input: {
      readonly body: {
        readonly exposures: ReadonlyArray<{
          readonly experiment: string
          readonly unit: string
          readonly variant: string
          readonly at?: string
        }>
      }
    }, options?: CallOptions): Promise<Recorded>
    /** Assign a unit. Returns the unit's variants, and the reason of each. A unit that was exposed stays in its variant. Logs no exposure: send it when the variant is shown. */
    assign(input: {
      readonly body: {
        readonly unit: string
        readonly unitKind?: string
        readonly environment?: string
        readonly attributes?: { readonly [key: string]: unknown }
        readonly experiments?: ReadonlyArray<string>
      }
    }, options?: CallOptions): Promise<{
      readonly assignments: ReadonlyArray<{
        readonly experiment: string
        readonly variant: string | null
        readonly reason: "assigned" | "sticky" | "forced" | "unknown-experiment" | "not-running" | "holdout" | "layer" | "targeting" | "coverage"
      }>
    }>
    /** Record facts. Records facts of units, at most 1,000 per request, in any order. A higher `version` of a `factId` replaces it; an equal or lower one changes nothing. Left out, with the reason, are facts of a source that no metric uses, and those more than 24 hours ahead of the clock. */
    recordFacts(input: {
      readonly body: {
        readonly facts: ReadonlyArray<{
          readonly source: string
          readonly factId: string
          readonly unitKind?: string
          readonly unit: string
          readonly at: string
          readonly value?: string
          readonly currency?: string
          readonly version?: number
          readonly withdrawn?: boolean
        }>
      }
    }, options?: CallOptions): Promise<Recorded>
    /** Pause an experiment. Assigns no unit until the experiment is started again. It keeps its part of the layer, and no unit moves between variants. */
    pause(input: {
      readonly experimentId: string
      /** The version that was read. */
      readonly version: number
    }, options?: CallOptions): Promise<Experiment>
    /** List looks. Returns all looks of an experiment, at most 100, the first one first. */
    listLooks(input: {
      readonly experimentId: string
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<ExperimentLook>
    }>
    /** Take a look. Computes the figures and stores them as the next look, which spends a part of `alpha`. Name the number in `look` to make the request safe to repeat: a look that was taken is returned as it is. */
    takeLook(input: {
      readonly experimentId: string
      readonly body: {
        readonly look?: number
      }
    }, options?: CallOptions): Promise<ExperimentLook>
    /** Stop an experiment. Ends assignment and exposures for good. Facts still count for exposed units until their windows end. */
    stop(input: {
      readonly experimentId: string
      /** The version that was read. */
      readonly version: number
    }, options?: CallOptions): Promise<Experiment>
    /** Record the decision. Records what was decided, why, and the look that it rests on. It is recorded once. */
    decide(input: {
      readonly experimentId: string
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly outcome: "ship" | "roll-back" | "keep"
        readonly variant?: string
        readonly look: number
        readonly why: string
      }
    }, options?: CallOptions): Promise<Experiment>
  }
  readonly risk: {
    /** List decisions. Returns decisions with their explanations, newest first, at most 200 per page. Without the scope `customers:contact` the frozen `attributes` are empty, and `withheld` says so. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<RiskDecision>
      readonly nextCursor: string | null
    }>
    /** Decide about a signal. Records the signal and evaluates the live rules over what its entities did before. The same `key` and body return the same decision; another body is refused. Without `key` it is the kind and the subject. After `deadlineMillis` (250 by default) the answer is `fallback` (`review` by default), and the decision is made all the same: repeat the request to get it. */
    decide(input: {
      readonly body: {
        readonly kind: "order" | "payment" | "login" | "listing" | "payout" | "message" | "return"
        readonly subject: string
        readonly source?: string
        readonly key?: string
        readonly result?: "attempted" | "approved" | "declined"
        readonly occurredAt?: string
        readonly amount?: {
          readonly amount: string
          readonly currency: string
        }
        readonly entities: {
          readonly account?: string
          readonly card?: string
          readonly ip?: string
          readonly device?: string
          readonly email?: string
          readonly emailHash?: string
          readonly emailBaseHash?: string
          readonly phone?: string
          readonly address?: string
          readonly seller?: string | ReadonlyArray<string>
        }
        readonly attributes?: { readonly [key: string]: unknown }
        readonly deadlineMillis?: number
        readonly fallback?: "allow" | "challenge" | "review" | "hold" | "block"
      }
    }, options?: CallOptions): Promise<RiskAnswer>
    /** Explain a decision. Returns the decision with every rule that fired, the values that it read, the rules that failed, and the version that decided. Without the scope `customers:contact` the frozen `attributes` are empty, and `withheld` says so. A reading through the console is in the activity log, once per view. */
    explain(input: {
      readonly decisionId: string
    }, options?: CallOptions): Promise<RiskDecision>
    /** Record signals. Records at most 100 signals without deciding about them. A signal whose subject is known completes that signal and counts no second time. */
    record(input: {
      readonly body: {
        readonly signals: ReadonlyArray<{
          readonly kind: "order" | "payment" | "login" | "listing" | "payout" | "message" | "return"
          readonly subject: string
          readonly source?: string
          readonly key?: string
          readonly result?: "attempted" | "approved" | "declined"
          readonly occurredAt?: string
          readonly amount?: {
            readonly amount: string
            readonly currency: string
          }
          readonly entities: {
            readonly account?: string
            readonly card?: string
            readonly ip?: string
            readonly device?: string
            readonly email?: string
            readonly emailHash?: string
            readonly emailBaseHash?: string
            readonly phone?: string
            readonly address?: string
            readonly seller?: string | ReadonlyArray<string>
          }
          readonly attributes?: { readonly [key: string]: unknown }
        }>
      }
    }, options?: CallOptions): Promise<SignalsRecorded>
    /** Get a signal. Returns the signal of a subject. Of its entities it has the kinds: values are stored as keyed hashes. Without the scope `customers:contact` its `attributes` are empty, and `withheld` says so. A reading through the console is in the activity log, once per view. */
    getSignal(input: {
      readonly kind: "order" | "payment" | "login" | "listing" | "payout" | "message" | "return"
      readonly subject: string
    }, options?: CallOptions): Promise<FraudSignal>
    /** Complete a signal. Adds what became known later, such as the result of a payment. The signal stays one event of each entity and counts under its new result. The answer shows the attributes to a key with the scope `customers:contact`. */
    complete(input: {
      readonly kind: "order" | "payment" | "login" | "listing" | "payout" | "message" | "return"
      readonly subject: string
      readonly body: {
        readonly result?: "attempted" | "approved" | "declined"
        readonly attributes?: { readonly [key: string]: unknown }
      }
    }, options?: CallOptions): Promise<FraudSignal>
    /** Record labels. Records what turned out about subjects. A backtest at an earlier time than `availableAt` does not see the label. */
    label(input: {
      readonly body: {
        readonly labels: ReadonlyArray<{
          readonly kind: "order" | "payment" | "login" | "listing" | "payout" | "message" | "return"
          readonly subject: string
          readonly label: "chargeback" | "fraud" | "abuse" | "legitimate"
          readonly availableAt?: string
        }>
      }
    }, options?: CallOptions): Promise<void>
    /** List samples. Returns decisions about one kind of signal with the features that were frozen in them and the labels of their subjects, newest first, at most 200 per page. `hypermarket risk train` makes a scorer of them. */
    samples(input: {
      readonly limit?: number
      readonly cursor?: string
      readonly from: string
      readonly to: string
      readonly kind: "order" | "payment" | "login" | "listing" | "payout" | "message" | "return"
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<RiskSample>
      readonly nextCursor: string | null
    }>
  }
  readonly riskRules: {
    /** List attributes. Returns the attributes that rules may read, those that facts of the shop bring included. */
    attributes(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<RiskAttribute>
    }>
    /** Declare attributes. Declares attributes of signals with their types. One that exists keeps its type. */
    declare(input: {
      readonly body: {
        readonly attributes: ReadonlyArray<RiskAttribute>
      }
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<RiskAttribute>
    }>
    /** List rule sets. Returns versions, newest first, at most 200 per page. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<RiskRuleSet>
      readonly nextCursor: string | null
    }>
    /** Create a rule set. Checks the rules and stores them as a new version, which decides nothing until it is chosen. Mistakes name the rule, the line and the column. Repeat the request with the same `Idempotency-Key` to retry safely. */
    create(input: {
      readonly body: {
        readonly rules: ReadonlyArray<{
          readonly key: string
          readonly expression: string
          readonly reason: string
          readonly weight?: number
          readonly outcome?: "allow" | "challenge" | "review" | "hold" | "block"
          readonly kinds?: ReadonlyArray<"order" | "payment" | "login" | "listing" | "payout" | "message" | "return">
        }>
        readonly thresholds?: {
          readonly challenge?: number
          readonly review?: number
          readonly hold?: number
          readonly block?: number
        }
        readonly strict?: "account" | "card" | "ip" | "device" | "email" | "emailBase" | "phone" | "address" | "seller" | ReadonlyArray<"account" | "card" | "ip" | "device" | "email" | "emailBase" | "phone" | "address" | "seller">
        readonly scorer?: {
          readonly format: 1
          readonly kinds: ReadonlyArray<"order" | "payment" | "login" | "listing" | "payout" | "message" | "return">
          readonly intercept: number
          readonly slope: number
          readonly offset: number
          readonly inputs: ReadonlyArray<{
            readonly name: string
            readonly mean: number
            readonly deviation: number
            readonly weight: number
          }>
        }
        readonly note?: string
      }
    }, options?: CallOptions): Promise<RiskRuleSet>
    /** Get a rule set. Returns a version. Versions never change. */
    get(input: {
      readonly ruleSet: string
    }, options?: CallOptions): Promise<RiskRuleSet>
    /** Report a version in shadow. Compares what the version would have decided with what was decided, over the newest 100,000 decisions. */
    shadowReport(input: {
      readonly ruleSet: string
    }, options?: CallOptions): Promise<ShadowReport>
    /** Get the live version. Returns the live version and those in shadow, with the revision of the choice as `ETag`. */
    state(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<RiskRuleState>
    /** Choose the live version. Makes a version live, and at most five shadow it, at the revision in `If-Match`. Every process decides by it within two seconds. */
    choose(input: {
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly live: number | null
        readonly shadow?: ReadonlyArray<number>
      }
    }, options?: CallOptions): Promise<RiskRuleState>
    /** Get the health of rules. Returns how often each rule of the live version fired and failed over the newest 10,000 decisions, and how many of its hits were bad by their labels. */
    health(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<RuleHealth>
    }>
    /** Backtest a version. Evaluates a version over at most 100,000 decisions of a time, with what rules could read then and labels that could be known at `asOf`. The live version reproduces its decisions. */
    backtest(input: {
      readonly body: {
        readonly version: number
        readonly from: string
        readonly to: string
        readonly asOf?: string
      }
    }, options?: CallOptions): Promise<BacktestReport>
  }
  readonly riskLinks: {
    /** Find a ring. Returns the entities within two hops of one that took part in the same signals, the links between them and their newest signals. An entity with more than 50 neighbours, such as an office's address or a seller, is shown and not followed. */
    ring(input: {
      readonly body: {
        readonly entity: {
          readonly account?: string
          readonly card?: string
          readonly ip?: string
          readonly device?: string
          readonly email?: string
          readonly emailHash?: string
          readonly emailBaseHash?: string
          readonly phone?: string
          readonly address?: string
          readonly seller?: string | ReadonlyArray<string>
        }
        readonly since?: string
      }
    }, options?: CallOptions): Promise<RiskRing>
  }
  readonly riskLists: {
    /** List list entries. Returns entries of both lists, newest first, at most 200 per page. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<RiskListEntry>
      readonly nextCursor: string | null
    }>
    /** Add a list entry. Blocks or allows an entity, with a reason and an optional expiry. The value is normalised and hashed: a blocked `kim@x.de` is also `KIM@X.DE`. Repeat the request with the same `Idempotency-Key` to retry safely. */
    add(input: {
      readonly body: {
        readonly list: "allow" | "block"
        readonly entity: {
          readonly account?: string
          readonly card?: string
          readonly ip?: string
          readonly device?: string
          readonly email?: string
          readonly emailHash?: string
          readonly emailBaseHash?: string
          readonly phone?: string
          readonly address?: string
          readonly seller?: string | ReadonlyArray<string>
        }
        readonly reason: string
        readonly expiresAt?: string
      }
    }, options?: CallOptions): Promise<RiskListEntry>
    /** Remove a list entry. Removes the entry. The next decision does not see it. */
    remove(input: {
      readonly entryId: string
    }, options?: CallOptions): Promise<void>
    /** List snoozes. Returns snoozes, newest first, at most 200 per page. */
    snoozes(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<RiskSnooze>
      readonly nextCursor: string | null
    }>
    /** Snooze a rule. Keeps a rule from firing for an entity until a time. The decision names the snoozed rule. Repeat the request with the same `Idempotency-Key` to retry safely. */
    snooze(input: {
      readonly body: {
        readonly rule: string
        readonly entity: {
          readonly account?: string
          readonly card?: string
          readonly ip?: string
          readonly device?: string
          readonly email?: string
          readonly emailHash?: string
          readonly emailBaseHash?: string
          readonly phone?: string
          readonly address?: string
          readonly seller?: string | ReadonlyArray<string>
        }
        readonly until: string
        readonly reason: string
      }
    }, options?: CallOptions): Promise<RiskSnooze>
    /** End a snooze. Removes the snooze. The next decision does not see it. */
    wake(input: {
      readonly snoozeId: string
    }, options?: CallOptions): Promise<void>
  }
  readonly projects: {
    /** List error projects. Returns projects by id, at most 200 per page. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<ErrorProject>
      readonly nextCursor: string | null
    }>
    /** Create an error project. Creates a project and numbers it. Then create a client key with the scope `observability:write` and the resource `{ "kind": "project", "id": "<project id>" }`: the DSN of the SDK is `https://<key>@<host>/sentry/<project id>`. Repeat the request with the same `Idempotency-Key` to retry safely. */
    create(input: {
      readonly body: {
        readonly slug: string
        readonly name?: string
        readonly keepsAddresses?: boolean
      }
    }, options?: CallOptions): Promise<ErrorProject>
    /** Get an error project. Returns the project, with its version as `ETag`. */
    get(input: {
      readonly projectId: number
    }, options?: CallOptions): Promise<ErrorProject>
    /** Change an error project. Changes the name, closes or opens the project, keeps IP addresses of users from now on, or replaces the grouping rules. A closed project refuses events with 403. Of the rules the first that matches an event decides, before the fingerprint of the SDK. `{{ default }}` in a fingerprint stands for the grouping without rules, and `{{ type }}`, `{{ message }}` and `{{ function }}` for those of the event. Events before the rule stay in their issues. Send the version in `If-Match`. */
    change(input: {
      readonly projectId: number
      /** The version that was read. */
      readonly version: number
      readonly body: {
        readonly name?: string
        readonly status?: "active" | "closed"
        readonly keepsAddresses?: boolean
        readonly groupingRules?: ReadonlyArray<{
          readonly match: ReadonlyArray<{
            readonly field: "type" | "message" | "function" | "file"
            readonly pattern: string
          }>
          readonly fingerprint: ReadonlyArray<string>
        }>
      }
    }, options?: CallOptions): Promise<ErrorProject>
    /** Count what was sent and dropped. Returns what became of the items of the last 30 days, per day, category, outcome and reason. `stored` items can be read, `counted` ones are not kept, `dropped` ones were refused for the reason, and `client` ones were discarded by the SDK. */
    counts(input: {
      readonly projectId: number
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<ItemCount>
    }>
  }
  readonly releases: {
    /** List releases. Returns the releases of a project by their first event, newest first, at most 200 per page. */
    list(input: {
      readonly projectId: number
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<ErrorRelease>
      readonly nextCursor: string | null
    }>
    /** Remove a release. Removes a release from the list. Resolutions keep the release that they compare with, so that no issue changes its state. */
    remove(input: {
      readonly projectId: number
      readonly body: {
        readonly release: string
      }
    }, options?: CallOptions): Promise<void>
  }
  readonly issues: {
    /** List issues. Returns issues by their last event, their events or their users, at most 200 per page. Filter by status, project, release, or a part of the title or culprit. Merged issues are not listed. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
      readonly status?: "unresolved" | "resolved" | "muted"
      readonly projectId?: number
      readonly query?: string
      readonly release?: string
      readonly sort?: "last seen" | "events" | "users"
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<Issue>
      readonly nextCursor: string | null
    }>
    /** Get an issue. Returns the issue, with its version as `ETag`. Events do not change the version. */
    get(input: {
      readonly issueId: string
    }, options?: CallOptions): Promise<Issue>
    /** Delete an issue. Deletes the issue at the version in `If-Match`, the issues merged into it, and their events. The next event of its kind makes a new issue. */
    remove(input: {
      readonly issueId: string
      /** The version that was read. */
      readonly version: number
    }, options?: CallOptions): Promise<void>
    /** Summarize an issue. Returns events per hour of the last 14 days, the ten most frequent values of each tag, and merges with their reasons. */
    summary(input: {
      readonly issueId: string
    }, options?: CallOptions): Promise<IssueSummary>
    /** List the events of an issue. Returns the events of the issue and of those merged into it, newest first, at most 200 per page. Events are kept for 90 days. */
    events(input: {
      readonly issueId: string
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<IssueEvent>
      readonly nextCursor: string | null
    }>
    /** Get an event. Returns an event with its data as the SDK sent it. Secrets are replaced by `[scrubbed]`. Without the scope `events:payload` the data is the exceptions with their stacks, the message, the tags and where the code ran. Requests, breadcrumbs, contexts, local variables and all else are left out. `user` needs the scope `customers:contact`. `withheld` names the scopes that would show more of this event. A reading through the console with one of them is in the activity log. */
    event(input: {
      readonly projectId: number
      readonly eventId: string
    }, options?: CallOptions): Promise<IssueEventData>
    /** Resolve an issue. Resolves the issue now, in a release, or in the release after the newest one. It regresses with an event of a release that should have the fix, or of no release. Events of older releases are counted and do not reopen it. */
    resolve(input: {
      readonly issueId: string
      readonly body: {
        readonly in: "now" | "release" | "next release"
        readonly release?: string
      }
    }, options?: CallOptions): Promise<Issue>
    /** Reopen an issue. Makes a resolved or muted issue unresolved. Nothing is published. */
    reopen(input: {
      readonly issueId: string
    }, options?: CallOptions): Promise<Issue>
    /** Mute an issue. Mutes the issue until a time, until further events, until a sliding window has as many events, or until it escalates. The first end that is reached makes it unresolved and is published once. Without an end it stays muted. */
    mute(input: {
      readonly issueId: string
      readonly body: {
        readonly until?: string
        readonly events?: number
        readonly window?: {
          readonly events: number
          readonly minutes: number
        }
        readonly escalating?: boolean
      }
    }, options?: CallOptions): Promise<Issue>
    /** Assign an issue. Assigns the issue to a person or team of yours, or to no one with null. */
    assign(input: {
      readonly issueId: string
      readonly body: {
        readonly assignee: string | null
      }
    }, options?: CallOptions): Promise<Issue>
    /** Merge issues. Shows the events of other issues of the project under this one, now and in future. The reason is kept, and each merge can be undone. */
    merge(input: {
      readonly issueId: string
      readonly body: {
        readonly issueIds: ReadonlyArray<string>
        readonly reason: string
      }
    }, options?: CallOptions): Promise<Issue>
    /** Undo a merge. Separates a merged issue again, with its events of the meantime, and returns it. */
    unmerge(input: {
      readonly issueId: string
      readonly body: {
        readonly issueId: string
        readonly reason: string
      }
    }, options?: CallOptions): Promise<Issue>
  }
  readonly installationIssues: {
    /** List issues of the installation. Returns the issues of the API and of the workers by their last event, their events or their users, at most 200 per page. Filter by status, release, or a part of the title or culprit. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
      readonly status?: "unresolved" | "resolved" | "muted"
      readonly query?: string
      readonly release?: string
      readonly sort?: "last seen" | "events" | "users"
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<Issue>
      readonly nextCursor: string | null
    }>
    /** Get an installation issue. Returns the issue, with its version as `ETag`. A tenant's issue is not found here. */
    get(input: {
      readonly issueId: string
    }, options?: CallOptions): Promise<Issue>
    /** Summarize an installation issue. Returns events per hour of the last 14 days, the ten most frequent values of each tag, and merges with their reasons. */
    summary(input: {
      readonly issueId: string
    }, options?: CallOptions): Promise<IssueSummary>
    /** List events of an installation issue. Returns the events of the issue, newest first, at most 200 per page. Events are kept for 90 days. */
    events(input: {
      readonly issueId: string
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<IssueEvent>
      readonly nextCursor: string | null
    }>
    /** Get an event of the installation. Returns the exceptions of an event with their stacks, the message, the tags and where the code ran. All else is withheld: the tenant-less credential does not read data of customers. */
    event(input: {
      readonly eventId: string
    }, options?: CallOptions): Promise<IssueEventData>
    /** Resolve an installation issue. Resolves the issue now, in a release of Hypermarket, or in the release after the newest one. It regresses with an event of a release that should have the fix. The change is in the activity log of the installation. */
    resolve(input: {
      readonly issueId: string
      readonly body: {
        readonly in: "now" | "release" | "next release"
        readonly release?: string
      }
    }, options?: CallOptions): Promise<Issue>
    /** Reopen an installation issue. Makes a resolved or muted issue unresolved. Nothing is published. */
    reopen(input: {
      readonly issueId: string
    }, options?: CallOptions): Promise<Issue>
    /** Mute an installation issue. Mutes the issue until a time, until further events, until a sliding window has as many events, or until it escalates. Without an end it stays muted. */
    mute(input: {
      readonly issueId: string
      readonly body: {
        readonly until?: string
        readonly events?: number
        readonly window?: {
          readonly events: number
          readonly minutes: number
        }
        readonly escalating?: boolean
      }
    }, options?: CallOptions): Promise<Issue>
  }
  readonly monitors: {
    /** List monitors. Returns the monitors of a project by name, at most 200 per page, with status and next due time. */
    list(input: {
      readonly projectId: number
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<Monitor>
      readonly nextCursor: string | null
    }>
    /** List the runs of a monitor. Returns the runs of a monitor in an environment, newest first, and those that did not come. Runs are kept for 30 days. */
    checkIns(input: {
      readonly projectId: number
      readonly slug: string
      readonly environment: string
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<MonitorCheckIn>
      readonly nextCursor: string | null
    }>
    /** Remove a monitor. Removes a monitor and its runs, for a task that no longer exists. A check-in makes it again. */
    remove(input: {
      readonly projectId: number
      readonly slug: string
      readonly environment: string
    }, options?: CallOptions): Promise<void>
  }
  readonly notifications: {
    /** Trigger a notification. Records a trigger and answers 202; the worker expands and sends it. The same `key` with the same body is a duplicate and adds nothing, for 90 days. Send `to` as one of `customer`, `seller`, `operator`, `list` and `everyone`. `critical` overrides preference and quiet hours, and is refused in a marketing category. `expiresIn` counts from `sendAt`, or from now. What became of it is in `explain`. */
    trigger(input: {
      readonly body: {
        readonly key: string
        readonly category: string
        readonly template: string
        readonly to: NotificationAudience
        readonly payload: { readonly [key: string]: unknown }
        readonly locale?: string
        readonly sendAt?: string
        readonly expiresIn?: string
        readonly critical?: boolean
        readonly subject?: string
      }
    }, options?: CallOptions): Promise<NotificationTrigger>
    /** Explain a notification. Returns, per channel, the state of the recipient's message and its reason: why the recipient was or was not told. `until` is when an open message is due. */
    explain(input: {
      readonly body: {
        readonly key: string
        readonly to: NotificationRecipient
      }
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<NotificationExplanation>
    }>
    /** Cancel a notification. Cancels every message of the key that is not being sent yet. `tooLate` counts those that are, or were. */
    cancel(input: {
      readonly body: {
        readonly key: string
      }
    }, options?: CallOptions): Promise<NotificationCancellation>
    /** List messages. Returns messages, newest first, at most 200 per page. Messages are kept for 90 days. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<NotificationMessage>
      readonly nextCursor: string | null
    }>
    /** Get a message. Returns the message with each change of its state. `uncertain` counts attempts whose outcome is unknown: the recipient may have it as often again. */
    get(input: {
      readonly notificationId: string
    }, options?: CallOptions): Promise<NotificationMessage>
  }
  readonly notificationMappings: {
    /** List mappings. Returns the mappings, by name. */
    list(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<NotificationMapping>
    }>
    /** Set a mapping. Triggers a template by a fact of the shop, for the customer of the order. Its payload is `{ order }`, the fact's data. A fact older than `freshnessSeconds`, by default that of the category, is recorded as expired. With `delaySeconds` it is sent later, unless the order is cancelled by then. */
    set(input: {
      readonly body: {
        readonly mapping: string
        readonly fact: "order.placed" | "order.cancelled"
        readonly template: string
        readonly category: string
        readonly delaySeconds?: number
        readonly freshnessSeconds?: number
      }
    }, options?: CallOptions): Promise<NotificationMapping>
    /** Remove a mapping. Removes the mapping. What it has triggered stays. */
    remove(input: {
      readonly mapping: string
    }, options?: CallOptions): Promise<void>
  }
  readonly profiles: {
    /** Set a profile. Sets the recipient's address, name, locale, time zone and quiet hours as a whole; what is left out is removed, and the tenant's default applies. Messages that are held for the recipient are decided again. */
    set(input: {
      readonly body: {
        readonly to: NotificationRecipient
        readonly email?: string
        readonly name?: string
        readonly locale?: string
        readonly timeZone?: string
        readonly quiet?: NotificationQuietHours
      }
    }, options?: CallOptions): Promise<NotificationProfile>
    /** Get a profile. Returns the profile. `emailProblem` says why the address of a fact was not taken. Without the scope `customers:contact` `email` and `name` are null, and `withheld` says so. A reading through the console is in the activity log. */
    get(input: {
      readonly kind: "customer" | "seller" | "operator"
      readonly recipientId: string
    }, options?: CallOptions): Promise<NotificationProfile>
    /** Change a list. Adds up to 1,000 members and removes up to 1,000. A list exists while it has members. */
    changeList(input: {
      readonly body: NotificationListChange
    }, options?: CallOptions): Promise<{
      readonly members: number
    }>
    /** Get the defaults. Returns the defaults of the tenant. */
    getDefaults(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<NotificationDefaults>
    /** Set the defaults. Sets locale, time zone, quiet hours, sender's name and reply address of the tenant as a whole. They apply to recipients without their own. */
    setDefaults(input: {
      readonly body: {
        readonly locale: string
        readonly timeZone: string
        readonly fromName?: string
        readonly replyTo?: string
        readonly quiet?: NotificationQuietHours
      }
    }, options?: CallOptions): Promise<NotificationDefaults>
  }
  readonly preferences: {
    /** List categories. Returns the categories, by name. */
    categories(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<NotificationCategory>
    }>
    /** Set a category. Defines a category as a whole. A required category is sent in quiet hours unless `heedsQuiet` is true. `whenUnknown` decides about a message whose outcome is unknown: `retry` sends it again, `park` leaves it. */
    setCategory(input: {
      readonly body: {
        readonly category: string
        readonly name: string
        readonly kind: "required" | "service" | "marketing"
        readonly freshnessSeconds?: number
        readonly whenUnknown?: "retry" | "park"
        readonly heedsQuiet?: boolean
      }
    }, options?: CallOptions): Promise<NotificationCategory>
    /** Set a preference. Records a recipient's choice with its `source` and time. For a marketing category it is the consent: send the version of the text as `textVersion`. A required category answers 409. */
    set(input: {
      readonly body: {
        readonly to: NotificationRecipient
        readonly category: string
        readonly channel: "email"
        readonly enabled: boolean
        readonly source: string
        readonly textVersion?: string
      }
    }, options?: CallOptions): Promise<NotificationPreference>
    /** Read preferences. Returns what the recipient gets of each category, and whether that is chosen, the kind's default, or required. */
    get(input: {
      readonly body: {
        readonly to: NotificationRecipient
      }
    }, options?: CallOptions): Promise<{
      readonly items: ReadonlyArray<NotificationPreference>
    }>
  }
  readonly suppressions: {
    /** Suppress an address. Sends no more mail to the address, until `expiresAt` or for ever. After a complaint, required categories are still sent. */
    add(input: {
      readonly body: {
        readonly address: string
        readonly reason: "bounce" | "complaint" | "manual"
        readonly detail?: string
        readonly expiresAt?: string
      }
    }, options?: CallOptions): Promise<NotificationSuppression>
    /** Find a suppression. Returns the suppression of the address. Addresses are compared in their normal form. */
    find(input: {
      readonly body: {
        readonly address: string
      }
    }, options?: CallOptions): Promise<NotificationSuppression>
    /** Lift a suppression. Sends mail to the address again. An address without a suppression is no error. */
    lift(input: {
      readonly body: {
        readonly address: string
      }
    }, options?: CallOptions): Promise<void>
  }
  readonly templates: {
    /** List templates. Returns versions by name, the newest version first, at most 200 per page. */
    list(input?: {
      readonly limit?: number
      readonly cursor?: string
    }, options?: CallOptions): Paged<{
      readonly items: ReadonlyArray<NotificationTemplate>
      readonly nextCursor: string | null
    }>
    /** Draft a template. Adds a version as a draft: subject, text and `html` or `mjml` by locale, of which one has no locale. With `layout` the message is placed into the layout of that name, and has `html`, not `mjml`. With `kind` `layout` the version is a layout: each part has `{{ content }}` once, and sees `brand`, `recipient`, `unsubscribeUrl` and `preferencesUrl`, each of which may be empty. A part that cannot be parsed is refused with 422 `template-invalid`, which names part, line and column. With `payloadSchema` a trigger is refused whose payload does not fit. It is JSON Schema without references, combinations and patterns: `type`, `properties`, `required`, `additionalProperties`, `items`, `const`, `enum`, `format`, and bounds of lengths, items and numbers. Publish it next. */
    draft(input: {
      readonly body: {
        readonly template: string
        readonly kind?: "message" | "layout"
        readonly layout?: string
        readonly contents: ReadonlyArray<NotificationContent>
        readonly strict?: boolean
        readonly payloadSchema?: { readonly [key: string]: unknown }
      }
    }, options?: CallOptions): Promise<NotificationTemplate>
    /** Get a version of a template. Returns the version. */
    get(input: {
      readonly template: string
      readonly templateVersion: string
    }, options?: CallOptions): Promise<NotificationTemplate>
    /** Publish a template. Publishes the draft, with its MJML compiled to HTML, and archives the version before it. Triggers pin the published version of the template and of its layout; messages that wait keep theirs. A template whose layout is not published is refused. Publishing it again changes nothing. */
    publish(input: {
      readonly template: string
      readonly templateVersion: string
    }, options?: CallOptions): Promise<NotificationTemplate>
    /** Archive a template. Archives a version without another one in its place: the published version of a template takes no more triggers. One that published templates have as their layout, or that mappings send, is refused with 409 `template-in-use`, which names them. Messages that wait are sent. Archiving it again changes nothing. */
    archive(input: {
      readonly template: string
      readonly templateVersion: string
    }, options?: CallOptions): Promise<NotificationTemplate>
    /** Preview a template. Renders any version for a payload, a locale and a time zone, in its layout as it is published, and sends nothing. A layout is shown around a sample. A mistake is answered as it would fail the message. */
    preview(input: {
      readonly template: string
      readonly templateVersion: string
      readonly body: NotificationPreviewRequest
    }, options?: CallOptions): Promise<NotificationPreview>
  }
  readonly branding: {
    /** Get the branding. Returns the branding of the tenant. All is null, and `version` is 0, while none has been set. */
    get(input?: Readonly<Record<string, never>>, options?: CallOptions): Promise<NotificationBranding>
    /** Set the branding. Sets what templates and layouts see as `brand`, as a whole: `brand.name`, `brand.logoUrl` and so on; what is left out is null. It is read when a message is sent, so messages that wait have it too. */
    set(input: {
      readonly body: {
        readonly name: string
        readonly logoUrl?: string
        readonly websiteUrl?: string
        readonly primaryColor?: string
        readonly secondaryColor?: string
        readonly postalAddress?: string
        readonly footer?: string
        readonly supportEmail?: string
      }
    }, options?: CallOptions): Promise<NotificationBranding>
  }
}
