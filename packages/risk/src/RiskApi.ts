/**
 * The HTTP groups of risk: schemas and endpoints only. The prose is in `RiskReference.ts`.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import { Audited, NotAudited } from "@hypermarket/core/Audit"
import { MayRunLong, RequestDeadline, RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import { AdopterId } from "@hypermarket/core/Identifier"
import { Instant } from "@hypermarket/core/Instant"
import * as Page from "@hypermarket/core/Page"
import * as Precondition from "@hypermarket/core/Precondition"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import {
  FraudSignal,
  NewSignal,
  SignalCompletion,
  SignalInvalid,
  SignalKeyReused,
  SignalKind,
  SignalNotFound,
  SignalsRecorded
} from "./FraudSignal.ts"
import {
  DecisionId,
  DecisionNotFound,
  DecisionRequest,
  NewLabel,
  RiskAnswer,
  RiskDecision,
  RuleHealth,
  SecretsMissing
} from "./RiskDecision.ts"
import { RingRequest, RiskRing } from "./RiskLink.ts"
import {
  ListEntryId,
  ListEntryNotFound,
  ListLimit,
  NewListEntry,
  NewSnooze,
  RiskListEntry,
  RiskSnooze
} from "./RiskList.ts"
import { BacktestReport, BacktestRequest, ShadowReport } from "./RiskReport.ts"
import { RiskSample } from "./RiskSample.ts"
import {
  AttributeConflict,
  AttributeLimit,
  Attributes,
  NewRuleSet,
  RiskAttribute,
  RiskRuleSet,
  RiskRuleState,
  RuleSetChoice,
  RuleSetInvalid,
  RuleSetLimit,
  RuleSetNotFound
} from "./RiskRuleSet.ts"

const created = HttpApiSchema.status(201)
const conditional = [Precondition.PreconditionRequired, Precondition.VersionStale] as const

/** Signals of one request: one transaction of some hundred milliseconds. */
const batchMax = 100

/** Reports read up to 100,000 decisions. */
const longDeadline = "30 seconds"

/** A version in a path, such as `v12`. */
const RuleSetName = Schema.String.check(
  Schema.isPattern(/^v[1-9]\d{0,4}$/, { message: "Expected a version such as v12" })
).pipe(
  Schema.decodeTo(
    Schema.Int,
    SchemaTransformation.transform({
      decode: (name: string) => Number(name.slice(1)),
      encode: (version: number) => `v${version}`
    })
  )
)
const Place = { kind: SignalKind, subject: AdopterId }

/**
 * @category api
 * @since 0.1.0
 */
export class RiskGroup extends Endpoint.group(
  "risk",
  {
    title: "Risk",
    description:
      "A signal is something that happened: an order, a payment try, a login. A decision says what to do about it, from rules over what its entities did before."
  },
  HttpApiEndpoint.post("decide", "/v1/risk/decisions", {
    payload: DecisionRequest,
    success: RiskAnswer,
    error: [SignalInvalid, SignalKeyReused, SecretsMissing]
  })
    .annotate(RequiredScope, "risk:write")
    .annotate(NotAudited, "decisions are their own record"),
  HttpApiEndpoint.get("list", "/v1/risk/decisions", {
    query: Page.Query,
    success: Page.schema(RiskDecision),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "risk:read"),
  HttpApiEndpoint.get("explain", "/v1/risk/decisions/:decisionId", {
    params: { decisionId: DecisionId },
    success: RiskDecision,
    error: DecisionNotFound
  }).annotate(RequiredScope, "risk:read"),
  HttpApiEndpoint.post("record", "/v1/risk/signals", {
    payload: Schema.Struct({ signals: Schema.Array(NewSignal).check(Schema.isMaxLength(batchMax)) }),
    success: SignalsRecorded,
    error: [SignalInvalid, SignalKeyReused, SecretsMissing]
  })
    .annotate(RequiredScope, "risk:write")
    .annotate(NotAudited, "signals are facts"),
  HttpApiEndpoint.get("getSignal", "/v1/risk/signals/:kind/:subject", {
    params: Place,
    success: FraudSignal,
    error: SignalNotFound
  }).annotate(RequiredScope, "risk:read"),
  HttpApiEndpoint.post("complete", "/v1/risk/signals/:kind/:subject/completion", {
    params: Place,
    payload: SignalCompletion,
    success: FraudSignal,
    error: [SignalNotFound, SignalInvalid]
  })
    .annotate(RequiredScope, "risk:write")
    .annotate(NotAudited, "signals are facts"),
  HttpApiEndpoint.post("label", "/v1/risk/labels", {
    payload: Schema.Struct({ labels: Schema.Array(NewLabel).check(Schema.isMaxLength(batchMax)) }),
    success: HttpApiSchema.NoContent
  })
    .annotate(RequiredScope, "risk:write")
    .annotate(NotAudited, "labels are their own record"),
  HttpApiEndpoint.get("samples", "/v1/risk/samples", {
    query: { ...Page.Query, from: Instant, to: Instant, kind: SignalKind },
    success: Page.schema(RiskSample),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "risk:read")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class RiskRuleGroup extends Endpoint.group(
  "riskRules",
  {
    title: "Risk rules",
    description:
      "Rules are CEL expressions in immutable versions. A version is checked when it is created, tried in shadow or on the past, and then made live."
  },
  HttpApiEndpoint.get("attributes", "/v1/risk/attributes", {
    success: Schema.Struct({ items: Schema.Array(RiskAttribute) })
  }).annotate(RequiredScope, "risk:read"),
  HttpApiEndpoint.post("declare", "/v1/risk/attributes", {
    payload: Schema.Struct({ attributes: Attributes }),
    success: Schema.Struct({ items: Schema.Array(RiskAttribute) }),
    error: [AttributeConflict, AttributeLimit]
  })
    .annotate(RequiredScope, "risk:write")
    .annotate(Audited, "risk-attribute.declared"),
  HttpApiEndpoint.post("create", "/v1/risk/rule-sets", {
    headers: IdempotencyKey.Headers,
    payload: NewRuleSet,
    success: RiskRuleSet.pipe(created),
    error: [RuleSetInvalid, RuleSetLimit, ...IdempotencyKey.errors]
  })
    .annotate(RequiredScope, "risk:write")
    .annotate(Audited, "risk-rule-set.created"),
  HttpApiEndpoint.get("list", "/v1/risk/rule-sets", {
    query: Page.Query,
    success: Page.schema(RiskRuleSet),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "risk:read"),
  HttpApiEndpoint.get("get", "/v1/risk/rule-sets/:ruleSet", {
    params: { ruleSet: RuleSetName },
    success: RiskRuleSet,
    error: RuleSetNotFound
  }).annotate(RequiredScope, "risk:read"),
  HttpApiEndpoint.get("shadowReport", "/v1/risk/rule-sets/:ruleSet/shadow", {
    params: { ruleSet: RuleSetName },
    success: ShadowReport,
    error: RuleSetNotFound
  })
    .annotate(RequiredScope, "risk:read")
    .annotate(RequestDeadline, longDeadline)
    .annotate(MayRunLong, true),
  HttpApiEndpoint.get("state", "/v1/risk/rules/live", {
    success: Precondition.Tagged(RiskRuleState)
  }).annotate(RequiredScope, "risk:read"),
  HttpApiEndpoint.put("choose", "/v1/risk/rules/live", {
    headers: Precondition.Headers,
    payload: RuleSetChoice,
    success: Precondition.Tagged(RiskRuleState),
    error: [RuleSetNotFound, ...conditional]
  })
    .annotate(RequiredScope, "risk:write")
    .annotate(Audited, "risk-rule-set.chosen"),
  HttpApiEndpoint.get("health", "/v1/risk/rules/health", {
    success: Schema.Struct({ items: Schema.Array(RuleHealth) })
  })
    .annotate(RequiredScope, "risk:read")
    .annotate(RequestDeadline, longDeadline)
    .annotate(MayRunLong, true),
  HttpApiEndpoint.post("backtest", "/v1/risk/backtests", {
    payload: BacktestRequest,
    success: BacktestReport,
    error: RuleSetNotFound
  })
    .annotate(RequiredScope, "risk:read")
    .annotate(RequestDeadline, longDeadline)
    .annotate(MayRunLong, true)
    .annotate(NotAudited, "writes nothing")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class RiskLinkGroup extends Endpoint.group(
  "riskLinks",
  {
    title: "Risk links",
    description:
      "Entities that took part in the same signals: which accounts share a card, and what else those cards bought."
  },
  HttpApiEndpoint.post("ring", "/v1/risk/rings", {
    payload: RingRequest,
    success: RiskRing,
    error: SecretsMissing
  })
    .annotate(RequiredScope, "risk:read")
    .annotate(NotAudited, "writes nothing")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class RiskListGroup extends Endpoint.group(
  "riskLists",
  {
    title: "Risk lists",
    description:
      "Entities that are always blocked or allowed, and rules that are snoozed for an entity. The block list wins over the allow list, and both win over rules."
  },
  HttpApiEndpoint.post("add", "/v1/risk/list-entries", {
    headers: IdempotencyKey.Headers,
    payload: NewListEntry,
    success: RiskListEntry.pipe(created),
    error: [ListLimit, SecretsMissing, ...IdempotencyKey.errors]
  })
    .annotate(RequiredScope, "risk:write")
    .annotate(Audited, "risk-list-entry.added"),
  HttpApiEndpoint.get("list", "/v1/risk/list-entries", {
    query: Page.Query,
    success: Page.schema(RiskListEntry),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "risk:read"),
  HttpApiEndpoint.delete("remove", "/v1/risk/list-entries/:entryId", {
    params: { entryId: ListEntryId },
    success: HttpApiSchema.NoContent,
    error: ListEntryNotFound
  })
    .annotate(RequiredScope, "risk:write")
    .annotate(Audited, "risk-list-entry.removed"),
  HttpApiEndpoint.post("snooze", "/v1/risk/snoozes", {
    headers: IdempotencyKey.Headers,
    payload: NewSnooze,
    success: RiskSnooze.pipe(created),
    error: [ListLimit, SecretsMissing, ...IdempotencyKey.errors]
  })
    .annotate(RequiredScope, "risk:write")
    .annotate(Audited, "risk-rule.snoozed"),
  HttpApiEndpoint.get("snoozes", "/v1/risk/snoozes", {
    query: Page.Query,
    success: Page.schema(RiskSnooze),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "risk:read"),
  HttpApiEndpoint.delete("wake", "/v1/risk/snoozes/:snoozeId", {
    params: { snoozeId: ListEntryId },
    success: HttpApiSchema.NoContent,
    error: ListEntryNotFound
  })
    .annotate(RequiredScope, "risk:write")
    .annotate(Audited, "risk-rule.woken")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class RiskApi extends HttpApi.make(Api.id)
  .add(RiskGroup)
  .add(RiskRuleGroup)
  .add(RiskLinkGroup)
  .add(RiskListGroup) {}
