import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // A retention counts facts from a time after the first exposure on. A percentile caps totals at what units have at each look.
    `
  ALTER TABLE hm_experiment_metric
    ADD COLUMN window_start_seconds integer NOT NULL DEFAULT 0
        CONSTRAINT window_start_in_range CHECK (window_start_seconds BETWEEN 0 AND 7775999),
    ADD COLUMN cap_percentile float8 CONSTRAINT cap_percentile_in_range CHECK (cap_percentile BETWEEN 0.5 AND 0.9999),
    DROP CONSTRAINT kind_known,
    ADD CONSTRAINT kind_known CHECK (kind IN ('conversion', 'retention', 'count', 'sum', 'ratio')),
    ADD CONSTRAINT retention_starts_later CHECK ((kind = 'retention') = (window_start_seconds > 0)),
    ADD CONSTRAINT one_cap_at_most CHECK (cap IS NULL OR cap_percentile IS NULL)
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
