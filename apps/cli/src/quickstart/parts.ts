/** The parts of the quickstart, in the order they run. */
import type { Part } from "./Part.ts"
import { analytics } from "./parts/analytics.ts"
import { events } from "./parts/events.ts"
import { platform } from "./parts/platform.ts"
import { search } from "./parts/search.ts"

export const parts: ReadonlyArray<Part> = [platform, events, search, analytics]
