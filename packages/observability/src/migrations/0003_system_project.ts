import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // The project of the installation itself, to which API and worker report their errors.
    `
  INSERT INTO hm_error_project (tenant_id, project_id, slug, name, recorded_at, updated_at)
  VALUES ('_system', 1, 'hypermarket', 'Hypermarket', now(), now())
      ON CONFLICT DO NOTHING
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
