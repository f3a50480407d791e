/** `pnpm soak events`. */
import * as SoakProgram from "@hypermarket/soak/SoakProgram"
import * as Breaks from "./events/breaks.ts"
import * as HostileRun from "./events/HostileRun.ts"
import * as KillRun from "./events/KillRun.ts"
import * as PublishRun from "./events/PublishRun.ts"

const runs = { kill: KillRun.run, publish: PublishRun.run, hostile: HostileRun.run }

export const program = SoakProgram.make({
  name: "events",
  modes: { values: ["kill", "publish", "hostile"] },
  sizes: {
    jobs: { default: { kill: 5_000, publish: 100_000, hostile: 5_000 } },
    incidents: { default: { kill: 12, publish: 8, hostile: 0 }, min: 0 },
    poison: { default: 2, min: 0 },
    workers: { default: 3 }
  },
  breaks: { kinds: Breaks.kinds, check: (kind, seed) => Breaks.check(kind, seed) },
  run: (seed, size, mode) => runs[mode](seed, size)
})
