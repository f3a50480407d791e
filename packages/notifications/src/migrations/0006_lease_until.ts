import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // When a lease ends, apart from when the message is due: an index has the latter, and a change of an indexed column makes
    // new entries in all of them. Meaningful in the states leased and sending.
    `
  ALTER TABLE hm_notification_queue
    ADD COLUMN lease_until timestamptz
  `,
    // A chunk claims the messages of a page together: their new rows fit beside the old ones when half of it is free. 20,000
    // messages were claimed at 33,000 to 40,000 per second; with a fillfactor of 60 at 25,000, of 80 at 19,000.
    `
  ALTER TABLE hm_notification_queue SET (fillfactor = 50)
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
