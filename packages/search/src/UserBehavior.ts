/**
 * Actions of visitors: views, clicks with the search and position they came from, carts and purchases. Schemas and limits;
 * the service is `UserBehaviors`.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import { AdopterId } from "@hypermarket/core/Identifier"
import { Instant } from "@hypermarket/core/Instant"
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * Maximum signals of one call: one statement.
 *
 * @category limits
 * @since 0.1.0
 */
export const batchMax = 1_000

/**
 * The longest id of a signal, in characters.
 *
 * @category limits
 * @since 0.1.0
 */
export const idLengthMax = 400

/**
 * The time for which a signal's id is remembered, in days. The same id counts again afterwards.
 *
 * @category limits
 * @since 0.1.0
 */
export const dedupeDays = 30

/**
 * Maximum views, clicks and carts of one user on one day: those that count for popularity, in total and per product, and
 * those that are stored. A person stays far below; a script is cut off. Purchases are not limited, because they cost money.
 *
 * @category limits
 * @since 0.1.0
 */
export const userDayLimits = { counted: 300, countedPerProduct: 5, kept: 2_000 } as const

/**
 * Maximum products in a user's history; the oldest are dropped.
 *
 * @category limits
 * @since 0.1.0
 */
export const historyMax = 100

/**
 * The kinds of signals.
 *
 * @category models
 * @since 0.1.0
 */
export const SignalKind = Schema.Literals(["view", "click", "cart", "purchase"])

/**
 * An action of a user on a product.
 *
 * @category models
 * @since 0.1.0
 */
export const Signal = Schema.Struct({
  /** Unique within its source: recording it again changes nothing. */
  id: Text.make({ max: idLengthMax }),
  kind: SignalKind,
  /** The customer, else the device, else the session. */
  userKey: AdopterId,
  productId: AdopterId,
  /** The search that found the product, and the position of the hit in it, from 1. */
  queryId: Schema.optionalKey(AdopterId),
  position: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: 1_000 })),
  quantity: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: 1_000_000_000 })),
  at: Instant
})

/**
 * @category models
 * @since 0.1.0
 */
export type Signal = typeof Signal.Type

/**
 * The outcome of a batch. `duplicates` were recorded before; `limited` exceed {@link userDayLimits} and are not stored.
 *
 * @category models
 * @since 0.1.0
 */
export const Recorded = Schema.Struct({ recorded: Schema.Int, duplicates: Schema.Int, limited: Schema.Int })

/**
 * @category models
 * @since 0.1.0
 */
export type Recorded = typeof Recorded.Type

/**
 * A signal's time is out of bounds: it is more than 24 hours ahead of the clock, or, from a client key, older than
 * {@link dedupeDays}. Nothing is recorded. A path is the signal's place in the batch and the field.
 *
 * @category errors
 * @since 0.1.0
 */
export class SignalsInvalid extends HttpApiError.Problem<SignalsInvalid>()(
  "SignalsInvalid",
  {
    type: "urn:hypermarket:problem:search:signals-invalid",
    status: 400,
    title: "A time is out of bounds"
  },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}

/**
 * A product that a user viewed or clicked.
 *
 * @category models
 * @since 0.1.0
 */
export const HistoryItem = Schema.Struct({
  productId: Schema.String,
  views: Schema.Int,
  viewedAt: Schema.DateTimeUtcFromString
})

/**
 * @category models
 * @since 0.1.0
 */
export type HistoryItem = typeof HistoryItem.Type
