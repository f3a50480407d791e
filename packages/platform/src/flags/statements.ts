/** Statements on flags. Each finds rows by key. */
import * as Column from "@hypermarket/core/Column"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import { FeatureFlag, FlagDefinition, FlagVersion } from "../FeatureFlag.ts"
import { StoredFlag } from "./flagSet.ts"

const Row = Schema.Struct({
  featureId: Schema.String,
  ...FeatureFlag.fields,
  expiresAt: Schema.NullOr(Column.Timestamp),
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
})
const VersionRow = Schema.Struct({
  ...FlagVersion.fields,
  definition: FlagDefinition,
  recordedAt: Column.Timestamp
})

/** The environments are one object, so that a flag is one row and one snapshot. */
const columns = `
  feature.feature_id::text AS "featureId", feature.flag_key AS "flagKey", feature.kind, feature.description,
  feature.variants, feature.metadata, feature.salt, feature.hashing, feature.owner, feature.expires_at AS "expiresAt", feature.status,
  feature.archived_reason AS "archivedReason", feature.version, feature.recorded_at AS "recordedAt",
  feature.updated_at AS "updatedAt",
  coalesce((SELECT json_object_agg(placed.environment, placed.definition)
              FROM hm_platform_feature_environment AS placed
             WHERE placed.tenant_id = feature.tenant_id AND placed.feature_id = feature.feature_id), '{}')
    AS environments
`

export interface Existing {
  readonly featureId: string
  readonly flag: FeatureFlag
}

const Snapshot = Schema.Struct({
  flags: Schema.Array(StoredFlag),
  segments: Schema.Record(Schema.String, Schema.Unknown)
})

const TenantSnapshot = Schema.Struct({
  /** Text: JSON's numbers end at 2^53. */
  revisions: Schema.Record(Schema.String, Schema.BigIntFromString),
  flags: Schema.Array(Schema.Struct({ ...StoredFlag.fields, environment: Schema.String })),
  segments: Schema.Record(Schema.String, Schema.Unknown)
})
export type TenantSnapshot = typeof TenantSnapshot.Type

export const make = (sql: SqlClient.SqlClient) => {
  const returned = sql.literal(columns)
  const decode = Schema.decodeUnknownEffect(Row)
  const decodeVersion = Schema.decodeUnknownEffect(VersionRow)
  const decodeSnapshot = Schema.decodeUnknownEffect(Snapshot)
  const decodeTenantSnapshot = Schema.decodeUnknownEffect(TenantSnapshot)

  const toFlag = (row: unknown): Effect.Effect<Existing> =>
    Effect.orDie(
      Effect.map(decode(row), ({ featureId, ...fields }) => ({ featureId, flag: new FeatureFlag(fields) }))
    )

  const find = Effect.fnUntraced(function* (flagKey: string) {
    const tenant = yield* Tenant
    const [row] = yield* sql`
      SELECT ${returned}
        FROM hm_platform_feature AS feature
       WHERE feature.tenant_id = ${tenant.id} AND feature.flag_key = ${flagKey} AND feature.status = 'active'
    `
    return row === undefined ? undefined : yield* toFlag(row)
  })

  const identified = Effect.fnUntraced(function* (featureId: string) {
    const tenant = yield* Tenant
    const [row] = yield* sql<{ readonly flagKey: string; readonly version: number }>`
      SELECT flag_key AS "flagKey", version
        FROM hm_platform_feature
       WHERE tenant_id = ${tenant.id} AND feature_id = ${featureId}::uuid AND status = 'active'
    `
    return row
  })

  /** The key of an active flag: a rename may have changed it. */
  const keyOf = (featureId: string) => Effect.map(identified(featureId), (row) => row?.flagKey)

  const versionNow = (featureId: string) => Effect.map(identified(featureId), (row) => row?.version)

  /** Locks the row of an active flag. What it holds is read by the next statement, after the wait. */
  const lock = Effect.fnUntraced(function* (flagKey: string) {
    const tenant = yield* Tenant
    yield* sql`
      SELECT 1
        FROM hm_platform_feature
       WHERE tenant_id = ${tenant.id} AND flag_key = ${flagKey} AND status = 'active'
         FOR UPDATE
    `
    return yield* find(flagKey)
  })

  const list = Effect.fnUntraced(function* (afterKey: string, limit: number) {
    const tenant = yield* Tenant
    const rows = yield* sql`
      SELECT ${returned}
        FROM hm_platform_feature AS feature
       WHERE feature.tenant_id = ${tenant.id} AND feature.flag_key > ${afterKey} AND feature.status = 'active'
       ORDER BY feature.flag_key
       LIMIT ${limit}
    `
    return yield* Effect.forEach(rows, toFlag)
  })

  const countActive = Effect.gen(function* () {
    const tenant = yield* Tenant
    const [row] = yield* sql<{ readonly count: number }>`
      SELECT count(*)::int AS count
        FROM hm_platform_feature
       WHERE tenant_id = ${tenant.id} AND status = 'active'
    `
    return row?.count ?? 0
  })

  const version = Effect.fnUntraced(function* (featureId: string, number: number) {
    const tenant = yield* Tenant
    const [row] = yield* sql`
      SELECT version, definition, actor, recorded_at AS "recordedAt"
        FROM hm_platform_feature_version
       WHERE tenant_id = ${tenant.id} AND feature_id = ${featureId}::uuid AND version = ${number}
    `
    return row === undefined
      ? undefined
      : yield* Effect.orDie(Effect.map(decodeVersion(row), (fields) => new FlagVersion(fields)))
  })

  const versions = Effect.fnUntraced(function* (featureId: string, before: number, limit: number) {
    const tenant = yield* Tenant
    const rows = yield* sql`
      SELECT version, definition, actor, recorded_at AS "recordedAt"
        FROM hm_platform_feature_version
       WHERE tenant_id = ${tenant.id} AND feature_id = ${featureId}::uuid AND version < ${before}
       ORDER BY version DESC
       LIMIT ${limit}
    `
    return yield* Effect.forEach(rows, (row) =>
      Effect.orDie(Effect.map(decodeVersion(row), (fields) => new FlagVersion(fields)))
    )
  })

  /** The flags of an environment and the segments, as a change under the environment's lock finds them. */
  const snapshot = Effect.fnUntraced(function* (environment: string) {
    const tenant = yield* Tenant
    const [row] = yield* sql`
      SELECT coalesce((
               SELECT json_agg(json_build_object(
                                'flagKey', feature.flag_key, 'kind', feature.kind, 'variants', feature.variants,
                                'metadata', feature.metadata,
                                'salt', feature.salt, 'hashing', feature.hashing, 'definition', placed.definition))
                         FROM hm_platform_feature AS feature
                         JOIN hm_platform_feature_environment AS placed
                           ON placed.tenant_id = feature.tenant_id AND placed.feature_id = feature.feature_id
                        WHERE feature.tenant_id = ${tenant.id} AND feature.status = 'active'
                          AND placed.environment = ${environment}), '[]') AS flags,
             coalesce((SELECT json_object_agg(segment_key, condition)
                         FROM hm_platform_flag_segment
                        WHERE tenant_id = ${tenant.id}), '{}') AS segments
    `
    return yield* Effect.orDie(decodeSnapshot(row))
  })

  /** Every environment of the tenant, its flags and the segments: one statement, and so one snapshot. */
  const tenantSnapshot = Effect.gen(function* () {
    const tenant = yield* Tenant
    const [row] = yield* sql`
      SELECT coalesce((
               SELECT json_object_agg(environment, revision::text)
                         FROM hm_platform_flag_revision
                        WHERE tenant_id = ${tenant.id}), '{}') AS revisions,
             coalesce((SELECT json_agg(json_build_object(
                                'environment', placed.environment, 'flagKey', feature.flag_key, 'kind', feature.kind,
                                'variants', feature.variants, 'metadata', feature.metadata, 'salt', feature.salt,
                                'hashing', feature.hashing, 'definition', placed.definition))
                         FROM hm_platform_feature AS feature
                         JOIN hm_platform_feature_environment AS placed
                           ON placed.tenant_id = feature.tenant_id AND placed.feature_id = feature.feature_id
                        WHERE feature.tenant_id = ${tenant.id} AND feature.status = 'active'), '[]') AS flags,
             coalesce((SELECT json_object_agg(segment_key, condition)
                         FROM hm_platform_flag_segment
                        WHERE tenant_id = ${tenant.id}), '{}') AS segments
    `
    return yield* Effect.orDie(decodeTenantSnapshot(row))
  })

  /** Grows with every change of any environment, because each revision only grows. */
  const tenantRevision = Effect.gen(function* () {
    const tenant = yield* Tenant
    const [row] = yield* sql<{ readonly revision: string }>`
      SELECT coalesce(sum(revision), 0)::text AS revision
        FROM hm_platform_flag_revision
       WHERE tenant_id = ${tenant.id}
    `
    return BigInt(row?.revision ?? "0")
  })

  const revision = Effect.fnUntraced(function* (environment: string) {
    const tenant = yield* Tenant
    const [row] = yield* sql<{ readonly revision: string }>`
      SELECT revision::text AS revision
        FROM hm_platform_flag_revision
       WHERE tenant_id = ${tenant.id} AND environment = ${environment}
    `
    return BigInt(row?.revision ?? "0")
  })

  return {
    find,
    keyOf,
    versionNow,
    lock,
    list,
    countActive,
    version,
    versions,
    snapshot,
    tenantSnapshot,
    tenantRevision,
    revision
  }
}
