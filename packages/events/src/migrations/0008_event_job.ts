import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // The jobs that publishing made of the event: queue, job id and ordering key of each, with spaces between. A look-up begins here,
    // so that a completed job leaves no row behind. Null for an event that no handler and no subscription wanted.
    `ALTER TABLE hm_event_dedupe ADD COLUMN jobs text[]`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
