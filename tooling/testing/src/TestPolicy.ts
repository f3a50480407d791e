/** Policies by a function: both ways of deciding return what it returns. */
import * as Policy from "@hypermarket/core/Policy"
import { Effect, Layer } from "effect"

const allowed: Policy.Decision = {
  effect: "allow",
  requires: [],
  because: [],
  undetermined: false,
  revision: 1n
}

/** The function returns what differs from an allow at revision 1. */
export const layer = (decide: (question: Policy.Question) => Partial<Policy.Decision>): Layer.Layer<never> =>
  Layer.succeed(Policy.Policy, {
    decide: (question) => ({ ...allowed, ...decide(question) }),
    decideNow: (question) => Effect.sync(() => ({ ...allowed, ...decide(question) }))
  })
