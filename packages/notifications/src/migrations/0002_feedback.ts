import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // States that a provider or a bounce reports later. A wider range: existing rows need no check.
    `
  ALTER TABLE hm_notification_queue
    DROP CONSTRAINT state_known,
    ADD CONSTRAINT state_known CHECK (state IN ('pending', 'filtered', 'suppressed', 'expired', 'cancelled', 'held', 'leased',
                                      'sending', 'accepted', 'caught', 'delivered', 'bounced', 'complained', 'retry', 'unknown',
                                      'dead')) NOT VALID
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
