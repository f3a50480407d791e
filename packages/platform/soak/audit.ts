/** `pnpm soak audit`. */
import * as BrokenBuild from "@hypermarket/soak/BrokenBuild"
import * as SoakProgram from "@hypermarket/soak/SoakProgram"
import * as AuditRun from "./audit/AuditRun.ts"
import { horizon } from "./audit/breaks.ts"

const transactionMillisMax = 5_000
const sealEveryMillis = 200

export const program = SoakProgram.make({
  name: "audit",
  sizes: { seconds: { default: 120 }, writers: { default: 64 } },
  breaks: { kinds: ["horizon"], check: (kind, seed) => BrokenBuild.check(kind, horizon, seed) },
  run: (seed, size) => AuditRun.run(seed, { ...size, transactionMillisMax, sealEveryMillis })
})
