/**
 * Tokens in links that we send and get back: signed, for one purpose and tenant, until they expire. The claims are signed
 * and not encrypted: who holds the token reads them.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import * as Now from "./Now.ts"
import { Secrets, type SecretsNotConfigured } from "./Secrets.ts"
import { provide, Tenant, TenantId } from "./Tenant.ts"

/**
 * `expired` is said of a token that is otherwise valid; everything else is `invalid`, whatever is wrong with it.
 *
 * @category errors
 * @since 0.1.0
 */
export class TokenInvalid extends Schema.TaggedError<TokenInvalid>()("TokenInvalid", {
  reason: Schema.Literals(["invalid", "expired"])
}) {}

/**
 * @category models
 * @since 0.1.0
 */
export type Claims = Readonly<Record<string, Schema.Json>>

/**
 * The longest token, in characters: a URL with one still passes every mail client and proxy.
 *
 * @category limits
 * @since 0.1.0
 */
export const tokenLengthMax = 1_536

const version = "v1"
const tokenPattern = /^v1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]{1,1500})\.([A-Za-z0-9_-]{43})$/

const Payload = Schema.fromJsonString(
  Schema.Tuple([TenantId, Schema.Int, Schema.Record(Schema.String, Schema.Json)])
)
const encodePayload = Schema.encodeEffect(Payload)
const decodePayload = Schema.decodeOption(Payload)

/** A last character with other unused bits decodes to the same bytes: only one spelling is valid. */
const bytesOf = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, "base64url")
  return bytes.toString("base64url") === text ? bytes : undefined
}

/** Keys of tokens are apart from those of columns. */
const secretsPurpose = (purpose: string): string => `token.${purpose}`

/**
 * Makes and reads tokens. Their keys are data keys of `Secrets`: they outlive rotations of `HM_SECRETS_KEYS`, and forgetting
 * `token.<purpose>` voids every token of that purpose and tenant.
 *
 * @category services
 * @since 0.1.0
 */
export class SignedToken extends Context.Service<
  SignedToken,
  {
    /** Returns a token of URL-safe characters. Claims that make it longer than {@link tokenLengthMax} are a defect. */
    readonly make: (options: {
      readonly purpose: string
      readonly claims: Claims
      readonly expiresIn: Duration.Input
    }) => Effect.Effect<string, SecretsNotConfigured | SqlError, Tenant>
    /** Returns the tenant, the claims and the end of a token of this purpose. The tenant comes from the token alone. */
    readonly read: (
      purpose: string,
      text: string
    ) => Effect.Effect<
      { readonly tenant: TenantId; readonly claims: Claims; readonly expiresAt: Date },
      TokenInvalid | SecretsNotConfigured | SqlError
    >
  }
>()("@hypermarket/core/SignedToken") {
  static readonly layer: Layer.Layer<SignedToken, never, Secrets> = Layer.effect(
    SignedToken,
    Effect.suspend(() => makeService)
  )
}

const invalid = new TokenInvalid({ reason: "invalid" })

const makeService = Effect.gen(function* () {
  const secrets = yield* Secrets

  const make = Effect.fn("SignedToken.make")(function* (options: {
    readonly purpose: string
    readonly claims: Claims
    readonly expiresIn: Duration.Input
  }) {
    const { id } = yield* Tenant
    const now = yield* Now.now
    const expiresAtMillis = Math.floor(now.getTime() + Duration.toMillis(options.expiresIn))
    const payload = yield* Effect.orDie(encodePayload([id, expiresAtMillis, options.claims]))
    const body = Buffer.from(payload, "utf8").toString("base64url")
    const signature = yield* secrets.sign(secretsPurpose(options.purpose), body)
    const token = `${version}.${signature.keyId}.${body}.${Buffer.from(signature.bytes).toString("base64url")}`
    return token.length > tokenLengthMax
      ? yield* Effect.die(new RangeError(`A token has ${token.length} characters, at most ${tokenLengthMax}`))
      : token
  })

  const read = Effect.fn("SignedToken.read")(function* (purpose: string, text: string) {
    const parts = text.length > tokenLengthMax ? null : tokenPattern.exec(text)
    const [, keyId = "", body = "", signature = ""] = parts ?? []
    const bytes = bytesOf(signature)
    const payload = Option.getOrUndefined(decodePayload(bytesOf(body)?.toString("utf8") ?? ""))
    if (bytes === undefined || payload === undefined) return yield* invalid
    const [tenant, expiresAtMillis, claims] = payload
    const isValid = yield* secrets
      .verify(secretsPurpose(purpose), body, { keyId, bytes })
      .pipe(provide(tenant))
    if (!isValid) return yield* invalid
    const now = yield* Now.now
    if (now.getTime() >= expiresAtMillis) return yield* new TokenInvalid({ reason: "expired" })
    return { tenant, claims, expiresAt: new Date(expiresAtMillis) }
  })

  return SignedToken.of({ make, read })
})
