import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // Set before the first compensation runs: an execution that has undone its steps cannot continue from one of them.
    `ALTER TABLE hm_workflow_execution ADD COLUMN compensated boolean NOT NULL DEFAULT false`,
    // A signal from outside of the execution. A retry keeps it: its sender does not send it again.
    `ALTER TABLE hm_workflow_task ADD COLUMN is_sent boolean NOT NULL DEFAULT false`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
