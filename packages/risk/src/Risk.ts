/**
 * Signals and decisions: recorded, completed, decided, explained and labelled.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import type * as Page from "@hypermarket/core/Page"
import { Secrets, type SecretsNotConfigured } from "@hypermarket/core/Secrets"
import { type AllTenants, Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import {
  entitiesMax,
  FraudSignal,
  SignalNotFound,
  SignalsRecorded,
  type NewSignal,
  type SignalCompletion,
  type SignalInvalid,
  type SignalKeyReused,
  type SignalKind
} from "./FraudSignal.ts"
import * as CallKeys from "./internal/callKeys.ts"
import * as Deciding from "./internal/deciding.ts"
import * as DecisionRows from "./internal/decisionRow.ts"
import * as Decisions from "./internal/decisionStatements.ts"
import * as Entity from "./internal/entity.ts"
import * as Judgement from "./internal/judgement.ts"
import * as Attribute from "./internal/attribute.ts"
import * as Opening from "./internal/opening.ts"
import * as Samples from "./internal/sampleStatements.ts"
import * as Admission from "./internal/signalAdmission.ts"
import * as Signals from "./internal/signalStatements.ts"
import * as Upkeep from "./internal/upkeep.ts"
import * as Velocity from "./internal/velocity.ts"
import type {
  DecideOptions,
  DecisionId,
  DecisionInTransaction,
  DecisionNotFound,
  NewLabel,
  RiskAnswer,
  RiskDecision
} from "./RiskDecision.ts"
import { RiskRules } from "./RiskRules.ts"
import type { RiskSample, SampleRequest } from "./RiskSample.ts"
import * as Settings from "./RiskSettings.ts"

/** Facts of orders from before the longest time that a signal may be late: they complete a signal and make none. */
const tooLateTotal = Metric.counter("hm_risk_facts_too_late_total", {
  description: "facts that happened too long ago to make a signal",
  incremental: true
})

/** Signals that one statement judges. */
const judgedMax = 100

/**
 * A fact of the shop as a signal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fact {
  readonly signal: NewSignal
  readonly version: number
  readonly occurredAt: Date
}

const toSignal = (stored: Signals.Stored & { readonly recordedAt: Date }) =>
  new FraudSignal({
    signalId: stored.signalId,
    kind: stored.kind,
    subject: stored.subject,
    source: stored.source,
    result: stored.result,
    occurredAt: DateTime.fromDateUnsafe(stored.occurredAt),
    amount:
      stored.amount === undefined || stored.currency === undefined
        ? null
        : { amount: stored.amount, currency: stored.currency },
    entities: Array.from(new Set(stored.entities.map(({ kind }) => kind))),
    attributes: stored.attributes,
    recordedAt: DateTime.fromDateUnsafe(stored.recordedAt)
  })

const recordedOf = (stored: ReadonlyArray<Signals.Stored>) => {
  const recorded = stored.filter(({ isNew }) => isNew).length
  return new SignalsRecorded({ recorded, completed: stored.length - recorded })
}

/**
 * @category services
 * @since 0.1.0
 */
export class Risk extends Context.Service<
  Risk,
  {
    /**
     * Records a signal and decides about it. Commits by itself, and is refused inside a transaction: an order that rolls back
     * was still a try. The same key and body return the same decision.
     *
     * Returns the caller's fallback when the decision takes longer than the deadline, or the database is unavailable. The
     * deadline ends the wait and not the work: the same key returns the decision later.
     */
    readonly decide: (
      signal: NewSignal,
      options?: DecideOptions
    ) => Effect.Effect<
      RiskAnswer,
      DecisionInTransaction | SecretsNotConfigured | SignalInvalid | SignalKeyReused,
      Tenant
    >
    /** Records signals without deciding, in the caller's transaction. A known subject completes its signal. */
    readonly record: (
      signals: ReadonlyArray<NewSignal>
    ) => Effect.Effect<
      SignalsRecorded,
      SecretsNotConfigured | SignalInvalid | SignalKeyReused | SqlError,
      Tenant
    >
    /** Adds what became known of a signal. Its events count once, under the new result. */
    readonly complete: (
      kind: SignalKind,
      subject: string,
      completion: SignalCompletion
    ) => Effect.Effect<FraudSignal, SignalInvalid | SignalNotFound | SqlError, Tenant>
    readonly getSignal: (
      kind: SignalKind,
      subject: string
    ) => Effect.Effect<FraudSignal, SignalNotFound | SqlError, Tenant>
    /** Returns a decision with its explanation. */
    readonly explain: (
      decisionId: DecisionId
    ) => Effect.Effect<RiskDecision, DecisionNotFound | SqlError, Tenant>
    /** Newest first. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<RiskDecision>, Page.CursorInvalid | SqlError, Tenant>
    /** Records what turned out about a subject. Of the same label again the earliest time counts. */
    readonly label: (labels: ReadonlyArray<NewLabel>) => Effect.Effect<void, SqlError, Tenant>
    /** Returns decisions of a time with their labels, newest first, as samples for a scorer. */
    readonly samples: (
      request: SampleRequest
    ) => Effect.Effect<Page.Page<RiskSample>, Page.CursorInvalid | SqlError, Tenant>
    /** Records facts of the shop, and judges those that are new by the live rules. */
    readonly observe: (
      facts: ReadonlyArray<Fact>
    ) => Effect.Effect<SignalsRecorded, SecretsNotConfigured | SqlError, Tenant>
    /** Sums events of hot entities, of all tenants. */
    readonly fold: Effect.Effect<number, SqlError, AllTenants>
    /** Deletes what is past its retention, of all tenants, at most 500,000 rows per call. */
    readonly prune: Effect.Effect<number, SqlError, AllTenants>
  }
>()("@hypermarket/risk/Risk") {
  static readonly layer: Layer.Layer<Risk, Config.ConfigError, SqlClient.SqlClient | Secrets | RiskRules> =
    Layer.effect(
      Risk,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const secrets = yield* Secrets
        const rules = yield* RiskRules
        const signals = Signals.make(sql)
        const decisions = Decisions.make(sql)
        const decisionRows = DecisionRows.make(sql)
        const velocity = Velocity.make(sql, yield* Settings.hotEvents.config)
        const callKeys = CallKeys.make(decisions)
        const judgement = Judgement.make(sql, velocity, decisions)
        const upkeep = Upkeep.make(sql, yield* Settings.keepDays.config)
        const hasher = Entity.hasher.pipe(Effect.provideService(Secrets, secrets))
        const { decide } = Deciding.make({
          sql,
          scope: yield* Effect.scope,
          hasher,
          rules,
          decisions,
          decisionRows,
          signals,
          callKeys,
          judgement,
          opening: Opening.make(sql, velocity, decisions)
        })

        const record = Effect.fn("Risk.record")(function* (batch: ReadonlyArray<NewSignal>) {
          const tenant = yield* Tenant
          const now = yield* Now.now
          const live = yield* rules.current
          const attributes = live.live?.attributes ?? Attribute.builtInAttributes
          const hash = yield* hasher
          const write = Effect.gen(function* () {
            const prepared: Array<Signals.Prepared> = []
            for (const signal of batch) {
              const entities = yield* Admission.admit(signal, attributes)
              const each = yield* Admission.prepare(signal, entities, hash, now)
              const { isNew } = yield* callKeys.claim(
                tenant.id,
                { ...Admission.callOf(signal), signalId: each.signalId, decisionId: undefined },
                now
              )
              if (isNew) prepared.push(each)
            }
            const stored = yield* signals.store(tenant.id, prepared, now)
            yield* Admission.admitStored(stored)
            return recordedOf(stored)
          })
          return yield* transactionOf(sql)(write)
        })

        const observe = Effect.fn("Risk.observe")(function* (facts: ReadonlyArray<Fact>) {
          const tenant = yield* Tenant
          const now = yield* Now.now
          const live = yield* rules.current
          const hash = yield* hasher
          const oldest = Admission.oldestOf(now)
          const write = Effect.gen(function* () {
            const prepared = yield* Effect.forEach(facts, ({ occurredAt, signal, version }) =>
              Effect.map(
                Admission.prepare(signal, Entity.normalise(signal.entities).slice(0, entitiesMax), hash, now),
                (each): Signals.Prepared => ({
                  ...each,
                  version,
                  // What is observed has happened: an order may be dated ahead of the clock.
                  occurredAt: occurredAt > now ? now : occurredAt,
                  mayMake: occurredAt.getTime() >= oldest
                })
              )
            )
            const stored = yield* signals.store(tenant.id, prepared, now)
            const tooLate = prepared.filter(({ mayMake }) => !mayMake).length
            if (tooLate > 0) yield* sql.afterCommit(Metric.update(tooLateTotal, tooLate))
            const fresh = stored.filter(({ isNew }) => isNew)
            if (live.live === undefined && live.shadow.length === 0) return recordedOf(stored)
            for (let start = 0; start < fresh.length; start += judgedMax) {
              const part = fresh.slice(start, start + judgedMax)
              yield* judgement.judge(tenant.id, part, live, {
                observed: true,
                startedNanos: yield* Clock.currentTimeNanos,
                decisionIds: yield* Identifier.nextMany(part.length)
              })
            }
            return recordedOf(stored)
          })
          return yield* transactionOf(sql)(write)
        })

        const getSignal = Effect.fn("Risk.getSignal")(function* (kind: SignalKind, subject: string) {
          const tenant = yield* Tenant
          const found = yield* signals.find(tenant.id, kind, subject)
          return found === undefined ? yield* new SignalNotFound({ kind, subject }) : toSignal(found)
        })

        const complete = Effect.fn("Risk.complete")(function* (
          kind: SignalKind,
          subject: string,
          completion: SignalCompletion
        ) {
          const tenant = yield* Tenant
          const now = yield* Now.now
          const live = yield* rules.current
          yield* Admission.admitAttributes(
            kind,
            completion.attributes ?? {},
            live.live?.attributes ?? Attribute.builtInAttributes
          )
          const signalId = yield* Identifier.next
          const write = Effect.gen(function* () {
            const stored = yield* signals.store(
              tenant.id,
              [
                {
                  signalId,
                  kind,
                  subject,
                  version: undefined,
                  occurredAt: now,
                  result: completion.result,
                  amount: undefined,
                  currency: undefined,
                  entities: [],
                  attributes: completion.attributes ?? {},
                  source: Admission.sourceDefault,
                  mayMake: false
                }
              ],
              now
            )
            yield* Admission.admitStored(stored)
            return stored.length === 0
              ? yield* new SignalNotFound({ kind, subject })
              : yield* getSignal(kind, subject)
          })
          return yield* transactionOf(sql)(write)
        })

        const label = Effect.fn("Risk.label")(function* (labels: ReadonlyArray<NewLabel>) {
          const tenant = yield* Tenant
          const now = yield* Now.now
          yield* decisionRows.writeLabels(
            tenant.id,
            labels.map(({ availableAt, kind, label: name, subject }) => ({
              kind,
              subject,
              label: name,
              availableAt: availableAt === undefined ? now : DateTime.toDateUtc(availableAt)
            })),
            now
          )
        })

        return Risk.of({
          decide,
          record,
          observe,
          complete,
          getSignal,
          explain: decisionRows.explain,
          list: decisionRows.list,
          label,
          samples: Samples.make(sql).samples,
          fold: upkeep.fold,
          prune: upkeep.prune
        })
      })
    )
}
