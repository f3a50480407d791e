/** Rows of change requests. */
import * as Actor from "@hypermarket/core/Actor"
import * as Column from "@hypermarket/core/Column"
import { Tenant } from "@hypermarket/core/Tenant"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import { FlagChangeRequest, FlagStep, limits, type NewFlagChangeRequest } from "../FlagChangeRequest.ts"
import * as BatchedDelete from "../internal/batchedDelete.ts"

const Row = Schema.Struct({
  featureId: Schema.String,
  ...FlagChangeRequest.fields,
  dueAt: Schema.NullOr(Column.Timestamp),
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
})

const columns = `
  request.request_id::text AS "requestId", request.feature_id::text AS "featureId", request.flag_key AS "flagKey",
  request.description, request.base_version AS "baseVersion", request.steps, request.steps_done AS "stepsDone",
  request.status, request.reason, request.due_at AS "dueAt", request.author, request.approver,
  request.recorded_at AS "recordedAt", request.updated_at AS "updatedAt"
`

export interface StoredRequest {
  readonly featureId: string
  readonly request: FlagChangeRequest
}

/** A request that is due, or the id of one that this release cannot read. */
export type Due = StoredRequest | { readonly unreadable: string }

export const dateOf = (step: FlagStep | undefined): Date | null =>
  step?.at === undefined ? null : DateTime.toDateUtc(step.at)

/** Ended requests are kept this long, in days: a change of last year's sale can be looked up. */
const keptDays = 400

export const make = (sql: SqlClient.SqlClient) => {
  const returned = sql.literal(columns)
  const decode = Schema.decodeUnknownEffect(Row)
  const encodeActor = Schema.encodeEffect(Schema.fromJsonString(Actor.Schema))
  const encodeSteps = Schema.encodeEffect(Schema.fromJsonString(Schema.toCodecJson(Schema.Array(FlagStep))))

  const read = (row: unknown) =>
    Effect.map(decode(row), ({ featureId, ...fields }): StoredRequest => ({
      featureId,
      request: new FlagChangeRequest(fields)
    }))
  const toRequest = (row: unknown) => Effect.orDie(read(row))

  const insert = Effect.fnUntraced(function* (
    request: NewFlagChangeRequest & {
      readonly requestId: string
      readonly featureId: string
      readonly status: "pending" | "scheduled"
    },
    now: Date
  ) {
    const tenant = yield* Tenant
    const author = yield* Effect.orDie(encodeActor(yield* Actor.Actor))
    const steps = yield* Effect.orDie(encodeSteps(request.steps))
    const [row] = yield* sql`
      INSERT INTO hm_platform_flag_request AS request
                  (tenant_id, request_id, feature_id, flag_key, description, base_version, steps, status, due_at, author,
                   recorded_at, updated_at)
      VALUES (${tenant.id}, ${request.requestId}::uuid, ${request.featureId}::uuid, ${request.flagKey},
              ${request.description ?? null}, ${request.baseVersion}, ${steps}::text::json, ${request.status},
              ${dateOf(request.steps[0])}, ${author}::text::json, ${now}, ${now})
      RETURNING ${returned}
    `
    return (yield* toRequest(row)).request
  })

  /** Holds the number of the tenant's open requests until the transaction ends: no other one is added. */
  const lockCount = Effect.gen(function* () {
    const tenant = yield* Tenant
    yield* sql`
      SELECT pg_advisory_xact_lock(hashtextextended(concat_ws(' ', current_schema(), 'hm_platform_flag_request', ${tenant.id}::text), 0))::text
    `
  })

  /** Counts open requests up to the limit. */
  const countOpen = Effect.gen(function* () {
    const tenant = yield* Tenant
    const [row] = yield* sql<{ readonly count: number }>`
      SELECT count(*)::integer AS count
        FROM (
               SELECT 1
                 FROM hm_platform_flag_request
                WHERE tenant_id = ${tenant.id} AND status IN ('pending', 'scheduled')
                LIMIT ${limits.openMax}
             ) AS open
    `
    return row?.count ?? 0
  })

  const find = Effect.fnUntraced(function* (requestId: string) {
    const tenant = yield* Tenant
    const [row] = yield* sql`
      SELECT ${returned}
        FROM hm_platform_flag_request AS request
       WHERE request.tenant_id = ${tenant.id} AND request.request_id = ${requestId}::uuid
    `
    return row === undefined ? undefined : yield* toRequest(row)
  })

  const lock = Effect.fnUntraced(function* (requestId: string) {
    const tenant = yield* Tenant
    yield* sql`
      SELECT 1
        FROM hm_platform_flag_request
       WHERE tenant_id = ${tenant.id} AND request_id = ${requestId}::uuid
         FOR UPDATE
    `
    return yield* find(requestId)
  })

  const list = Effect.fnUntraced(function* (before: string, status: string | undefined, limit: number) {
    const tenant = yield* Tenant
    const rows = yield* sql`
      SELECT ${returned}
        FROM hm_platform_flag_request AS request
       WHERE request.tenant_id = ${tenant.id} AND request.request_id < ${before}::uuid
         AND (${status ?? null}::text IS NULL OR request.status = ${status ?? null})
       ORDER BY request.request_id DESC
       LIMIT ${limit}
    `
    return (yield* Effect.forEach(rows, toRequest)).map(({ request }) => request)
  })

  /** Tenants with a request that is due. */
  const dueTenants = (now: Date) => sql<{ readonly tenantId: string }>`
    SELECT DISTINCT tenant_id AS "tenantId"
      FROM hm_platform_flag_request
     WHERE status = 'scheduled' AND due_at <= ${now}
  `

  /** Locks the tenant's request whose time came first, of those that are not left out. */
  const lockNextDue = Effect.fnUntraced(function* (now: Date, left: ReadonlyArray<string>) {
    const tenant = yield* Tenant
    const [row] = yield* sql<{ readonly requestId: string }>`
      SELECT ${returned}
        FROM hm_platform_flag_request AS request
       WHERE request.tenant_id = ${tenant.id} AND request.status = 'scheduled' AND request.due_at <= ${now}
         AND NOT request.request_id = ANY (${left}::uuid[])
       ORDER BY request.due_at, request.request_id
       LIMIT 1
         FOR UPDATE
    `
    if (row === undefined) return undefined
    return Option.getOrElse(yield* Effect.option(read(row)), (): Due => ({ unreadable: row.requestId }))
  })

  const update = Effect.fnUntraced(function* (
    requestId: string,
    change: {
      readonly status: FlagChangeRequest["status"]
      readonly reason?: string
      readonly dueAt?: Date | null
      readonly baseVersion?: number
      readonly stepsDone?: number
      readonly approver?: Actor.Actor
    },
    now: Date
  ) {
    const tenant = yield* Tenant
    const approver = change.approver === undefined ? null : yield* Effect.orDie(encodeActor(change.approver))
    yield* sql`
      UPDATE hm_platform_flag_request
         SET status = ${change.status}, reason = ${change.reason ?? null},
             due_at = ${change.dueAt ?? null}::timestamptz,
             base_version = coalesce(${change.baseVersion ?? null}::integer, base_version),
             steps_done = coalesce(${change.stepsDone ?? null}::integer, steps_done),
             approver = coalesce(${approver}::text::json, approver), updated_at = ${now}
       WHERE tenant_id = ${tenant.id} AND request_id = ${requestId}::uuid
    `
  })

  const prune = (now: Date) =>
    BatchedDelete.deleteFrom(
      sql,
      "hm_platform_flag_request",
      sql`status IN ('applied', 'conflict', 'closed')
          AND updated_at < ${now}::timestamptz - make_interval(days => ${keptDays}::integer)`
    )

  return { insert, lockCount, countOpen, find, lock, list, dueTenants, lockNextDue, update, prune }
}
