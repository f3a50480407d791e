/**
 * The middleware of HTTP groups with its annotations and errors, for the modules that a browser imports: bearer
 * authentication, an endpoint's scope and its bounds. `RequestChain` implements it.
 *
 * It belongs on a package's own group. Put on the composed API it would show in the document and guard nothing.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Caller, type Credential, type Resource } from "./Credentials.ts"
import { BodyTooLarge, BodyTooSlow } from "./RequestBody.ts"
import { DeadlineExceeded, StorageUnavailable } from "./StorageUnavailable.ts"
import type { AllTenants, Tenant } from "./Tenant.ts"

/**
 * The scope an endpoint asks for; without an annotation it is one that no key has.
 *
 * @category annotations
 * @since 0.1.0
 */
export const RequiredScope = Context.Reference<string>("@hypermarket/core/RequiredScope", {
  defaultValue: () => "none"
})

/**
 * True on an endpoint that public keys of browser SDKs may call.
 *
 * @category annotations
 * @since 0.1.0
 */
export const AcceptsClientKeys = Context.Reference<boolean>("@hypermarket/core/AcceptsClientKeys", {
  defaultValue: () => false
})

/**
 * How long a request may take, from its whole body on, before it answers 503. Two and a half seconds by default: long for any statement on our hot paths,
 * short enough that a frozen database is reported within five also by a busy process. A bulk endpoint annotates its own.
 *
 * @category annotations
 * @since 0.1.0
 */
export const RequestDeadline = Context.Reference<Duration.Input>("@hypermarket/core/RequestDeadline", {
  defaultValue: () => "2500 millis"
})

/**
 * `database`: the endpoint is refused while the database is unavailable. `own`: it answers from memory and guards its
 * statements itself; keys that this process has read open it for at most 15 minutes of an outage.
 *
 * @default database
 *
 * @category annotations
 * @since 0.1.0
 */
export const RequestGuard = Context.Reference<"database" | "own">("@hypermarket/core/RequestGuard", {
  defaultValue: () => "database"
})

/**
 * The share of its limits that one request of an endpoint uses up.
 *
 * @default 1
 *
 * @category annotations
 * @since 0.1.0
 */
export const RequestCost = Context.Reference<number>("@hypermarket/core/RequestCost", {
  defaultValue: () => 1
})

/**
 * True on an endpoint whose statements may run for seconds: an analysis, a comparison, a rebuild.
 *
 * @category annotations
 * @since 0.1.0
 */
export const MayRunLong = Context.Reference<boolean>("@hypermarket/core/MayRunLong", {
  defaultValue: () => false
})

/**
 * @category errors
 * @since 0.1.0
 */
export class Unauthenticated extends HttpApiError.Problem<Unauthenticated>()("Unauthenticated", {
  type: "urn:hypermarket:problem:core:unauthenticated",
  status: 401,
  title: "The key is missing, unknown, expired or revoked"
}) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class ScopeMissing extends HttpApiError.Problem<ScopeMissing>()(
  "ScopeMissing",
  {
    type: "urn:hypermarket:problem:core:scope-missing",
    status: 403,
    title: "The key lacks a scope"
  },
  { scope: Schema.String }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class KeyKindRefused extends HttpApiError.Problem<KeyKindRefused>()("KeyKindRefused", {
  type: "urn:hypermarket:problem:core:key-kind-refused",
  status: 403,
  title: "This endpoint does not accept this kind of key"
}) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class TenantSuspended extends HttpApiError.Problem<TenantSuspended>()("TenantSuspended", {
  type: "urn:hypermarket:problem:core:tenant-suspended",
  status: 403,
  title: "The tenant is suspended"
}) {}

/**
 * A client key was used on something that it was not made for.
 *
 * @category errors
 * @since 0.1.0
 */
export class ResourceRefused extends HttpApiError.Problem<ResourceRefused>()(
  "ResourceRefused",
  {
    type: "urn:hypermarket:problem:core:resource-refused",
    status: 403,
    title: "The key opens another resource"
  },
  { kind: Schema.Literals(["project", "index"]), id: Schema.String }
) {}

/**
 * Fails with {@link ResourceRefused} for a client key that was made for another resource. A server key, and a client key
 * without a resource, open whatever their scopes open.
 *
 * @category combinators
 * @since 0.1.0
 */
export const requireResource = (
  kind: Resource["kind"],
  id: string
): Effect.Effect<void, ResourceRefused, Caller> =>
  Effect.flatMap(Caller, (caller) =>
    opensResource(caller, { kind, id }) ? Effect.void : Effect.fail(new ResourceRefused({ kind, id }))
  )

/**
 * True for a credential that may be used on a resource.
 *
 * @category guards
 * @since 0.1.0
 */
export const opensResource = (credential: Credential, resource: Resource): boolean =>
  Option.match(credential.resource, {
    onNone: () => true,
    onSome: ({ id, kind }) => kind === resource.kind && id === resource.id
  })

const errors = [
  Unauthenticated,
  ScopeMissing,
  KeyKindRefused,
  ResourceRefused,
  TenantSuspended,
  BodyTooLarge,
  BodyTooSlow,
  DeadlineExceeded,
  StorageUnavailable
] as const

/**
 * For endpoints of one tenant: provides {@link Tenant}.
 *
 * @category middleware
 * @since 0.1.0
 */
export class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: Tenant | Caller }>()(
  "@hypermarket/core/Authorization",
  { security: { bearer: HttpApiSecurity.bearer }, error: errors }
) {}

/**
 * For endpoints over all tenants: accepts only the tenant-less credential and provides {@link AllTenants}.
 *
 * @category middleware
 * @since 0.1.0
 */
export class SystemAuthorization extends HttpApiMiddleware.Service<
  SystemAuthorization,
  { provides: AllTenants | Caller }
>()("@hypermarket/core/SystemAuthorization", {
  security: { bearer: HttpApiSecurity.bearer },
  error: errors
}) {}

/**
 * For endpoints that need no key. Address limits, gate, body limit and deadline are those of every other endpoint.
 *
 * @category middleware
 * @since 0.1.0
 */
export class PublicAccess extends HttpApiMiddleware.Service<PublicAccess>()(
  "@hypermarket/core/PublicAccess",
  {
    error: [BodyTooLarge, BodyTooSlow, DeadlineExceeded, StorageUnavailable]
  }
) {}
