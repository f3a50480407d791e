/**
 * The segment: a named condition that rules of several flags refer to. Schemas and errors; the service is `FlagSegments`.
 *
 * @since 0.1.0
 */
import * as Condition from "@hypermarket/core/Condition"
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import { FlagKey } from "./FeatureFlag.ts"

/**
 * The key of a segment, as conditions name it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SegmentKey = FlagKey

const Description = Text.make({ max: 2_000 })

/**
 * @category models
 * @since 0.1.0
 */
export class FlagSegment extends Schema.Class<FlagSegment>("@hypermarket/platform/FlagSegment")({
  segmentKey: SegmentKey,
  description: Schema.NullOr(Description),
  condition: Condition.Schema,
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * @category schemas
 * @since 0.1.0
 */
export const NewFlagSegment = Schema.Struct({
  segmentKey: SegmentKey,
  description: Schema.optionalKey(Description),
  condition: Condition.Schema
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewFlagSegment = typeof NewFlagSegment.Type

/**
 * The fields to change; what is absent stays.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlagSegmentChange = Schema.Struct({
  description: Schema.optionalKey(Schema.NullOr(Description)),
  condition: Schema.optionalKey(Condition.Schema)
})

/**
 * @category models
 * @since 0.1.0
 */
export type FlagSegmentChange = typeof FlagSegmentChange.Type

/**
 * The tenant has no segment with this key. Another tenant's segment is not found either.
 *
 * @category errors
 * @since 0.1.0
 */
export class FlagSegmentNotFound extends HttpApiError.Problem<FlagSegmentNotFound>()(
  "FlagSegmentNotFound",
  {
    type: "urn:hypermarket:problem:platform:flag-segment-not-found",
    status: 404,
    title: "No such segment"
  },
  { segmentKey: Schema.String }
) {}

/**
 * A segment has this key.
 *
 * @category errors
 * @since 0.1.0
 */
export class FlagSegmentExists extends HttpApiError.Problem<FlagSegmentExists>()(
  "FlagSegmentExists",
  {
    type: "urn:hypermarket:problem:platform:flag-segment-exists",
    status: 409,
    title: "The segment exists"
  },
  { segmentKey: Schema.String }
) {}
