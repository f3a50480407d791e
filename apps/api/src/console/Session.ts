/**
 * Sessions over HTTP: the routes of `/console/session`, and the way from the cookie to the credential of a request to
 * `/v1`.
 *
 * A cookie alone opens nothing. A request with it must show that the console's own script has sent it: by a header that
 * another origin cannot send without a preflight, which the API refuses. The browser's word for where it comes from must
 * agree, and its body must be one that no form can make. A request with an `Authorization` header is that key's, whatever cookie it carries.
 */
import * as AccessScope from "@hypermarket/core/AccessScope"
import * as ClientAddress from "@hypermarket/core/ClientAddress"
import { Credentials, type Credential } from "@hypermarket/core/Credentials"
import manifest from "@hypermarket/core/package.json" with { type: "json" }
import * as Now from "@hypermarket/core/Now"
import * as Problems from "@hypermarket/core/Problems"
import * as RequestChain from "@hypermarket/core/RequestChain"
import { SessionCredential, SessionRefused } from "@hypermarket/core/SessionCredential"
import * as Storage from "@hypermarket/core/Storage"
import { domains } from "@hypermarket/installation/domains"
import { ApiKeyId } from "@hypermarket/platform/ApiKey"
import { type ConsoleSession, Label, type SessionKey } from "@hypermarket/platform/ConsoleSession"
import { ConsoleSessions } from "@hypermarket/platform/ConsoleSessions"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Origin from "./Origin.ts"
import * as Refusals from "./problems.ts"
import type { Options } from "./Settings.ts"

const path = "/console/session"

/** A key or a code, a label and nothing else. */
const bodyBytesMax = 16_384

/** Sign-ins that are checked at the same time. Keys have 256 random bits: no lockout is needed, only a bound on work. */
const checksMax = 4

const passage = {
  deadline: Duration.millis(2_500),
  bodyBytesMax,
  guard: "database",
  cost: 1
} as const

const anonymous = Effect.succeed({
  tenantId: undefined,
  actor: { type: "process", id: "anonymous" },
  context: Context.empty()
} as const)

const failures = Metric.counter("hm_console_sign_in_failures_total", {
  description: "Sign-ins to the console that were refused",
  incremental: true
})

const secretLengthMax = 200
const Secret = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(secretLengthMax))

const SignIn = Schema.Struct({
  key: Schema.optionalKey(Secret),
  code: Schema.optionalKey(Secret),
  label: Schema.optionalKey(Label),
  /** Adds the key to the session at hand; false, the default, replaces the session. */
  add: Schema.optionalKey(Schema.Boolean)
}).check(
  Schema.makeFilter((body) =>
    (body.key === undefined) === (body.code === undefined)
      ? { path: ["key"], issue: "Expected either a key or a code" }
      : undefined
  )
)

const decodeSignIn = Schema.decodeUnknownEffect(SignIn, { errors: "all", onExcessProperty: "error" })

/** Another origin cannot send this header without a preflight. */
const isOfConsole = (request: HttpServerRequest): string | undefined => {
  if (request.headers["x-hypermarket-console"] !== "1") return "Send X-Hypermarket-Console: 1."
  const site = request.headers["sec-fetch-site"]
  if (site !== undefined && site !== "same-origin") return "The request comes from another origin."
  const { "content-length": length, "transfer-encoding": transfer } = request.headers
  const hasBody = transfer !== undefined || (length !== undefined && length !== "0")
  const type = request.headers["content-type"]
  const isJson = type !== undefined && /^application\/json\s*(?:;|$)/i.test(type)
  return (hasBody || type !== undefined) && !isJson ? "Send the body as application/json." : undefined
}

const ofData: ReadonlySet<string> = new Set(AccessScope.ofData)

/** The scopes of data open nothing that writes, and stay. */
const readScopes = (scopes: ReadonlySet<string>): ReadonlySet<string> =>
  new Set(
    Array.from(scopes, (scope) =>
      scope.startsWith("system:") || ofData.has(scope) ? scope : scope.replace(/:.*$/, ":read")
    )
  )

const isSystem = ({ credential }: SessionKey): boolean => Option.isNone(credential.tenantId)

const keyOf = (session: ConsoleSession, tenantId: string | undefined): SessionKey | undefined =>
  session.keys.find((key) => Option.getOrUndefined(key.credential.tenantId) === tenantId)

const noStore = { "cache-control": "no-store" }

const refuse = (problem: Problems.Problem, detail?: string) =>
  HttpServerResponse.setHeaders(Problems.toResponse(problem, detail), noStore)

const stateOf = ({ credential, isLive }: SessionKey) =>
  isLive ? (credential.isTenantActive ? "active" : "suspended") : "ended"

const describe = (session: ConsoleSession, writes: boolean) => {
  const keys = session.keys.map((key) => ({
    tenantId: Option.getOrNull(key.credential.tenantId),
    state: stateOf(key),
    keyId: key.apiKeyId,
    keyName: key.name,
    keyExpiresAt: key.expiresAt?.toISOString() ?? null,
    environment: key.credential.environment,
    scopes: Array.from(writes ? key.credential.scopes : readScopes(key.credential.scopes))
  }))
  return {
    signedIn: true,
    label: session.label,
    expiresAt: session.expiresAt.toISOString(),
    writes,
    version: manifest.version,
    domains: domains.map(({ name }) => name),
    tenants: keys.filter(({ tenantId }) => tenantId !== null),
    system: keys.find(({ tenantId }) => tenantId === null) ?? null
  }
}

const cookieOptions = (origin: Origin.Origin, maxAge: Duration.Input) =>
  ({
    httpOnly: true,
    secure: origin.isSecure,
    sameSite: "strict",
    path: origin.isSecure ? origin.basePath : "/",
    maxAge
  }) as const

const tokenOf = (request: HttpServerRequest, origin: Origin.Origin): Redacted.Redacted | undefined => {
  const token = request.cookies[origin.cookieName]
  return token === undefined || token === "" ? undefined : Redacted.make(token)
}

/** Finds the credential of a request to `/v1` by its cookie; undefined leaves it to the bearer key. */
const credentialOf = (
  sessions: ConsoleSessions["Service"],
  originOf: ReturnType<typeof Origin.make>,
  options: Options,
  request: HttpServerRequest
) => {
  const { headers } = request
  const isApi = request.url.startsWith("/v1/")
  if (!isApi || headers["authorization"] !== undefined || headers["cookie"] === undefined) return undefined
  const origin = originOf(request)
  const token = origin === undefined ? undefined : tokenOf(request, origin)
  if (token === undefined) return undefined
  return Effect.gen(function* () {
    const broken = isOfConsole(request)
    if (broken !== undefined) {
      return yield* new SessionRefused({ problem: Refusals.notOfConsole, detail: broken })
    }
    const session = Option.getOrUndefined(yield* sessions.find(token))
    if (session === undefined) return Option.none<Credential>()
    const tenantId = headers["x-hypermarket-tenant"]
    const key = keyOf(session, tenantId)
    if (key === undefined) {
      const detail =
        tenantId === undefined ? "Name the tenant in X-Hypermarket-Tenant." : `The tenant is ${tenantId}.`
      return yield* new SessionRefused({ problem: Refusals.tenantNotHeld, detail })
    }
    if (!key.isLive) return Option.none<Credential>()
    if (!options.writes && isSystem(key) && request.method !== "GET" && request.method !== "HEAD") {
      return yield* new SessionRefused({ problem: Refusals.readOnly, detail: "HM_CONSOLE_WRITES is false." })
    }
    const { credential } = key
    return Option.some<Credential>({
      ...credential,
      scopes: options.writes ? credential.scopes : readScopes(credential.scopes),
      session: session.label === null ? "console" : `console: ${session.label}`
    })
  })
}

const layerCredential = (options: Options) =>
  HttpRouter.middleware(
    Effect.map(ConsoleSessions, (sessions) => {
      const originOf = Origin.make(options.publicUrl)
      return (handled) =>
        Effect.flatMap(HttpServerRequest, (request) => {
          const credential = credentialOf(sessions, originOf, options, request)
          return credential === undefined
            ? handled
            : Effect.provideService(handled, SessionCredential, credential)
        })
    }),
    { global: true }
  )

const layerRoutes = (options: Options) =>
  HttpRouter.use(
    Effect.fnUntraced(function* (router) {
      const sessions = yield* ConsoleSessions
      const credentials = yield* Credentials
      const chain = yield* RequestChain.RequestChain
      const checks = yield* Semaphore.make(checksMax)
      const originOf = Origin.make(options.publicUrl)

      /** Passes what every route of a session asks for on to the handler, and turns the chain's refusals into answers. */
      const route = <E extends HttpServerRespondable.Respondable>(
        method: "GET" | "POST" | "DELETE",
        handle: (
          request: HttpServerRequest,
          origin: Origin.Origin
        ) => Effect.Effect<HttpServerResponse.HttpServerResponse, E>
      ) =>
        router.add(
          method,
          path,
          Effect.gen(function* () {
            const request = yield* HttpServerRequest
            const origin = originOf(request)
            if (origin === undefined) return Origin.refused()
            const broken = isOfConsole(request)
            if (broken !== undefined) return refuse(Refusals.notOfConsole, broken)
            return yield* chain.passOpen({ passage, identify: anonymous }, handle(request, origin))
          }).pipe(Effect.catch(HttpServerRespondable.toResponse))
        )

      /** Checks what was presented and returns the id of its key, or the refusal. */
      const check = Effect.fnUntraced(function* (body: typeof SignIn.Type) {
        if (body.code !== undefined) {
          const apiKeyId = yield* sessions.redeemCode(Redacted.make(body.code))
          return Option.getOrElse(apiKeyId, () => Refusals.signInRefused)
        }
        const credential = yield* credentials.authenticate(Redacted.make(body.key ?? ""))
        if (Option.isNone(credential)) return Refusals.signInRefused
        return credential.value.kind === "client"
          ? Refusals.clientKeyRefused
          : ApiKeyId.make(credential.value.keyId)
      })

      const failedSignIn = (problem: Problems.Problem) =>
        Effect.as(Metric.update(failures, 1), refuse(problem))

      const signIn = Effect.fnUntraced(function* (
        request: HttpServerRequest,
        origin: Origin.Origin,
        body: typeof SignIn.Type
      ) {
        const checked = yield* checks.withPermits(1)(check(body))
        if (typeof checked !== "string") return yield* failedSignIn(checked)
        const current = tokenOf(request, origin)
        const address = yield* ClientAddress.of(request)
        const now = yield* Now.now
        const opening =
          body.add === true
            ? sessions.add(current ?? Redacted.make(""), checked)
            : sessions.open({
                apiKeyId: checked,
                label: body.label ?? null,
                userAgent: request.headers["user-agent"],
                address: address.text,
                replaces: current
              })
        return yield* opening.pipe(
          Effect.map(({ session, token }) =>
            HttpServerResponse.setCookieUnsafe(
              HttpServerResponse.jsonUnsafe(describe(session, options.writes), { headers: noStore }),
              origin.cookieName,
              Redacted.value(token),
              cookieOptions(origin, session.expiresAt.getTime() - now.getTime())
            )
          ),
          Effect.catchTag("ConsoleSessionEnded", () => failedSignIn(Refusals.signInRefused)),
          Effect.catchTag("ConsoleSessionFull", () => Effect.succeed(refuse(Refusals.sessionFull)))
        )
      }, Storage.orUnavailable)

      yield* route(
        "POST",
        Effect.fnUntraced(function* (request, origin) {
          if (!origin.isSecure && !origin.isLoopback) return refuse(Refusals.plainHttp)
          const json = yield* Effect.option(request.json)
          if (Option.isNone(json)) return refuse(Problems.badRequest)
          return yield* decodeSignIn(json.value).pipe(
            Effect.mapError(
              ({ issue }) =>
                new HttpApiError.BadRequestProblem({
                  detail: "Request validation failed",
                  errors: Problems.issuesOf(issue)
                })
            ),
            Effect.flatMap((body) => signIn(request, origin, body))
          )
        })
      )
      yield* route("GET", (request, origin) => {
        const token = tokenOf(request, origin)
        return (token === undefined ? Effect.succeedNone : Storage.orUnavailable(sessions.find(token))).pipe(
          Effect.map((session) =>
            HttpServerResponse.jsonUnsafe(
              Option.match(session, {
                // 401 is what every browser logs as an error.
                onNone: () => ({ signedIn: false }),
                onSome: (current) => describe(current, options.writes)
              }),
              { headers: noStore }
            )
          )
        )
      })
      yield* route("DELETE", (request, origin) => {
        const token = tokenOf(request, origin)
        const ended = token === undefined ? Effect.void : Storage.orUnavailable(sessions.end(token))
        return Effect.as(
          ended,
          HttpServerResponse.setCookieUnsafe(
            HttpServerResponse.empty({ status: 204, headers: noStore }),
            origin.cookieName,
            "",
            cookieOptions(origin, 0)
          )
        )
      })
    })
  )

/** The routes, and the credential of requests that come by a session. */
export const layer = (options: Options) => Layer.mergeAll(layerCredential(options), layerRoutes(options))
