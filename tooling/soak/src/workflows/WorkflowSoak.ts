/** `pnpm soak workflows`. `--pause` is the longest between two incidents, `--late` the longest of a wake-up, in milliseconds. */
import * as BrokenBuild from "../BrokenBuild.ts"
import * as SoakProgram from "../SoakProgram.ts"
import * as WorkflowRun from "./WorkflowRun.ts"

export const program = SoakProgram.make({
  name: "workflows",
  sizes: {
    executions: { default: 300 },
    incidents: { default: 12, min: 0 },
    workers: { default: 3 },
    pause: { default: 12_000, min: 500 },
    late: { default: 2_000 }
  },
  breaks: { kinds: ["wake"], check: (kind, seed) => BrokenBuild.check(kind, seed) },
  run: (seed, { late, pause, ...size }) =>
    WorkflowRun.run(seed, { ...size, pauseMillisMax: pause, lateMillisMax: late })
})
