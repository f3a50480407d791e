import { migration } from "@hypermarket/core/Migrations"

/** Versions from here on have partitions of their own; smaller ids share one. `internal/partition.ts` says why. */
const ownPartitionFrom = "1099511627776"

const partitioned = (
  table: string,
  columns: string,
  storage: ReadonlyArray<string>
): ReadonlyArray<string> => [
  `CREATE TABLE ${table} (${columns}) PARTITION BY RANGE (version)`,
  `CREATE TABLE ${table}_shared PARTITION OF ${table} FOR VALUES FROM (MINVALUE) TO (${ownPartitionFrom})`,
  ...storage.map((clause) => `ALTER TABLE ${table}_shared ${clause}`)
]

export default migration(
  [
    `
  CREATE TABLE hm_search_index (
    tenant_id        text        NOT NULL,
    index_name       text        NOT NULL CONSTRAINT index_name_in_range CHECK (index_name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    -- What the next version is built with; a version keeps its own.
    settings         jsonb       NOT NULL,
    -- Whether changes alone lead to a new version, which is activated when its gates pass.
    automatic        boolean     NOT NULL,
    active_version   bigint      NOT NULL,
    -- What a rollback returns to.
    previous_version bigint,
    version          integer     NOT NULL DEFAULT 1,
    recorded_at      timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, index_name)
  )
  `,
    `
  CREATE TABLE hm_search_index_version (
    tenant_id         text        NOT NULL,
    version_id        bigint      NOT NULL,
    index_name        text        NOT NULL,
    status            text        NOT NULL
      CONSTRAINT status_known CHECK (status IN ('building', 'validating', 'ready', 'active', 'retired', 'failed')),
    reason            text        NOT NULL
      CONSTRAINT reason_known CHECK (reason IN ('created', 'requested', 'changes', 'popularity', 'upgraded', 'restored')),
    -- Whether it is activated as soon as its gates pass.
    activates         boolean     NOT NULL,
    settings          jsonb       NOT NULL,
    -- What the build has committed so far: a build that was killed goes on from here.
    phase             text        NOT NULL CONSTRAINT phase_known CHECK (phase IN ('none', 'documents', 'postings')),
    -- A change is part of the version if and only if this snapshot sees its transaction.
    built_snapshot    pg_snapshot,
    -- Of the cluster that the snapshot belongs to; in another one it means nothing.
    system_identifier text        NOT NULL,
    -- Hash of the analyser's rules and options: queries must be analysed alike.
    analyser_hash     text,
    -- The same hash for default settings: it is another one when the rules in the code are others.
    rules_hash        text,
    document_count    integer     NOT NULL DEFAULT 0 CONSTRAINT document_count_not_negative CHECK (document_count >= 0),
    -- Sum over the documents, without order, of a hash of id and content.
    checksum          text,
    -- What the engine needs to know of the segment: averages of field lengths, facet dictionaries, ...
    statistics        jsonb,
    gates             jsonb,
    posting_bytes     bigint      NOT NULL DEFAULT 0,
    failure           text,
    attempts          integer     NOT NULL DEFAULT 0,
    lease_id          uuid,
    lease_until       timestamptz,
    version           integer     NOT NULL DEFAULT 1,
    recorded_at       timestamptz NOT NULL,
    built_at          timestamptz,
    activated_at      timestamptz,
    -- Its rows are removed a while after: searches that began with it may still run.
    retired_at        timestamptz,
    removed_at        timestamptz,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, version_id)
  )
  `,
    // Numbers of versions, over all tenants: a version's id is made of one. Owned, so that a dump or a copy of the table finds it.
    `CREATE SEQUENCE hm_search_index_version_seq CACHE 1 OWNED BY hm_search_index_version.version_id`,
    `CREATE INDEX hm_search_index_version_index ON hm_search_index_version (tenant_id, index_name, version_id)`,
    // At most one version at a time is built for changes alone.
    `
  CREATE UNIQUE INDEX hm_search_index_version_automatic ON hm_search_index_version (tenant_id, index_name)
   WHERE status IN ('building', 'validating') AND reason IN ('changes', 'popularity', 'upgraded', 'restored')
  `,
    // What the jobs look for, over all tenants.
    `
  CREATE INDEX hm_search_index_version_work ON hm_search_index_version (status, recorded_at)
   WHERE status IN ('building', 'validating') OR (status IN ('retired', 'failed') AND removed_at IS NULL)
  `,
    // The last state of every document, and so the catalogue as search knows it. A version shows the rows that its snapshot
    // does not see; a build reads them all; a fact with a lower version than the row's is ignored.
    `
  CREATE TABLE hm_search_change (
    tenant_id    text        NOT NULL,
    index_name   text        NOT NULL,
    doc_id       text        NOT NULL CONSTRAINT doc_id_in_range CHECK (length(doc_id) BETWEEN 1 AND 200),
    xid          xid8        NOT NULL DEFAULT pg_current_xact_id(),
    doc_version  bigint      NOT NULL CONSTRAINT doc_version_not_negative CHECK (doc_version >= 0),
    -- A tombstone has no content.
    fields       jsonb,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, index_name, doc_id)
  ) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05)
  `,
    `CREATE INDEX hm_search_change_xid ON hm_search_change (tenant_id, index_name, xid)`,
    ...partitioned(
      "hm_search_posting",
      `
    tenant_id    text     NOT NULL,
    version      bigint   NOT NULL,
    term         text     COLLATE "C" NOT NULL,
    chunk        integer  NOT NULL,
    df           integer  NOT NULL,
    max_impact   smallint NOT NULL,
    first_doc    integer  NOT NULL,
    last_doc     integer  NOT NULL,
    data         bytea    NOT NULL,
    PRIMARY KEY (tenant_id, version, term, chunk)
    `,
      // A chunk is at most 7,600 bytes: never moved to TOAST, and never compressed, which it is already.
      ["SET (toast_tuple_target = 8160)", "ALTER data SET STORAGE EXTERNAL"]
    ),
    ...partitioned(
      "hm_search_document",
      `
    tenant_id    text     NOT NULL,
    version      bigint   NOT NULL,
    ord          integer  NOT NULL,
    doc_id       text     NOT NULL,
    fields       jsonb    NOT NULL,
    -- What the ordinals are ordered by, best first.
    popularity   real     NOT NULL,
    PRIMARY KEY (tenant_id, version, ord),
    CONSTRAINT hm_search_document_doc_id UNIQUE (tenant_id, version, doc_id)
    `,
      []
    ),
    ...partitioned(
      "hm_search_column",
      `
    tenant_id    text     NOT NULL,
    version      bigint   NOT NULL,
    name         text     NOT NULL,
    part         text     NOT NULL CONSTRAINT part_known CHECK (part IN ('values', 'dictionary', 'typo')),
    chunk        integer  NOT NULL,
    data         bytea    NOT NULL,
    PRIMARY KEY (tenant_id, version, name, part, chunk)
    `,
      ["ALTER data SET STORAGE EXTERNAL"]
    )
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
