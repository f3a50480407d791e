/**
 * Keys of a tenant: made, listed, rotated with overlap, revoked. A secret is shown once and stored as a hash.
 *
 * @since 0.1.0
 */
import * as Column from "@hypermarket/core/Column"
import * as AccessScope from "@hypermarket/core/AccessScope"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Identifier from "@hypermarket/core/Identifier"
import { now } from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import type { TenantId } from "@hypermarket/core/Tenant"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as KeyText from "./internal/keyText.ts"

/**
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

const scopesMax = 64
const Name = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200))
const Environment = Schema.String.check(
  Schema.isPattern(/^[a-z0-9_-]{1,64}$/, { message: "Expected 1 to 64 of a-z, 0-9, - and _" })
)
const Scopes = Schema.Array(AccessScope.AccessScope).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(scopesMax)
)
const Reason = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(500))

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
 * A key just made, with the only showing of its secret: `hm_<key id>_<secret>`. The answer to a repeated request with
 * the same `Idempotency-Key` carries null instead: the secret is not stored anywhere.
 *
 * @category models
 * @since 0.1.0
 */
export class IssuedKey extends Schema.Class<IssuedKey>("@hypermarket/platform/IssuedKey")({
  apiKey: ApiKey,
  secret: Schema.NullOr(Schema.String)
}) {}

/**
 * @category models
 * @since 0.1.0
 */
export const NewApiKey = Schema.Struct({
  name: Name,
  kind: Schema.optionalKey(Kind),
  environment: Schema.optionalKey(Environment),
  scopes: Scopes,
  expiresAt: Schema.optionalKey(Schema.DateTimeUtcFromString)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewApiKey = typeof NewApiKey.Type

const overlapSecondsMax = Duration.toSeconds(Duration.days(30))

/**
 * How long the old key goes on working: 0 to 30 days, a day by default.
 *
 * @category models
 * @since 0.1.0
 */
export const Rotation = Schema.Struct({
  overlapSeconds: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: overlapSecondsMax }))
  )
})

const overlapSecondsDefault = Duration.toSeconds(Duration.days(1))

/**
 * @category errors
 * @since 0.1.0
 */
export class ApiKeyNotFound extends HttpApiError.Problem<ApiKeyNotFound>()(
  "ApiKeyNotFound",
  { type: "urn:hypermarket:problem:platform:api-key-not-found", status: 404, title: "No such key" },
  { apiKeyId: Schema.String }
) {}

/**
 * A key cannot make a key that may more than itself.
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

const Row = Schema.Struct({
  apiKeyId: ApiKeyId,
  kind: Kind,
  name: Name,
  environment: Environment,
  scopes: Schema.Array(Schema.String),
  replacedBy: Schema.NullOr(ApiKeyId),
  expiresAt: Schema.NullOr(Column.Timestamp),
  revokedAt: Schema.NullOr(Column.Timestamp),
  revokedReason: Schema.NullOr(Reason),
  lastUsedAt: Schema.NullOr(Column.Timestamp),
  version: Schema.Int,
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
})

const columns = `
  api_key_id::text AS "apiKeyId", kind, name, environment, scopes, replaced_by::text AS "replacedBy",
  expires_at AS "expiresAt", revoked_at AS "revokedAt", revoked_reason AS "revokedReason",
  last_used_at AS "lastUsedAt", version, recorded_at AS "recordedAt", updated_at AS "updatedAt"
`

/**
 * Who makes a key: another key, whose scopes bound it, or an operator at the database.
 *
 * @category models
 * @since 0.1.0
 */
export type Grantor = { readonly scopes: ReadonlySet<string> } | "operator"

const pages = Page.make({
  key: Schema.Tuple([ApiKeyId]),
  keyOf: (key: ApiKey) => [key.apiKeyId] as const
})

/** Greater than every UUID: the first page of a descending listing starts after it. */
const afterAll = "ffffffff-ffff-ffff-ffff-ffffffffffff"

const checkGrant = (grantor: Grantor, scopes: Iterable<string>) => {
  const beyond = grantor === "operator" ? [] : AccessScope.missing(grantor.scopes, scopes)
  return beyond.length === 0 ? Effect.void : Effect.fail(new ScopeTooWide({ scopes: beyond }))
}

/**
 * @category services
 * @since 0.1.0
 */
export class ApiKeys extends Context.Service<
  ApiKeys,
  {
    readonly create: (
      key: NewApiKey,
      grantor: Grantor
    ) => Effect.Effect<IssuedKey, ScopeTooWide | SqlError, Tenant>
    /** The tenant-less credential with the scope `system:admin`. */
    readonly createSystem: (name: string) => Effect.Effect<IssuedKey, SqlError, AllTenants>
    readonly get: (apiKeyId: ApiKeyId) => Effect.Effect<ApiKey, ApiKeyNotFound | SqlError, Tenant>
    /** Newest first, revoked and expired ones included. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<ApiKey>, Page.CursorInvalid | SqlError, Tenant>
    /** A new key with the same name, kind, scopes and lifetime; the old one expires after the overlap. */
    readonly rotate: (
      apiKeyId: ApiKeyId,
      version: number,
      rotation: typeof Rotation.Type,
      grantor: Grantor
    ) => Effect.Effect<
      IssuedKey,
      ApiKeyNotFound | ApiKeyInactive | ScopeTooWide | VersionStale | SqlError,
      Tenant
    >
    /** Takes effect within 5 seconds in every process. Revoking twice is an `ApiKeyInactive`. */
    readonly revoke: (
      apiKeyId: ApiKeyId,
      version: number,
      reason: string
    ) => Effect.Effect<ApiKey, ApiKeyNotFound | ApiKeyInactive | VersionStale | SqlError, Tenant>
  }
>()("@hypermarket/platform/ApiKeys") {
  static readonly layer: Layer.Layer<ApiKeys, never, SqlClient.SqlClient> = Layer.effect(
    ApiKeys,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const returned = sql.literal(columns)
      const decode = Schema.decodeUnknownEffect(Row)
      const toKey = (row: unknown) => Effect.orDie(Effect.map(decode(row), (decoded) => new ApiKey(decoded)))

      const insert = Effect.fnUntraced(function* (
        tenantId: TenantId | null,
        key: NewApiKey | (Omit<NewApiKey, "scopes"> & { readonly scopes: ReadonlyArray<string> })
      ) {
        const moment = yield* now
        const apiKeyId = yield* Identifier.next
        const secret = KeyText.newSecret()
        const [row] = yield* sql`
          INSERT INTO hm_api_key (api_key_id, tenant_id, kind, name, environment, scopes, secret_hash, expires_at,
                                  recorded_at, updated_at)
          VALUES (${apiKeyId}::uuid, ${tenantId}, ${key.kind ?? "server"}, ${key.name}, ${key.environment ?? "live"},
                  ${Array.from(new Set(key.scopes))}::text[], ${yield* KeyText.hash(secret)},
                  ${key.expiresAt === undefined ? null : DateTime.toDateUtc(key.expiresAt)}, ${moment}, ${moment})
          RETURNING ${returned}
        `
        return new IssuedKey({
          apiKey: yield* toKey(row),
          secret: Redacted.value(KeyText.format(apiKeyId, secret))
        })
      })

      /** The row, locked, at the version the caller has seen. */
      const lockAt = Effect.fnUntraced(function* (apiKeyId: ApiKeyId, version: number, moment: Date) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${returned}
            FROM hm_api_key
           WHERE tenant_id = ${tenant.id} AND api_key_id = ${apiKeyId}::uuid
             FOR UPDATE
        `
        if (row === undefined) return yield* new ApiKeyNotFound({ apiKeyId })
        const key = yield* toKey(row)
        if (key.version !== version) return yield* new VersionStale({ currentVersion: key.version })
        const isExpired = key.expiresAt !== null && DateTime.toEpochMillis(key.expiresAt) <= moment.getTime()
        if (isExpired || key.revokedAt !== null) return yield* new ApiKeyInactive({ apiKeyId })
        return key
      })

      const create = Effect.fn("ApiKeys.create")(function* (key: NewApiKey, grantor: Grantor) {
        const tenant = yield* Tenant
        const reserved = key.scopes.filter((scope) => scope.startsWith("system:"))
        if (reserved.length > 0) return yield* new ScopeTooWide({ scopes: reserved })
        yield* checkGrant(grantor, key.scopes)
        return yield* insert(tenant.id, key)
      })

      const createSystem = Effect.fn("ApiKeys.createSystem")(function* (name: string) {
        yield* AllTenants
        return yield* insert(null, { name, scopes: [AccessScope.systemAdmin] })
      })

      const get = Effect.fn("ApiKeys.get")(function* (apiKeyId: ApiKeyId) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${returned}
            FROM hm_api_key
           WHERE tenant_id = ${tenant.id} AND api_key_id = ${apiKeyId}::uuid
        `
        if (row === undefined) return yield* new ApiKeyNotFound({ apiKeyId })
        return yield* toKey(row)
      })

      const list = Effect.fn("ApiKeys.list")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [after] = Option.getOrElse(yield* pages.after(request), () => [afterAll] as const)
        const rows = yield* sql`
          SELECT ${returned}
            FROM hm_api_key
           WHERE tenant_id = ${tenant.id} AND api_key_id < ${after}::uuid
           ORDER BY api_key_id DESC
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* pages.page(yield* Effect.forEach(rows, toKey), request)
      })

      const rotate = Effect.fn("ApiKeys.rotate")(function* (
        apiKeyId: ApiKeyId,
        version: number,
        rotation: typeof Rotation.Type,
        grantor: Grantor
      ) {
        const moment = yield* now
        const write = Effect.gen(function* () {
          const tenant = yield* Tenant
          const old = yield* lockAt(apiKeyId, version, moment)
          yield* checkGrant(grantor, old.scopes)
          const { expiresAt, ...rest } = old
          // A successor lives as long as its predecessor was made to live.
          const lifetimeMillis =
            expiresAt === null
              ? 0
              : DateTime.toEpochMillis(expiresAt) - DateTime.toEpochMillis(old.recordedAt)
          const renewed = DateTime.makeUnsafe(moment.getTime() + lifetimeMillis)
          const issued = yield* insert(tenant.id, expiresAt === null ? rest : { ...rest, expiresAt: renewed })
          const overlapMillis = (rotation.overlapSeconds ?? overlapSecondsDefault) * 1000
          yield* sql`
            UPDATE hm_api_key
               SET expires_at = least(expires_at, ${new Date(moment.getTime() + overlapMillis)}::timestamptz),
                   replaced_by = ${issued.apiKey.apiKeyId}::uuid, version = version + 1, updated_at = ${moment}
             WHERE tenant_id = ${tenant.id} AND api_key_id = ${apiKeyId}::uuid
          `
          return issued
        })
        return yield* transactionOf(sql)(write)
      })

      const revoke = Effect.fn("ApiKeys.revoke")(function* (
        apiKeyId: ApiKeyId,
        version: number,
        reason: string
      ) {
        const moment = yield* now
        const write = Effect.gen(function* () {
          const tenant = yield* Tenant
          yield* lockAt(apiKeyId, version, moment)
          const [row] = yield* sql`
            UPDATE hm_api_key
               SET revoked_at = ${moment}, revoked_reason = ${reason}, version = version + 1, updated_at = ${moment}
             WHERE tenant_id = ${tenant.id} AND api_key_id = ${apiKeyId}::uuid
            RETURNING ${returned}
          `
          return yield* toKey(row)
        })
        return yield* transactionOf(sql)(write)
      })

      return ApiKeys.of({ create, createSystem, get, list, rotate, revoke })
    })
  )
}
