/**
 * The link graph: which entities took part in signals together, and the signals that link them.
 *
 * @since 0.1.0
 */
import { Instant } from "@hypermarket/core/Instant"
import * as Schema from "effect/Schema"
import { EntityKind, SignalKind, SignalResult } from "./FraudSignal.ts"
import { Outcome } from "./RiskRuleSet.ts"
import { OneEntity } from "./RiskList.ts"

/**
 * The most neighbours of an entity that links others. A shared office or a seller has more: it is shown, and joins no ring.
 *
 * @category limits
 * @since 0.1.0
 */
export const degreeMax = 50

/**
 * The most entities of a ring; {@link RiskRing} says when there are more.
 *
 * @category limits
 * @since 0.1.0
 */
export const ringEntitiesMax = 500

/**
 * The most signals of a ring, the newest ones.
 *
 * @category limits
 * @since 0.1.0
 */
export const ringSignalsMax = 100

/**
 * Where a ring begins, and from when on signals link entities.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RingRequest = Schema.Struct({
  entity: OneEntity,
  /** @default 30 days ago */
  since: Schema.optionalKey(Instant)
})

/**
 * @category models
 * @since 0.1.0
 */
export type RingRequest = typeof RingRequest.Type

/**
 * An entity of a ring. `id` names it within the answer, such as `e3`: stored are keyed hashes, from which no value can be read.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RingEntity = Schema.Struct({
  id: Schema.String,
  kind: EntityKind,
  /** 0 where the ring begins, 1 for its neighbours, 2 for theirs. */
  hops: Schema.Int,
  /** Neighbours, at most 50. */
  degree: Schema.Int,
  /** More neighbours than an entity that links others: the ring does not go on from here. */
  isHub: Schema.Boolean
})

/**
 * Two entities that took part in the same signals.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RingLink = Schema.Struct({
  from: Schema.String,
  to: Schema.String,
  firstSeen: Schema.DateTimeUtcFromString,
  lastSeen: Schema.DateTimeUtcFromString
})

/**
 * A signal of a ring, with the outcome in force.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RingSignal = Schema.Struct({
  kind: SignalKind,
  subject: Schema.String,
  result: SignalResult,
  occurredAt: Schema.DateTimeUtcFromString,
  outcome: Schema.NullOr(Outcome),
  /** The entities of the ring that took part. */
  entities: Schema.Array(Schema.String)
})

/**
 * The entities within two hops of one, the links between them and their newest signals.
 *
 * @category models
 * @since 0.1.0
 */
export class RiskRing extends Schema.Class<RiskRing>("@hypermarket/risk/RiskRing")({
  entities: Schema.Array(RingEntity),
  links: Schema.Array(RingLink),
  signals: Schema.Array(RingSignal),
  /** True when there are more entities or signals than a ring has. */
  truncated: Schema.Boolean
}) {}
