import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // All filters of a subscription as one predicate over an event's attributes; null matches every event. Of `reads`, the
    // domains whose events its maker could read; null for one that was made by the program itself.
    `
  ALTER TABLE hm_event_subscription
    ADD COLUMN compiled jsonpath NULL,
    ADD COLUMN reads    text[]   NULL
  `,
    // Subscriptions from before have the dialects exact and prefix.
    `
  UPDATE hm_event_subscription s
     SET compiled = c.path::jsonpath
    FROM (
          SELECT tenant_id, subscription_id,
                 string_agg(format('$.%s %s %s', to_json(w.attribute),
                                   CASE d.dialect WHEN 'exact' THEN '==' ELSE 'starts with' END, to_json(w.value)),
                            ' && ') AS path
            FROM hm_event_subscription
            CROSS JOIN LATERAL jsonb_array_elements(filters) f
            CROSS JOIN LATERAL jsonb_each(f) d (dialect, wanted)
            CROSS JOIN LATERAL jsonb_each_text(d.wanted) w (attribute, value)
           GROUP BY tenant_id, subscription_id) c
   WHERE s.tenant_id = c.tenant_id AND s.subscription_id = c.subscription_id
  `,
    // At most 1,000 per tenant.
    `
  CREATE TABLE hm_webhook_endpoint (
    tenant_id       text        NOT NULL,
    endpoint_id     uuid        NOT NULL,
    url             text        NOT NULL CONSTRAINT url_in_range CHECK (length(url) BETWEEN 1 AND 2048),
    description     text        NOT NULL CONSTRAINT description_in_range CHECK (length(description) <= 200),
    filters         jsonb       NOT NULL,
    compiled        jsonpath    NULL,
    reads           text[]      NULL,
    -- One delivery at a time per subject, in the order of publishing.
    ordered         boolean     NOT NULL,
    -- The form of the body.
    format          text        NOT NULL DEFAULT 'cloudevents' CONSTRAINT format_listed CHECK (format IN ('cloudevents', 'standard')),
    -- Deliveries of a paused or disabled endpoint wait.
    status          text        NOT NULL CONSTRAINT status_listed CHECK (status IN ('enabled', 'paused', 'disabled')),
    disabled_reason text        NULL CONSTRAINT disabled_reason_listed CHECK (disabled_reason IN ('failing', 'gone')),
    disabled_at     timestamptz NULL,
    -- The first failure since the last success, and whether it was announced.
    failing_since   timestamptz NULL,
    warned_at       timestamptz NULL,
    last_error      text        NULL CONSTRAINT last_error_in_range CHECK (length(last_error) <= 500),
    -- Attempts in a row that ran into the deadline: from three on the endpoint has one attempt at a time.
    timeouts        integer     NOT NULL DEFAULT 0,
    version         integer     NOT NULL DEFAULT 1,
    recorded_at     timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, endpoint_id),
    CONSTRAINT disabled_has_reason CHECK ((status = 'disabled') = (disabled_reason IS NOT NULL))
  )
  `,
    // At most three per endpoint: the newest, and older ones that still sign for their overlap.
    `
  CREATE TABLE hm_webhook_secret (
    tenant_id   text        NOT NULL,
    endpoint_id uuid        NOT NULL,
    secret_id   uuid        NOT NULL,
    sealed      bytea       NOT NULL,
    -- Of scheme v1a: the receiver verifies with it.
    public_key  text        NULL,
    -- Null for the newest.
    expires_at  timestamptz NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, endpoint_id, secret_id),
    CONSTRAINT endpoint_exists FOREIGN KEY (tenant_id, endpoint_id) REFERENCES hm_webhook_endpoint ON DELETE CASCADE
  )
  `,
    // One row per event that an endpoint wants: the body is written once and sent byte for byte. Deleted after 30 days, once no
    // delivery needs it.
    `
  CREATE TABLE hm_webhook_message (
    tenant_id   text        NOT NULL,
    message_id  uuid        NOT NULL,
    source      text        NOT NULL,
    event_id    text        NOT NULL,
    type        text        NOT NULL,
    subject     text        NULL,
    body        text        NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, message_id)
  )
  `,
    // For the timeline of a subject.
    `CREATE INDEX hm_webhook_message_subject ON hm_webhook_message (tenant_id, subject, recorded_at)
      WHERE subject IS NOT NULL`,
    // For the job that prunes.
    `CREATE INDEX hm_webhook_message_recorded_at ON hm_webhook_message (recorded_at)`,
    // One row per event and endpoint. Deleted 30 days after its end; one that waits is kept.
    `
  CREATE TABLE hm_webhook_delivery (
    tenant_id       text        NOT NULL,
    delivery_id     uuid        NOT NULL,
    endpoint_id     uuid        NOT NULL,
    message_id      uuid        NOT NULL,
    -- The order of publishing.
    seq             bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    subject         text        NULL,
    state           text        NOT NULL CONSTRAINT state_listed CHECK (state IN ('waiting', 'sending', 'delivered', 'dead')),
    -- Failed attempts of the schedule; a replay begins it again.
    attempts        integer     NOT NULL DEFAULT 0,
    -- All attempts that were begun.
    sends           integer     NOT NULL DEFAULT 0,
    next_at         timestamptz NOT NULL,
    -- The attempt that may send it: a job with another id sends nothing.
    dispatch_id     uuid        NULL,
    dispatched_at   timestamptz NULL,
    started_at      timestamptz NULL,
    first_failed_at timestamptz NULL,
    last_status     integer     NULL,
    last_error      text        NULL CONSTRAINT last_error_in_range CHECK (length(last_error) <= 500),
    recorded_at     timestamptz NOT NULL,
    finished_at     timestamptz NULL,
    PRIMARY KEY (tenant_id, delivery_id),
    CONSTRAINT one_per_message UNIQUE (tenant_id, endpoint_id, message_id),
    CONSTRAINT sending_has_dispatch CHECK ((state = 'sending') = (dispatch_id IS NOT NULL)),
    CONSTRAINT finished_has_time CHECK ((state IN ('delivered', 'dead')) = (finished_at IS NOT NULL)),
    CONSTRAINT endpoint_exists FOREIGN KEY (tenant_id, endpoint_id) REFERENCES hm_webhook_endpoint ON DELETE CASCADE,
    CONSTRAINT message_exists FOREIGN KEY (tenant_id, message_id) REFERENCES hm_webhook_message
  )
  `,
    // The next deliveries of an endpoint.
    `CREATE INDEX hm_webhook_delivery_due ON hm_webhook_delivery (tenant_id, endpoint_id, next_at, seq)
      WHERE state = 'waiting'`,
    // The earlier deliveries of a subject, for endpoints in order.
    `CREATE INDEX hm_webhook_delivery_subject ON hm_webhook_delivery (tenant_id, endpoint_id, subject, seq)
      WHERE state IN ('waiting', 'sending')`,
    // Attempts in flight, and those whose worker was lost.
    `CREATE INDEX hm_webhook_delivery_sending ON hm_webhook_delivery (tenant_id, endpoint_id) WHERE state = 'sending'`,
    // The list of an endpoint's deliveries.
    `CREATE INDEX hm_webhook_delivery_seq ON hm_webhook_delivery (tenant_id, endpoint_id, seq)`,
    // The deliveries of a message, for its deletion.
    `CREATE INDEX hm_webhook_delivery_message ON hm_webhook_delivery (tenant_id, message_id)`,
    // For the job that prunes.
    `CREATE INDEX hm_webhook_delivery_finished ON hm_webhook_delivery (finished_at) WHERE finished_at IS NOT NULL`,
    // One row per attempt; a day's partition is dropped after 30 days.
    `
  CREATE TABLE hm_webhook_attempt (
    tenant_id       text        NOT NULL,
    delivery_id     uuid        NOT NULL,
    attempted_at    timestamptz NOT NULL,
    -- Counts from 1 over the whole life of the delivery.
    number          integer     NOT NULL,
    status          integer     NULL,
    error           text        NULL CONSTRAINT error_in_range CHECK (length(error) <= 500),
    duration_millis integer     NOT NULL,
    -- The first 4 KiB of the answer.
    answer          bytea       NOT NULL CONSTRAINT answer_in_range CHECK (length(answer) <= 4096),
    PRIMARY KEY (tenant_id, delivery_id, attempted_at, number)
  ) PARTITION BY RANGE (attempted_at)
  `,
    `CREATE TABLE hm_webhook_attempt_default PARTITION OF hm_webhook_attempt DEFAULT`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
