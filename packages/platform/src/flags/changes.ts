/** Writes of flags: lock, check, store, version, revision and audit in one transaction. */
import * as Actor from "@hypermarket/core/Actor"
import * as Audit from "@hypermarket/core/Audit"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import { FeatureFlag, FlagDefinition, limits } from "../FeatureFlag.ts"
import { FlagExists, FlagInvalid, FlagLimitReached, FlagNotFound } from "../FlagProblems.ts"
import * as Approvals from "./approvals.ts"
import { checkFlag, kindIssues } from "./check.ts"
import type { StoredFlag } from "./flagSet.ts"
import type * as Revision from "./revision.ts"
import * as Statements from "./statements.ts"

type Fixed = Pick<StoredFlag, "kind" | "salt" | "hashing">

export interface Edit {
  readonly flagKey: string
  readonly definition: FlagDefinition
  /** Where the caller finds what is wrong in an environment. */
  readonly prefix: (environment: string) => ReadonlyArray<string | number>
  readonly reason?: string
  readonly archivedReason?: string
  /** True for a change that a second person has approved, and for a kill: neither waits for one. */
  readonly isApproved?: boolean
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** The environments in which the flag may evaluate otherwise than before. */
const touchedBy = (before: Statements.Existing["flag"], edit: Edit): ReadonlyArray<string> => {
  const environments = new Set([
    ...Object.keys(before.environments),
    ...Object.keys(edit.definition.environments)
  ])
  if (
    edit.archivedReason !== undefined ||
    edit.flagKey !== before.flagKey ||
    !same(edit.definition.variants, before.variants) ||
    !same(edit.definition.metadata, before.metadata)
  ) {
    return Array.from(environments)
  }
  return Array.from(environments).filter(
    (name) => !same(before.environments[name], edit.definition.environments[name])
  )
}

export const make = (sql: SqlClient.SqlClient, revisions: Revision.Revisions) => {
  const statements = Statements.make(sql)
  const approvals = Approvals.make(sql)
  const encodeDefinition = Schema.encodeEffect(Schema.toCodecJson(FlagDefinition))
  const encodeActor = Schema.encodeEffect(Schema.fromJsonString(Actor.Schema))
  type SnapshotOf = typeof statements.snapshot

  const toJson = (definition: FlagDefinition) => Effect.orDie(encodeDefinition(definition))

  const checkKinds = (kind: StoredFlag["kind"], definition: FlagDefinition) => {
    const errors = kindIssues({ kind, variants: definition.variants }).map(({ message, path }) => ({
      path,
      message
    }))
    const missing =
      definition.variants.length === 0
        ? [{ path: ["variants"], message: "Expected at least one variant" }]
        : []
    const all = [...errors, ...missing]
    return all.length === 0 ? Effect.void : Effect.fail(new FlagInvalid({ errors: all }))
  }

  const check = Effect.fnUntraced(function* (
    environments: ReadonlyArray<string>,
    fixed: Fixed,
    edit: Edit,
    replaced: string | undefined,
    snapshotOf: SnapshotOf
  ) {
    for (const environment of environments) {
      const { flags, segments } = yield* snapshotOf(environment)
      const definition = edit.definition.environments[environment]
      const flag: StoredFlag | undefined =
        definition === undefined || edit.archivedReason !== undefined
          ? undefined
          : {
              flagKey: edit.flagKey,
              kind: fixed.kind,
              salt: fixed.salt,
              hashing: fixed.hashing,
              variants: edit.definition.variants,
              metadata: edit.definition.metadata,
              definition
            }
      yield* checkFlag(
        { environment, flags, segments: new Map(Object.entries(segments)) },
        flag,
        replaced,
        edit.prefix(environment)
      )
    }
  })

  const storeEnvironments = Effect.fnUntraced(function* (
    tenantId: string,
    featureId: string,
    definition: FlagDefinition
  ) {
    const states = Object.entries(definition.environments)
    yield* sql`
      DELETE FROM hm_platform_feature_environment
       WHERE tenant_id = ${tenantId} AND feature_id = ${featureId}::uuid
         AND NOT environment = ANY (${states.map(([name]) => name)}::text[])
    `
    yield* sql`
      INSERT INTO hm_platform_feature_environment AS placed (tenant_id, feature_id, environment, is_enabled, definition)
      SELECT ${tenantId}, ${featureId}::uuid, state.environment, state.is_enabled, state.definition::json
        FROM unnest(${states.map(([name]) => name)}::text[],
                    ${states.map(([, state]) => state.isEnabled)}::boolean[],
                    ${states.map(([, state]) => JSON.stringify(state))}::text[])
             AS state (environment, is_enabled, definition)
          ON CONFLICT (tenant_id, feature_id, environment)
          DO UPDATE SET is_enabled = excluded.is_enabled, definition = excluded.definition
    `
  })

  const storeVersion = Effect.fnUntraced(function* (
    tenantId: string,
    featureId: string,
    version: number,
    definition: Schema.Json,
    now: Date
  ) {
    const actor = yield* Effect.orDie(encodeActor(yield* Actor.Actor))
    yield* sql`
      INSERT INTO hm_platform_feature_version (tenant_id, feature_id, version, definition, actor, recorded_at)
      VALUES (${tenantId}, ${featureId}::uuid, ${version}, ${JSON.stringify(definition)}::text::json,
              ${actor}::text::json, ${now})
    `
    yield* sql`
      DELETE FROM hm_platform_feature_version
       WHERE tenant_id = ${tenantId} AND feature_id = ${featureId}::uuid AND version <= ${version - limits.versionsMax}
    `
  })

  const create = (flag: Fixed & { readonly flagKey: string; readonly definition: FlagDefinition }) =>
    transactionOf(sql)(
      Effect.gen(function* () {
        const { definition, flagKey } = flag
        const tenant = yield* Tenant
        const now = yield* Now.now
        yield* checkKinds(flag.kind, definition)
        const environments = Object.keys(definition.environments)
        const edit: Edit = {
          flagKey,
          definition,
          prefix: (environment) => ["environments", environment]
        }
        yield* revisions.lock(environments)
        yield* approvals.refuseIn(environments)
        const count = yield* statements.countActive
        if (count >= limits.flagsMax) return yield* new FlagLimitReached({ limit: limits.flagsMax })
        const featureId = yield* Identifier.next
        const inserted = yield* revisions.waiting(sql`
          INSERT INTO hm_platform_feature (tenant_id, feature_id, flag_key, kind, description, variants, metadata, salt,
                                           hashing, owner, expires_at, status, recorded_at, updated_at)
          VALUES (${tenant.id}, ${featureId}::uuid, ${flagKey}, ${flag.kind}, ${definition.description},
                  ${JSON.stringify(definition.variants)}::text::json,
                  ${JSON.stringify(definition.metadata)}::text::json, ${flag.salt}, ${flag.hashing},
                  ${definition.owner},
                  ${definition.expiresAt === null ? null : DateTime.toDateUtc(definition.expiresAt)},
                  'active', ${now}, ${now})
              ON CONFLICT (tenant_id, flag_key)
           WHERE status = 'active'
              DO NOTHING
          RETURNING 1
        `)
        if (inserted.length === 0) return yield* new FlagExists({ flagKey })
        yield* check(environments, flag, edit, undefined, statements.snapshot)
        yield* storeEnvironments(tenant.id, featureId, definition)
        const after = yield* toJson(definition)
        yield* storeVersion(tenant.id, featureId, 1, after, now)
        yield* revisions.raise(environments)
        yield* Audit.record({ action: "flag.created", target: { type: "flag", id: flagKey }, after })
        return yield* stored(flagKey)
      })
    )

  const stored = (flagKey: string) =>
    Effect.flatMap(statements.find(flagKey), (row) =>
      row === undefined
        ? Effect.die(new Error("The flag that was written is not there"))
        : Effect.succeed(row.flag)
    )

  /** Changes an active flag that is at `version`; at any version without one. */
  const modify = <E, R>(
    flagKey: string,
    version: number | undefined,
    action: string,
    editOf: (existing: Statements.Existing) => Effect.Effect<Edit, E, R>
  ) =>
    transactionOf(sql)(
      Effect.gen(function* () {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const existing = yield* revisions.waiting(statements.lock(flagKey))
        if (existing === undefined) return yield* new FlagNotFound({ flagKey })
        const { featureId, flag } = existing
        if (version !== undefined && flag.version !== version) {
          return yield* new VersionStale({ currentVersion: flag.version })
        }
        const edit = yield* editOf(existing)
        const { archivedReason, definition } = edit
        yield* checkKinds(flag.kind, definition)
        const before = yield* toJson(flag)
        const after = yield* toJson(definition)
        if (same(before, after) && edit.flagKey === flagKey && archivedReason === undefined) return flag
        const touched = touchedBy(flag, edit)
        yield* revisions.lock(touched)
        if (edit.isApproved !== true) yield* approvals.refuseIn(touched)
        yield* check(touched, flag, edit, flagKey, statements.snapshot)
        if (edit.flagKey !== flagKey && (yield* statements.find(edit.flagKey)) !== undefined) {
          return yield* new FlagExists({ flagKey: edit.flagKey })
        }
        const next = flag.version + 1
        yield* sql`
          UPDATE hm_platform_feature
             SET flag_key = ${edit.flagKey}, description = ${definition.description},
                 variants = ${JSON.stringify(definition.variants)}::text::json,
                 metadata = ${JSON.stringify(definition.metadata)}::text::json, owner = ${definition.owner},
                 expires_at = ${definition.expiresAt === null ? null : DateTime.toDateUtc(definition.expiresAt)},
                 version = ${next}, updated_at = ${now}
           WHERE tenant_id = ${tenant.id} AND feature_id = ${featureId}::uuid
        `
        yield* storeEnvironments(tenant.id, featureId, definition)
        yield* storeVersion(tenant.id, featureId, next, after, now)
        const changed = yield* stored(edit.flagKey)
        if (archivedReason !== undefined) {
          yield* sql`
            UPDATE hm_platform_feature
               SET status = 'archived', archived_reason = ${archivedReason}
             WHERE tenant_id = ${tenant.id} AND feature_id = ${featureId}::uuid
          `
        }
        yield* revisions.raise(touched)
        yield* Audit.record({
          action,
          target: { type: "flag", id: flagKey },
          before,
          after: edit.reason === undefined ? after : { definition: after, reason: edit.reason }
        })
        return archivedReason === undefined
          ? changed
          : new FeatureFlag({
              ...changed,
              status: "archived",
              archivedReason
            })
      })
    )

  /**
   * Returns a function that fails where `modify` would fail for the edit of `flag`, which is stored under `storedKey`, and locks
   * and writes nothing. It returns the environments that change. Each environment is read once, however many edits are verified.
   */
  const verifier = (storedKey: string) => {
    const snapshots = new Map<string, Effect.Success<ReturnType<SnapshotOf>>>()
    const snapshotOf: SnapshotOf = Effect.fnUntraced(function* (environment) {
      const existing = snapshots.get(environment)
      if (existing !== undefined) {
        // Between two checks others get their turn: one takes some milliseconds with 2,000 flags.
        yield* Effect.yieldNow
        return existing
      }
      const snapshot = yield* statements.snapshot(environment)
      snapshots.set(environment, snapshot)
      return snapshot
    })
    return Effect.fnUntraced(function* (flag: FeatureFlag, edit: Edit, path: ReadonlyArray<string | number>) {
      yield* Effect.mapError(
        checkKinds(flag.kind, edit.definition),
        ({ errors }) =>
          new FlagInvalid({
            errors: errors.map(({ message, path: field }) => ({ path: [...path, ...field], message }))
          })
      )
      const touched = touchedBy(flag, edit)
      yield* check(touched, flag, edit, storedKey, snapshotOf)
      return touched
    })
  }

  return { create, modify, verifier }
}
