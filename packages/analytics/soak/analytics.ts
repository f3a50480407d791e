/** `pnpm soak analytics`. */
import * as SoakProgram from "@hypermarket/soak/SoakProgram"
import * as OrderRun from "./analytics/OrderRun.ts"

export const program = SoakProgram.make({
  name: "analytics",
  sizes: { changes: { default: 200_000 } },
  run: (seed, { changes }) => OrderRun.run(seed, changes)
})
