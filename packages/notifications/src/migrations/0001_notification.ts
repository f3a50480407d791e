import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // One row per tenant that has changed a default.
    `
  CREATE TABLE hm_notification_setting (
    tenant_id    text        NOT NULL,
    locale       text        NOT NULL CONSTRAINT locale_in_range CHECK (length(locale) BETWEEN 2 AND 35),
    time_zone    text        NOT NULL CONSTRAINT time_zone_in_range CHECK (length(time_zone) BETWEEN 1 AND 64),
    from_name    text        CONSTRAINT from_name_in_range CHECK (length(from_name) BETWEEN 1 AND 100),
    reply_to     text        CONSTRAINT reply_to_in_range CHECK (length(reply_to) BETWEEN 3 AND 254),
    quiet_from   smallint    CONSTRAINT quiet_from_in_range CHECK (quiet_from BETWEEN 0 AND 1439),
    quiet_until  smallint    CONSTRAINT quiet_until_in_range CHECK (quiet_until BETWEEN 0 AND 1439),
    version      integer     NOT NULL DEFAULT 1,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id),
    CONSTRAINT quiet_is_a_window CHECK (quiet_from IS NULL AND quiet_until IS NULL
                                        OR quiet_from IS NOT NULL AND quiet_until IS NOT NULL AND quiet_from <> quiet_until)
  )
  `,
    // At most 200 rows per tenant. The kind decides by law: preferences, unsubscribe headers, consent.
    `
  CREATE TABLE hm_notification_category (
    tenant_id         text        NOT NULL,
    category          text        COLLATE "C" NOT NULL CONSTRAINT category_in_form CHECK (category ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name              text        NOT NULL CONSTRAINT name_in_range CHECK (length(name) BETWEEN 1 AND 200),
    kind              text        NOT NULL CONSTRAINT kind_known CHECK (kind IN ('required', 'service', 'marketing')),
    freshness_seconds integer     NOT NULL CONSTRAINT freshness_in_range CHECK (freshness_seconds BETWEEN 60 AND 315360000),
    when_unknown      text        NOT NULL CONSTRAINT when_unknown_known CHECK (when_unknown IN ('retry', 'park')),
    heeds_quiet       boolean     NOT NULL,
    version           integer     NOT NULL DEFAULT 1,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, category),
    CONSTRAINT only_required_ignores_quiet CHECK (kind = 'required' OR heeds_quiet)
  )
  `,
    // One row per version of a template. A published version is never changed: messages that are queued have pinned it.
    `
  CREATE TABLE hm_notification_template (
    tenant_id        text        NOT NULL,
    template         text        COLLATE "C" NOT NULL CONSTRAINT template_in_form CHECK (template ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    template_version integer     NOT NULL CONSTRAINT template_version_in_range CHECK (template_version BETWEEN 1 AND 10000),
    state            text        NOT NULL CONSTRAINT state_known CHECK (state IN ('draft', 'published', 'archived')),
    strict           boolean     NOT NULL,
    contents         jsonb       NOT NULL CONSTRAINT contents_in_range CHECK (pg_column_size(contents) <= 1048576),
    recorded_at      timestamptz NOT NULL,
    published_at     timestamptz,
    PRIMARY KEY (tenant_id, template, template_version)
  )
  `,
    `
  CREATE UNIQUE INDEX hm_notification_template_published
      ON hm_notification_template (tenant_id, template)
   WHERE state = 'published'
  `,
    // One row per recipient that the shop has named. Addresses are personal data: SubjectData erases the row.
    `
  CREATE TABLE hm_notification_profile (
    tenant_id      text        NOT NULL,
    recipient_kind text        COLLATE "C" NOT NULL CONSTRAINT recipient_kind_known CHECK (recipient_kind IN ('customer', 'seller', 'operator')),
    recipient_id   text        COLLATE "C" NOT NULL CONSTRAINT recipient_id_in_range CHECK (length(recipient_id) BETWEEN 1 AND 200),
    email          text        CONSTRAINT email_in_range CHECK (length(email) BETWEEN 3 AND 254),
    email_problem  text        CONSTRAINT email_problem_known CHECK (email_problem IN ('too_long', 'control_character', 'syntax', 'domain')),
    name           text        CONSTRAINT name_in_range CHECK (length(name) BETWEEN 1 AND 200),
    locale         text        CONSTRAINT locale_in_range CHECK (length(locale) BETWEEN 2 AND 35),
    time_zone      text        CONSTRAINT time_zone_in_range CHECK (length(time_zone) BETWEEN 1 AND 64),
    quiet_from     smallint    CONSTRAINT quiet_from_in_range CHECK (quiet_from BETWEEN 0 AND 1439),
    quiet_until    smallint    CONSTRAINT quiet_until_in_range CHECK (quiet_until BETWEEN 0 AND 1439),
    fact_version   bigint      NOT NULL DEFAULT 0,
    updated_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, recipient_kind, recipient_id),
    CONSTRAINT quiet_is_a_window CHECK (quiet_from IS NULL AND quiet_until IS NULL
                                        OR quiet_from IS NOT NULL AND quiet_until IS NOT NULL AND quiet_from <> quiet_until)
  )
  `,
    // One row per member of a list. At most a million members per list.
    `
  CREATE TABLE hm_notification_list_member (
    tenant_id      text        NOT NULL,
    list           text        COLLATE "C" NOT NULL CONSTRAINT list_in_form CHECK (list ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    recipient_kind text        COLLATE "C" NOT NULL CONSTRAINT recipient_kind_known CHECK (recipient_kind IN ('customer', 'seller', 'operator')),
    recipient_id   text        COLLATE "C" NOT NULL CONSTRAINT recipient_id_in_range CHECK (length(recipient_id) BETWEEN 1 AND 200),
    recorded_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, list, recipient_kind, recipient_id)
  )
  `,
    // Sparse: a row is there when the recipient has chosen. For marketing the row is the consent.
    `
  CREATE TABLE hm_user_preference (
    tenant_id      text        NOT NULL,
    recipient_kind text        COLLATE "C" NOT NULL CONSTRAINT recipient_kind_known CHECK (recipient_kind IN ('customer', 'seller', 'operator')),
    recipient_id   text        COLLATE "C" NOT NULL CONSTRAINT recipient_id_in_range CHECK (length(recipient_id) BETWEEN 1 AND 200),
    category       text        COLLATE "C" NOT NULL,
    channel        text        COLLATE "C" NOT NULL CONSTRAINT channel_known CHECK (channel IN ('email')),
    enabled        boolean     NOT NULL,
    source         text        NOT NULL CONSTRAINT source_in_range CHECK (length(source) BETWEEN 1 AND 100),
    text_version   text        CONSTRAINT text_version_in_range CHECK (length(text_version) BETWEEN 1 AND 100),
    changed_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, recipient_kind, recipient_id, category, channel)
  )
  `,
    // One row per change of a preference: the proof of a consent, and of when it ended. Kept with the preference.
    `
  CREATE TABLE hm_notification_preference_change (
    tenant_id      text        NOT NULL,
    change_id      uuid        NOT NULL,
    recipient_kind text        COLLATE "C" NOT NULL,
    recipient_id   text        COLLATE "C" NOT NULL,
    category       text        COLLATE "C" NOT NULL,
    channel        text        COLLATE "C" NOT NULL,
    enabled        boolean     NOT NULL,
    source         text        NOT NULL,
    text_version   text,
    changed_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, change_id)
  )
  `,
    `
  CREATE INDEX hm_notification_preference_change_recipient
      ON hm_notification_preference_change (tenant_id, recipient_kind, recipient_id)
  `,
    // One row per address that gets no more mail, by a keyed hash. Expired rows are deleted by the prune job.
    `
  CREATE TABLE hm_notification_suppression (
    tenant_id    text        NOT NULL,
    address_hash bytea       NOT NULL CONSTRAINT address_hash_is_sha256 CHECK (octet_length(address_hash) = 32),
    reason       text        NOT NULL CONSTRAINT reason_known CHECK (reason IN ('bounce', 'complaint', 'manual')),
    detail       text        CONSTRAINT detail_in_range CHECK (length(detail) <= 500),
    expires_at   timestamptz,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, address_hash)
  )
  `,
    // One row per trigger, and the key under which it is known. 90 days.
    `
  CREATE TABLE hm_notification_trigger (
    tenant_id        text        NOT NULL,
    trigger_id       uuid        NOT NULL,
    key              text        COLLATE "C" NOT NULL CONSTRAINT key_in_range CHECK (length(key) BETWEEN 1 AND 200),
    body_hash        bytea       NOT NULL,
    category         text        COLLATE "C" NOT NULL,
    template         text        COLLATE "C" NOT NULL,
    template_version integer     NOT NULL,
    audience_kind    text        NOT NULL CONSTRAINT audience_kind_known CHECK (audience_kind IN ('recipient', 'list', 'everyone')),
    recipient_kind   text        COLLATE "C",
    recipient_id     text        COLLATE "C",
    list             text        COLLATE "C",
    payload          jsonb       NOT NULL CONSTRAINT payload_in_range CHECK (octet_length(payload::text) <= 98304),
    locale           text,
    critical         boolean     NOT NULL,
    subject          text        COLLATE "C",
    state            text        NOT NULL CONSTRAINT state_known CHECK (state IN ('expanding', 'expanded', 'cancelled', 'expired')),
    reason           text,
    cursor_kind      text        COLLATE "C" NOT NULL DEFAULT '',
    cursor_id        text        COLLATE "C" NOT NULL DEFAULT '',
    recipients       integer     NOT NULL DEFAULT 0,
    send_at          timestamptz,
    expires_at       timestamptz,
    recorded_at      timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, trigger_id),
    CONSTRAINT trigger_key_is_unique UNIQUE (tenant_id, key)
  )
  `,
    `
  CREATE INDEX hm_notification_trigger_subject
      ON hm_notification_trigger (tenant_id, subject)
   WHERE subject IS NOT NULL
  `,
    `
  CREATE INDEX hm_notification_trigger_recorded
      ON hm_notification_trigger (recorded_at)
  `,
    // The durable record: one row per trigger, recipient and channel. 90 days, deleted in batches. Small columns are updated
    // in place (fillfactor), because each message changes its state three times.
    `
  CREATE TABLE hm_notification_queue (
    tenant_id           text        NOT NULL,
    notification_id     uuid        NOT NULL,
    trigger_id          uuid        NOT NULL,
    recipient_kind      text        COLLATE "C" NOT NULL,
    recipient_id        text        COLLATE "C" NOT NULL,
    channel             text        COLLATE "C" NOT NULL CONSTRAINT channel_known CHECK (channel IN ('email')),
    category            text        COLLATE "C" NOT NULL,
    state               text        NOT NULL CONSTRAINT state_known CHECK (state IN ('pending', 'filtered', 'suppressed',
                                      'expired', 'cancelled', 'held', 'leased', 'sending', 'accepted', 'caught', 'bounced',
                                      'retry', 'unknown', 'dead')),
    reason              text        CONSTRAINT reason_in_range CHECK (length(reason) <= 500),
    attempts            smallint    NOT NULL DEFAULT 0,
    uncertain           smallint    NOT NULL DEFAULT 0,
    lease_id            uuid,
    due_at              timestamptz,
    provider_message_id text        CONSTRAINT provider_message_id_in_range CHECK (length(provider_message_id) <= 500),
    history             jsonb       NOT NULL,
    recorded_at         timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, notification_id),
    CONSTRAINT one_message_per_recipient UNIQUE (tenant_id, trigger_id, recipient_kind, recipient_id, channel)
  )
  WITH (fillfactor = 80)
  `,
    `
  CREATE INDEX hm_notification_queue_recipient
      ON hm_notification_queue (tenant_id, recipient_kind, recipient_id, notification_id)
  `,
    // Of open messages only: for the sweep, which is a backstop.
    `
  CREATE INDEX hm_notification_queue_due
      ON hm_notification_queue (due_at)
   WHERE due_at IS NOT NULL
  `,
    `
  CREATE INDEX hm_notification_queue_recorded
      ON hm_notification_queue (recorded_at)
  `,
    // What would have been sent. 7 days, at most 10,000 rows per tenant.
    `
  CREATE TABLE hm_notification_caught (
    tenant_id       text        NOT NULL,
    notification_id uuid        NOT NULL,
    address         text        NOT NULL,
    subject         text        NOT NULL,
    message         bytea       NOT NULL,
    recorded_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, notification_id)
  )
  `,
    `
  CREATE INDEX hm_notification_caught_recorded
      ON hm_notification_caught (recorded_at)
  `,
    // At most 100 rows per tenant: which facts of the shop send which template.
    `
  CREATE TABLE hm_notification_mapping (
    tenant_id         text        NOT NULL,
    mapping           text        COLLATE "C" NOT NULL CONSTRAINT mapping_in_form CHECK (mapping ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    fact              text        COLLATE "C" NOT NULL CONSTRAINT fact_known CHECK (fact IN ('order.placed', 'order.cancelled')),
    template          text        COLLATE "C" NOT NULL,
    category          text        COLLATE "C" NOT NULL,
    delay_seconds     integer     NOT NULL CONSTRAINT delay_in_range CHECK (delay_seconds BETWEEN 0 AND 31536000),
    freshness_seconds integer     CONSTRAINT freshness_in_range CHECK (freshness_seconds BETWEEN 60 AND 2147483647),
    version           integer     NOT NULL DEFAULT 1,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, mapping)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
