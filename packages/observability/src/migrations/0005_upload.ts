import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // An attempt to read an upload is counted before it is made. One that failed is tried after the others.
    `
  ALTER TABLE hm_error_bundle
    ADD COLUMN attempts integer NOT NULL DEFAULT 0 CONSTRAINT attempts_in_range CHECK (attempts >= 0)
  `,
    `DROP INDEX hm_error_bundle_waiting`,
    `
  CREATE INDEX hm_error_bundle_waiting
      ON hm_error_bundle (tenant_id, attempts, bundle_id)
   WHERE status = 'waiting'
  `,
    // A stored upload names its maps that can serve no event.
    `
  ALTER TABLE hm_error_bundle
    DROP CONSTRAINT detail_while_refused,
    ADD CONSTRAINT detail_if_refused CHECK (detail IS NOT NULL OR status <> 'refused')
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
