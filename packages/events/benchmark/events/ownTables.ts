/**
 * The queue's tables under measurement. Our processes load the queue alone, as the peers' processes load theirs: with the
 * modules of the events package their heap is 5 MB larger, and each garbage collection takes longer.
 */
import * as Migrations from "@hypermarket/core/Migrations"
import * as QueueMigrations from "@hypermarket/queue/QueueMigrations"

/** As in the events package, whose queue it is in an installation. */
export const prefix = "hm_event"

const releases = { since: "0.1.0", oldestRelease: "0.1.0" }

export const migrations = Migrations.make(
  "bench",
  {
    "0001_queue": QueueMigrations.migration(1, prefix, releases),
    "0002_queue_job": QueueMigrations.migration(2, prefix, releases)
  },
  { release: "0.1.0" }
)
