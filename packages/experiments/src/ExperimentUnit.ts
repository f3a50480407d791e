/**
 * Exposures and facts of units: what callers send. Schemas only.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import { AdopterId } from "@hypermarket/core/Identifier"
import { Instant } from "@hypermarket/core/Instant"
import { Currency } from "@hypermarket/core/Money"
import * as Schema from "effect/Schema"
import { UnitKind } from "./Experiment.ts"
import { Key, Source } from "./ExperimentMetric.ts"

/**
 * Maximum exposures or facts per call: one transaction holds as many locks.
 *
 * @category limits
 * @since 0.1.0
 */
export const batchMax = 1_000

/** 10^15 minor units: a thousand of them still sum exactly in a bigint. */
const valueMax = 1_000_000_000_000_000n

/**
 * The value of a fact: minor units for money, a plain integer otherwise.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FactValue = BoundedInt.makeBigInt({ minimum: -valueMax, maximum: valueMax })

/**
 * A unit has seen a variant. Only the first one of a unit counts, so that it may be sent again.
 *
 * @category models
 * @since 0.1.0
 */
export const Exposure = Schema.Struct({
  experiment: Key,
  unit: AdopterId,
  variant: Key,
  /** The present, when it is left out. */
  at: Schema.optionalKey(Instant)
})

/**
 * @category models
 * @since 0.1.0
 */
export type Exposure = typeof Exposure.Type

/**
 * @category models
 * @since 0.1.0
 */
export const Exposures = Schema.Array(Exposure).check(Schema.isMinLength(1), Schema.isMaxLength(batchMax))

/**
 * A fact about a unit, for example a purchase. A higher version of the same `factId` replaces it, an equal or lower one
 * changes nothing.
 *
 * @category models
 * @since 0.1.0
 */
export const Fact = Schema.Struct({
  source: Source,
  factId: AdopterId,
  unitKind: Schema.optionalKey(UnitKind),
  unit: AdopterId,
  at: Instant,
  /** Minor units for money, a plain integer otherwise; 1 when it is left out. */
  value: Schema.optionalKey(FactValue),
  currency: Schema.optionalKey(Currency),
  version: Schema.optionalKey(BoundedInt.PositiveSafeInt),
  /** The fact did not happen after all: it counts nothing. */
  withdrawn: Schema.optionalKey(Schema.Boolean)
})

/**
 * @category models
 * @since 0.1.0
 */
export type Fact = typeof Fact.Type

/**
 * @category models
 * @since 0.1.0
 */
export const Facts = Schema.Array(Fact).check(Schema.isMinLength(1), Schema.isMaxLength(batchMax))

const Version = BoundedInt.PositiveSafeInt

/**
 * A refund of an order: it reduces the order's value, whenever it comes. `amount` is in minor units.
 *
 * @category models
 * @since 0.1.0
 */
export const Refund = Schema.Struct({
  orderId: AdopterId,
  refundId: AdopterId,
  version: Version,
  amount: BoundedInt.makeBigInt({ minimum: 0n, maximum: valueMax })
})

/**
 * @category models
 * @since 0.1.0
 */
export type Refund = typeof Refund.Type

/**
 * An order that is taken out of every figure. A higher version of the order brings it back.
 *
 * @category models
 * @since 0.1.0
 */
export const Deletion = Schema.Struct({ orderId: AdopterId, version: Version })

/**
 * @category models
 * @since 0.1.0
 */
export type Deletion = typeof Deletion.Type

/**
 * The outcome of a batch.
 *
 * @category models
 * @since 0.1.0
 */
export class Recorded extends Schema.Class<Recorded>("@hypermarket/experiments/Recorded")({
  /** New or changed. */
  accepted: Schema.Int,
  /** Already recorded, or of a lower version. */
  repeated: Schema.Int,
  /** Left out, by their place in the batch, with the reason. */
  rejected: Schema.Array(
    Schema.Struct({
      index: Schema.Int,
      reason: Schema.Literals([
        "unknown-experiment",
        "unknown-variant",
        "not-started",
        "stopped",
        "unused-source",
        "too-old",
        "too-far-ahead"
      ])
    })
  )
}) {}
