/** Decides about one signal within a deadline, with the caller's fallback past it. */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import type { SecretsNotConfigured } from "@hypermarket/core/Secrets"
import * as Storage from "@hypermarket/core/Storage"
import { Tenant } from "@hypermarket/core/Tenant"
import { isConflict, isOpen, transactionOf } from "@hypermarket/core/Transaction"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { NewSignal } from "../FraudSignal.ts"
import {
  deadlineMillisDefault,
  DecisionInTransaction,
  RiskAnswer,
  type DecideOptions,
  type RiskDecision
} from "../RiskDecision.ts"
import type { RiskRules } from "../RiskRules.ts"
import type * as CallKeys from "./callKeys.ts"
import * as DecisionRows from "./decisionRow.ts"
import type * as Decisions from "./decisionStatements.ts"
import type * as Entity from "./entity.ts"
import * as Judgement from "./judgement.ts"
import * as Attribute from "./attribute.ts"
import type * as Opening from "./opening.ts"
import * as Admission from "./signalAdmission.ts"
import type * as Signals from "./signalStatements.ts"

/** Calls that go on after their deadline. Past it a call falls back at once: the database does not keep up. */
const pendingMax = 256

/** A statement outside of a transaction is run again as one is. */
const runAgain = { while: isConflict, times: 5 }

/** Another call has written the key or the subject meanwhile. */
const isTaken = (error: unknown): boolean => isSqlError(error) && error.reason._tag === "UniqueViolation"

const answerOf = (decision: Decisions.NewDecision): RiskAnswer =>
  new RiskAnswer({
    outcome: decision.verdict.outcome,
    decisionId: DecisionRows.toDecisionId(decision.decisionId),
    fallback: null,
    score: decision.verdict.score,
    reasons: decision.verdict.reasons,
    version: decision.version ?? null
  })

const storedAnswer = (decision: RiskDecision): RiskAnswer =>
  new RiskAnswer({
    outcome: decision.outcome,
    decisionId: decision.decisionId,
    fallback: null,
    score: decision.verdict.score,
    reasons: decision.verdict.reasons,
    version: decision.version
  })

const fallbackOf = (options: DecideOptions, fallback: "deadline" | "unavailable") =>
  new RiskAnswer({
    outcome: options.fallback ?? "review",
    decisionId: null,
    fallback,
    score: 0,
    reasons: [],
    version: null
  })

export const make = (services: {
  readonly sql: SqlClient.SqlClient
  readonly scope: Scope.Scope
  readonly hasher: Effect.Effect<Entity.Hasher, SecretsNotConfigured | SqlError, Tenant>
  readonly rules: RiskRules["Service"]
  readonly decisions: ReturnType<typeof Decisions.make>
  readonly decisionRows: ReturnType<typeof DecisionRows.make>
  readonly signals: ReturnType<typeof Signals.make>
  readonly callKeys: ReturnType<typeof CallKeys.make>
  readonly judgement: ReturnType<typeof Judgement.make>
  readonly opening: ReturnType<typeof Opening.make>
}) => {
  const { callKeys, decisionRows, decisions, hasher, judgement, opening, rules, scope, signals, sql } =
    services
  let pending = 0

  const decideNow = Effect.fnUntraced(function* (signal: NewSignal) {
    const tenant = yield* Tenant
    const startedNanos = yield* Clock.currentTimeNanos
    const live = yield* rules.current
    const entities = yield* Admission.admit(signal, live.live?.attributes ?? Attribute.builtInAttributes)
    const hash = yield* hasher
    const call = Admission.callOf(signal)
    const decisionId = yield* Identifier.next
    const options = { observed: false, startedNanos, decisionIds: [decisionId] }
    const strict = live.live?.strict ?? []
    const locked = entities.filter(({ kind }) => strict.includes(kind)).map((entity) => hash(entity).hash)
    const lock = locked.length === 0 ? Effect.void : Effect.asVoid(decisions.lockEntities(tenant.id, locked))

    /** The first decision of a subject by a new key. */
    const decideFirst = Effect.gen(function* () {
      // Behind the lock: of two tries the second one is the later one.
      const now = yield* Now.now
      const prepared = yield* Admission.prepare(signal, entities, hash, now)
      const claim = { ...call, signalId: prepared.signalId, decisionId }
      const opened = yield* opening.open(tenant.id, claim, prepared, Judgement.askedOf(prepared, live), now)
      if (opened === undefined) return undefined
      const stored = { ...prepared, result: prepared.result ?? ("attempted" as const), isNew: true }
      const reads = [opened.features]
      const made = yield* judgement.evaluate([stored], live, options, reads, opened.listed)
      const [decision] = made
      if (decision === undefined) return yield* Effect.die("a signal was not decided about")
      yield* judgement.write(tenant.id, made, reads, (at) =>
        opening.write(tenant.id, claim, prepared, decision, at)
      )
      return answerOf(decision)
    })

    /** Completes the signal of a known subject and decides about it again, or returns the decision of a known key. */
    const decideKnown = Effect.gen(function* () {
      const now = yield* Now.now
      const prepared = yield* Admission.prepare(signal, entities, hash, now)
      const claim = { ...call, signalId: prepared.signalId, decisionId }
      const isNewKey = (yield* decisions.claimKey(tenant.id, claim, now)).length > 0
      if (!isNewKey) {
        const existing = yield* callKeys.find(tenant.id, claim)
        if (existing?.decisionId != null) {
          const decision = yield* decisionRows.find(tenant.id, existing.decisionId)
          if (decision !== undefined) return storedAnswer(decision)
        }
        yield* decisions.setKeyDecision(tenant.id, call.source, call.key, decisionId)
      }
      // A call that is repeated has had its effect, and may be older than what completed the signal since.
      const effect = isNewKey ? {} : { result: undefined, attributes: {} }
      const stored = yield* signals.store(tenant.id, [{ ...prepared, ...effect }], now)
      yield* Admission.admitStored(stored)
      const [decision] = yield* judgement.judge(tenant.id, stored, live, options)
      // The subject is remembered for longer than its signal, so that a late fact does not count again.
      return decision === undefined ? yield* Admission.pastRetention : answerOf(decision)
    })

    const known = transactionOf(sql)(Effect.andThen(lock, decideKnown))
    const first = Effect.gen(function* () {
      return (yield* decideFirst) ?? (yield* transactionOf(sql)(decideKnown))
    })
    return yield* (
      locked.length === 0 ? Effect.retry(first, runAgain) : transactionOf(sql)(Effect.andThen(lock, first))
    ).pipe(Effect.catchIf(isTaken, () => known))
  })

  const decide = Effect.fn("Risk.decide")(function* (signal: NewSignal, options: DecideOptions = {}) {
    if (yield* isOpen(sql)) return yield* new DecisionInTransaction()
    if (pending >= pendingMax) return fallbackOf(options, "unavailable")
    pending++
    const work = decideNow(signal).pipe(
      Effect.catchIf(isSqlError, (error) =>
        Storage.isRetryable(error) ? Effect.succeed(fallbackOf(options, "unavailable")) : Effect.die(error)
      ),
      Effect.ensuring(
        Effect.sync(() => {
          pending--
        })
      )
    )
    const fiber = yield* Effect.forkIn(work, scope, { startImmediately: true })
    return yield* Fiber.join(fiber).pipe(
      Effect.timeoutOrElse({
        duration: options.deadlineMillis ?? deadlineMillisDefault,
        orElse: () => Effect.succeed(fallbackOf(options, "deadline"))
      })
    )
  })

  return { decide }
}
