/** A look as programs without Effect read it: plain values, with the metrics by their keys. */
import * as Schema from "effect/Schema"
import { ExperimentLook } from "../ExperimentLook.ts"

const encode = Schema.encodeSync(ExperimentLook)

type Encoded = typeof ExperimentLook.Encoded
type Comparison = Encoded["metrics"][number]["comparisons"][number]

/** A treatment's lift over the control. A figure that is null has its reason in `flags`. */
export interface Lift {
  readonly estimate: number | null
  readonly low: number | null
  readonly high: number | null
  readonly method: "fieller" | "log-ratio" | null
  readonly flags: Comparison["flags"]
}

export type Treatment = Omit<Comparison, "relative"> & { readonly relative: Lift }

/** A metric's figures. Those beside `treatments` are of the first treatment, which `variant` names. */
export type Metric = Treatment &
  Omit<Encoded["metrics"][number], "comparisons"> & {
    /** All treatments by their keys. */
    readonly treatments: { readonly [variant: string]: Treatment }
  }

export type Look<Metrics extends string> = Omit<Encoded, "metrics"> & {
  /** The outcome of `recommendation`. */
  readonly decision: Encoded["recommendation"]["outcome"]
  readonly metrics: { readonly [Key in Metrics]: Metric }
}

const treatmentOf = (comparison: Comparison): Treatment => {
  const { flags, relative } = comparison
  const none = { estimate: null, low: null, high: null, method: null }
  return { ...comparison, relative: { ...(relative ?? none), flags } }
}

const entryOf = ({ comparisons, ...metric }: Encoded["metrics"][number]): ReadonlyArray<[string, Metric]> => {
  const treatments = comparisons.map(treatmentOf)
  const [first] = treatments
  // An experiment has two variants at least.
  if (first === undefined) return []
  const byVariant = Object.fromEntries(treatments.map((treatment) => [treatment.variant, treatment]))
  return [[metric.metric, { ...metric, ...first, treatments: byVariant }]]
}

/** The caller names the metrics that it knows the experiment has. */
export function lookOf<Metrics extends string>(look: ExperimentLook): Look<Metrics>
export function lookOf(look: ExperimentLook): Look<string> {
  const { metrics, ...rest } = encode(look)
  return {
    ...rest,
    decision: rest.recommendation.outcome,
    metrics: Object.fromEntries(metrics.flatMap(entryOf))
  }
}
