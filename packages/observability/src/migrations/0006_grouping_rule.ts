import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // The rules of a project that group its events, at most 100. Intake has them in memory with the project.
    `
  ALTER TABLE hm_error_project
    ADD COLUMN grouping_rules jsonb NOT NULL DEFAULT '[]'
        CONSTRAINT grouping_rules_are_a_list CHECK (jsonb_typeof(grouping_rules) = 'array')
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
