/**
 * The service of a tenant's keys: creates, lists, rotates with overlap, revokes. A secret is shown once and stored as a
 * hash.
 *
 * @since 0.1.0
 */
import * as Audit from "@hypermarket/core/Audit"
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as AccessScope from "@hypermarket/core/AccessScope"
import * as Column from "@hypermarket/core/Column"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import type { TenantId } from "@hypermarket/core/Tenant"
import { AllTenants, system, Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import {
  ApiKey,
  ApiKeyId,
  ApiKeyInactive,
  ApiKeyNotFound,
  IssuedKey,
  type NewApiKey,
  type Resource,
  type Rotation,
  ScopeTooWide
} from "./ApiKey.ts"
import * as KeyResource from "./internal/keyResource.ts"
import * as KeyText from "./internal/keyText.ts"

/** Validity of the old key after a rotation when the caller names none: a day is enough to deploy the new key. */
const overlapSecondsDefault = Duration.toSeconds(Duration.days(1))

const Row = Schema.Struct({
  ...ApiKey.fields,
  resource: Schema.NullOr(Schema.String),
  expiresAt: Schema.NullOr(Column.Timestamp),
  revokedAt: Schema.NullOr(Column.Timestamp),
  lastUsedAt: Schema.NullOr(Column.Timestamp),
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
})

const columns = `
  api_key_id::text AS "apiKeyId", kind, name, environment, resource, scopes, replaced_by::text AS "replacedBy",
  expires_at AS "expiresAt", revoked_at AS "revokedAt", revoked_reason AS "revokedReason",
  (SELECT last_used_at FROM hm_api_key_use AS used WHERE used.api_key_id = hm_api_key.api_key_id) AS "lastUsedAt", version, recorded_at AS "recordedAt", updated_at AS "updatedAt"
`

/**
 * The maker of a key: another key, whose scopes bound the new key's, or an operator at the database.
 *
 * @category models
 * @since 0.1.0
 */
export type Grantor = { readonly scopes: ReadonlySet<string> } | "operator"

const pages = Page.make({
  list: "platform.keys",
  key: Schema.Tuple([ApiKeyId]),
  keyOf: (key: ApiKey) => [key.apiKeyId] as const
})

const checkGrant = (grantor: Grantor, scopes: Iterable<string>) => {
  const beyond = grantor === "operator" ? [] : AccessScope.missing(grantor.scopes, scopes)
  return beyond.length === 0 ? Effect.void : Effect.fail(new ScopeTooWide({ scopes: beyond }))
}

/**
 * Creates, reads, rotates and revokes keys.
 *
 * @category services
 * @since 0.1.0
 */
export class ApiKeys extends Context.Service<
  ApiKeys,
  {
    /** Creates a key of the tenant. Fails with `ScopeTooWide` when the grantor lacks one of the scopes. */
    readonly create: (
      key: NewApiKey,
      grantor: Grantor
    ) => Effect.Effect<IssuedKey, ScopeTooWide | SqlError, Tenant>
    /** Creates the tenant-less credential with the scope `system:admin`. */
    readonly createSystem: (
      name: string,
      /** @default never */
      expiresAt?: DateTime.Utc
    ) => Effect.Effect<IssuedKey, SqlError, AllTenants>
    readonly get: (apiKeyId: ApiKeyId) => Effect.Effect<ApiKey, ApiKeyNotFound | SqlError, Tenant>
    /** Lists the newest first, including revoked and expired keys. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<ApiKey>, Page.CursorInvalid | SqlError, Tenant>
    /** Creates a key with the same name, kind, environment, resource, scopes and lifetime; the old key expires after the overlap. */
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
    /** Revokes a key, in every process within 5 seconds. Revoking it twice fails with `ApiKeyInactive`. */
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
      const toKey = (row: unknown) =>
        Effect.orDie(
          Effect.map(
            decode(row),
            (decoded) => new ApiKey({ ...decoded, resource: KeyResource.parse(decoded.resource) })
          )
        )

      const insert = Effect.fnUntraced(function* (
        tenantId: TenantId | null,
        key: Omit<NewApiKey, "resource" | "scopes"> & {
          readonly resource?: Resource | null
          readonly scopes: ReadonlyArray<string>
        }
      ) {
        const now = yield* Now.now
        const apiKeyId = yield* Identifier.next
        const secret = KeyText.newSecret()
        const [row] = yield* sql`
          INSERT INTO hm_api_key (api_key_id, tenant_id, kind, name, environment, resource, scopes, secret_hash,
                                  expires_at, recorded_at, updated_at)
          VALUES (${apiKeyId}::uuid, ${tenantId}, ${key.kind ?? "server"}, ${key.name}, ${key.environment ?? "live"},
                  ${KeyResource.format(key.resource)}, ${Array.from(new Set(key.scopes))}::text[], ${yield* KeyText.hash(secret)},
                  ${key.expiresAt === undefined ? null : DateTime.toDateUtc(key.expiresAt)}, ${now}, ${now})
          RETURNING ${returned}
        `
        return new IssuedKey({
          apiKey: yield* toKey(row),
          secret: Redacted.value(KeyText.format(apiKeyId, secret))
        })
      })

      /** Locks the row and checks that it is at the version that the caller has seen. */
      const lockAt = Effect.fnUntraced(function* (apiKeyId: ApiKeyId, version: number, now: Date) {
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
        const isExpired = key.expiresAt !== null && DateTime.toEpochMillis(key.expiresAt) <= now.getTime()
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

      const createSystem = Effect.fn("ApiKeys.createSystem")(function* (
        name: string,
        expiresAt?: DateTime.Utc
      ) {
        yield* AllTenants
        return yield* insert(null, {
          name,
          scopes: [AccessScope.systemAdmin],
          ...(expiresAt === undefined ? {} : { expiresAt })
        })
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
        const [after] = Option.getOrElse(yield* pages.after(request), () => [Page.lastUuid] as const)
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
        const now = yield* Now.now
        const write = Effect.gen(function* () {
          const tenant = yield* Tenant
          const old = yield* lockAt(apiKeyId, version, now)
          yield* checkGrant(grantor, old.scopes)
          const { expiresAt, ...rest } = old
          // A successor lives as long as its predecessor was made to live.
          const lifetimeMillis =
            expiresAt === null
              ? 0
              : DateTime.toEpochMillis(expiresAt) - DateTime.toEpochMillis(old.recordedAt)
          const renewed = DateTime.makeUnsafe(now.getTime() + lifetimeMillis)
          const issued = yield* insert(tenant.id, expiresAt === null ? rest : { ...rest, expiresAt: renewed })
          const overlapMillis = (rotation.overlapSeconds ?? overlapSecondsDefault) * 1000
          yield* sql`
            UPDATE hm_api_key
               SET expires_at = least(expires_at, ${new Date(now.getTime() + overlapMillis)}::timestamptz),
                   replaced_by = ${issued.apiKey.apiKeyId}::uuid, version = version + 1, updated_at = ${now}
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
        const now = yield* Now.now
        const write = Effect.gen(function* () {
          const tenant = yield* Tenant
          yield* lockAt(apiKeyId, version, now)
          const [row] = yield* sql`
            UPDATE hm_api_key
               SET revoked_at = ${now}, revoked_reason = ${reason}, version = version + 1, updated_at = ${now}
             WHERE tenant_id = ${tenant.id} AND api_key_id = ${apiKeyId}::uuid
            RETURNING ${returned}
          `
          return yield* toKey(row)
        })
        return yield* transactionOf(sql)(write)
      })

      const targetOf = ({ apiKeyId }: { readonly apiKeyId: string }) => ({ type: "key", id: apiKeyId })

      return ApiKeys.of({
        // The secret is not part of the key, and never enters the log.
        create: (key, grantor) =>
          AuditedChange.change(sql, create(key, grantor), {
            action: "key.created",
            target: ({ apiKey }) => targetOf(apiKey),
            after: ({ apiKey }) => apiKey
          }),
        createSystem: (name, expiresAt) =>
          AuditedChange.change(sql, createSystem(name, expiresAt), {
            action: "key.created",
            target: ({ apiKey }) => targetOf(apiKey),
            after: ({ apiKey }) => apiKey
          }).pipe(Audit.inLogOf(system)),
        get,
        list,
        rotate: (apiKeyId, version, rotation, grantor) =>
          AuditedChange.change(sql, rotate(apiKeyId, version, rotation, grantor), {
            action: "key.rotated",
            target: targetOf({ apiKeyId }),
            before: get(apiKeyId),
            after: ({ apiKey }) => ({ replacedBy: apiKey.apiKeyId, expiresAt: apiKey.expiresAt })
          }),
        revoke: (apiKeyId, version, reason) =>
          AuditedChange.change(sql, revoke(apiKeyId, version, reason), {
            action: "key.revoked",
            target: targetOf({ apiKeyId }),
            before: get(apiKeyId),
            after: (key) => key
          })
      })
    })
  )
}
