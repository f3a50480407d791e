/**
 * Limits of requests: asked by `Authorization` and by routes without a key, after the key and before the body. Quotas
 * implements it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type { TenantId } from "./Tenant.ts"

/**
 * The address of a client: its text, and the bucket that is limited (an IPv4 address, or the /64 of an IPv6 address).
 *
 * @category models
 * @since 0.1.0
 */
export interface Address {
  readonly text: string
  readonly bucket: string
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly tenantId: TenantId
  readonly plan: Option.Option<string>
  readonly keyId: string
  /** `<group>.<endpoint>`, or a protocol route's template. */
  readonly route: string
  /** The subject that a signed token or the header `X-HM-User` of a server key names. */
  readonly user?: string
  readonly address: Address
  /** The cost of the request; 1 for most. */
  readonly cost: number
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Verdict {
  readonly allowed: boolean
  /** Headers of the answer, allowed or not: `RateLimit`, `RateLimit-Policy`, `Retry-After`. */
  readonly headers: Readonly<Record<string, string>>
  /**
   * Runs when the request has ended: it returns what the request held. Of an allowed request only; a stream ends with its head.
   */
  readonly ended?: Effect.Effect<void>
  /** The problem document (RFC 9457) of a refusal. */
  readonly problem?: {
    readonly type: string
    readonly title: string
    readonly status: number
    readonly [member: string]: Schema.Json
  }
}

/**
 * @category services
 * @since 0.1.0
 */
export interface Limits {
  /** Never fails: when the limits are unavailable the implementation decides, and says so in its log. */
  readonly check: (request: Request) => Effect.Effect<Verdict>
  /** Decides in memory, before any key is read. */
  readonly checkAddress: (address: Address) => Verdict
}

/**
 * The verdict without limits: allowed, no headers.
 *
 * @category constants
 * @since 0.1.0
 */
export const allowed: Verdict = { allowed: true, headers: {} }

/**
 * Allows everything by default, without headers.
 *
 * @category services
 * @since 0.1.0
 */
export const Limits = Context.Reference<Limits>("@hypermarket/core/Limits", {
  defaultValue: () => ({ check: () => Effect.succeed(allowed), checkAddress: () => allowed })
})
