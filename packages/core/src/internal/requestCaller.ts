/** The caller of a request: checked against the requirements of an endpoint, and named to the handler. */
import * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Option from "effect/Option"
import type { SqlError } from "effect/sql/SqlError"
import * as AccessLog from "../AccessLog.ts"
import * as AccessScope from "../AccessScope.ts"
import type { Actor } from "../Actor.ts"
import {
  KeyKindRefused,
  type ResourceRefused,
  ScopeMissing,
  TenantSuspended,
  Unauthenticated
} from "../Authorization.ts"
import type { Credential } from "../Credentials.ts"
import type * as Limits from "../Limits.ts"
import * as Storage from "../Storage.ts"

/** Checks the credential that was found against a requirement. */
export const authorize = Effect.fnUntraced(function* <E>(
  found: Effect.Effect<Option.Option<Credential>, E | SqlError>,
  requirement: { readonly scope: string; readonly acceptsClientKeys: boolean }
): Effect.fn.Return<
  Credential,
  | Exclude<E, SqlError>
  | Unauthenticated
  | ScopeMissing
  | KeyKindRefused
  | ResourceRefused
  | TenantSuspended
  | Storage.StorageUnavailable
> {
  const credential = Option.getOrUndefined(yield* Storage.orUnavailable(found))
  if (credential === undefined) return yield* new Unauthenticated()
  if (credential.kind === "client" && !requirement.acceptsClientKeys) return yield* new KeyKindRefused()
  if (!AccessScope.includes(credential.scopes, requirement.scope)) {
    return yield* new ScopeMissing({ scope: requirement.scope })
  }
  if (!credential.isTenantActive) return yield* new TenantSuspended()
  return credential
})

/** Texts of headers that name a person; longer ones are ignored. */
const nameLengthMax = 200

/** A name that a server key sends of the person for whom it acts. A browser could send any. */
export const nameOf = (
  request: HttpServerRequest,
  credential: Credential,
  header: "x-hm-user" | "x-hm-on-behalf-of"
): string | undefined => {
  const name = credential.kind === "server" ? request.headers[header] : undefined
  return name !== undefined && name.length > 0 && name.length <= nameLengthMax ? name : undefined
}

export const requestIdOf = (facts: AccessLog.RequestFacts | undefined) =>
  facts === undefined ? {} : { requestId: facts.requestId }

export const actorOf = (request: HttpServerRequest, credential: Credential, address: Limits.Address) =>
  Effect.map(AccessLog.CurrentRequest, (facts): Actor => {
    const onBehalfOf = credential.session ?? nameOf(request, credential, "x-hm-on-behalf-of")
    return {
      type: "key",
      id: credential.keyId,
      address: address.text,
      ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
      ...requestIdOf(facts)
    }
  })
