/** Judges stored signals: reads their features, evaluates the rules, and writes the decisions. */
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { LiveRules } from "../RiskRules.ts"
import type * as Decisions from "./decisionStatements.ts"
import * as Engine from "./ruleEngine.ts"
import type * as Signals from "./signalStatements.ts"
import * as Velocity from "./velocity.ts"

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
    ...(read.capped.length === 0 ? {} : { capped: read.capped }),
    snoozed: Array.from(new Set(mine.flatMap(({ rule }) => (rule === null ? [] : [rule])))).toSorted(),
    listed: lists.includes("block") ? "block" : lists.includes("allow") ? "allow" : null
  }
}

/** The features that the live version and those in shadow read of a signal. */
export const askedOf = (
  signal: Pick<Signals.Stored, "signalId" | "kind" | "occurredAt" | "currency" | "entities">,
  live: LiveRules
): Velocity.Asked => ({
  signalId: signal.signalId,
  at: signal.occurredAt,
  currency: signal.currency,
  entities: signal.entities,
  features: Array.from(
    new Map(
      [...(live.live === undefined ? [] : [live.live]), ...live.shadow]
        .flatMap((set) => Engine.featuresOf(set, signal.kind))
        .map((feature) => [feature.name, feature] as const)
    ).values()
  )
})

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

export interface Options {
  readonly observed: boolean
  readonly startedNanos: bigint
  readonly decisionIds: ReadonlyArray<string>
}

export const make = (
  sql: SqlClient.SqlClient,
  velocity: ReturnType<typeof Velocity.make>,
  decisions: ReturnType<typeof Decisions.make>
) => {
  /** Evaluates the live version and those in shadow on what was read. */
  const evaluate = Effect.fnUntraced(function* (
    stored: ReadonlyArray<Signals.Stored>,
    live: LiveRules,
    options: Options,
    reads: ReadonlyArray<Velocity.Read>,
    listed: ReadonlyArray<Decisions.ListRow>
  ) {
    const nowNanos = yield* Clock.currentTimeNanos
    const made: Array<Decisions.NewDecision> = []
    for (const [index, signal] of stored.entries()) {
      const frozen = frozenOf(signal, reads[index] ?? Velocity.nothing, listed)
      const verdict = yield* Engine.evaluate(live.live, frozen)
      const shadow: Array<Decisions.NewDecision["shadow"][number]> = []
      for (const set of live.shadow) {
        const { outcome, score } = yield* Engine.evaluate(set, frozen)
        shadow.push({ version: set.version, outcome, score })
      }
      made.push({
        decisionId: options.decisionIds[index] ?? "",
        signalId: signal.signalId,
        occurredAt: signal.occurredAt,
        kind: signal.kind,
        subject: signal.subject,
        observed: options.observed,
        version: live.live?.version,
        verdict,
        frozen,
        shadow,
        latencyMicros: Number((nowNanos - options.startedNanos) / 1_000n)
      })
    }
    return made
  })

  /** Writes decisions, publishes those that do not allow, and notes entities that have become hot. */
  const write = Effect.fnUntraced(function* <E, R>(
    tenantId: string,
    made: ReadonlyArray<Decisions.NewDecision>,
    reads: ReadonlyArray<Velocity.Read>,
    insert: (now: Date) => Effect.Effect<unknown, E, R>
  ) {
    const now = yield* Now.now
    const isSingle = made.every((decision) => !isBad(decision))
    // One statement needs no transaction.
    yield* isSingle ? insert(now) : transactionOf(sql)(Effect.andThen(insert(now), publish(made, now)))
    const hot = Array.from(new Set(reads.flatMap((read) => read.hot)))
    // After the commit, so that no decision waits for the note of another one.
    if (hot.length > 0) {
      yield* sql.afterCommit(Effect.asVoid(decisions.noteDue(tenantId, hot, now)).pipe(Effect.ignore))
    }
  })

  /** Reads features, evaluates the live version and those in shadow, and writes the decisions. */
  const judge = Effect.fnUntraced(function* (
    tenantId: string,
    stored: ReadonlyArray<Signals.Stored>,
    live: LiveRules,
    options: Options
  ) {
    const now = yield* Now.now
    const reads = yield* velocity.read(
      tenantId,
      stored.map((signal) => askedOf(signal, live))
    )
    const entities = stored.flatMap((signal) => signal.entities)
    const listed = entities.length === 0 ? [] : yield* decisions.listed(tenantId, entities, now)
    const made = yield* evaluate(stored, live, options, reads, listed)
    yield* write(tenantId, made, reads, (at) => decisions.insert(tenantId, made, at))
    return made
  })

  return { judge, evaluate, write }
}
