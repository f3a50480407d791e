/** `pnpm soak audit`. */
import * as BrokenBuild from "../BrokenBuild.ts"
import * as SoakProgram from "../SoakProgram.ts"
import * as AuditRun from "./AuditRun.ts"

const transactionMillisMax = 5_000
const sealEveryMillis = 200

export const program = SoakProgram.make({
  name: "audit",
  sizes: { seconds: { default: 120 }, writers: { default: 64 } },
  breaks: { kinds: ["horizon"], check: (kind, seed) => BrokenBuild.check(kind, seed) },
  run: (seed, size) => AuditRun.run(seed, { ...size, transactionMillisMax, sealEveryMillis })
})
