/**
 * The chain that every request with a key passes: address, gate, key, scope, `Limits`, body, `Actor`, places of long
 * requests, deadline. `Authorization` and `SystemAuthorization` are made of it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as AccessLog from "./AccessLog.ts"
import { Actor } from "./Actor.ts"
import {
  AcceptsClientKeys,
  Authorization,
  KeyKindRefused,
  MayRunLong,
  PublicAccess,
  RequestCost,
  RequestDeadline,
  RequestGuard,
  type ResourceRefused,
  RequiredScope,
  type ScopeMissing,
  SystemAuthorization,
  type TenantSuspended,
  type Unauthenticated
} from "./Authorization.ts"
import type * as BodyBudget from "./BodyBudget.ts"
import * as ClientAddress from "./ClientAddress.ts"
import { Caller, type Credential, Credentials, whileAwayMax } from "./Credentials.ts"
import * as DatabaseGate from "./DatabaseGate.ts"
import * as Limits from "./Limits.ts"
import { refusalOf } from "./internal/limitRefusal.ts"
import { actorOf, authorize, nameOf, requestIdOf } from "./internal/requestCaller.ts"
import * as RequestOutcome from "./internal/requestOutcome.ts"
import * as LongRequests from "./LongRequests.ts"
import * as Problems from "./Problems.ts"
import * as RequestBodies from "./RequestBodies.ts"
import { BodyBytesMax, type BodyTooLarge, type BodyTooSlow } from "./RequestBody.ts"
import { SessionCredential } from "./SessionCredential.ts"
import * as Storage from "./Storage.ts"
import { AllTenants, Tenant, type TenantId } from "./Tenant.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Requirement {
  readonly scope: string
  readonly acceptsClientKeys: boolean
}

/**
 * The requirements of an endpoint or a protocol route.
 *
 * @category models
 * @since 0.1.0
 */
export interface Passage extends Requirement {
  readonly deadline: Duration.Duration
  readonly bodyBytesMax: number
  readonly mayRunLong: boolean
  readonly guard: "database" | "own"
  readonly cost: number
}

interface Endpoint {
  readonly annotations: Context.Context<never>
}

const passages = new WeakMap<Endpoint, Passage>()

const passageOf = (endpoint: Endpoint): Passage => {
  const existing = passages.get(endpoint)
  if (existing !== undefined) return existing
  const passage = readPassage(endpoint)
  passages.set(endpoint, passage)
  return passage
}

const readPassage = (endpoint: Endpoint): Passage => ({
  scope: Context.get(endpoint.annotations, RequiredScope),
  acceptsClientKeys: Context.get(endpoint.annotations, AcceptsClientKeys),
  deadline: Duration.fromInputUnsafe(Context.get(endpoint.annotations, RequestDeadline)),
  bodyBytesMax: Context.get(endpoint.annotations, BodyBytesMax),
  mayRunLong: Context.get(endpoint.annotations, MayRunLong),
  guard: Context.get(endpoint.annotations, RequestGuard),
  cost: Context.get(endpoint.annotations, RequestCost)
})

/**
 * @category errors
 * @since 0.1.0
 */
export type Refusal =
  | Unauthenticated
  | ScopeMissing
  | KeyKindRefused
  | ResourceRefused
  | TenantSuspended
  | Storage.StorageUnavailable

/** Finding a key reads one row. */
const credentialDeadline = "2500 millis"

/** As `Effect.provideContext`, which copies the services of the whole process for each request. */
const provideAdded = <A, E, R, Added>(
  self: Effect.Effect<A, E, R>,
  added: Context.Context<Added>
): Effect.Effect<A, E, Exclude<R, Added>> =>
  Effect.updateContext(self, (services: Context.Context<Exclude<R, Added>>) => {
    let all: Context.Context<never> = services
    for (const [key, service] of added.mapUnsafe) all = Context.addUnsafe(all, key, service)
    return all as Context.Context<R>
  })

/** Puts the headers of a verdict on whatever the request is answered with. */
const announce = (verdict: Limits.Verdict): Effect.Effect<void, never, HttpServerRequest> =>
  Object.keys(verdict.headers).length === 0
    ? Effect.void
    : HttpEffect.appendPreResponseHandler((_, response) =>
        Effect.succeed(HttpServerResponse.setHeaders(response, verdict.headers))
      )

/**
 * One request at the chain.
 *
 * @category models
 * @since 0.1.0
 */
export interface Crossing<Id> {
  readonly secret: Redacted.Redacted
  /**
   * True where `SessionCredential` may name the caller instead of the secret.
   *
   * @default false
   */
  readonly acceptsSession?: boolean
  readonly passage: Passage
  /** `<group>.<endpoint>`, or a protocol route's template. */
  readonly route: string
  /** Makes the answer to a request over a limit; by default the problem document of the verdict. */
  readonly limited?: (verdict: Limits.Verdict) => HttpServerResponse.HttpServerResponse
  /** Names the caller to the handler, or refuses it. */
  readonly contextOf: (credential: Credential) => Effect.Effect<Context.Context<Id>, Refusal>
}

/**
 * One request without a key at the chain: of a public endpoint, or with a token in its path.
 *
 * @category models
 * @since 0.1.0
 */
export interface OpenCrossing<Id, E> {
  readonly passage: Omit<Passage, keyof Requirement | "mayRunLong">
  /** Makes the answer to an address over its limit; by default the problem document of the verdict. */
  readonly limited?: (verdict: Limits.Verdict) => HttpServerResponse.HttpServerResponse
  /** Names the tenant for which the handler acts, if any, or refuses the request. */
  readonly identify: Effect.Effect<
    {
      readonly tenantId: TenantId | undefined
      readonly actor: Pick<Actor, "type" | "id">
      readonly context: Context.Context<Id>
    },
    E
  >
}

/**
 * The chain of a process: endpoints and protocol routes share its gate and its places.
 *
 * @category services
 * @since 0.1.0
 */
export class RequestChain extends Context.Service<
  RequestChain,
  {
    readonly pass: <Id, E, R>(
      crossing: Crossing<Id>,
      handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
    ) => Effect.Effect<
      HttpServerResponse.HttpServerResponse,
      E | Refusal | Storage.DeadlineExceeded | BodyTooLarge | BodyTooSlow,
      Exclude<R, Id> | HttpServerRequest
    >
    /** Passes a request without a key: all of the chain but key, scope and the limits of a key. */
    readonly passOpen: <Id, RefusalError, E, R>(
      crossing: OpenCrossing<Id, RefusalError>,
      handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
    ) => Effect.Effect<
      HttpServerResponse.HttpServerResponse,
      E | RefusalError | Storage.DeadlineExceeded | Storage.StorageUnavailable | BodyTooLarge | BodyTooSlow,
      Exclude<R, Id> | HttpServerRequest
    >
  }
>()("@hypermarket/core/RequestChain") {
  static readonly layer: Layer.Layer<RequestChain, never, Credentials> = Layer.effect(
    RequestChain,
    Effect.gen(function* () {
      const credentials = yield* Credentials
      const gate = yield* DatabaseGate.make(yield* DatabaseGate.Probe)
      const longRequests = yield* LongRequests.Current
      const limits = yield* Limits.Limits
      const trusted = yield* ClientAddress.TrustedProxies
      const { measured, orDeadline } = RequestOutcome.make(gate, yield* Clock.Clock)

      /** Refuses by address and by the gate, before anything is read of the request. */
      const admit = Effect.fnUntraced(function* (guard: Passage["guard"], address: Limits.Address) {
        const byAddress = limits.checkAddress(address)
        if (!byAddress.allowed) return byAddress
        if (guard === "database" && gate.isClosed()) {
          yield* AccessLog.noteUnavailable({ reason: "gate" })
          return yield* new Storage.StorageUnavailable()
        }
        return byAddress
      })

      const addressOf = (request: HttpServerRequest): Limits.Address =>
        ClientAddress.resolve(
          trusted,
          Option.getOrUndefined(request.remoteAddress),
          request.headers["x-forwarded-for"]
        )

      /** Receives the body and runs the handler, within the deadline. */
      const handle = Effect.fnUntraced(function* <E, R>(
        request: HttpServerRequest,
        passage: Pick<Passage, "bodyBytesMax" | "deadline">,
        sender: BodyBudget.Sender,
        actor: Actor,
        handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
      ) {
        const release = yield* RequestBodies.receive(request, { bytesMax: passage.bodyBytesMax, sender })
        return yield* handler.pipe(
          Effect.provideService(Actor, actor),
          Effect.provideService(ClientAddress.TrustedProxies, trusted),
          Storage.withinDeadline(passage.deadline),
          measured,
          orDeadline,
          Effect.ensuring(Effect.sync(release))
        )
      })

      return {
        passOpen: Effect.fnUntraced(function* (crossing, handler) {
          const { identify, limited = refusalOf, passage } = crossing
          const request = yield* HttpServerRequest
          const address = addressOf(request)
          const admission = yield* admit(passage.guard, address)
          if (!admission.allowed) return limited(admission)
          const { actor, context, tenantId } = yield* measured(identify).pipe(
            Effect.provideService(ClientAddress.TrustedProxies, trusted)
          )
          const facts = yield* AccessLog.CurrentRequest
          return yield* handle(
            request,
            passage,
            { tenantId, clientKeyId: undefined },
            { ...actor, address: address.text, ...requestIdOf(facts) },
            provideAdded(handler, context)
          )
        }),
        pass: Effect.fnUntraced(function* (crossing, handler) {
          const { contextOf, limited = refusalOf, passage, route, secret } = crossing
          const request = yield* HttpServerRequest
          const address = addressOf(request)
          const admission = yield* admit(passage.guard, address)
          if (!admission.allowed) return limited(admission)
          const session = crossing.acceptsSession === true ? yield* SessionCredential : undefined
          const found =
            session ??
            credentials.authenticate(
              secret,
              passage.guard === "own" ? { whileAway: whileAwayMax } : undefined
            )
          const credential = yield* measured(
            authorize(found, passage).pipe(Storage.withinDeadline(credentialDeadline))
          ).pipe(
            Effect.catchTag("SessionRefused", ({ detail, problem }) =>
              Effect.succeed(Problems.toResponse(problem, detail))
            )
          )
          if (HttpServerResponse.isHttpServerResponse(credential)) return credential
          const context = yield* contextOf(credential)
          const tenantId = Option.getOrUndefined(credential.tenantId)
          const handling = Effect.gen(function* () {
            const handled = provideAdded(handler, context)
            return yield* handle(
              request,
              passage,
              { tenantId, clientKeyId: credential.kind === "client" ? credential.keyId : undefined },
              yield* actorOf(request, credential, address),
              passage.mayRunLong && tenantId !== undefined ? longRequests.hold(tenantId)(handled) : handled
            )
          })
          if (tenantId === undefined) return yield* handling
          const user = nameOf(request, credential, "x-hm-user")
          const checked = limits.check({
            tenantId,
            plan: credential.plan,
            keyId: credential.keyId,
            route,
            address,
            cost: passage.cost,
            ...(user === undefined ? {} : { user })
          })
          return yield* Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(restore(checked), (verdict) =>
              verdict.allowed
                ? restore(Effect.andThen(announce(verdict), handling)).pipe(
                    Effect.ensuring(verdict.ended ?? Effect.void)
                  )
                : Effect.succeed(limited(verdict))
            )
          )
        })
      }
    })
  )
}

/**
 * Returns the context of a tenant's handler. A system credential has no tenant to act for.
 *
 * @category combinators
 * @since 0.1.0
 */
export const tenantContext = Effect.fnUntraced(function* (caller: Credential) {
  if (Option.isNone(caller.tenantId)) return yield* new KeyKindRefused()
  const id = caller.tenantId.value
  yield* AccessLog.noteTenant(id)
  return Context.make(Tenant, { id }).pipe(Context.add(Caller, caller))
})

/** A tenant's key has no say over the others. */
const systemContext = Effect.fnUntraced(function* (caller: Credential) {
  if (Option.isSome(caller.tenantId)) return yield* new KeyKindRefused()
  return Context.make(AllTenants, { actor: caller.keyId }).pipe(Context.add(Caller, caller))
})

/** A public endpoint acts for no tenant. */
const anonymous = {
  tenantId: undefined,
  actor: { type: "process", id: "anonymous" },
  context: Context.empty()
} as const

/**
 * The middleware of groups, and the chain for protocol routes.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  Authorization | SystemAuthorization | PublicAccess | RequestChain,
  never,
  Credentials
> = Layer.mergeAll(
  Layer.effect(
    Authorization,
    Effect.map(RequestChain, ({ pass }) => ({
      bearer: (handler, { credential, endpoint, group }) =>
        pass(
          {
            secret: credential,
            acceptsSession: true,
            passage: passageOf(endpoint),
            route: `${group.identifier}.${endpoint.identifier}`,
            contextOf: tenantContext
          },
          handler
        )
    }))
  ),
  Layer.effect(
    SystemAuthorization,
    Effect.map(RequestChain, ({ pass }) => ({
      bearer: (handler, { credential, endpoint, group }) =>
        pass(
          {
            secret: credential,
            acceptsSession: true,
            passage: passageOf(endpoint),
            route: `${group.identifier}.${endpoint.identifier}`,
            contextOf: systemContext
          },
          handler
        )
    }))
  ),
  Layer.effect(
    PublicAccess,
    Effect.map(
      RequestChain,
      ({ passOpen }) =>
        (handler, { endpoint }) =>
          passOpen({ passage: passageOf(endpoint), identify: Effect.succeed(anonymous) }, handler)
    )
  )
).pipe(Layer.provideMerge(RequestChain.layer))
