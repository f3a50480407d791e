/** `pnpm soak errors`. `--outage` is in seconds. */
import * as SoakProgram from "@hypermarket/soak/SoakProgram"
import * as Breaks from "./errors/breaks.ts"
import * as ErrorRun from "./errors/ErrorRun.ts"

export const program = SoakProgram.make({
  name: "errors",
  sizes: { rounds: { default: 5 }, senders: { default: 16 }, outage: { default: 20, min: 0 } },
  breaks: { kinds: Breaks.kinds, check: (kind, seed) => Breaks.check(kind, seed) },
  run: (seed, { outage, rounds, senders }) => ErrorRun.run(seed, { rounds, senders, outageSeconds: outage })
})
