/** The parts of the quickstart, in the order they run. */
import type { Part } from "./Part.ts"
import { analytics } from "./parts/analytics.ts"
import { experiments } from "./parts/experiments.ts"
import { risk } from "./parts/risk.ts"
import { observability } from "./parts/observability.ts"
import { notifications } from "./parts/notifications.ts"
import { events } from "./parts/events.ts"
import { platform } from "./parts/platform.ts"
import { quotas } from "./parts/quotas.ts"
import { search } from "./parts/search.ts"
import { webhooks } from "./parts/webhooks.ts"
import { workflows } from "./parts/workflows.ts"

export const parts: ReadonlyArray<Part> = [
  platform,
  events,
  webhooks,
  workflows,
  search,
  analytics,
  quotas,
  experiments,
  risk,
  observability,
  notifications
]
