/**
 * Bearer authentication for HTTP groups: checks the endpoint's scope, provides the tenant to its handler and holds the
 * whole request to a deadline.
 *
 * It belongs on a package's own group. Put on the composed API it would show in the document and guard nothing.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as AccessLog from "./AccessLog.ts"
import * as AccessScope from "./AccessScope.ts"
import { Caller, type Credential, Credentials } from "./Credentials.ts"
import * as Storage from "./Storage.ts"
import { AllTenants, Tenant } from "./Tenant.ts"

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
 * How long a request may take before it answers 503. Two and a half seconds by default: long for any statement on our hot paths,
 * short enough that a frozen database is reported within five also by a busy process. A bulk endpoint annotates its own.
 *
 * @category annotations
 * @since 0.1.0
 */
export const RequestDeadline = Context.Reference<Duration.Input>("@hypermarket/core/RequestDeadline", {
  defaultValue: () => "2500 millis"
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

const errors = [
  Unauthenticated,
  ScopeMissing,
  KeyKindRefused,
  TenantSuspended,
  Storage.StorageUnavailable
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

interface Requirement {
  readonly scope: string
  readonly acceptsClientKeys: boolean
}

/**
 * Checks a secret against a requirement. Protocol routes, which are no `HttpApi` endpoints, use it directly.
 *
 * @category combinators
 * @since 0.1.0
 */
export const authorize = Effect.fnUntraced(function* (
  credentials: Credentials["Service"],
  secret: Redacted.Redacted,
  requirement: Requirement
): Effect.fn.Return<
  Credential,
  Unauthenticated | ScopeMissing | KeyKindRefused | TenantSuspended | Storage.StorageUnavailable
> {
  const found = yield* Storage.orUnavailable(credentials.authenticate(secret))
  if (Option.isNone(found)) return yield* new Unauthenticated()
  const credential = found.value
  if (credential.kind === "client" && !requirement.acceptsClientKeys) return yield* new KeyKindRefused()
  if (!AccessScope.includes(credential.scopes, requirement.scope)) {
    return yield* new ScopeMissing({ scope: requirement.scope })
  }
  if (!credential.isTenantActive) return yield* new TenantSuspended()
  return credential
})

interface Guard {
  readonly credential: Effect.Effect<Credential, Effect.Error<ReturnType<typeof authorize>>>
  /** Holds the request to its deadline, and refuses it while the database is away. */
  readonly within: <A, E, R>(
    handled: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | Storage.StorageUnavailable, R>
}

interface Endpoint {
  readonly annotations: Context.Context<never>
}

/** The annotations are read once for each endpoint and not once for each request. */
const makeGuard = Effect.gen(function* () {
  const credentials = yield* Credentials
  const gate = yield* Storage.makeGate
  const requirements = new WeakMap<Endpoint, Requirement & { readonly deadline: Duration.Duration }>()
  const requirementOf = (endpoint: Endpoint) => {
    const known = requirements.get(endpoint)
    if (known !== undefined) return known
    const requirement = {
      scope: Context.get(endpoint.annotations, RequiredScope),
      acceptsClientKeys: Context.get(endpoint.annotations, AcceptsClientKeys),
      deadline: Duration.fromInputUnsafe(Context.get(endpoint.annotations, RequestDeadline))
    }
    requirements.set(endpoint, requirement)
    return requirement
  }
  return (secret: Redacted.Redacted, endpoint: Endpoint): Guard => {
    const requirement = requirementOf(endpoint)
    return {
      credential: authorize(credentials, secret, requirement),
      within: (handled) => gate.guard(Storage.within(requirement.deadline)(handled))
    }
  }
})

/** A system credential has no tenant to act for. */
const tenantContext = Effect.fnUntraced(function* (credential: Guard["credential"]) {
  const caller = yield* credential
  if (Option.isNone(caller.tenantId)) return yield* new KeyKindRefused()
  const id = caller.tenantId.value
  yield* AccessLog.noteTenant(id)
  return Context.make(Tenant, { id }).pipe(Context.add(Caller, caller))
})

/** A tenant's key has no say over the others. */
const systemContext = Effect.fnUntraced(function* (credential: Guard["credential"]) {
  const caller = yield* credential
  if (Option.isSome(caller.tenantId)) return yield* new KeyKindRefused()
  return Context.make(AllTenants, { actor: caller.keyId }).pipe(Context.add(Caller, caller))
})

/**
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Authorization | SystemAuthorization, never, Credentials> = Layer.mergeAll(
  Layer.effect(
    Authorization,
    Effect.map(makeGuard, (guard) => ({
      bearer: (handler, options) => {
        const { credential, within } = guard(options.credential, options.endpoint)
        return tenantContext(credential).pipe(
          Effect.flatMap((context) => Effect.provideContext(handler, context)),
          within
        )
      }
    }))
  ),
  Layer.effect(
    SystemAuthorization,
    Effect.map(makeGuard, (guard) => ({
      bearer: (handler, options) => {
        const { credential, within } = guard(options.credential, options.endpoint)
        return systemContext(credential).pipe(
          Effect.flatMap((context) => Effect.provideContext(handler, context)),
          within
        )
      }
    }))
  )
)
