/**
 * A metric: what is measured per unit, from which facts, and in which time. Schemas and errors.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Identifier from "@hypermarket/core/Identifier"
import { Currency } from "@hypermarket/core/Money"
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * A key that a tenant chooses for a metric, an experiment, a variant or a layer.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Key = Schema.String.check(
  Schema.isPattern(/^[a-z0-9][a-z0-9_-]{0,63}$/, {
    message: "Expected 1 to 64 of a-z, 0-9, - and _, the first one a letter or digit"
  })
)

/**
 * @category schemas
 * @since 0.1.0
 */
export const MetricId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/experiments/MetricId"))

/**
 * @category models
 * @since 0.1.0
 */
export type MetricId = typeof MetricId.Type

/**
 * The name of a stream of facts. `order` and `session.viewed`, `session.searched`, `session.clicked`, `session.carted` are
 * filled from the facts of the shop; any other name is filled by `ExperimentUnits.record`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Source = Schema.String.check(
  Schema.isPattern(/^[a-z][a-z0-9_.-]{0,63}$/, {
    message: "Expected 1 to 64 of a-z, 0-9, ., - and _, the first one a letter"
  })
)

const Name = Text.make({ max: 200 })

/** Ninety days: facts are kept for the longest window of an experiment that runs. */
const windowSecondsMax = 90 * 24 * 60 * 60
const windowSecondsDefault = 14 * 24 * 60 * 60
/** Thirty days: an older past says little about a unit, and its facts would have to be kept. */
const prePeriodSecondsMax = 30 * 24 * 60 * 60

const capMax = 1_000_000_000_000_000n
const Cap = BoundedInt.makeBigInt({ minimum: 1n, maximum: capMax })

/** The median: a lower percentile would cap most units. */
const capPercentileMin = 0.5
const capPercentileMax = 0.9999
const CapPercentile = Schema.Finite.check(
  Schema.isBetween({ minimum: capPercentileMin, maximum: capPercentileMax })
)

/**
 * - `conversion`: 1 for a unit that has a fact, else 0.
 * - `retention`: 1 for a unit that has a fact from `windowStartSeconds` after its first exposure on, else 0.
 * - `count`: the unit's facts.
 * - `sum`: the sum of their values, such as revenue.
 * - `ratio`: the sum of the values of `source` over the number of facts of `denominatorSource`, over all units.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Kind = Schema.Literals(["conversion", "retention", "count", "sum", "ratio"])

/**
 * True for a metric whose units are 0 or 1.
 *
 * @category guards
 * @since 0.1.0
 */
export const isProportion = (kind: typeof Kind.Type): boolean => kind === "conversion" || kind === "retention"

const fields = {
  key: Key,
  name: Name,
  kind: Kind,
  /** The direction that is better. */
  direction: Schema.Literals(["up", "down"]),
  source: Source,
  denominatorSource: Schema.NullOr(Source),
  /**
   * The only currency that counts; facts of others are left out and counted. A sum or ratio without one takes numbers that are no
   * money: facts with a currency are left out and counted.
   */
  currency: Schema.NullOr(Currency),
  /** Facts count from the first exposure, its instant included, for this time. */
  windowSeconds: Schema.Int,
  /** The time from the first exposure on in which facts do not count yet; 0 except for a retention. */
  windowStartSeconds: Schema.Int,
  /** The time before the first exposure whose facts are the covariate of CUPED; 0 for none. */
  prePeriodSeconds: Schema.Int,
  /** The largest total that a unit counts with, and minus the smallest one. */
  cap: Schema.NullOr(Cap),
  denominatorCap: Schema.NullOr(Cap),
  /**
   * The share of units whose total is at most the cap, which each look reads from all units of both arms, those without a fact
   * included. The totals of a ratio's two parts are each capped at this percentile of their own.
   */
  capPercentile: Schema.NullOr(CapPercentile)
}

/**
 * A metric. It is never changed: a metric that differs has another key.
 *
 * @category models
 * @since 0.1.0
 */
export class ExperimentMetric extends Schema.Class<ExperimentMetric>(
  "@hypermarket/experiments/ExperimentMetric"
)({ metricId: MetricId, ...fields, recordedAt: Schema.DateTimeUtcFromString }) {}

/**
 * The fields of a new metric. A `ratio` has a `denominatorSource` and either both caps or none. A sum of orders has a currency.
 * A `retention` has a `windowStartSeconds`.
 *
 * @category models
 * @since 0.1.0
 */
export const NewExperimentMetric = Schema.Struct({
  key: Key,
  name: Schema.optionalKey(Name),
  kind: Kind,
  direction: Schema.optionalKey(fields.direction),
  source: Source,
  denominatorSource: Schema.optionalKey(Source),
  currency: Schema.optionalKey(Currency),
  windowSeconds: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: windowSecondsMax }))
  ),
  windowStartSeconds: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: windowSecondsMax - 1 }))
  ),
  prePeriodSeconds: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: prePeriodSecondsMax }))
  ),
  cap: Schema.optionalKey(Cap),
  denominatorCap: Schema.optionalKey(Cap),
  capPercentile: Schema.optionalKey(CapPercentile)
}).check(
  Schema.makeFilter((metric) =>
    (metric.kind === "ratio") !== (metric.denominatorSource !== undefined)
      ? "Expected denominatorSource for a ratio, and for nothing else"
      : metric.kind === "ratio" && (metric.cap === undefined) !== (metric.denominatorCap === undefined)
        ? "Expected cap and denominatorCap, or neither: one rule holds for both parts of a ratio"
        : metric.kind !== "ratio" && metric.denominatorCap !== undefined
          ? "Expected denominatorCap for a ratio only"
          : metric.source === "order" &&
              (metric.kind === "sum" || metric.kind === "ratio") &&
              metric.currency === undefined
            ? "Expected currency: orders are money, and one metric is in one currency"
            : (metric.kind === "retention") !== (metric.windowStartSeconds !== undefined)
              ? "Expected windowStartSeconds for a retention, and for nothing else"
              : (metric.windowStartSeconds ?? 0) >= (metric.windowSeconds ?? windowSecondsDefault)
                ? "Expected windowStartSeconds below windowSeconds"
                : metric.capPercentile === undefined
                  ? undefined
                  : metric.cap !== undefined
                    ? "Expected cap or capPercentile, not both"
                    : isProportion(metric.kind)
                      ? "Expected capPercentile for a count, sum or ratio"
                      : undefined
  )
)

/**
 * @category models
 * @since 0.1.0
 */
export type NewExperimentMetric = typeof NewExperimentMetric.Type

/**
 * @category constants
 * @since 0.1.0
 */
export const defaults = { windowSeconds: windowSecondsDefault, prePeriodSeconds: 0 } as const

/**
 * @category errors
 * @since 0.1.0
 */
export class MetricNotFound extends HttpApiError.Problem<MetricNotFound>()(
  "MetricNotFound",
  { type: "urn:hypermarket:problem:experiments:metric-not-found", status: 404, title: "No such metric" },
  { metric: Schema.String }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class MetricExists extends HttpApiError.Problem<MetricExists>()(
  "MetricExists",
  {
    type: "urn:hypermarket:problem:experiments:metric-exists",
    status: 409,
    title: "A metric has this key"
  },
  { key: Schema.String }
) {}

/**
 * The tenant has as many metrics as it may have.
 *
 * @category errors
 * @since 0.1.0
 */
export class MetricLimit extends HttpApiError.Problem<MetricLimit>()(
  "MetricLimit",
  { type: "urn:hypermarket:problem:experiments:metric-limit", status: 409, title: "Too many metrics" },
  { metricsMax: Schema.Int }
) {}
