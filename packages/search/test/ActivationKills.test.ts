/**
 * A version that activates is active in the end wherever its builder was killed: between every two commits of a build, and
 * within the last of them.
 */
import { assert, layer } from "@effect/vitest"
import { provide } from "@hypermarket/core/Tenant"
import type { IndexName, VersionId } from "@hypermarket/search/SearchIndex"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import { environment } from "@hypermarket/soak/Settings"
import * as HeldTransaction from "@hypermarket/testing/HeldTransaction"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import * as Path from "node:path"
import * as KilledBuilds from "../soak/search/KilledBuilds.ts"
import { acme, buildAll, compare, ids, layerOf, search, stocked } from "./support.ts"

const worker = Path.join(import.meta.dirname, "../soak/search/worker.ts")

/** Their postings are written in two batches. */
const sharedDocuments = 2_200
/** From here on a version has its own partitions. */
const ownDocuments = 2_500

type Hold = (
  index: IndexName,
  versionId: VersionId
) => Effect.Effect<unknown, SqlError.SqlError, SqlClient.SqlClient>

interface Window {
  /** The last commit of the builder. */
  readonly after: string
  /** Stops the builder before its next commit. */
  readonly hold: Hold
  /** Part of the statement that waits for it. */
  readonly statement: string
  /** Stops it earlier: the lock is one that it needs there as well. */
  readonly before?: Hold
  readonly isOwn?: true
  readonly status: "building" | "validating"
  readonly phase: "none" | "documents" | "postings"
}

const lockTable =
  (table: string, mode: string): Hold =>
  () =>
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql`LOCK TABLE ${sql(table)} IN ${sql.literal(mode)} MODE`)

/** A row that the builder writes too waits for the transaction that wrote it first. */
const posting: Hold = (_, versionId) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      INSERT INTO hm_search_posting_shared (tenant_id, version, term, chunk, df, max_impact, first_doc, last_doc, data)
      VALUES (${acme}, ${versionId}::text::bigint, 'x999', 0, 1, 1, 0, 0, '\\x00')
    `
  )

const lastColumn: Hold = (_, versionId) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      INSERT INTO hm_search_column_shared (tenant_id, version, name, part, chunk, data)
      VALUES (${acme}, ${versionId}::text::bigint, '$typo', 'dictionary', 0, '\\x00')
    `
  )

const lockIndex: Hold = (index) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      SELECT 1
        FROM hm_search_index
       WHERE index_name = ${index}
         FOR UPDATE
    `
  )

const windows: ReadonlyArray<Window> = [
  {
    after: "the lease",
    hold: lockTable("hm_search_change", "SHARE"),
    statement: "UPDATE hm_search_change",
    status: "building",
    phase: "none"
  },
  {
    after: "the first of its tables",
    hold: lockTable("hm_search_document", "ACCESS EXCLUSIVE"),
    statement: "CREATE TABLE",
    isOwn: true,
    status: "building",
    phase: "none"
  },
  {
    after: "the transaction ids of the catalogue",
    hold: lockTable("hm_search_document_shared", "SHARE"),
    statement: "WITH source",
    status: "building",
    phase: "none"
  },
  {
    after: "the copy",
    hold: lockTable("hm_search_posting_shared", "SHARE"),
    statement: "DELETE",
    status: "building",
    phase: "documents"
  },
  {
    after: "the removal of postings of an earlier attempt",
    hold: lockTable("hm_search_column_shared", "SHARE"),
    statement: "DELETE",
    status: "building",
    phase: "documents"
  },
  {
    after: "a batch of postings",
    hold: posting,
    statement: "INSERT",
    status: "building",
    phase: "documents"
  },
  {
    after: "the columns but the last batch",
    hold: lastColumn,
    statement: "INSERT",
    status: "building",
    phase: "documents"
  },
  {
    after: "the attachment of its first table",
    hold: lockTable("hm_search_document", "SHARE UPDATE EXCLUSIVE"),
    statement: "ATTACH PARTITION",
    isOwn: true,
    status: "building",
    phase: "documents"
  },
  {
    after: "the last row",
    before: lockTable("hm_search_posting_shared", "SHARE"),
    hold: lockTable("hm_search_index_version", "SHARE"),
    statement: "built_at",
    status: "building",
    phase: "documents"
  },
  {
    after: "the end of its build, with its gates tried",
    hold: lockIndex,
    statement: "FOR UPDATE",
    status: "validating",
    phase: "postings"
  },
  {
    after: "the same, within the transaction that activates it",
    hold: KilledBuilds.lockActiveVersion,
    statement: "UPDATE hm_search_index_version",
    status: "validating",
    phase: "postings"
  }
]

/** Waits until a statement of the builder waits for a lock. */
const isStopped = (statement: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly waiting: number }>`
      SELECT count(*)::int AS waiting
        FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'hm-soak-worker' AND wait_event_type = 'Lock'
         AND strpos(query, ${statement}) > 0
    `
  ).pipe(Effect.repeat({ until: ([row]) => (row?.waiting ?? 0) > 0 }))

/** Ends the sessions of a process that is gone: what they wait for would else still be done. */
const endSessions = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`
    SELECT pg_terminate_backend(pid)
      FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'hm-soak-worker'
  `
).pipe(Effect.repeat({ until: (rows) => rows.length === 0 }))

layer(layerOf({ HM_SEARCH_PARTITION_DOCUMENTS: String(ownDocuments) }), { excludeTestServices: true })(
  "A version that activates is active though its builder was killed after",
  (it) => {
    windows.forEach(({ after, before, hold, isOwn, phase, statement, status }, n) =>
      it.effect(after, () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const versions = yield* SearchIndexVersions
          const { url } = yield* TestDatabase.TestDatabase
          const index = yield* stocked(`killed-${n}`, isOwn === true ? ownDocuments : sharedDocuments)
          const { versionId } = yield* versions.start(index, { activates: true }).pipe(provide(acme))
          const held = (lock: Hold) =>
            HeldTransaction.hold(Effect.andThen(KilledBuilds.mayIdle, lock(index, versionId)), Effect.void)
          const letGoBefore = before === undefined ? undefined : yield* held(before)
          let letGo = before === undefined ? yield* held(hold) : Effect.void
          const builder = yield* ServiceProcess.start(worker, [], { [environment.url]: url })
          if (letGoBefore !== undefined) {
            yield* isStopped("DELETE")
            letGo = yield* held(hold)
            yield* letGoBefore
          }
          yield* isStopped(statement)
          yield* builder.signal("SIGKILL")
          yield* builder.exit
          yield* endSessions
          yield* letGo
          const killed = yield* versions.get(index, versionId).pipe(provide(acme))
          assert.deepStrictEqual([killed.status, killed.phase, killed.activatedAt], [status, phase, null])
          yield* sql`
            UPDATE hm_search_index_version
               SET lease_until = clock_timestamp()
             WHERE version_id = ${versionId}::text::bigint
          `
          yield* buildAll
          const { activeVersion } = yield* Effect.flatMap(SearchIndexes, (indexes) =>
            indexes.get(index)
          ).pipe(provide(acme))
          assert.strictEqual(activeVersion, versionId)
          const totals = yield* compare(index)
          assert.strictEqual(totals.indexedChecksum, totals.checksum)
          assert.deepStrictEqual(ids(yield* search({ query: "x999" }, index)), ["p999"])
        })
      )
    )
  }
)
