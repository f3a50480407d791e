/**
 * `pnpm simulate experiments [--runs 20000] [--seed 1]`: how often the methods err, with an interval of 99.9 % for each share. Ends with
 * 1 when a share is outside of what is claimed.
 */
import { parseArgs } from "node:util"
import * as Laboratory from "./Laboratory.ts"
import { holds, intervalOf, simulations } from "./simulations.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: "string", default: "20000" }, seed: { type: "string", default: "1" } }
})
const runs = Number(values.runs)
const seed = Number(values.seed)
const percent = (share: number) => `${(share * 100).toFixed(2)} %`

if (positionals[0] !== "experiments" || !(runs >= 100) || !Number.isInteger(seed)) {
  process.stderr.write("pnpm simulate experiments [--runs 20000] [--seed 1]\n")
  process.exitCode = 2
} else {
  process.stdout.write(
    `${runs} runs, seed ${seed}\n\n| claim | share | 99.9 % interval | claimed | holds |\n| --- | --- | --- | --- | --- |\n`
  )
  for (const simulate of Object.values(simulations)) {
    for (const outcome of simulate(runs, Laboratory.random(seed))) {
      const [low, high] = intervalOf(outcome)
      const isHolding = holds(outcome)
      if (!isHolding) process.exitCode = 1
      process.stdout.write(
        `| ${outcome.claim} | ${percent(outcome.count / outcome.runs)} | ${percent(low)} to ${percent(high)} | ${percent(outcome.low)} to ${percent(outcome.high)} | ${isHolding ? "yes" : "no"} |\n`
      )
    }
  }
}
