/** Non-inferiority: whether a guardrail is worse by less than a margin. */
import { difference } from "./effects.ts"
import type { Estimate } from "./estimates.ts"

/** The direction that is better. */
export type Direction = "up" | "down"

export interface NonInferiority {
  /** Of the hypothesis that the treatment is worse by the margin or more. */
  readonly p: number
  readonly df: number
  /** How far the treatment is from the margin, in the units of the metric: above 0 on the good side. */
  readonly distance: number
  readonly standardError: number
}

/**
 * Returns the one-sided test of the hypothesis that the treatment is worse than the control by `margin` of |control| or more;
 * undefined when neither arm varies. The margin moves with the estimated control, whose variance is therefore part of the test.
 *
 * A decision that needs all of several guardrails is an intersection-union test: each is tested at the whole level, without a
 * correction.
 *
 * Source: Rothmann, Wiens and Chan, Design and Analysis of Non-Inferiority Trials (2012), chapter 5.
 * Source: Berger, Multiparameter Hypothesis Testing and Acceptance Sampling (Technometrics 24, 1982).
 * Source: Schultzberg, Ankargren and Frånberg, Risk-aware Product Decisions in A/B Tests with Multiple Metrics (2024).
 */
export const nonInferiority = (
  control: Estimate,
  treatment: Estimate,
  margin: number,
  direction: Direction,
  alpha: number
): NonInferiority | undefined => {
  const lost = margin * Math.sign(control.value)
  const factor = direction === "up" ? 1 - lost : 1 + lost
  const limit = { ...control, value: control.value * factor, variance: control.variance * factor * factor }
  const result = difference(limit, treatment, alpha, direction === "up" ? "greater" : "less")
  return result === undefined
    ? undefined
    : {
        p: result.p,
        df: result.df,
        distance: direction === "up" ? result.estimate : -result.estimate,
        standardError: result.standardError
      }
}

/**
 * Returns the power that each of several guardrails needs, so that all of them together pass with `power`, whatever their
 * dependence.
 *
 * Source: Schultzberg, Ankargren and Frånberg (2024).
 */
export const guardrailPower = (power: number, guardrails: number): number =>
  guardrails < 1 ? power : 1 - (1 - power) / guardrails
