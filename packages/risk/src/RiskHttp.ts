/**
 * Handlers of the HTTP groups of risk.
 *
 * @since 0.1.0
 */
import * as AccessScope from "@hypermarket/core/AccessScope"
import type * as Audit from "@hypermarket/core/Audit"
import * as AuditedReading from "@hypermarket/core/AuditedReading"
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import { expectedVersion, tagged } from "@hypermarket/core/Precondition"
import { SecretsNotConfigured } from "@hypermarket/core/Secrets"
import * as Storage from "@hypermarket/core/Storage"
import * as Withheld from "@hypermarket/core/Withheld"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { type Attributes, FraudSignal } from "./FraudSignal.ts"
import { Risk } from "./Risk.ts"
import { RiskApi } from "./RiskApi.ts"
import { RiskDecision, SecretsMissing } from "./RiskDecision.ts"
import { RiskLinks } from "./RiskLinks.ts"
import { NewListEntry, NewSnooze, RiskListEntry, RiskSnooze } from "./RiskList.ts"
import { RiskLists } from "./RiskLists.ts"
import { NewRuleSet, RiskRuleSet } from "./RiskRuleSet.ts"
import { RiskRules } from "./RiskRules.ts"

const isOther = <E>(error: E): error is Exclude<E, SecretsNotConfigured> =>
  !(error instanceof SecretsNotConfigured)

const withSecrets = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, SecretsNotConfigured> | SecretsMissing, R> =>
  Effect.catch(self, (error): Effect.Effect<never, Exclude<E, SecretsNotConfigured> | SecretsMissing> =>
    isOther(error) ? Effect.fail(error) : Effect.fail(new SecretsMissing())
  )

const createRuleSet = IdempotentRequests.create({
  operation: "risk.createRuleSet",
  payload: NewRuleSet,
  answer: RiskRuleSet
})

const addListEntry = IdempotentRequests.create({
  operation: "risk.addListEntry",
  payload: NewListEntry,
  answer: RiskListEntry
})

const snoozeRule = IdempotentRequests.create({
  operation: "risk.snoozeRule",
  payload: NewSnooze,
  answer: RiskSnooze
})

const items = <A, E, R>(self: Effect.Effect<ReadonlyArray<A>, E, R>) =>
  Effect.map(self, (list) => ({ items: list }))

const hasAttributes = ({ attributes }: { readonly attributes: Attributes }): boolean =>
  Object.keys(attributes).length > 0

/** Attributes are what the shop sent, and may be data of a customer. */
const shownDecision = Withheld.unless(AccessScope.contact, (decision: RiskDecision) =>
  hasAttributes(decision.frozen)
    ? new RiskDecision({
        ...decision,
        frozen: { ...decision.frozen, attributes: {} },
        withheld: [AccessScope.contact]
      })
    : decision
)

const shownSignal = Withheld.unless(AccessScope.contact, (signal: FraudSignal) =>
  hasAttributes(signal)
    ? new FraudSignal({ ...signal, attributes: {}, withheld: [AccessScope.contact] })
    : signal
)

const risk = HttpApiBuilder.group(
  RiskApi,
  "risk",
  Effect.fn(function* (handlers) {
    const service = yield* Risk
    const readings = AuditedReading.make(yield* SqlClient.SqlClient)
    const recordReading = (target: Audit.Entry["target"]) =>
      readings.record({ action: "risk-decision.attributes-read", target })
    const show = Effect.fnUntraced(function* (found: FraudSignal) {
      const signal = (yield* shownSignal)(found)
      if (hasAttributes(signal)) {
        const target = { type: "fraud-signal", id: `${signal.kind}/${signal.subject}` }
        yield* readings.record({ action: "fraud-signal.attributes-read", target })
      }
      return signal
    })
    return handlers.handleAll({
      decide: ({ payload: { deadlineMillis, fallback, ...signal } }) =>
        service
          .decide(signal, {
            ...(deadlineMillis === undefined ? {} : { deadlineMillis }),
            ...(fallback === undefined ? {} : { fallback })
          })
          .pipe(
            // A request has no transaction: it would be a mistake of ours.
            Effect.catchTag("DecisionInTransaction", Effect.die),
            withSecrets
          ),
      list: Effect.fnUntraced(function* ({ query }) {
        const page = yield* service.list(query)
        const decisions = page.items.map(yield* shownDecision)
        if (decisions.some(({ frozen }) => hasAttributes(frozen)))
          yield* recordReading({ type: "risk-decisions", id: "all" })
        return { ...page, items: decisions }
      }, Storage.orUnavailable),
      explain: Effect.fnUntraced(function* ({ params }) {
        const decision = (yield* shownDecision)(yield* service.explain(params.decisionId))
        if (hasAttributes(decision.frozen)) {
          yield* recordReading({ type: "risk-decision", id: params.decisionId })
        }
        return decision
      }, Storage.orUnavailable),
      record: ({ payload }) => service.record(payload.signals).pipe(withSecrets, Storage.orUnavailable),
      getSignal: ({ params }) =>
        service.getSignal(params.kind, params.subject).pipe(Effect.flatMap(show), Storage.orUnavailable),
      complete: ({ params, payload }) =>
        service
          .complete(params.kind, params.subject, payload)
          .pipe(Effect.flatMap(show), Storage.orUnavailable),
      samples: ({ query }) => service.samples(query).pipe(Storage.orUnavailable),
      label: ({ payload }) => service.label(payload.labels).pipe(Storage.orUnavailable)
    })
  })
)

const rules = HttpApiBuilder.group(
  RiskApi,
  "riskRules",
  Effect.fn(function* (handlers) {
    const service = yield* RiskRules
    const createOnce = yield* createRuleSet
    return handlers.handleAll({
      attributes: () => service.attributes.pipe(items, Storage.orUnavailable),
      declare: ({ payload }) => service.declare(payload.attributes).pipe(items, Storage.orUnavailable),
      create: ({ headers, payload }) =>
        createOnce({ headers, payload }, service.create(payload)).pipe(Storage.orUnavailable),
      list: ({ query }) => service.list(query).pipe(Storage.orUnavailable),
      get: ({ params }) => service.get(params.ruleSet).pipe(Storage.orUnavailable),
      shadowReport: ({ params }) => service.shadowReport(params.ruleSet).pipe(Storage.orUnavailable),
      state: () => service.state.pipe(Effect.map(tagged), Storage.orUnavailable),
      choose: ({ headers, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((revision) => service.choose(revision, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      health: () => service.health.pipe(items, Storage.orUnavailable),
      backtest: ({ payload }) => service.backtest(payload).pipe(Storage.orUnavailable)
    })
  })
)

const links = HttpApiBuilder.group(
  RiskApi,
  "riskLinks",
  Effect.fn(function* (handlers) {
    const service = yield* RiskLinks
    return handlers.handleAll({
      ring: ({ payload }) => service.ring(payload).pipe(withSecrets, Storage.orUnavailable)
    })
  })
)

const lists = HttpApiBuilder.group(
  RiskApi,
  "riskLists",
  Effect.fn(function* (handlers) {
    const service = yield* RiskLists
    const addOnce = yield* addListEntry
    const snoozeOnce = yield* snoozeRule
    return handlers.handleAll({
      add: ({ headers, payload }) =>
        addOnce({ headers, payload }, service.add(payload)).pipe(withSecrets, Storage.orUnavailable),
      list: ({ query }) => service.list(query).pipe(Storage.orUnavailable),
      remove: ({ params }) => service.remove(params.entryId).pipe(Storage.orUnavailable),
      snooze: ({ headers, payload }) =>
        snoozeOnce({ headers, payload }, service.snooze(payload)).pipe(withSecrets, Storage.orUnavailable),
      snoozes: ({ query }) => service.snoozes(query).pipe(Storage.orUnavailable),
      wake: ({ params }) => service.wake(params.snoozeId).pipe(Storage.orUnavailable)
    })
  })
)

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(risk, rules, links, lists)
