/** The partitioned tables of this package. */
import * as Partitions from "@hypermarket/core/Partitions"
import * as QueueMigrations from "@hypermarket/queue/QueueMigrations"
import { retentionDays } from "../EventRetention.ts"
import { prefix } from "./prefix.ts"

export const partitions: ReadonlyArray<Partitions.Partitions> = [
  ...QueueMigrations.partitions(prefix),
  Partitions.make({
    table: "hm_webhook_attempt",
    by: "attempted_at",
    every: "day",
    keep: "30 days",
    ahead: 7
  }),
  Partitions.make({
    table: "hm_event_log",
    by: "recorded_at",
    every: "day",
    keep: `${retentionDays} days`,
    ahead: 7
  })
]
