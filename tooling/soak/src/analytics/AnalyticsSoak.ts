/** `pnpm soak analytics`. */
import * as SoakProgram from "../SoakProgram.ts"
import * as OrderRun from "./OrderRun.ts"

export const program = SoakProgram.make({
  name: "analytics",
  sizes: { changes: { default: 200_000 } },
  run: (seed, { changes }) => OrderRun.run(seed, changes)
})
