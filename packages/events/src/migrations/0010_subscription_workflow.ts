import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // The sink of a subscription that starts or signals an execution; null for one that copies events to a queue. Its events
    // go through a queue of the installation, whose worker reads the row.
    `
  ALTER TABLE hm_event_subscription
    ADD COLUMN workflow jsonb NULL,
    ADD CONSTRAINT has_one_sink CHECK ((queue = 'events.workflow-event') = (workflow IS NOT NULL))
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
