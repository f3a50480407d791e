/** Turns the comparisons of a look into a recommendation. */
import type { Figures, MetricFigures } from "./pairing.ts"

export const recommend = (
  metrics: ReadonlyArray<MetricFigures>,
  mismatch: boolean,
  isLast: boolean
): Figures["recommendation"] => {
  if (mismatch) {
    return {
      outcome: "do-not-trust",
      variant: null,
      because:
        "The arms did not get the units that their weights promise. Find out why before reading further."
    }
  }
  const all = metrics.flatMap((metric) =>
    metric.comparisons.map((comparison) => ({ ...comparison, metric: metric.metric, role: metric.role }))
  )
  // A guardrail that is worse within its margin is what the margin allows.
  const harmed = new Map(
    all
      .filter(({ favourable, nonInferiority }) => favourable === false && nonInferiority?.passes !== true)
      .map((worse) => [worse.variant, worse] as const)
  )
  // Shipping needs all of a variant's guardrails within their margins: an intersection-union test.
  const unproven = new Map(
    all
      .filter(({ nonInferiority }) => nonInferiority !== undefined && nonInferiority?.passes !== true)
      .map((guardrail) => [guardrail.variant, guardrail] as const)
  )
  const better = all
    .filter(({ favourable, role, variant }) => favourable === true && role === "goal" && !harmed.has(variant))
    .toSorted((a, b) => Math.abs(b.relative?.estimate ?? 0) - Math.abs(a.relative?.estimate ?? 0))
  const best = better.find(({ variant }) => !unproven.has(variant))
  if (best !== undefined) {
    return {
      outcome: "ship",
      variant: best.variant,
      because: `${best.metric} is better and nothing is worse.`
    }
  }
  const [blocked] = better
  const guardrail = unproven.get(blocked?.variant ?? "")
  if (blocked !== undefined && guardrail !== undefined) {
    return {
      outcome: "keep-going",
      variant: null,
      because: `${blocked.metric} is better in ${blocked.variant}, and ${guardrail.metric} is not shown to be within its margin.`
    }
  }
  const treatments = new Set(all.map(({ variant }) => variant))
  const [worst] = harmed.values()
  if (worst !== undefined && harmed.size === treatments.size) {
    return { outcome: "roll-back", variant: worst.variant, because: `${worst.metric} is worse.` }
  }
  return {
    outcome: "keep-going",
    variant: null,
    because: isLast
      ? "The planned units are reached and no goal differs: keep the control, or plan a larger experiment."
      : "No goal differs at this look's level."
  }
}
