/** `pnpm soak events`. */
import * as BrokenBuild from "./BrokenBuild.ts"
import * as HostileRun from "./HostileRun.ts"
import * as KillRun from "./KillRun.ts"
import * as PublishRun from "./PublishRun.ts"
import * as SoakProgram from "./SoakProgram.ts"

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
  breaks: { kinds: BrokenBuild.kinds, check: (kind, seed) => BrokenBuild.check(kind, seed) },
  run: (seed, size, mode) => runs[mode](seed, size)
})
