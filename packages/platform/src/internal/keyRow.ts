/** A row of `hm_api_key` with its tenant, as a credential. */
import type { Credential, Kind } from "@hypermarket/core/Credentials"
import type { TenantId } from "@hypermarket/core/Tenant"
import * as Option from "effect/Option"
import * as KeyResource from "./keyResource.ts"

export interface KeyRow {
  readonly apiKeyId: string
  readonly tenantId: string | null
  readonly kind: Kind
  readonly scopes: ReadonlyArray<string>
  readonly isTenantActive: boolean
  readonly environment: string
  readonly plan: string | null
  readonly resource: string | null
}

export const credentialOf = (row: KeyRow): Credential => ({
  keyId: row.apiKeyId,
  kind: row.kind,
  // The table's CHECK holds the form.
  tenantId: Option.fromNullOr(row.tenantId as TenantId | null),
  isTenantActive: row.isTenantActive,
  scopes: new Set(row.scopes),
  environment: row.environment,
  plan: Option.fromNullOr(row.plan),
  resource: Option.fromNullOr(KeyResource.parse(row.resource))
})
