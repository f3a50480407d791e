/**
 * An experiment: its variants, phases and plan. Schemas and errors.
 *
 * @since 0.1.0
 */
import * as Condition from "@hypermarket/core/Condition"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import { Key } from "./ExperimentMetric.ts"
import { NewPlan, Plan } from "./ExperimentPlan.ts"

/**
 * @category schemas
 * @since 0.1.0
 */
export const ExperimentId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/experiments/ExperimentId"))

/**
 * @category models
 * @since 0.1.0
 */
export type ExperimentId = typeof ExperimentId.Type

/**
 * The sum of the weights of an experiment: one is 0.01 %.
 *
 * @category constants
 * @since 0.1.0
 */
export const weightsSum = 10_000

/**
 * Coverage, layers and holdouts are counted in buckets of 0.001 %.
 *
 * @category constants
 * @since 0.1.0
 */
export const bucketsMax = 100_000

/** More arms than that leave each with too few units to learn from. */
const variantsMax = 20
const metricsMax = 50

const Name = Text.make({ max: 200 })
const Hypothesis = Text.make({ max: 2_000, min: 0 })
const Weight = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: weightsSum }))
const Coverage = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: bucketsMax }))

/**
 * @category schemas
 * @since 0.1.0
 */
export const Environment = Schema.String.check(
  Schema.isPattern(/^[a-z0-9_-]{1,64}$/, { message: "Expected 1 to 64 of a-z, 0-9, - and _" })
)

/**
 * The kind of thing that is assigned and measured: `customer`, `seller`, `session`, or another.
 *
 * @category schemas
 * @since 0.1.0
 */
export const UnitKind = Schema.String.check(
  Schema.isPattern(/^[a-z][a-z0-9_]{0,31}$/, { message: "Expected 1 to 32 of a-z, 0-9 and _" })
)

/**
 * Variants with their weights. The first one is the control.
 *
 * @category models
 * @since 0.1.0
 */
export const Variant = Schema.Struct({
  variantId: Identifier.Uuid,
  key: Key,
  name: Name,
  weight: Weight
})

/**
 * A part of a layer, in buckets: experiments that run in one layer share no bucket.
 *
 * @category models
 * @since 0.1.0
 */
export const Slot = Schema.Struct({
  key: Key,
  from: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: bucketsMax - 1 })),
  until: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: bucketsMax }))
}).check(Schema.makeFilter((slot) => (slot.from < slot.until ? undefined : "Expected from below until")))

/**
 * The decision record. It is made once.
 *
 * @category models
 * @since 0.1.0
 */
export const Decision = Schema.Struct({
  outcome: Schema.Literals(["ship", "roll-back", "keep"]),
  /** The variant that is shipped or kept. */
  variant: Schema.NullOr(Key),
  /** The look that it rests on. */
  look: Schema.Int,
  why: Text.make({ max: 2_000 }),
  decidedAt: Schema.DateTimeUtcFromString
})

/**
 * @category models
 * @since 0.1.0
 */
export const NewDecision = Schema.Struct({
  outcome: Decision.fields.outcome,
  variant: Schema.optionalKey(Key),
  look: Decision.fields.look,
  why: Decision.fields.why
})

/**
 * A metric of an experiment, by its key.
 *
 * @category models
 * @since 0.1.0
 */
export const Goal = Schema.Struct({
  metric: Key,
  role: Schema.Literals(["goal", "guardrail"]),
  /** The share of the control by which a guardrail may be worse: 0.02 is 2 %. Without one it is only watched for harm. */
  margin: Schema.optionalKey(
    Schema.NullOr(Schema.Finite.check(Schema.isBetween({ minimum: 0.0001, maximum: 1 })))
  )
})

/**
 * @category models
 * @since 0.1.0
 */
export class Experiment extends Schema.Class<Experiment>("@hypermarket/experiments/Experiment")({
  experimentId: ExperimentId,
  key: Key,
  name: Name,
  hypothesis: Hypothesis,
  environment: Environment,
  unitKind: UnitKind,
  status: Schema.Literals(["draft", "running", "paused", "stopped"]),
  scheme: Schema.Literals(["murmur3", "gb_v2"]),
  /** The salt of the hash. It never changes. */
  seed: Schema.String,
  layer: Schema.NullOr(Slot),
  plan: Plan,
  /** Grows with every change of weights, coverage or targeting. */
  phase: Schema.Int,
  variants: Schema.Array(Variant),
  /** Buckets of which units are taken. */
  coverage: Coverage,
  targeting: Schema.NullOr(Condition.Schema),
  metrics: Schema.Array(Goal),
  decision: Schema.NullOr(Decision),
  startedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  stoppedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

const NewVariant = Schema.Struct({ key: Key, name: Schema.optionalKey(Name), weight: Weight })

const isDistinct = (keys: ReadonlyArray<string>): boolean => new Set(keys).size === keys.length

/**
 * The fields of a new experiment. Weights are in 0.01 % and sum to 10,000.
 *
 * @category models
 * @since 0.1.0
 */
export const NewExperiment = Schema.Struct({
  key: Key,
  name: Schema.optionalKey(Name),
  hypothesis: Schema.optionalKey(Hypothesis),
  environment: Schema.optionalKey(Environment),
  unitKind: Schema.optionalKey(UnitKind),
  scheme: Schema.optionalKey(Schema.Literals(["murmur3", "gb_v2"])),
  layer: Schema.optionalKey(Slot),
  variants: Schema.Array(NewVariant).check(
    Schema.isMinLength(2),
    Schema.isMaxLength(variantsMax),
    Schema.makeFilter((variants) =>
      !isDistinct(variants.map(({ key }) => key))
        ? "Expected variants with different keys"
        : variants.reduce((sum, { weight }) => sum + weight, 0) === weightsSum
          ? undefined
          : `Expected weights that sum to ${weightsSum}`
    )
  ),
  coverage: Schema.optionalKey(Coverage),
  targeting: Schema.optionalKey(Condition.Schema),
  metrics: Schema.optionalKey(
    Schema.Array(Goal).check(
      Schema.isMaxLength(metricsMax),
      Schema.makeFilter((goals) =>
        !isDistinct(goals.map(({ metric }) => metric))
          ? "Expected each metric once"
          : goals.some(({ margin, role }) => role === "goal" && (margin ?? null) !== null)
            ? "Expected margin for guardrails only"
            : undefined
      )
    )
  ),
  plan: NewPlan
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewExperiment = typeof NewExperiment.Type

/**
 * A change. Fields that are left out stay as they are, and so do variants that are left out of `variants`. A change of
 * weights, coverage or targeting of an experiment that has started begins a new phase. `targeting: null` removes it.
 *
 * @category models
 * @since 0.1.0
 */
export const ExperimentChange = Schema.Struct({
  name: Schema.optionalKey(Name),
  hypothesis: Schema.optionalKey(Hypothesis),
  coverage: Schema.optionalKey(Coverage),
  targeting: Schema.optionalKey(Schema.NullOr(Condition.Schema)),
  variants: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({ key: Key, name: Schema.optionalKey(Name), weight: Schema.optionalKey(Weight) })
    ).check(
      Schema.isMaxLength(variantsMax),
      Schema.makeFilter((variants) =>
        isDistinct(variants.map(({ key }) => key)) ? undefined : "Expected variants with different keys"
      )
    )
  )
})

/**
 * @category models
 * @since 0.1.0
 */
export type ExperimentChange = typeof ExperimentChange.Type

const problem = "urn:hypermarket:problem:experiments:"

/**
 * @category errors
 * @since 0.1.0
 */
export class ExperimentNotFound extends HttpApiError.Problem<ExperimentNotFound>()(
  "ExperimentNotFound",
  { type: `${problem}experiment-not-found`, status: 404, title: "No such experiment" },
  { experiment: Schema.String }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class ExperimentExists extends HttpApiError.Problem<ExperimentExists>()(
  "ExperimentExists",
  { type: `${problem}experiment-exists`, status: 409, title: "An experiment has this key" },
  { key: Schema.String }
) {}

/**
 * The tenant has as many experiments as it may have.
 *
 * @category errors
 * @since 0.1.0
 */
export class ExperimentLimit extends HttpApiError.Problem<ExperimentLimit>()(
  "ExperimentLimit",
  { type: `${problem}experiment-limit`, status: 409, title: "Too many experiments" },
  { experimentsMax: Schema.Int }
) {}

/**
 * The experiment's `current` status does not allow this: `expected` names the statuses that do.
 *
 * @category errors
 * @since 0.1.0
 */
export class ExperimentStatusWrong extends HttpApiError.Problem<ExperimentStatusWrong>()(
  "ExperimentStatusWrong",
  { type: `${problem}status-wrong`, status: 409, title: "The experiment's status does not allow this" },
  { current: Schema.String, expected: Schema.Array(Schema.String) }
) {}

/**
 * A running experiment holds buckets of this part of the layer.
 *
 * @category errors
 * @since 0.1.0
 */
export class LayerOverlap extends HttpApiError.Problem<LayerOverlap>()(
  "LayerOverlap",
  { type: `${problem}layer-overlap`, status: 409, title: "The layer's buckets are in use" },
  { layer: Schema.String, experiments: Schema.Array(Schema.String) }
) {}

/**
 * The definition contradicts itself: `errors` names the fields.
 *
 * @category errors
 * @since 0.1.0
 */
export class ExperimentInvalid extends HttpApiError.Problem<ExperimentInvalid>()(
  "ExperimentInvalid",
  { type: `${problem}experiment-invalid`, status: 422, title: "The experiment contradicts itself" },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}

/**
 * A look cannot be taken: no unit was exposed, the number skips one, there are a hundred looks, or the first planned one is not due.
 *
 * @category errors
 * @since 0.1.0
 */
export class LookUnavailable extends HttpApiError.Problem<LookUnavailable>()(
  "LookUnavailable",
  { type: `${problem}look-unavailable`, status: 409, title: "This look cannot be taken" },
  { reason: Schema.Literals(["no-units", "not-next", "too-many-looks", "not-due"]) }
) {}

/**
 * No look of the experiment has this number.
 *
 * @category errors
 * @since 0.1.0
 */
export class LookNotFound extends HttpApiError.Problem<LookNotFound>()(
  "LookNotFound",
  { type: `${problem}look-not-found`, status: 404, title: "No such look" },
  { look: Schema.Int }
) {}
