/**
 * Signals and decisions: recorded, completed, decided, explained and labelled.
 *
 * @since 0.1.0
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import type * as Page from "@hypermarket/core/Page"
import { Secrets, type SecretsNotConfigured } from "@hypermarket/core/Secrets"
import * as Storage from "@hypermarket/core/Storage"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import { isOpen, transactionOf } from "@hypermarket/core/Transaction"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { createHash } from "node:crypto"
import {
  entitiesMax,
  FraudSignal,
  lateDaysMax,
  SignalInvalid,
  SignalKeyReused,
  SignalNotFound,
  SignalsRecorded,
  type NewSignal,
  type SignalCompletion,
  type SignalKind
} from "./FraudSignal.ts"
import { canonicalJson } from "./internal/canonical.ts"
import * as DecisionRows from "./internal/decisionRow.ts"
import * as Decisions from "./internal/decisionStatements.ts"
import * as Entity from "./internal/entity.ts"
import * as Folding from "./internal/folding.ts"
import * as Engine from "./internal/ruleEngine.ts"
import * as Signals from "./internal/signalStatements.ts"
import * as Velocity from "./internal/velocity.ts"
import {
  deadlineMillisDefault,
  DecisionInTransaction,
  RiskAnswer,
  type DecideOptions,
  type DecisionId,
  type DecisionNotFound,
  type NewLabel,
  type RiskDecision
} from "./RiskDecision.ts"
import { RiskRules, type LiveRules } from "./RiskRules.ts"
import * as Settings from "./RiskSettings.ts"

const dayMillis = 86_400_000
const minuteMillis = 60_000

/** Clocks of shops differ by less. A signal further ahead would be missing from windows until then. */
const aheadMinutesMax = 5

/** Calls that go on after their deadline. Past it a call falls back at once: the database does not keep up. */
const pendingMax = 256

/** Signals that one statement judges. */
const judgedMax = 100

/** A round of folding ends before the job's deadline. */
const foldRoundLimit = "30 seconds"
const foldTenantsMax = 1_000

/** Longer than every window and late signal together. */
const windowKeepDays = 91
const prunesMax = 20

const sourceDefault = "api"

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

const invalid = (path: ReadonlyArray<string>, message: string) =>
  new SignalInvalid({ errors: [{ path, message }] })

const bodyHashOf = (signal: NewSignal): Uint8Array => {
  const amount =
    signal.amount === undefined ? null : { ...signal.amount, amount: String(signal.amount.amount) }
  const occurredAt = signal.occurredAt === undefined ? null : DateTime.formatIso(signal.occurredAt)
  return createHash("sha256")
    .update(canonicalJson({ ...signal, amount, occurredAt }), "utf8")
    .digest()
}

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
    /** Records what turned out about a subject. The same label again moves the time at which it could be known. */
    readonly label: (labels: ReadonlyArray<NewLabel>) => Effect.Effect<void, SqlError, Tenant>
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
        const scope = yield* Effect.scope
        const hotEvents = yield* Settings.hotEvents.config
        const keepDays = yield* Settings.keepDays.config
        const signals = Signals.make(sql)
        const decisions = Decisions.make(sql)
        const decisionRows = DecisionRows.make(sql)
        const velocity = Velocity.make(sql, hotEvents)
        const folding = Folding.make(sql)
        const hasher = Entity.hasher.pipe(Effect.provideService(Secrets, secrets))
        let pending = 0

        /** Checks what only the present time and the declared attributes can say. */
        const admit = Effect.fnUntraced(function* (
          signal: NewSignal,
          attributes: ReadonlyArray<Engine.Attribute>
        ) {
          const now = yield* Now.now
          const at = signal.occurredAt?.epochMilliseconds
          if (at !== undefined && at < now.getTime() - lateDaysMax * dayMillis) {
            return yield* invalid(["occurredAt"], `Expected an instant at most ${lateDaysMax} days ago`)
          }
          if (at !== undefined && at > now.getTime() + aheadMinutesMax * minuteMillis) {
            return yield* invalid(
              ["occurredAt"],
              `Expected an instant at most ${aheadMinutesMax} minutes ahead`
            )
          }
          yield* admitAttributes(signal.kind, signal.attributes ?? {}, attributes)
          const entities = Entity.normalise(signal.entities)
          if (entities.length > entitiesMax) {
            return yield* invalid(["entities"], `Expected at most ${entitiesMax} entities`)
          }
          return entities
        })

        const admitAttributes = Effect.fnUntraced(function* (
          kind: SignalKind,
          attributes: NonNullable<NewSignal["attributes"]>,
          declared: ReadonlyArray<Engine.Attribute>
        ) {
          for (const { kind: of, name, type } of declared) {
            if (of !== kind || !Object.hasOwn(attributes, name)) continue
            if (Engine.attributeValue(attributes[name], type) === undefined) {
              return yield* invalid(["attributes", name], `Expected a value of type ${type}`)
            }
          }
        })

        const prepare = Effect.fnUntraced(function* (
          signal: NewSignal,
          entities: ReadonlyArray<Entity.Entity>,
          hash: Entity.Hasher,
          now: Date
        ) {
          return {
            signalId: yield* Identifier.next,
            kind: signal.kind,
            subject: signal.subject,
            version: undefined,
            occurredAt: signal.occurredAt === undefined ? now : DateTime.toDateUtc(signal.occurredAt),
            result: signal.result,
            amount: signal.amount?.amount,
            currency: signal.amount?.currency,
            entities: entities.map(hash),
            attributes: signal.attributes ?? {},
            source: signal.source ?? sourceDefault,
            mayMake: true
          } satisfies Signals.Prepared
        })

        const frozenOf = (
          signal: Signals.Stored,
          read: Velocity.Read,
          listed: ReadonlyArray<Decisions.ListRow>
        ): Engine.Frozen => {
          const hashes = new Set(signal.entities.map(({ hash }) => String(hash)))
          const mine = listed.filter(({ entity }) => hashes.has(String(entity)))
          const lists = mine.map(({ list }) => list)
          return {
            kind: signal.kind,
            subject: signal.subject,
            source: signal.source,
            result: signal.result,
            at: signal.occurredAt.toISOString(),
            amount: signal.amount === undefined ? null : String(signal.amount),
            currency: signal.currency ?? null,
            entities: Array.from(new Set(signal.entities.map(({ kind }) => kind))),
            attributes: signal.attributes,
            features: read.values,
            snoozed: Array.from(
              new Set(mine.flatMap(({ rule }) => (rule === null ? [] : [rule])))
            ).toSorted(),
            listed: lists.includes("block") ? "block" : lists.includes("allow") ? "allow" : null
          }
        }

        const isBad = (decision: Decisions.NewDecision) => decision.verdict.outcome !== "allow"

        const publish = Effect.fnUntraced(function* (made: ReadonlyArray<Decisions.NewDecision>, now: Date) {
          const outbox = yield* Outbox.Outbox
          const events = yield* Effect.forEach(made.filter(isBad), (decision) =>
            Outbox.event({
              domain: "risk",
              name: "decision.made",
              subject: decision.decisionId,
              time: now,
              data: {
                decisionId: decision.decisionId,
                kind: decision.kind,
                subject: decision.subject,
                outcome: decision.verdict.outcome,
                score: decision.verdict.score,
                reasons: decision.verdict.reasons,
                observed: decision.observed
              }
            })
          )
          if (events.length > 0) yield* outbox.publish(events)
        })

        /** Reads features, evaluates the live version and those in shadow, and writes the decisions. */
        const judge = Effect.fnUntraced(function* (
          tenantId: string,
          stored: ReadonlyArray<Signals.Stored>,
          live: LiveRules,
          options: {
            readonly observed: boolean
            readonly startedNanos: bigint
            readonly decisionIds: ReadonlyArray<string>
          }
        ) {
          const now = yield* Now.now
          const sets = [...(live.live === undefined ? [] : [live.live]), ...live.shadow]
          const reads = yield* velocity.read(
            tenantId,
            stored.map((signal) => ({
              signalId: signal.signalId,
              at: signal.occurredAt,
              currency: signal.currency,
              entities: signal.entities,
              features: Array.from(
                new Map(
                  sets
                    .flatMap((set) => Engine.featuresOf(set, signal.kind))
                    .map((feature) => [feature.name, feature] as const)
                ).values()
              )
            }))
          )
          const entities = stored.flatMap((signal) => signal.entities)
          const listed = entities.length === 0 ? [] : yield* decisions.listed(tenantId, entities, now)
          const nowNanos = yield* Clock.currentTimeNanos
          const made = stored.map((signal, index): Decisions.NewDecision => {
            const frozen = frozenOf(signal, reads[index] ?? { values: {}, hot: [] }, listed)
            return {
              decisionId: options.decisionIds[index] ?? "",
              signalId: signal.signalId,
              occurredAt: signal.occurredAt,
              kind: signal.kind,
              subject: signal.subject,
              observed: options.observed,
              version: live.live?.version,
              verdict: Engine.evaluate(live.live, frozen),
              frozen,
              shadow: live.shadow.map((set) => {
                const { outcome, score } = Engine.evaluate(set, frozen)
                return { version: set.version, outcome, score }
              }),
              latencyMicros: Number((nowNanos - options.startedNanos) / 1_000n)
            }
          })
          yield* decisions.insert(tenantId, made, now)
          yield* publish(made, now)
          const hot = Array.from(new Set(reads.flatMap((read) => read.hot)))
          // After the commit, so that no decision waits for the note of another one.
          if (hot.length > 0) {
            yield* sql.afterCommit(Effect.asVoid(decisions.noteDue(tenantId, hot, now)).pipe(Effect.ignore))
          }
          return made
        })

        const decideNow = Effect.fnUntraced(function* (signal: NewSignal) {
          const tenant = yield* Tenant
          const startedNanos = yield* Clock.currentTimeNanos
          const live = yield* rules.current
          const entities = yield* admit(signal, live.live?.attributes ?? Engine.builtInAttributes)
          const hash = yield* hasher
          const source = signal.source ?? sourceDefault
          const key = signal.key ?? `${signal.kind}/${signal.subject}`
          const bodyHash = bodyHashOf(signal)
          const decisionId = yield* Identifier.next
          const decide = Effect.gen(function* () {
            const started = yield* Now.now
            const prepared = yield* prepare(signal, entities, hash, started)
            const call = { source, key, bodyHash, signalId: prepared.signalId, decisionId }
            const claimed = yield* decisions.claimKey(tenant.id, call, started)
            if (claimed.length === 0) {
              const [existing] = yield* decisions.findKey(tenant.id, source, key)
              if (existing !== undefined && !Buffer.from(existing.bodyHash).equals(bodyHash)) {
                return yield* new SignalKeyReused({ source, key })
              }
              if (existing?.decisionId != null) {
                const decision = yield* decisionRows.find(tenant.id, existing.decisionId)
                if (decision !== undefined) return storedAnswer(decision)
              }
              yield* decisions.setKeyDecision(tenant.id, source, key, decisionId)
            }
            const strict = live.live?.strict
            const locked = prepared.entities.filter(({ kind }) => kind === strict)
            if (locked.length > 0) {
              yield* decisions.lockEntities(
                tenant.id,
                locked.map((entity) => entity.hash)
              )
            }
            // Behind the lock: of two tries the second one is the later one.
            const now = yield* Now.now
            const occurredAt = signal.occurredAt === undefined ? now : prepared.occurredAt
            // A call that is repeated has had its effect, and may be older than what completed the signal since.
            const effect = claimed.length === 0 ? { result: undefined, attributes: {} } : {}
            const stored = yield* signals.store(tenant.id, [{ ...prepared, ...effect, occurredAt }], now)
            const [decision] = yield* judge(tenant.id, stored, live, {
              observed: false,
              startedNanos,
              decisionIds: [decisionId]
            })
            return decision === undefined
              ? yield* Effect.die(`the signal of ${signal.kind} ${signal.subject} is past its retention`)
              : answerOf(decision)
          })
          return yield* transactionOf(sql)(decide)
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

        const decide = Effect.fn("Risk.decide")(function* (signal: NewSignal, options: DecideOptions = {}) {
          if (yield* isOpen(sql)) return yield* new DecisionInTransaction()
          if (pending >= pendingMax) return fallbackOf(options, "unavailable")
          pending++
          const work = decideNow(signal).pipe(
            Effect.catchIf(isSqlError, (error) =>
              Storage.isRetryable(error)
                ? Effect.succeed(fallbackOf(options, "unavailable"))
                : Effect.die(error)
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

        const recordedOf = (stored: ReadonlyArray<Signals.Stored>) => {
          const recorded = stored.filter(({ isNew }) => isNew).length
          return new SignalsRecorded({ recorded, completed: stored.length - recorded })
        }

        const record = Effect.fn("Risk.record")(function* (batch: ReadonlyArray<NewSignal>) {
          const tenant = yield* Tenant
          const now = yield* Now.now
          const live = yield* rules.current
          const attributes = live.live?.attributes ?? Engine.builtInAttributes
          const hash = yield* hasher
          const write = Effect.gen(function* () {
            const prepared: Array<Signals.Prepared> = []
            for (const signal of batch) {
              const entities = yield* admit(signal, attributes)
              const each = yield* prepare(signal, entities, hash, now)
              const source = signal.source ?? sourceDefault
              const key = signal.key ?? `${signal.kind}/${signal.subject}`
              const bodyHash = bodyHashOf(signal)
              const call = { source, key, bodyHash, signalId: each.signalId, decisionId: undefined }
              const claimed = yield* decisions.claimKey(tenant.id, call, now)
              if (claimed.length === 0) {
                const [existing] = yield* decisions.findKey(tenant.id, source, key)
                if (existing !== undefined && !Buffer.from(existing.bodyHash).equals(bodyHash)) {
                  return yield* new SignalKeyReused({ source, key })
                }
                continue
              }
              prepared.push(each)
            }
            return recordedOf(yield* signals.store(tenant.id, prepared, now))
          })
          return yield* transactionOf(sql)(write)
        })

        const observe = Effect.fn("Risk.observe")(function* (facts: ReadonlyArray<Fact>) {
          const tenant = yield* Tenant
          const now = yield* Now.now
          const live = yield* rules.current
          const hash = yield* hasher
          const oldest = now.getTime() - lateDaysMax * dayMillis
          const write = Effect.gen(function* () {
            const prepared = yield* Effect.forEach(facts, ({ occurredAt, signal, version }) =>
              Effect.map(
                prepare(signal, Entity.normalise(signal.entities).slice(0, entitiesMax), hash, now),
                (each): Signals.Prepared => ({
                  ...each,
                  version,
                  occurredAt,
                  mayMake: occurredAt.getTime() >= oldest
                })
              )
            )
            const stored = yield* signals.store(tenant.id, prepared, now)
            const fresh = stored.filter(({ isNew }) => isNew)
            if (live.live === undefined && live.shadow.length === 0) return recordedOf(stored)
            for (let start = 0; start < fresh.length; start += judgedMax) {
              const part = fresh.slice(start, start + judgedMax)
              yield* judge(tenant.id, part, live, {
                observed: true,
                startedNanos: yield* Clock.currentTimeNanos,
                decisionIds: yield* Identifier.nextMany(part.length)
              })
            }
            return recordedOf(stored)
          })
          return yield* transactionOf(sql)(write)
        })

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
          yield* admitAttributes(
            kind,
            completion.attributes ?? {},
            live.live?.attributes ?? Engine.builtInAttributes
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
                  source: sourceDefault,
                  mayMake: false
                }
              ],
              now
            )
            return stored.length === 0
              ? yield* new SignalNotFound({ kind, subject })
              : yield* getSignal(kind, subject)
          })
          return yield* transactionOf(sql)(write)
        })

        const label = Effect.fn("Risk.label")(function* (labels: ReadonlyArray<NewLabel>) {
          const tenant = yield* Tenant
          const now = yield* Now.now
          // One row per label: a statement cannot write a row twice.
          const unique = new Map(
            labels.map((each) => [JSON.stringify([each.kind, each.subject, each.label]), each])
          )
          yield* decisionRows.writeLabels(
            tenant.id,
            Array.from(unique.values(), ({ availableAt, kind, label: name, subject }) => ({
              kind,
              subject,
              label: name,
              availableAt: availableAt === undefined ? now : DateTime.toDateUtc(availableAt)
            })),
            now
          )
        })

        const fold = Effect.gen(function* () {
          yield* AllTenants
          const tenants = yield* folding.dueTenants(foldTenantsMax)
          const round = yield* EachTenant.run({
            loop: "risk.entity.fold",
            items: tenants,
            limit: foldRoundLimit,
            turn: ({ tenantId }) =>
              transactionOf(sql)(
                Effect.gen(function* () {
                  const now = yield* Now.now
                  const [due] = yield* folding.takeDue(tenantId)
                  if (due === undefined) return { count: 0, hasMore: false }
                  const entity = String(due.entity)
                  const [row] = yield* folding.fold(tenantId, entity, now)
                  const count = row?.folded ?? 0
                  if (count < Folding.foldRowsMax) yield* folding.removeDue(tenantId, entity)
                  return { count, hasMore: true }
                })
              )
          })
          return round.count
        }).pipe(Effect.provideService(SqlClient.SqlClient, sql), Effect.withSpan("Risk.fold"))

        const prune = Effect.gen(function* () {
          yield* AllTenants
          const now = yield* Now.now
          const windowEnd = new Date(now.getTime() - windowKeepDays * dayMillis)
          const keepEnd = new Date(now.getTime() - keepDays * dayMillis)
          let pruned = 0
          for (const [statement, before] of [
            [folding.pruneHours, windowEnd],
            [folding.pruneEdges, windowEnd],
            [folding.pruneKeys, keepEnd],
            [folding.pruneSubjects, keepEnd],
            [folding.pruneDecisions, keepEnd]
          ] as const) {
            for (let round = 0; round < prunesMax; round++) {
              const [row] = yield* statement(before)
              pruned += row?.pruned ?? 0
              if ((row?.pruned ?? 0) < Folding.pruneRowsMax) break
            }
          }
          return pruned
        }).pipe(Effect.withSpan("Risk.prune"))

        return Risk.of({
          decide,
          record,
          observe,
          complete,
          getSignal,
          explain: decisionRows.explain,
          list: decisionRows.list,
          label,
          fold,
          prune
        })
      })
    )
}
