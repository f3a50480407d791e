/**
 * The key of a tenant: schemas and errors. The service is `ApiKeys`.
 *
 * @since 0.1.0
 */
import * as AccessScope from "@hypermarket/core/AccessScope"
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Identifier from "@hypermarket/core/Identifier"
import { Instant } from "@hypermarket/core/Instant"
import * as Text from "@hypermarket/core/Text"
import * as Duration from "effect/Duration"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * The id of a key, a UUIDv7; it is the public part of the key's text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ApiKeyId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/platform/ApiKeyId"))

/**
 * @category models
 * @since 0.1.0
 */
export type ApiKeyId = typeof ApiKeyId.Type

/**
 * `server` keys are secret; `client` keys are public, for SDKs in browsers, and open only endpoints made for them.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Kind = Schema.Literals(["server", "client"])

/**
 * The one thing that a client key opens: an error project or a search index, by its id.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Resource = Schema.Struct({
  kind: Schema.Literals(["project", "index"]),
  id: Text.make({ max: 200 })
})

/**
 * @category models
 * @since 0.1.0
 */
export type Resource = typeof Resource.Type

/** Maximum scopes of a key: far above the three of each domain. */
const scopesMax = 64
const Name = Text.make({ max: 200 })
const Environment = Schema.String.check(
  Schema.isPattern(/^[a-z0-9_-]{1,64}$/, { message: "Expected 1 to 64 of a-z, 0-9, - and _" })
)
const Scopes = Schema.Array(AccessScope.AccessScope).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(scopesMax)
)

/**
 * The name of a tenant-less credential.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SystemKeyName = Name

/**
 * The reason for which a key is revoked.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Reason = Text.make({ max: 500 })

/**
 * A key without its secret.
 *
 * @category models
 * @since 0.1.0
 */
export class ApiKey extends Schema.Class<ApiKey>("@hypermarket/platform/ApiKey")({
  apiKeyId: ApiKeyId,
  kind: Kind,
  name: Name,
  environment: Environment,
  /** Null for server keys, and for client keys that open whatever their scopes open. */
  resource: Schema.NullOr(Resource),
  scopes: Schema.Array(Schema.String),
  replacedBy: Schema.NullOr(ApiKeyId),
  expiresAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  revokedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  revokedReason: Schema.NullOr(Reason),
  /** To the minute: uses are written in batches. */
  lastUsedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * A new key with its secret, `hm_<key id>_<secret>`. The secret is shown only once. A repeated request with the same
 * `Idempotency-Key` gets `null`, because the secret is not stored.
 *
 * @category models
 * @since 0.1.0
 */
export class IssuedKey extends Schema.Class<IssuedKey>("@hypermarket/platform/IssuedKey")({
  apiKey: ApiKey,
  secret: Schema.NullOr(Schema.String)
}) {}

/**
 * The fields of a new key. `kind` is `server` and `environment` is `live` by default; without `expiresAt` it does not expire.
 * Only a client key has a `resource`.
 *
 * @category models
 * @since 0.1.0
 */
export const NewApiKey = Schema.Struct({
  name: Name,
  kind: Schema.optionalKey(Kind),
  environment: Schema.optionalKey(Environment),
  resource: Schema.optionalKey(Resource),
  scopes: Scopes,
  expiresAt: Schema.optionalKey(Instant)
}).check(
  Schema.makeFilter((key) =>
    key.resource !== undefined && key.kind !== "client"
      ? { path: ["resource"], issue: "Expected no resource: only a client key names one" }
      : undefined
  )
)

/**
 * @category models
 * @since 0.1.0
 */
export type NewApiKey = typeof NewApiKey.Type

const overlapSecondsMax = Duration.toSeconds(Duration.days(30))

/**
 * The time for which the old key stays valid, in seconds: 0 to 30 days.
 *
 * @default one day
 *
 * @category models
 * @since 0.1.0
 */
export const Rotation = Schema.Struct({
  overlapSeconds: Schema.optionalKey(BoundedInt.make({ minimum: 0, maximum: overlapSecondsMax }))
})

/**
 * The tenant has no key with this id. Another tenant's key is not found either.
 *
 * @category errors
 * @since 0.1.0
 */
export class ApiKeyNotFound extends HttpApiError.Problem<ApiKeyNotFound>()(
  "ApiKeyNotFound",
  { type: "urn:hypermarket:problem:platform:api-key-not-found", status: 404, title: "No such key" },
  { apiKeyId: Schema.String }
) {}

/**
 * The new key would have scopes that its maker lacks; `scopes` lists them.
 *
 * @category errors
 * @since 0.1.0
 */
export class ScopeTooWide extends HttpApiError.Problem<ScopeTooWide>()(
  "ScopeTooWide",
  {
    type: "urn:hypermarket:problem:platform:scope-too-wide",
    status: 403,
    title: "A key cannot give what it does not have"
  },
  { scopes: Schema.Array(Schema.String) }
) {}

/**
 * The key is revoked or expired: it can be neither rotated nor revoked.
 *
 * @category errors
 * @since 0.1.0
 */
export class ApiKeyInactive extends HttpApiError.Problem<ApiKeyInactive>()(
  "ApiKeyInactive",
  {
    type: "urn:hypermarket:problem:platform:api-key-inactive",
    status: 409,
    title: "The key is revoked or expired"
  },
  { apiKeyId: Schema.String }
) {}
