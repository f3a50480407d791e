/** Refusals of the protocols that leave the bodies of their errors open: our problems. */
import * as Authorization from "@hypermarket/core/Authorization"
import * as Problems from "@hypermarket/core/Problems"
import type * as ProtocolRoute from "@hypermarket/core/ProtocolRoute"
import * as Storage from "@hypermarket/core/Storage"
import * as Effect from "effect/Effect"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"

/** The scope of keys that evaluate. */
export const scope = "flags:read"

const problems = {
  unauthenticated: Problems.unauthenticated,
  "scope-missing": new Authorization.ScopeMissing({ scope }),
  "key-kind-refused": new Authorization.KeyKindRefused(),
  "resource-refused": new Authorization.KeyKindRefused(),
  "tenant-suspended": new Authorization.TenantSuspended(),
  limited: Problems.limited,
  "body-too-large": Problems.payloadTooLarge,
  "body-too-slow": Problems.bodyTooSlow,
  "body-broken": Problems.badRequest,
  deadline: new Storage.DeadlineExceeded(),
  "storage-unavailable": new Storage.StorageUnavailable()
} as const satisfies Record<ProtocolRoute.Reason, Problems.Problem>

export const refuse = (reason: ProtocolRoute.Reason): HttpServerResponse.HttpServerResponse =>
  Problems.toResponse(problems[reason])

/** Maps an unavailable database to its refusal. */
export const orRefused = <R>(
  self: Effect.Effect<HttpServerResponse.HttpServerResponse, Storage.StorageUnavailable, R>
) => Effect.catch(self, () => Effect.succeed(refuse("storage-unavailable")))
