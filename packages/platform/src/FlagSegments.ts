/**
 * The service of a tenant's segments. A change of a segment raises the revision of every environment.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Audit from "@hypermarket/core/Audit"
import * as Column from "@hypermarket/core/Column"
import * as Condition from "@hypermarket/core/Condition"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { limits } from "./FeatureFlag.ts"
import {
  FlagApprovalRequired,
  FlagInUse,
  FlagInvalid,
  FlagLimitReached,
  type FlagRevisionBusy
} from "./FlagProblems.ts"
import {
  FlagSegment,
  type FlagSegmentChange,
  FlagSegmentExists,
  FlagSegmentNotFound,
  type NewFlagSegment
} from "./FlagSegment.ts"
import * as Approvals from "./flags/approvals.ts"
import { brokenBySegments } from "./flags/check.ts"
import { usesSegment } from "./flags/segmentUse.ts"
import * as Revision from "./flags/revision.ts"
import * as Statements from "./flags/statements.ts"

const Row = Schema.Struct({
  ...FlagSegment.fields,
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
})

const columns = `
  segment_key AS "segmentKey", description, condition, version, recorded_at AS "recordedAt", updated_at AS "updatedAt"
`

const pages = Page.make({
  list: "flagSegments",
  key: Schema.Tuple([Schema.String]),
  keyOf: (segment: FlagSegment) => [segment.segmentKey] as const
})

const decodeCondition = Schema.decodeUnknownResult(Condition.Schema)

type Conditions = ReadonlyMap<string, unknown>

/** Compiles one segment among the others; those that cannot be read are absent. */
const compileOne = (key: string, conditions: Conditions) => {
  const decoded = new Map<string, Condition.Condition>()
  for (const [name, condition] of conditions) {
    const result = decodeCondition(condition)
    if (Result.isSuccess(result)) decoded.set(name, result.success)
  }
  return Condition.compile({ segment: key }, decoded)
}

const isBroken = (key: string, conditions: Conditions): boolean =>
  Result.isFailure(compileOne(key, conditions))

/**
 * Creates, reads, changes and removes segments.
 *
 * A change fails with `FlagInvalid` when the condition does not compile, and with `FlagInUse` when a flag or another segment
 * could no longer be evaluated.
 *
 * @category services
 * @since 0.1.0
 */
export class FlagSegments extends Context.Service<
  FlagSegments,
  {
    readonly create: (
      segment: NewFlagSegment
    ) => Effect.Effect<
      FlagSegment,
      | FlagSegmentExists
      | FlagLimitReached
      | FlagInvalid
      | FlagInUse
      | FlagApprovalRequired
      | FlagRevisionBusy
      | SqlError,
      Tenant
    >
    readonly get: (segmentKey: string) => Effect.Effect<FlagSegment, FlagSegmentNotFound | SqlError, Tenant>
    /** Lists segments in the order of their keys. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<FlagSegment>, Page.CursorInvalid | SqlError, Tenant>
    readonly change: (
      segmentKey: string,
      version: number,
      change: FlagSegmentChange
    ) => Effect.Effect<
      FlagSegment,
      | FlagSegmentNotFound
      | FlagInvalid
      | FlagInUse
      | FlagApprovalRequired
      | FlagRevisionBusy
      | VersionStale
      | SqlError,
      Tenant
    >
    /** Removes a segment that no flag and no other segment uses. */
    readonly remove: (
      segmentKey: string,
      version: number
    ) => Effect.Effect<
      void,
      | FlagSegmentNotFound
      | FlagInvalid
      | FlagInUse
      | FlagApprovalRequired
      | FlagRevisionBusy
      | VersionStale
      | SqlError,
      Tenant
    >
  }
>()("@hypermarket/platform/FlagSegments") {
  static readonly layer: Layer.Layer<FlagSegments, never, SqlClient.SqlClient> = Layer.effect(
    FlagSegments,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const returned = sql.literal(columns)
      const statements = Statements.make(sql)
      const approvals = Approvals.make(sql)
      const revisions = yield* Revision.make(sql)
      const decode = Schema.decodeUnknownEffect(Row)
      const toSegment = (row: unknown) =>
        Effect.orDie(Effect.map(decode(row), (fields) => new FlagSegment(fields)))

      const find = Effect.fnUntraced(function* (segmentKey: string) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${returned}
            FROM hm_platform_flag_segment
           WHERE tenant_id = ${tenant.id} AND segment_key = ${segmentKey}
        `
        return row === undefined ? yield* new FlagSegmentNotFound({ segmentKey }) : yield* toSegment(row)
      })

      const conditions = Effect.gen(function* () {
        const tenant = yield* Tenant
        const rows = yield* sql<{ readonly segmentKey: string; readonly condition: unknown }>`
          SELECT segment_key AS "segmentKey", condition
            FROM hm_platform_flag_segment
           WHERE tenant_id = ${tenant.id}
        `
        return new Map(rows.map((row) => [row.segmentKey, row.condition]))
      })

      /** Fails when `after` breaks the segment itself, another one, or a flag. */
      const check = Effect.fnUntraced(function* (segmentKey: string, before: Conditions, after: Conditions) {
        const tenant = yield* Tenant
        if (after.has(segmentKey)) {
          const compiled = compileOne(segmentKey, after)
          if (Result.isFailure(compiled)) {
            return yield* new FlagInvalid({
              errors: compiled.failure.map(({ message, path }) => ({
                path:
                  path[0] === "segments" && path[1] === segmentKey
                    ? ["condition", ...path.slice(2)]
                    : ["condition", ...path],
                message
              }))
            })
          }
        }
        const segments = Array.from(after.keys()).filter(
          (key) => key !== segmentKey && isBroken(key, after) && !isBroken(key, before)
        )
        const environments = yield* sql<{ readonly environment: string }>`
          SELECT environment
            FROM hm_platform_flag_revision
           WHERE tenant_id = ${tenant.id}
        `
        const names = environments.map(({ environment }) => environment)
        const required = new Set(yield* approvals.requiredIn(names))
        const guarded: Array<string> = []
        const flags = yield* Effect.forEach(names, (environment) =>
          Effect.map(statements.snapshot(environment), (snapshot) => {
            const isUsed =
              required.has(environment) &&
              before.get(segmentKey) !== after.get(segmentKey) &&
              (usesSegment(snapshot.flags, segmentKey, before) ||
                usesSegment(snapshot.flags, segmentKey, after))
            if (isUsed) guarded.push(environment)
            return brokenBySegments({ environment, flags: snapshot.flags, segments: before }, after)
          })
        )
        if (guarded.length > 0) return yield* new FlagApprovalRequired({ environments: guarded.toSorted() })
        const usedBy = Array.from(new Set([...flags.flat(), ...segments])).toSorted()
        if (usedBy.length > 0) return yield* new FlagInUse({ usedBy })
      })

      const create = Effect.fn("FlagSegments.create")(function* (segment: NewFlagSegment) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const write = Effect.gen(function* () {
          yield* revisions.lockAll
          const before = yield* conditions
          if (before.has(segment.segmentKey)) {
            return yield* new FlagSegmentExists({ segmentKey: segment.segmentKey })
          }
          if (before.size >= limits.segmentsMax) {
            return yield* new FlagLimitReached({ limit: limits.segmentsMax })
          }
          yield* check(
            segment.segmentKey,
            before,
            new Map<string, unknown>([...before, [segment.segmentKey, segment.condition]])
          )
          const [row] = yield* sql`
            INSERT INTO hm_platform_flag_segment (tenant_id, segment_key, description, condition, recorded_at, updated_at)
            VALUES (${tenant.id}, ${segment.segmentKey}, ${segment.description ?? null},
                    ${JSON.stringify(segment.condition)}::text::json, ${now}, ${now})
            RETURNING ${returned}
          `
          yield* revisions.raiseAll
          const created = yield* toSegment(row)
          yield* Audit.record({
            action: "segment.created",
            target: { type: "segment", id: segment.segmentKey },
            after: AuditedChange.toJson(created)
          })
          return created
        })
        return yield* transactionOf(sql)(write)
      })

      const get = Effect.fn("FlagSegments.get")(find)

      const list = Effect.fn("FlagSegments.list")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [after] = Option.getOrElse(yield* pages.after(request), () => [""] as const)
        const rows = yield* sql`
          SELECT ${returned}
            FROM hm_platform_flag_segment
           WHERE tenant_id = ${tenant.id} AND segment_key > ${after}
           ORDER BY segment_key
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* pages.page(yield* Effect.forEach(rows, toSegment), request)
      })

      const at = Effect.fnUntraced(function* (segmentKey: string, version: number) {
        yield* revisions.lockAll
        const existing = yield* find(segmentKey)
        return existing.version === version
          ? existing
          : yield* new VersionStale({ currentVersion: existing.version })
      })

      const change = Effect.fn("FlagSegments.change")(function* (
        segmentKey: string,
        version: number,
        changed: FlagSegmentChange
      ) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const write = Effect.gen(function* () {
          const existing = yield* at(segmentKey, version)
          const condition = changed.condition ?? existing.condition
          const description = changed.description === undefined ? existing.description : changed.description
          const before = yield* conditions
          // Without a new condition the stored one, as it is: then no flag changes.
          const checked = changed.condition ?? before.get(segmentKey)
          yield* check(segmentKey, before, new Map<string, unknown>([...before, [segmentKey, checked]]))
          const [row] = yield* sql`
            UPDATE hm_platform_flag_segment
               SET description = ${description}, condition = ${JSON.stringify(condition)}::text::json,
                   version = version + 1, updated_at = ${now}
             WHERE tenant_id = ${tenant.id} AND segment_key = ${segmentKey}
            RETURNING ${returned}
          `
          yield* revisions.raiseAll
          const updated = yield* toSegment(row)
          yield* Audit.record({
            action: "segment.changed",
            target: { type: "segment", id: segmentKey },
            before: AuditedChange.toJson(existing),
            after: AuditedChange.toJson(updated)
          })
          return updated
        })
        return yield* transactionOf(sql)(write)
      })

      const remove = Effect.fn("FlagSegments.remove")(function* (segmentKey: string, version: number) {
        const tenant = yield* Tenant
        const write = Effect.gen(function* () {
          const existing = yield* at(segmentKey, version)
          const before = yield* conditions
          const after = new Map(before)
          after.delete(segmentKey)
          yield* check(segmentKey, before, after)
          yield* sql`
            DELETE FROM hm_platform_flag_segment
             WHERE tenant_id = ${tenant.id} AND segment_key = ${segmentKey}
          `
          yield* revisions.raiseAll
          yield* Audit.record({
            action: "segment.removed",
            target: { type: "segment", id: segmentKey },
            before: AuditedChange.toJson(existing)
          })
        })
        return yield* transactionOf(sql)(write)
      })

      return FlagSegments.of({ create, get, list, change, remove })
    })
  )
}
