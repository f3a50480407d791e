/** Statements on requests and parts. Each finds rows by key. */
import * as Column from "@hypermarket/core/Column"
import * as SubjectData from "@hypermarket/core/SubjectData"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import * as BatchedDelete from "../internal/batchedDelete.ts"
import { KeptRows, SubjectRequest } from "../SubjectRequest.ts"

/** Requests that one round serves. The others come with the next one. */
const dueMax = 100

/** Days that an export can be read. */
const partsKeepDays = 7
const dayMillis = 86_400_000
/** Parts of one statement: each is the text of up to 500 rows. */
const prunedPartsMax = 200

/** The place that the next step continues from. */
const Progress = Schema.Struct({
  /** Undefined before further identifiers were looked up. */
  domain: Schema.optionalKey(Schema.String),
  cursor: Schema.optionalKey(Schema.String),
  /** Rows that this pass has changed. A pass without any is the last one. */
  passRows: Schema.Int,
  /** Rows of work in flight that this pass has seen, which may have to stay. */
  waiting: Schema.Array(KeptRows),
  passes: Schema.Int
})

const Row = Schema.Struct({
  ...SubjectRequest.fields,
  rows: Column.BigInt,
  recordedAt: Column.Timestamp,
  finishedAt: Schema.NullOr(Column.Timestamp)
})

const Work = Schema.Struct({
  ...Row.fields,
  subject: Schema.NullOr(SubjectData.Subject),
  progress: Schema.NullOr(Progress)
})

export type Work = typeof Work.Type

const columns = `
  request_id::text AS "requestId", kind, state, rows, domains, kept, parts, recorded_at AS "recordedAt",
  finished_at AS "finishedAt"
`

const toRequest = ({ rows, ...row }: typeof Row.Type): SubjectRequest =>
  new SubjectRequest({ ...row, rows: Number(rows) })

export const make = (sql: SqlClient.SqlClient) => {
  const returned = sql.literal(columns)
  const decode = Schema.decodeUnknownEffect(Row)
  const decodeWork = Schema.decodeUnknownEffect(Work)
  const request = (row: unknown) => Effect.orDie(Effect.map(decode(row), toRequest))

  const insert = Effect.fnUntraced(function* (added: {
    readonly tenantId: string
    readonly requestId: string
    readonly kind: string
    readonly subject: SubjectData.Subject
    readonly now: Date
  }) {
    const { kind, now, requestId, subject, tenantId } = added
    const [row] = yield* sql`
      INSERT INTO hm_platform_subject_request (tenant_id, request_id, kind, state, subject, due_at, recorded_at, updated_at)
      VALUES (${tenantId}, ${requestId}::uuid, ${kind}, 'running', ${JSON.stringify(subject)}::text::json, ${now}, ${now},
              ${now})
      RETURNING ${returned}
    `
    return yield* request(row)
  })

  const get = (tenantId: string, requestId: string) =>
    Effect.flatMap(
      sql`
        SELECT ${returned}
          FROM hm_platform_subject_request
         WHERE tenant_id = ${tenantId} AND request_id = ${requestId}::uuid
      `,
      ([row]) => (row === undefined ? Effect.succeed(undefined) : request(row))
    )

  const list = (tenantId: string, before: string, limit: number) =>
    Effect.flatMap(
      sql`
        SELECT ${returned}
          FROM hm_platform_subject_request
         WHERE tenant_id = ${tenantId} AND request_id < ${before}::uuid
         ORDER BY request_id DESC
         LIMIT ${limit}
      `,
      (rows) => Effect.forEach(rows, request)
    )

  const part = (tenantId: string, requestId: string, number: number) =>
    Effect.map(
      sql<{ readonly lines: string }>`
        SELECT lines
          FROM hm_platform_subject_part
         WHERE tenant_id = ${tenantId} AND request_id = ${requestId}::uuid AND number = ${number}
      `,
      ([row]) => row?.lines
    )

  const insertPart = (tenantId: string, requestId: string, number: number, lines: string) =>
    sql`
      INSERT INTO hm_platform_subject_part (tenant_id, request_id, number, lines)
      VALUES (${tenantId}, ${requestId}::uuid, ${number}, ${lines})
    `

  /** A request of each owner first, and not always the same: those that fail stay due, and would be the first ones for ever. */
  const due = (now: Date) =>
    sql<{ readonly tenantId: string; readonly requestId: string }>`
      SELECT tenant_id AS "tenantId", request_id::text AS "requestId"
        FROM (
             SELECT tenant_id, request_id, row_number() OVER (PARTITION BY tenant_id ORDER BY random()) AS place
               FROM hm_platform_subject_request
              WHERE state = 'running' AND due_at <= ${now}
             ) request
       ORDER BY place, random()
       LIMIT ${dueMax}
    `

  /** Locks a request; undefined when another process runs it. */
  const lock = (tenantId: string, requestId: string) =>
    Effect.flatMap(
      sql`
        SELECT ${returned}, subject, progress
          FROM hm_platform_subject_request
         WHERE tenant_id = ${tenantId} AND request_id = ${requestId}::uuid
           FOR UPDATE SKIP LOCKED
      `,
      ([row]) => (row === undefined ? Effect.succeed(undefined) : Effect.orDie(decodeWork(row)))
    )

  const save = (
    tenantId: string,
    work: Pick<Work, "requestId" | "subject" | "progress" | "rows" | "domains" | "kept" | "parts" | "state">,
    now: Date,
    dueAt: Date
  ) =>
    sql`
      UPDATE hm_platform_subject_request
         SET state = ${work.state}, subject = ${work.subject === null ? null : JSON.stringify(work.subject)}::text::json,
             progress = ${work.progress === null ? null : JSON.stringify(work.progress)}::text::json,
             rows = ${String(work.rows)}::bigint, domains = ${JSON.stringify(work.domains)}::text::json,
             kept = ${JSON.stringify(work.kept)}::text::json, parts = ${work.parts}, due_at = ${dueAt},
             updated_at = ${now}, finished_at = ${work.state === "done" ? now : null}
       WHERE tenant_id = ${tenantId} AND request_id = ${work.requestId}::uuid
    `

  /** Forgets exports that were done seven days ago: their lines, and then whose they were. */
  const prune = Effect.fnUntraced(function* (now: Date) {
    const isExpired = sql`
      r.kind = 'export' AND r.subject IS NOT NULL
      AND r.finished_at < ${new Date(now.getTime() - partsKeepDays * dayMillis)}
    `
    yield* BatchedDelete.repeat(
      sql`
        DELETE FROM hm_platform_subject_part
         WHERE ctid = ANY (ARRAY (
               SELECT part.ctid
                 FROM hm_platform_subject_request r
                 JOIN hm_platform_subject_part part ON part.tenant_id = r.tenant_id AND part.request_id = r.request_id
                WHERE ${isExpired}
                LIMIT ${prunedPartsMax}
               ))
        RETURNING 1
      `,
      prunedPartsMax
    )
    yield* BatchedDelete.repeat(sql`
      UPDATE hm_platform_subject_request
         SET subject = NULL
       WHERE ctid = ANY (ARRAY (
             SELECT r.ctid
               FROM hm_platform_subject_request r
              WHERE ${isExpired}
                AND NOT EXISTS (
                    SELECT
                      FROM hm_platform_subject_part part
                     WHERE part.tenant_id = r.tenant_id AND part.request_id = r.request_id
                    )
              LIMIT ${BatchedDelete.rowsMax}
             ))
      RETURNING 1
    `)
  })

  return { insert, get, list, part, insertPart, due, lock, save, prune }
}

export type Statements = ReturnType<typeof make>
