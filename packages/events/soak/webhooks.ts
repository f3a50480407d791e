/** `pnpm soak webhooks`. `--pause` is the longest between two incidents, in milliseconds. */
import * as BrokenBuild from "@hypermarket/soak/BrokenBuild"
import * as SoakProgram from "@hypermarket/soak/SoakProgram"
import { sweep } from "./webhooks/breaks.ts"
import * as WebhookRun from "./webhooks/WebhookRun.ts"

export const program = SoakProgram.make({
  name: "webhooks",
  sizes: {
    events: { default: 500 },
    incidents: { default: 12, min: 0 },
    workers: { default: 3 },
    pause: { default: 12_000, min: 500 }
  },
  breaks: { kinds: ["sweep"], check: (kind, seed) => BrokenBuild.check(kind, sweep, seed) },
  run: (seed, { pause, ...size }) => WebhookRun.run(seed, { ...size, pauseMillisMax: pause })
})
