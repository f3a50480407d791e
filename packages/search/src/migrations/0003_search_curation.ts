import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // In the row that every search reads: the version says whether a process has the rules as they are.
    `
  ALTER TABLE hm_search_index
    ADD COLUMN curation jsonb NOT NULL DEFAULT '{"synonyms":[],"rules":[]}',
    ADD COLUMN curation_version integer NOT NULL DEFAULT 0,
    ADD COLUMN curated_at timestamptz
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
