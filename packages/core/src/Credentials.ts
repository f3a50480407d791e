/**
 * Turns a secret into the tenant and scopes it stands for. The platform package implements it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { SqlError } from "effect/sql/SqlError"
import type { TenantId } from "./Tenant.ts"

/**
 * A `server` key is secret. A `client` key is public: it stands in browsers and URLs, and opens only endpoints that say
 * so.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = "server" | "client"

/**
 * @category models
 * @since 0.1.0
 */
export interface Credential {
  readonly keyId: string
  readonly kind: Kind
  /** None for the tenant-less credential of system administration. */
  readonly tenantId: Option.Option<TenantId>
  /** False while the tenant is suspended. */
  readonly isTenantActive: boolean
  readonly scopes: ReadonlySet<string>
}

/**
 * @category services
 * @since 0.1.0
 */
export class Credentials extends Context.Service<
  Credentials,
  {
    /** `None` for a secret that is unknown, expired or revoked. A revocation takes effect within 5 seconds everywhere. */
    readonly authenticate: (secret: Redacted.Redacted) => Effect.Effect<Option.Option<Credential>, SqlError>
  }
>()("@hypermarket/core/Credentials") {}

/**
 * The credential that the request at hand was sent with.
 *
 * @category services
 * @since 0.1.0
 */
export class Caller extends Context.Service<Caller, Credential>()("@hypermarket/core/Caller") {}
