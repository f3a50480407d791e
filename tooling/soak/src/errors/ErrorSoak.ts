/** `pnpm soak errors`. `--outage` is in seconds. */
import * as BrokenBuild from "../BrokenBuild.ts"
import * as SoakProgram from "../SoakProgram.ts"
import * as ErrorRun from "./ErrorRun.ts"

export const program = SoakProgram.make({
  name: "errors",
  sizes: { rounds: { default: 5 }, senders: { default: 16 }, outage: { default: 20, min: 0 } },
  breaks: { kinds: ["acknowledgement", "adoption"], check: (kind, seed) => BrokenBuild.check(kind, seed) },
  run: (seed, { outage, rounds, senders }) => ErrorRun.run(seed, { rounds, senders, outageSeconds: outage })
})
