import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // A row is inserted without hashes, and sealing makes them from its texts. A hash is stored when its text is erased. Not
    // validated: the rows that are there have all three, and a scan would hold up every audited change.
    //
    // A process that does not know this migration cannot read or seal a row without hashes. All of them are older than 0.1.0, the
    // first release. After a release this would take two: the first reads such rows, the second writes them.
    `
  ALTER TABLE hm_platform_activity_log
    ALTER COLUMN actor_hash DROP NOT NULL,
    ALTER COLUMN detail_hash DROP NOT NULL,
    ALTER COLUMN leaf_hash DROP NOT NULL,
    ADD CONSTRAINT actor_or_hash CHECK (actor IS NOT NULL OR actor_hash IS NOT NULL) NOT VALID,
    ADD CONSTRAINT detail_or_hash CHECK (detail IS NOT NULL OR detail_hash IS NOT NULL) NOT VALID
  `,
    // Four bytes of each leaf's hash, in the order of activity_ids. The root finds that a row was changed, and these find which.
    `
  ALTER TABLE hm_platform_activity_checkpoint
    ADD COLUMN leaf_prefixes bytea
               CONSTRAINT leaf_prefixes_in_form
               CHECK (length(leaf_prefixes) % 4 = 0 AND length(leaf_prefixes) <= 40000)
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
