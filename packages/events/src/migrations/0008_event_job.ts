import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // The jobs that publishing made of the event: an array of queue, job id and ordering key for each. A look-up begins here,
    // so that a completed job leaves no row behind. Null for an event that no handler and no subscription wanted.
    `ALTER TABLE hm_event_dedupe ADD COLUMN jobs json`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
