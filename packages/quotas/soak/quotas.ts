/** `pnpm soak quotas`. */
import * as SoakProgram from "@hypermarket/soak/SoakProgram"
import * as QuotaRun from "./quotas/QuotaRun.ts"

export const program = SoakProgram.make({
  name: "quotas",
  sizes: {
    pairs: { default: 10_000 },
    kills: { default: 6 },
    callers: { default: 24 },
    keys: { default: 10_000_000 }
  },
  run: (seed, size) => QuotaRun.run(seed, size)
})
