/** Statements on the log and its checkpoints. Each finds rows by key. */
import * as Column from "@hypermarket/core/Column"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"
import { instant, partHash } from "./expressions.ts"
import * as Unsealed from "./unsealed.ts"

const Bytes = Schema.Uint8Array

const Row = Schema.Struct({
  tenantId: Schema.String,
  activityId: Schema.String,
  recordedAt: Schema.String,
  action: Schema.String,
  actorType: Schema.String,
  targetType: Schema.String,
  actor: Schema.NullOr(Schema.String),
  actorSalt: Schema.NullOr(Bytes),
  actorHash: Schema.NullOr(Bytes),
  detail: Schema.NullOr(Schema.String),
  detailSalt: Schema.NullOr(Bytes),
  detailHash: Schema.NullOr(Bytes),
  leafHash: Schema.NullOr(Bytes)
})

const columns = `
  tenant_id AS "tenantId", activity_id::text AS "activityId", ${instant("recorded_at")} AS "recordedAt", action,
  actor_type AS "actorType", target_type AS "targetType", actor, actor_salt AS "actorSalt", actor_hash AS "actorHash",
  detail, detail_salt AS "detailSalt", detail_hash AS "detailHash", leaf_hash AS "leafHash"
`

const Checkpoint = Schema.Struct({
  tenantId: Schema.String,
  number: Schema.Int,
  previous: Schema.NullOr(Bytes),
  root: Bytes,
  rows: Schema.Int,
  sealedAt: Schema.String,
  keyId: Schema.NullOr(Schema.String),
  signature: Schema.NullOr(Bytes),
  activityIds: Schema.Array(Schema.String),
  /** Null in checkpoints of before migration 0012, and in those whose rows are dropped. */
  leafPrefixes: Schema.NullOr(Bytes),
  firstRecordedAt: Schema.String,
  lastRecordedAt: Schema.String
})

export type Checkpoint = typeof Checkpoint.Type

const checkpointColumns = `
  tenant_id AS "tenantId", number::float8 AS number, previous, root, rows, ${instant("sealed_at")} AS "sealedAt",
  key_id AS "keyId", signature, activity_ids::text[] AS "activityIds", leaf_prefixes AS "leafPrefixes",
  ${instant("first_recorded_at")} AS "firstRecordedAt", ${instant("last_recorded_at")} AS "lastRecordedAt"
`

const Key = Schema.Struct({ keyId: Schema.String, publicKey: Bytes, since: Column.Timestamp })

/** Position of a row in its log, the newest first. */
export interface Position {
  readonly recordedAt: string
  readonly activityId: string
}

export interface Filter {
  readonly action: string | null
  readonly targetType: string | null
  /** Text that the canonical actor contains. */
  readonly actor: string | null
  /** Text that the canonical detail ends with. */
  readonly detail: string | null
}

export interface Owner {
  readonly tenantId: string
}

/** Rows that one page examines: a filter without matches ends there, and the next page goes on. */
const examinedMax = 10_000

export const make = (sql: SqlClient.SqlClient) => {
  const returned = sql.literal(columns)
  const returnedCheckpoint = sql.literal(checkpointColumns)
  const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))
  const decodeCheckpoints = Schema.decodeUnknownEffect(Schema.Array(Checkpoint))
  const decodeKeys = Schema.decodeUnknownEffect(Schema.Array(Key))

  /** Rows before a position. The last one that was examined is there too, marked, when more may follow. */
  const list = Effect.fnUntraced(function* (
    tenantId: string,
    before: Position | undefined,
    filter: Filter,
    limit: number
  ) {
    const position =
      before === undefined
        ? sql``
        : sql`AND (recorded_at, activity_id) < (${before.recordedAt}::text::timestamptz, ${before.activityId}::uuid)`
    const rows = yield* sql<{ readonly place: number; readonly isMatch: boolean }>`
      WITH examined AS (
        SELECT *, row_number() OVER (ORDER BY recorded_at DESC, activity_id DESC)::int AS place
          FROM hm_platform_activity_log
         WHERE tenant_id = ${tenantId}
               ${position}
         ORDER BY recorded_at DESC, activity_id DESC
         LIMIT ${examinedMax}
      ),
      -- Texts are compared as they are: a cast to JSON would fail on one that was tampered with.
      marked AS (
        SELECT *, (${filter.action}::text IS NULL OR action = ${filter.action})
                  AND (${filter.targetType}::text IS NULL OR target_type = ${filter.targetType})
                  AND (${filter.actor}::text IS NULL OR strpos(actor, ${filter.actor}) > 0)
                  AND (${filter.detail}::text IS NULL OR right(detail, length(${filter.detail})) = ${filter.detail})
                  AS is_match
          FROM examined
      )
      SELECT ${returned}, place, coalesce(is_match, false) AS "isMatch"
        FROM marked
       WHERE coalesce(is_match, false) OR place = ${examinedMax}
       ORDER BY place
       LIMIT ${limit}
    `
    const decoded = yield* Effect.orDie(decodeRows(rows))
    return decoded.map((row, index) => ({
      row,
      isMatch: rows[index]?.isMatch === true,
      isLast: rows[index]?.place === examinedMax
    }))
  })

  /** Rows after a position, the oldest first. */
  const after = (tenantId: string, position: Position, limit: number) =>
    Effect.flatMap(
      sql`
        SELECT ${returned}
          FROM hm_platform_activity_log
         WHERE tenant_id = ${tenantId}
           AND (recorded_at, activity_id) > (${position.recordedAt}::text::timestamptz, ${position.activityId}::uuid)
         ORDER BY recorded_at, activity_id
         LIMIT ${limit}
      `,
      (rows) => Effect.orDie(decodeRows(rows))
    )

  const actorHash = sql.literal(partHash("actor"))
  const detailHash = sql.literal(partHash("detail"))

  /** Erases text and salt of the actors of some rows and of the details of others, and leaves their hashes. */
  const forget = (tenantId: string, actors: ReadonlyArray<string>, details: ReadonlyArray<string>) =>
    sql`
      UPDATE hm_platform_activity_log
         SET actor_hash = CASE WHEN activity_id = ANY (${actors}::uuid[]) THEN ${actorHash} ELSE actor_hash END,
             detail_hash = CASE WHEN activity_id = ANY (${details}::uuid[]) THEN ${detailHash} ELSE detail_hash END,
             actor = CASE WHEN activity_id = ANY (${actors}::uuid[]) THEN NULL ELSE actor END,
             actor_salt = CASE WHEN activity_id = ANY (${actors}::uuid[]) THEN NULL ELSE actor_salt END,
             detail = CASE WHEN activity_id = ANY (${details}::uuid[]) THEN NULL ELSE detail END,
             detail_salt = CASE WHEN activity_id = ANY (${details}::uuid[]) THEN NULL ELSE detail_salt END
       WHERE tenant_id = ${tenantId} AND activity_id = ANY (${[...actors, ...details]}::uuid[])
    `

  /** Deletes the log of a tenant that is erased as a whole, and returns the number of its rows. */
  const drop = Effect.fnUntraced(function* (tenantId: string) {
    yield* sql`
      DELETE FROM hm_platform_activity_checkpoint
       WHERE tenant_id = ${tenantId}
    `
    const [row] = yield* sql<{ readonly count: number }>`
      WITH dropped AS (
        DELETE FROM hm_platform_activity_log
         WHERE tenant_id = ${tenantId}
        RETURNING 1
      )
      SELECT count(*)::int AS count
        FROM dropped
    `
    return row?.count ?? 0
  })

  /** The rows of a checkpoint, in any order. */
  const rowsOf = (checkpoint: Checkpoint) =>
    Effect.flatMap(
      sql`
        SELECT ${returned}
          FROM hm_platform_activity_log
         WHERE tenant_id = ${checkpoint.tenantId}
           AND recorded_at BETWEEN ${checkpoint.firstRecordedAt}::text::timestamptz
                               AND ${checkpoint.lastRecordedAt}::text::timestamptz
           AND activity_id = ANY (${checkpoint.activityIds}::uuid[])
      `,
      (rows) => Effect.orDie(decodeRows(rows))
    )

  /** Rows by id, wherever they are: the search of a verification that misses some. */
  const strayed = (tenantId: string, ids: ReadonlyArray<string>) =>
    Effect.flatMap(
      sql`
        SELECT ${returned}
          FROM hm_platform_activity_log
         WHERE tenant_id = ${tenantId} AND activity_id = ANY (${ids}::uuid[])
      `,
      (rows) => Effect.orDie(decodeRows(rows))
    )

  /** All rows with an action, the oldest first. */
  const ofAction = (tenantId: string, action: string) =>
    Effect.flatMap(
      sql`
        SELECT ${returned}
          FROM hm_platform_activity_log
         WHERE tenant_id = ${tenantId} AND action = ${action}
         ORDER BY recorded_at, activity_id
      `,
      (rows) => Effect.orDie(decodeRows(rows))
    )

  /** Locks the log of a tenant for sealing until the transaction ends, and returns whether it was free. */
  const tryLock = (tenantId: string) =>
    Effect.map(
      sql<{ readonly isMine: boolean }>`
        SELECT pg_try_advisory_xact_lock(
                 hashtextextended(concat_ws(' ', current_schema(), 'activity', ${tenantId}::text), 0)) AS "isMine"
      `,
      ([row]) => row?.isMine === true
    )

  const checkpoints = (tenantId: string, after: number, limit: number) =>
    Effect.flatMap(
      sql`
        SELECT ${returnedCheckpoint}
          FROM hm_platform_activity_checkpoint
         WHERE tenant_id = ${tenantId} AND number > ${after}::float8::bigint
         ORDER BY number
         LIMIT ${limit}
      `,
      (rows) => Effect.orDie(decodeCheckpoints(rows))
    )

  const newest = (tenantId: string) =>
    Effect.flatMap(
      sql`
        SELECT ${returnedCheckpoint}
          FROM hm_platform_activity_checkpoint
         WHERE tenant_id = ${tenantId}
         ORDER BY number DESC
         LIMIT 1
      `,
      (rows) => Effect.map(Effect.orDie(decodeCheckpoints(rows)), ([checkpoint]) => checkpoint)
    )

  const insertCheckpoint = (checkpoint: Checkpoint) =>
    sql`
      INSERT INTO hm_platform_activity_checkpoint (tenant_id, number, previous, root, rows, sealed_at, key_id, signature,
                                                   activity_ids, leaf_prefixes, first_recorded_at, last_recorded_at)
      VALUES (${checkpoint.tenantId}, ${checkpoint.number}::float8::bigint, ${checkpoint.previous}, ${checkpoint.root},
              ${checkpoint.rows}, ${checkpoint.sealedAt}::text::timestamptz, ${checkpoint.keyId}, ${checkpoint.signature},
              ${checkpoint.activityIds}::uuid[], ${checkpoint.leafPrefixes}::bytea,
              ${checkpoint.firstRecordedAt}::text::timestamptz,
              ${checkpoint.lastRecordedAt}::text::timestamptz)
    `

  const keys = Effect.flatMap(
    sql`
      SELECT key_id AS "keyId", public_key AS "publicKey", since
        FROM hm_platform_activity_key
       WHERE tenant_id = '_system'
       ORDER BY since, key_id
    `,
    (rows) => Effect.orDie(decodeKeys(rows))
  )

  const insertKey = (keyId: string, publicKey: Uint8Array, since: Date) =>
    sql`
      INSERT INTO hm_platform_activity_key (tenant_id, key_id, public_key, since)
      VALUES ('_system', ${keyId}, ${publicKey}, ${since})
          ON CONFLICT (tenant_id, key_id) DO NOTHING
    `

  /** Walks the owners of some rows tenant by tenant along the key. An owner has an account, or is used by a program alone. */
  const ownersOf = (table: string, rows: Statement.Fragment) =>
    sql`
      WITH RECURSIVE owners AS (
        (SELECT tenant_id
           FROM ${sql(table)}
          WHERE ${rows}
          ORDER BY tenant_id
          LIMIT 1)
        UNION ALL
        SELECT following.tenant_id
          FROM owners
         CROSS JOIN LATERAL (
               SELECT tenant_id
                 FROM ${sql(table)} AS t
                WHERE t.tenant_id > owners.tenant_id AND ${rows}
                ORDER BY tenant_id
                LIMIT 1) AS following
      )
    `

  /** Tenants whose log has grown since an instant. Whole months are walked. */
  const grown = (since: Date) =>
    sql<Owner>`
      ${ownersOf("hm_platform_activity_log", sql`recorded_at >= date_trunc('month', ${since}::timestamptz, 'UTC')`)}
      SELECT tenant_id AS "tenantId"
        FROM owners
       WHERE EXISTS (
             SELECT 1
               FROM hm_platform_activity_log AS log
              WHERE log.tenant_id = owners.tenant_id AND log.recorded_at >= ${since})
    `

  /** Owners of rows before an instant. */
  const ownersBefore = (before: Date) =>
    sql<Owner>`
      ${ownersOf("hm_platform_activity_log", sql`recorded_at < ${before}`)}
      SELECT tenant_id AS "tenantId"
        FROM owners
    `

  /**
   * True when a row of a period is of an owner whose log does not name its checkpoint as dropped. All checkpoints of an owner
   * before an instant are named together: the newest of them says it of the others.
   */
  const isHeld = (from: Date, to: Date) =>
    Effect.map(
      sql`
        ${ownersOf("hm_platform_activity_log", sql`recorded_at >= ${from} AND recorded_at < ${to}`)}
        SELECT 1
          FROM owners
         WHERE NOT EXISTS (
               SELECT 1
                 FROM hm_platform_activity_checkpoint AS checkpoint
                WHERE checkpoint.tenant_id = owners.tenant_id AND checkpoint.dropped_at IS NOT NULL
                  AND checkpoint.last_recorded_at < ${to}
                  AND checkpoint.last_recorded_at >= (
                      SELECT log.recorded_at
                        FROM hm_platform_activity_log AS log
                       WHERE log.tenant_id = owners.tenant_id AND log.recorded_at >= ${from} AND log.recorded_at < ${to}
                       ORDER BY log.recorded_at DESC
                       LIMIT 1))
         LIMIT 1
      `,
      (rows) => rows.length > 0
    )

  /**
   * Deletes what is left of the rows of some dropped checkpoints, with the ids that name them, and returns the number of
   * checkpoints. Those of some months are left alone. A checkpoint loses all of its rows or none: a verification in between
   * takes it for dropped or finds them all.
   */
  const giveUp = (tenantId: string, before: Date, monthsLeft: ReadonlyArray<Date>, limit: number) =>
    Effect.map(
      sql<{ readonly count: number }>`
        -- The oldest checkpoints first, and more while they have no more rows than the limit.
        WITH dropped AS (
          SELECT number, rows, activity_ids, first_recorded_at, last_recorded_at
            FROM hm_platform_activity_checkpoint
           WHERE tenant_id = ${tenantId} AND dropped_at IS NOT NULL AND last_recorded_at < ${before}
             AND activity_ids <> '{}'
             AND date_trunc('month', last_recorded_at, 'UTC') <> ALL (${monthsLeft}::timestamptz[])
           ORDER BY number
           LIMIT ${limit}
        ),
        counted AS (
          SELECT *, row_number() OVER rising AS place, sum(rows) OVER rising AS rows_so_far
            FROM dropped
          WINDOW rising AS (ORDER BY number)
        ),
        given_up AS (
          SELECT *
            FROM counted
           WHERE place = 1 OR rows_so_far <= ${limit}
        ),
        deleted AS (
          DELETE FROM hm_platform_activity_log
           WHERE tenant_id = ${tenantId}
             AND recorded_at BETWEEN (
                 SELECT min(first_recorded_at)
                   FROM given_up) AND (
                 SELECT max(last_recorded_at)
                   FROM given_up)
             -- As a value and not as a join: a hash of the ids in every plan.
             AND (activity_id IN (
                 SELECT unnest(activity_ids)
                   FROM given_up)) IS TRUE
        ),
        emptied AS (
          UPDATE hm_platform_activity_checkpoint
             SET activity_ids = '{}', leaf_prefixes = NULL
           WHERE tenant_id = ${tenantId} AND number IN (SELECT number FROM given_up)
        )
        SELECT count(*)::int AS count
          FROM given_up
      `,
      ([row]) => row?.count ?? 0
    )

  /** Owners of checkpoints. */
  const sealedOwners = sql<Owner>`
    ${ownersOf("hm_platform_activity_checkpoint", sql`true`)}
    SELECT tenant_id AS "tenantId"
      FROM owners
  `

  return {
    list,
    after,
    forget,
    drop,
    rowsOf,
    strayed,
    ofAction,
    ...Unsealed.make(sql),
    tryLock,
    checkpoints,
    newest,
    insertCheckpoint,
    keys,
    insertKey,
    grown,
    ownersBefore,
    isHeld,
    giveUp,
    sealedOwners
  }
}
