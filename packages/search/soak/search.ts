/** `pnpm soak search`. */
import * as SoakProgram from "@hypermarket/soak/SoakProgram"
import * as SearchRun from "./search/SearchRun.ts"

export const program = SoakProgram.make({
  name: "search",
  modes: { values: ["kill", "switch"] },
  sizes: {
    products: { default: { kill: 5_000, switch: 100_000 } },
    searches: { default: { kill: 500, switch: 10_000 } },
    clients: { default: { kill: 8, switch: 32 } },
    // Without writers answers are compared with their version's; without incidents no search may fail.
    writers: { default: { kill: 2, switch: 0 }, min: 0 },
    incidents: { default: { kill: 12, switch: 0 }, min: 0 },
    switches: { default: { kill: 8, switch: 3 }, min: 0 }
  },
  run: (seed, size) => SearchRun.run(seed, size)
})
