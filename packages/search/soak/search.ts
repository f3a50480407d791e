/** `pnpm soak search`. */
import * as SoakProgram from "@hypermarket/soak/SoakProgram"
import * as Breaks from "./search/breaks.ts"
import * as SearchRun from "./search/SearchRun.ts"
import * as TornRun from "./search/TornRun.ts"

export const program = SoakProgram.make({
  name: "search",
  modes: {
    values: ["kill", "switch", "torn"],
    about: { torn: "the fields of hits are those that were searched, while documents change" }
  },
  sizes: {
    products: { default: { kill: 5_000, switch: 100_000, torn: 2_000 } },
    searches: { default: { kill: 500, switch: 10_000, torn: 300 } },
    clients: { default: { kill: 8, switch: 32, torn: 8 } },
    // Without writers answers are compared with their version's; without incidents no search may fail.
    writers: { default: { kill: 2, switch: 0, torn: 3 }, min: 0 },
    incidents: { default: { kill: 12, switch: 0, torn: 0 }, min: 0 },
    switches: { default: { kill: 8, switch: 3, torn: 3 }, min: 0 }
  },
  breaks: { kinds: Breaks.kinds, check: (kind, seed) => Breaks.check(kind, seed) },
  run: (seed, size, mode) => (mode === "torn" ? TornRun.run(seed, size) : SearchRun.run(seed, size))
})
