import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // A second net below the layer's lock, where btree_gist is installed: no statement at all makes two running experiments share a
    // bucket. Without the extension, or with it out of the search path, the lock alone refuses the second start.
    `
  DO $$
  BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'btree_gist') THEN
      ALTER TABLE hm_experiment
        ADD CONSTRAINT running_experiments_share_no_bucket
            EXCLUDE USING gist (tenant_id WITH =, layer WITH =, int4range(layer_from, layer_until) WITH &&)
              WHERE (layer IS NOT NULL AND status IN ('running', 'paused'));
    END IF;
  EXCEPTION
    WHEN undefined_object THEN NULL;
  END
  $$
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
