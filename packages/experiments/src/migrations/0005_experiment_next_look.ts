import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // When the next planned look is due; null when none is. The job that takes looks scans this index and no experiment else.
    `
  ALTER TABLE hm_experiment
    ADD COLUMN next_look_at timestamptz
  `,
    `
  CREATE INDEX hm_experiment_next_look
      ON hm_experiment (next_look_at)
   WHERE next_look_at IS NOT NULL
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
