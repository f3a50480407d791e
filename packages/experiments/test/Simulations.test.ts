/** A small form of `pnpm simulate experiments`: the bounds are those of the large one, and the intervals are wider. */
import { assert, describe, it } from "@effect/vitest"
import * as Laboratory from "./Laboratory.ts"
import { holds, intervalOf, simulations } from "./simulations.ts"

/** HM_EXPERIMENTS_SIMULATIONS=20000 makes the large form. */
const runs = Number(process.env["HM_EXPERIMENTS_SIMULATIONS"] ?? 1_000)

const claims = {
  looking:
    "no way of looking a hundred times finds more than 5 % of what is not there, and power is as planned",
  ratios: "an A/A test of a ratio is positive in 5 % of all runs",
  coverage:
    "Fieller's interval covers the lift in 95 %, both tails alike, where the delta method misses on one side",
  sampleRatios: "the sequential test of the sample ratio is false in at most 5 %, however often one looks",
  guardrails: "a guardrail that is worse by its margin passes in 5 % of all runs",
  changedWeights: "an A/A test whose weights and rates change half-way keeps its 5 % and raises no mismatch"
} as const

describe("simulations", () => {
  for (const [name, claim] of Object.entries(claims)) {
    it(`${claim}`, () => {
      const simulate = simulations[name as keyof typeof claims]
      for (const outcome of simulate(runs, Laboratory.random(Laboratory.seedOf(claim, 31)))) {
        assert.isTrue(holds(outcome), `${outcome.claim}: ${intervalOf(outcome).join(" to ")}`)
      }
    })
  }
})
