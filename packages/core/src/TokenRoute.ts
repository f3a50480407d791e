/**
 * A route that is opened by a token in its path and not by a key: links in mails, and forms behind them.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as AccessLog from "./AccessLog.ts"
import * as ClientAddress from "./ClientAddress.ts"
import * as Cors from "./Cors.ts"
import * as TokenUses from "./internal/tokenUses.ts"
import type * as Limits from "./Limits.ts"
import * as Now from "./Now.ts"
import * as RequestChain from "./RequestChain.ts"
import { SignedToken, TokenInvalid } from "./SignedToken.ts"
import * as Storage from "./Storage.ts"
import { Tenant } from "./Tenant.ts"

/**
 * Why a request was refused before its handler ran, or cut off. `token-invalid` is said of every token but one that has
 * expired: altered, of another purpose, with other claims.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason =
  | "token-invalid"
  | "token-expired"
  | "limited"
  | "body-too-large"
  | "body-too-slow"
  | "deadline"
  | "not-configured"
  | "storage-unavailable"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options<Claims> {
  readonly method: "GET" | "POST"
  /** The template, for example `/v1/notifications/one-click/:token`. The log shows `…` in place of the token. */
  readonly path: `/${string}`
  /** The purpose for which the token must have been made. */
  readonly purpose: string
  /** The claims that the token must have. */
  readonly claims: Schema.Codec<Claims, Schema.Json>
  /** Bytes of the body, at most. */
  readonly bodyBytesMax: number
  /**
   * True when the answer is a stream: it has no deadline, and ends with the token by the handler's `expiresAt`.
   *
   * @default false
   */
  readonly stream?: boolean
  /**
   * Requests with one token from one address in any minute, counted per process over all methods of its purpose. One more
   * is refused as `limited`, with `Retry-After`. Without it they are not counted.
   */
  readonly perMinuteMax?: number
  readonly refuse: (reason: Reason) => HttpServerResponse.HttpServerResponse
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Input<Claims> {
  readonly request: HttpServerRequest
  readonly claims: Claims
  readonly expiresAt: Date
}

/**
 * @category models
 * @since 0.1.0
 */
export interface TokenRoute {
  readonly method: "GET" | "POST"
  readonly path: `/${string}`
  readonly purpose: string
  /** Serves one request. */
  readonly run: (
    chain: RequestChain.RequestChain["Service"],
    tokens: SignedToken["Service"],
    uses: TokenUses.TokenUses
  ) => Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    never,
    HttpServerRequest | HttpRouter.RouteContext | Scope.Scope
  >
}

/** Long for any statement on our hot paths, as for endpoints. */
const deadline = Duration.millis(2_500)

const parameter = "token"

/** All refusals of the chain and of the token, by the tag of their error. */
const reasons = {
  BodyTooLarge: "body-too-large",
  BodyTooSlow: "body-too-slow",
  DeadlineExceeded: "deadline",
  SecretsNotConfigured: "not-configured",
  StorageUnavailable: "storage-unavailable"
} as const satisfies Record<string, Reason>

class TokenLimited extends Data.TaggedError("TokenLimited")<{ readonly waitMillis: number }> {}

const reasonOf = (error: TokenInvalid | { readonly _tag: keyof typeof reasons }): Reason =>
  error._tag === "TokenInvalid" ? `token-${error.reason}` : reasons[error._tag]

/**
 * Makes a route. Its handler acts for the tenant that the token names. Scripts of every origin may call it: who has the
 * token may use it. Throws when the path has no `:token`: a mistake in the code.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Claims>(
  options: Options<Claims>,
  handler: (
    input: Input<Claims>
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse, never, Tenant | Scope.Scope>
): TokenRoute => {
  const { method, path, purpose, refuse } = options
  if (!path.split("/").includes(`:${parameter}`)) throw new TypeError(`${path} has no parameter ${parameter}`)
  const decodeClaims = Schema.decodeEffect(options.claims)
  const limited = (verdict: Limits.Verdict) =>
    HttpServerResponse.setHeaders(refuse("limited"), verdict.headers)
  /** Of a token that is valid: others open nothing, and would fill the memory. */
  const count = Effect.fnUntraced(function* (
    uses: TokenUses.TokenUses,
    request: HttpServerRequest,
    token: { readonly tenant: string; readonly claims: Schema.Json; readonly expiresAt: Date }
  ) {
    if (options.perMinuteMax === undefined) return
    const { bucket } = yield* ClientAddress.of(request)
    // What was signed, since one signature may be spelled in several ways.
    const key = JSON.stringify([bucket, purpose, token.tenant, token.expiresAt, token.claims])
    const waitMillis = uses.take(key, options.perMinuteMax, (yield* Now.now).getTime())
    if (waitMillis > 0) return yield* new TokenLimited({ waitMillis })
  })
  const run: TokenRoute["run"] = (chain, tokens, uses) =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest
      const params = yield* HttpRouter.params
      const opened = yield* Effect.cached(
        Effect.gen(function* () {
          const { claims, expiresAt, tenant } = yield* Storage.orUnavailable(
            tokens.read(purpose, params[parameter] ?? "")
          )
          const decoded = yield* Effect.mapError(
            decodeClaims(claims),
            () => new TokenInvalid({ reason: "invalid" })
          )
          yield* AccessLog.noteTenant(tenant)
          yield* count(uses, request, { tenant, claims, expiresAt })
          return { tenant, claims: decoded, expiresAt }
        })
      )
      return yield* chain.passOpen(
        {
          passage: {
            deadline: options.stream === true ? Duration.infinity : deadline,
            bodyBytesMax: options.bodyBytesMax,
            guard: "database",
            cost: 1
          },
          limited,
          identify: Effect.map(opened, ({ tenant }) => ({
            tenantId: tenant,
            actor: { type: "user", id: `token:${purpose}` },
            context: Context.make(Tenant, { id: tenant })
          }))
        },
        Effect.flatMap(opened, ({ claims, expiresAt }) => handler({ request, claims, expiresAt }))
      )
    }).pipe(
      Effect.catchTag("TokenLimited", ({ waitMillis }) =>
        Effect.succeed(
          HttpServerResponse.setHeader(
            refuse("limited"),
            "retry-after",
            String(Math.max(1, Math.ceil(waitMillis / 1_000)))
          )
        )
      ),
      Effect.catch((error) => Effect.succeed(refuse(reasonOf(error))))
    )
  return { method, path, purpose, run }
}

/**
 * The routes that are served, for tests that walk them.
 *
 * @category services
 * @since 0.1.0
 */
export class Served extends Context.Service<Served, { readonly list: ReadonlyArray<TokenRoute> }>()(
  "@hypermarket/core/TokenRoute/Served"
) {}

/**
 * Serves routes, and hides their tokens from the log.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  routes: ReadonlyArray<TokenRoute>
): Layer.Layer<Served, never, RequestChain.RequestChain | HttpRouter.HttpRouter | SignedToken> =>
  Layer.effect(
    Served,
    Effect.gen(function* () {
      const chain = yield* RequestChain.RequestChain
      const tokens = yield* SignedToken
      const router = yield* HttpRouter.HttpRouter
      const secretParameters = yield* AccessLog.SecretParameters
      const openRoutes = yield* Cors.OpenRoutes
      const uses = TokenUses.make()
      for (const route of routes) {
        secretParameters.set(route.path, [parameter])
        openRoutes.add(`${route.method} ${route.path}`)
        yield* router.add(route.method, route.path, route.run(chain, tokens, uses))
      }
      return { list: routes }
    })
  )
