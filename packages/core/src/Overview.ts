/**
 * The contributions of a domain to pages over several domains: alerts, a subject's timeline and lookup by id.
 *
 * The API asks every domain for its part and leaves out, by name, the parts that the caller's key may not read.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"

/**
 * Maximum alerts per domain. An operator reads the first few; more would hide them.
 *
 * @category limits
 * @since 0.1.0
 */
export const alertsMax = 20

/**
 * Maximum matches per domain and lookup.
 *
 * @category limits
 * @since 0.1.0
 */
export const matchesMax = 5

/**
 * A condition that needs an operator.
 *
 * @category models
 * @since 0.1.0
 */
export class Alert extends Schema.Class<Alert>("@hypermarket/core/Alert")({
  /** `<noun>.<condition>`, for example `queue.dead`. */
  kind: Schema.String,
  severity: Schema.Literals(["critical", "warning", "info"]),
  /** The id of the thing concerned. */
  subject: Schema.String,
  /** The measured value behind the alert, when there is one. */
  value: Schema.NullOr(Schema.Finite),
  since: Schema.NullOr(Schema.DateTimeUtcFromString),
  data: Schema.Json
}) {}

/**
 * @category schemas
 * @since 0.1.0
 */
export const SubjectKind = Schema.Literals(["order", "customer", "product", "seller"])

/**
 * A thing whose history is shown.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subject {
  readonly kind: typeof SubjectKind.Type
  readonly id: string
}

/**
 * Something that happened to a subject.
 *
 * @category models
 * @since 0.1.0
 */
export class TimelineItem extends Schema.Class<TimelineItem>("@hypermarket/core/TimelineItem")({
  /** Unique within the domain; breaks ties between items of one instant. */
  itemId: Schema.String,
  at: Schema.DateTimeUtcFromString,
  kind: Schema.String,
  data: Schema.Json,
  links: Schema.Array(Schema.Struct({ kind: Schema.String, id: Schema.String }))
}) {}

/**
 * A thing found by its exact id or a prefix of it.
 *
 * @category models
 * @since 0.1.0
 */
export class Match extends Schema.Class<Match>("@hypermarket/core/Match")({
  kind: Schema.String,
  id: Schema.String,
  title: Schema.String
}) {}

/**
 * Reads the newest items before a position, newest first, and by `itemId` downwards within one instant. Instants are in
 * whole milliseconds, as they are shown: SQL compares `date_trunc('milliseconds', at)`.
 *
 * @category models
 * @since 0.1.0
 */
export interface TimelineRequest {
  readonly subject: Subject
  /** Exclusive; absent for the first page. */
  readonly before: { readonly at: Date; readonly itemId: string } | undefined
  readonly limit: number
}

/**
 * Returns the problem that needs an operator, per kind at most one item per thing, and at most {@link alertsMax}.
 *
 * @category models
 * @since 0.1.0
 */
export type Alerts<R> = Effect.Effect<ReadonlyArray<Alert>, SqlError, R>

/**
 * Returns a text that differs when what the domain's queues show has changed. It is read about once per second while an
 * operator watches.
 *
 * @category models
 * @since 0.1.0
 */
export type QueueFingerprint<R> = Effect.Effect<string, SqlError, R>

/**
 * @category models
 * @since 0.1.0
 */
export type Timeline<R> = (
  request: TimelineRequest
) => Effect.Effect<ReadonlyArray<TimelineItem>, SqlError, R>

/**
 * @category models
 * @since 0.1.0
 */
export type Lookup<R> = (text: string) => Effect.Effect<ReadonlyArray<Match>, SqlError, R>
