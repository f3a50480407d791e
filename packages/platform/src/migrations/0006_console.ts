import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // Global, as the keys are: a cookie comes before its tenant is known. One row per signed-in browser; it is
    // deleted when the session ends. At most 100 per key.
    `
  CREATE TABLE hm_console_session (
    session_id  uuid        NOT NULL PRIMARY KEY,
    -- SHA-256 of the token, which has 256 random bits.
    token_hash  bytea       NOT NULL CONSTRAINT token_hash_in_form CHECK (length(token_hash) = 32),
    label       text        CONSTRAINT label_in_range CHECK (length(label) BETWEEN 1 AND 100),
    user_agent  text        CONSTRAINT user_agent_in_range CHECK (length(user_agent) BETWEEN 1 AND 500),
    address     text        CONSTRAINT address_in_range CHECK (length(address) BETWEEN 1 AND 100),
    recorded_at timestamptz NOT NULL,
    used_at     timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL CONSTRAINT expires_later CHECK (expires_at > recorded_at)
  )
  `,
    `CREATE UNIQUE INDEX hm_console_session_token ON hm_console_session (token_hash)`,
    // One row per session and tenant, at most 50 per session. The key's id and never its secret.
    `
  CREATE TABLE hm_console_session_key (
    session_id  uuid        NOT NULL
                            CONSTRAINT of_session REFERENCES hm_console_session (session_id) ON DELETE CASCADE,
    api_key_id  uuid        NOT NULL CONSTRAINT of_api_key REFERENCES hm_api_key (api_key_id) ON DELETE CASCADE,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (session_id, api_key_id)
  )
  `,
    // The sessions of a key, which are bounded.
    `CREATE INDEX hm_console_session_key_api_key ON hm_console_session_key (api_key_id)`,
    // One row per link that was not opened yet; the statement that reads it deletes it. Lives for ten minutes.
    `
  CREATE TABLE hm_console_code (
    code_hash   bytea       NOT NULL PRIMARY KEY CONSTRAINT code_hash_in_form CHECK (length(code_hash) = 32),
    api_key_id  uuid        NOT NULL CONSTRAINT of_api_key REFERENCES hm_api_key (api_key_id) ON DELETE CASCADE,
    recorded_at timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL CONSTRAINT expires_later CHECK (expires_at > recorded_at)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
