/** The domains of the console, one line for each, in the order of the navigation. */
import type { ConsoleDomain } from "./Console.ts"
import { analytics } from "./domains/analytics/index.ts"
import { audit } from "./domains/audit/index.ts"
import { events } from "./domains/events/index.ts"
import { experiments } from "./domains/experiments/index.ts"
import { flags } from "./domains/flags/index.ts"
import { notifications } from "./domains/notifications/index.ts"
import { observability } from "./domains/observability/index.ts"
import { overview } from "./domains/overview/index.ts"
import { platform } from "./domains/platform/index.ts"
import { policy } from "./domains/policy/index.ts"
import { quotas } from "./domains/quotas/index.ts"
import { risk } from "./domains/risk/index.ts"
import { search } from "./domains/search/index.ts"

export const domains: ReadonlyArray<ConsoleDomain> = [
  overview,
  analytics,
  search,
  events,
  risk,
  policy,
  flags,
  experiments,
  notifications,
  observability,
  quotas,
  platform,
  audit
]
