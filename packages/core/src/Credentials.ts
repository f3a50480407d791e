/**
 * Turns a secret into the tenant and scopes it stands for. The platform package implements it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { SqlError } from "effect/sql/SqlError"
import type { TenantId } from "./Tenant.ts"

/**
 * A `server` key is secret. A `client` key is public: it is in browsers and URLs, and opens only endpoints that
 * accept client keys.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = "server" | "client"

/**
 * The one thing that a client key opens, by its id.
 *
 * @category models
 * @since 0.1.0
 */
export interface Resource {
  readonly kind: "project" | "index"
  readonly id: string
}

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
  /** The environment that the key is for: `live` unless it was made for another. */
  readonly environment: string
  /** The tenant's plan. None for the tenant-less credential. */
  readonly plan: Option.Option<string>
  /** None for server keys, and for client keys that open whatever their scopes open. */
  readonly resource: Option.Option<Resource>
  /** The session by which the request came, for the record of its changes. Absent where the key itself was sent. */
  readonly session?: string
}

/**
 * The longest time for which a key that was read is trusted while the database is unavailable.
 *
 * @category limits
 * @since 0.1.0
 */
export const whileAwayMax = "15 minutes"

/**
 * @category services
 * @since 0.1.0
 */
export class Credentials extends Context.Service<
  Credentials,
  {
    /** `None` for a secret that is unknown, expired or revoked. A revocation takes effect within 5 seconds everywhere. */
    readonly authenticate: (
      secret: Redacted.Redacted,
      options?: {
        /**
         * While the key cannot be read, the time for which this process trusts what it last read of it, at most
         * {@link whileAwayMax}. A key that it never read fails with `SqlError`.
         *
         * @default 0: not at all
         */
        readonly whileAway?: Duration.Input
      }
    ) => Effect.Effect<Option.Option<Credential>, SqlError>
  }
>()("@hypermarket/core/Credentials") {}

/**
 * The credential that the request at hand was sent with.
 *
 * @category services
 * @since 0.1.0
 */
export class Caller extends Context.Service<Caller, Credential>()("@hypermarket/core/Caller") {}
