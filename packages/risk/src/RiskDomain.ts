/**
 * Risk as a domain.
 *
 * @since 0.1.0
 */
import { Version } from "@hypermarket/core/Precondition"
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Domain from "@hypermarket/core/Domain"
import { AdopterId } from "@hypermarket/core/Identifier"
import * as Job from "@hypermarket/core/Job"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Page from "@hypermarket/core/Page"
import * as Partitions from "@hypermarket/core/Partitions"
import { Secrets } from "@hypermarket/core/Secrets"
import * as Service from "@hypermarket/core/Service"
import * as Subscription from "@hypermarket/core/Subscription"
import type { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import manifest from "../package.json" with { type: "json" }
import { NewSignal, SignalCompletion, SignalKind } from "./FraudSignal.ts"
import * as Commerce from "./internal/commerce.ts"
import * as FoldingCheck from "./internal/foldingCheck.ts"
import { timeline } from "./internal/overview.ts"
import fraudSignal from "./migrations/0001_fraud_signal.ts"
import ruleSet from "./migrations/0002_risk_rule_set.ts"
import sampleOrder from "./migrations/0003_sample_order.ts"
import earlierResult from "./migrations/0004_earlier_result.ts"
import { Risk } from "./Risk.ts"
import { DecideOptions, DecisionId, NewLabel } from "./RiskDecision.ts"
import { RingRequest } from "./RiskLink.ts"
import { RiskLinks } from "./RiskLinks.ts"
import { ListEntryId, NewListEntry, NewSnooze } from "./RiskList.ts"
import { RiskLists } from "./RiskLists.ts"
import { BacktestRequest } from "./RiskReport.ts"
import { RiskRules } from "./RiskRules.ts"
import { Attributes, NewRuleSet, RuleSetChoice } from "./RiskRuleSet.ts"
import { SampleRequest } from "./RiskSample.ts"
import * as Settings from "./RiskSettings.ts"
import * as RiskSubjectData from "./RiskSubjectData.ts"

/**
 * The services of this package.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(Risk.layer, RiskLinks.layer, RiskLists.layer).pipe(
  Layer.provideMerge(RiskRules.layer),
  Layer.provideMerge(Secrets.layer)
)

let isWithoutKeysLogged = false

/** An installation without keys for secrets does not use this domain: its facts wait for no one. */
const withoutKeys = Effect.suspend(() => {
  if (isWithoutKeysLogged) return Effect.void
  isWithoutKeysLogged = true
  return Effect.logWarning("Facts become no signals: HM_SECRETS_KEYS is not set")
})

const facts = Subscription.make<Risk | Tenant>({
  name: "risk.fact",
  types: Commerce.types,
  handler: Effect.fnUntraced(function* (events) {
    const risk = yield* Risk
    const { facts, labels, rejections } = yield* Commerce.fromEvents(events)
    if (facts.length > 0) {
      yield* risk.observe(facts).pipe(Effect.catchTag("SecretsNotConfigured", () => withoutKeys))
    }
    if (labels.length > 0) yield* risk.label(labels)
    return rejections
  })
})

const fold = Job.scheduled<Risk | AllTenants>({
  name: "risk.entity.fold",
  every: "10 seconds",
  run: Effect.flatMap(Risk, (risk) => Effect.asVoid(risk.fold))
})

const prune = Job.scheduled<Risk | AllTenants>({
  name: "risk.decision.prune",
  every: "1 hour",
  deadline: "5 minutes",
  run: Effect.flatMap(Risk, (risk) => Effect.asVoid(risk.prune))
})

/** The longest window, as many days that a signal may be late, and a month of space. */
const keep = "91 days"

const signalPartitions = Partitions.make({
  table: "hm_fraud_signal",
  by: "occurred_at",
  every: "day",
  keep,
  ahead: 7
})

const eventPartitions = Partitions.make({
  table: "hm_fraud_entity_event",
  by: "occurred_at",
  every: "month",
  keep,
  ahead: 1
})

/** Signals and labels of one call: one statement writes them all. */
const batchMax = 500

/**
 * @category domains
 * @since 0.1.0
 */
export const domain = Domain.make({
  name: "risk",
  tables: ["hm_fraud_", "hm_risk_"],
  migrations: Migrations.make(
    "risk",
    {
      "0001_fraud_signal": fraudSignal,
      "0002_risk_rule_set": ruleSet,
      "0003_sample_order": sampleOrder,
      "0004_earlier_result": earlierResult
    },
    { release: manifest.version }
  ),
  layer,
  services: {
    risk: Service.make(
      Risk,
      {
        decide: [NewSignal, Service.optional(DecideOptions)],
        record: [Schema.Array(NewSignal).check(Schema.isMaxLength(batchMax))],
        complete: [SignalKind, AdopterId, SignalCompletion],
        getSignal: [SignalKind, AdopterId],
        explain: [DecisionId],
        list: [Page.Request],
        samples: [SampleRequest],
        label: [Schema.Array(NewLabel).check(Schema.isMaxLength(batchMax))]
      },
      { internal: ["observe", "fold", "prune"] }
    ),
    riskRules: Service.make(
      RiskRules,
      {
        attributes: [],
        declare: [Attributes],
        create: [NewRuleSet],
        get: [BoundedInt.PositiveInt4],
        list: [Page.Request],
        state: [],
        choose: [Version, RuleSetChoice],
        health: [],
        shadowReport: [BoundedInt.PositiveInt4],
        backtest: [BacktestRequest]
      },
      { internal: ["current"] }
    ),
    riskLinks: Service.make(RiskLinks, { ring: [RingRequest] }),
    riskLists: Service.make(RiskLists, {
      add: [NewListEntry],
      list: [Page.Request],
      remove: [ListEntryId],
      snooze: [NewSnooze],
      snoozes: [Page.Request],
      wake: [ListEntryId]
    })
  },
  jobs: [fold, prune],
  subscriptions: [facts],
  partitions: [signalPartitions, eventPartitions],
  checks: [FoldingCheck.check],
  timeline,
  settings: Settings.settings,
  subjectData: RiskSubjectData.subjectData
})
