/** `pnpm soak webhooks`. `--pause` is the longest between two incidents, in milliseconds. */
import * as BrokenBuild from "../BrokenBuild.ts"
import * as SoakProgram from "../SoakProgram.ts"
import * as WebhookRun from "./WebhookRun.ts"

export const program = SoakProgram.make({
  name: "webhooks",
  sizes: {
    events: { default: 500 },
    incidents: { default: 12, min: 0 },
    workers: { default: 3 },
    pause: { default: 12_000, min: 500 }
  },
  breaks: { kinds: ["sweep"], check: (kind, seed) => BrokenBuild.check(kind, seed) },
  run: (seed, { pause, ...size }) => WebhookRun.run(seed, { ...size, pauseMillisMax: pause })
})
