/**
 * A tenant and its keys, written into a migrated database for processes that are measured or killed. The services of the
 * platform package do the same with checks; the harnesses may not depend on it, since its own benchmark depends on them.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export interface NewKey {
  readonly tenant: string
  readonly scopes: ReadonlyArray<string>
  /** @default "server" */
  readonly kind?: "server" | "client"
  /** The only thing that a client key opens, such as `project:7`. */
  readonly resource?: string
}

const secretLength = 43

/** Creates an active tenant. */
export const makeTenant = Effect.fn("TenantKey.makeTenant")(function* (tenant: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO hm_tenant (tenant_id, name, plan, status, recorded_at, updated_at)
    VALUES (${tenant}, ${tenant}, 'standard', 'active', now(), now())
  `
})

/** Creates a key of a tenant and returns its text. */
export const make = Effect.fn("TenantKey.make")(function* (key: NewKey) {
  const sql = yield* SqlClient.SqlClient
  const keyId = crypto.randomUUID()
  const digits = keyId.replaceAll("-", "")
  const secret = digits.padEnd(secretLength, "S")
  yield* sql`
    INSERT INTO hm_api_key (api_key_id, tenant_id, kind, name, environment, resource, scopes, secret_hash, recorded_at, updated_at)
    VALUES (${keyId}, ${key.tenant}, ${key.kind ?? "server"}, 'made for a run', 'live', ${key.resource ?? null}, ${key.scopes}::text[],
            sha256(${secret}::text::bytea), now(), now())
  `
  return `hm_${digits}_${secret}`
})
