import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // A layout is a template with versions like any other. A message names its layout; a trigger pins the version of both.
    `
  ALTER TABLE hm_notification_template
    ADD COLUMN kind text NOT NULL DEFAULT 'message' CONSTRAINT kind_known CHECK (kind IN ('message', 'layout')),
    ADD COLUMN layout text COLLATE "C" CONSTRAINT layout_in_form CHECK (layout ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    ADD CONSTRAINT only_messages_have_a_layout CHECK (kind = 'message' OR layout IS NULL) NOT VALID
  `,
    // Null: the template has no layout.
    `
  ALTER TABLE hm_notification_trigger
    ADD COLUMN layout_version integer
  `,
    // One row per tenant that has set it: the names, links and colours that templates see as brand.
    `
  CREATE TABLE hm_notification_branding (
    tenant_id       text        NOT NULL,
    name            text        NOT NULL CONSTRAINT name_in_range CHECK (length(name) BETWEEN 1 AND 100),
    logo_url        text        CONSTRAINT logo_url_is_https CHECK (logo_url LIKE 'https://%' AND length(logo_url) <= 2000),
    website_url     text        CONSTRAINT website_url_is_https CHECK (website_url LIKE 'https://%' AND length(website_url) <= 2000),
    primary_color   text        CONSTRAINT primary_color_in_form CHECK (primary_color ~ '^#[0-9a-fA-F]{6}$'),
    secondary_color text        CONSTRAINT secondary_color_in_form CHECK (secondary_color ~ '^#[0-9a-fA-F]{6}$'),
    postal_address  text        CONSTRAINT postal_address_in_range CHECK (length(postal_address) BETWEEN 1 AND 500),
    footer          text        CONSTRAINT footer_in_range CHECK (length(footer) BETWEEN 1 AND 1000),
    support_email   text        CONSTRAINT support_email_in_range CHECK (length(support_email) BETWEEN 3 AND 254),
    version         integer     NOT NULL DEFAULT 1,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
