/** `pnpm soak workflows`. `--pause` is the longest between two incidents, `--late` the longest of a wake-up, in milliseconds. */
import * as BrokenBuild from "@hypermarket/soak/BrokenBuild"
import * as SoakProgram from "@hypermarket/soak/SoakProgram"
import { wake } from "./workflows/breaks.ts"
import * as WorkflowRun from "./workflows/WorkflowRun.ts"

export const program = SoakProgram.make({
  name: "workflows",
  sizes: {
    executions: { default: 300 },
    incidents: { default: 12, min: 0 },
    workers: { default: 3 },
    pause: { default: 12_000, min: 500 },
    late: { default: 2_000 }
  },
  breaks: { kinds: ["wake"], check: (kind, seed) => BrokenBuild.check(kind, wake, seed) },
  run: (seed, { late, pause, ...size }) =>
    WorkflowRun.run(seed, { ...size, pauseMillisMax: pause, lateMillisMax: late })
})
