/**
 * The service of documents. A write is part of the caller's transaction: the next search after the commit finds it, and
 * searches within the transaction find it at once.
 *
 * @since 0.1.0
 */
import * as Column from "@hypermarket/core/Column"
import { AdopterId } from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as DocumentWrites from "./internal/documentWrites.ts"
import * as EngineRequests from "./internal/engineRequest.ts"
import type { Fields } from "./internal/indexed.ts"
import { patiently } from "./internal/patiently.ts"
import {
  batchMax,
  type Comparison,
  type DocumentBatch,
  DocumentInvalid,
  DocumentNotFound,
  type Removed,
  StoredDocument,
  type Written
} from "./SearchDocument.ts"
import { type IndexName, SearchIndexNotFound } from "./SearchIndex.ts"
import type { SearchInvalid } from "./SearchQuery.ts"
import * as SearchSettings from "./SearchSettings.ts"

const decodeDocument = Schema.decodeUnknownEffect(
  Schema.Struct({ ...StoredDocument.fields, updatedAt: Column.Timestamp })
)

const decodeSettings = Schema.decodeUnknownEffect(SearchSettings.SearchSettings)

const toDocument = (row: unknown) => Effect.orDie(decodeDocument(row))

const pages = Page.make({
  list: "search.documents",
  key: Schema.Tuple([AdopterId]),
  keyOf: (document: StoredDocument) => [document.id] as const
})

/**
 * Writes documents, reads them, and compares an index with the catalogue.
 *
 * @category services
 * @since 0.1.0
 */
export class SearchDocuments extends Context.Service<
  SearchDocuments,
  {
    /**
     * Writes, changes and removes up to `batchMax` documents, all or nothing. A value of a number column that is no number
     * is refused.
     */
    readonly write: (
      indexName: IndexName,
      batch: DocumentBatch
    ) => Effect.Effect<Written, SearchIndexNotFound | DocumentInvalid | SqlError, Tenant>
    /** Writes documents made from facts. Values that do not fit a column are left out of it: a fact cannot be corrected. */
    readonly writeFacts: (
      indexName: IndexName,
      batch: DocumentBatch
    ) => Effect.Effect<Written, SearchIndexNotFound | DocumentInvalid | SqlError, Tenant>
    /**
     * Removes the documents in a filter, in the order of their ids. Outside a transaction, each thousand documents are
     * committed as they are read, so an interrupted removal is finished by repeating it.
     */
    readonly removeWhere: (
      indexName: IndexName,
      filter: string
    ) => Effect.Effect<Removed, SearchIndexNotFound | SearchInvalid | SqlError, Tenant>
    /** Reads a document as it was last written. */
    readonly get: (
      indexName: IndexName,
      id: string
    ) => Effect.Effect<StoredDocument, SearchIndexNotFound | DocumentNotFound | SqlError, Tenant>
    /** Lists all documents in the order of their ids. */
    readonly list: (
      indexName: IndexName,
      request: Page.Request
    ) => Effect.Effect<Page.Page<StoredDocument>, SearchIndexNotFound | Page.CursorInvalid | SqlError, Tenant>
    /** Compares a version, by default the active one, with the catalogue. Reads every row of both. */
    readonly compare: (
      indexName: IndexName,
      versionId?: string
    ) => Effect.Effect<Comparison, SearchIndexNotFound | SqlError, Tenant>
  }
>()("@hypermarket/search/SearchDocuments") {
  static readonly layer: Layer.Layer<SearchDocuments, never, SqlClient.SqlClient> = Layer.effect(
    SearchDocuments,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const settingsOf = Effect.fnUntraced(function* (indexName: IndexName) {
        const tenant = yield* Tenant
        const [row] = yield* sql<{ readonly settings: unknown }>`
          SELECT settings
            FROM hm_search_index
           WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}
        `
        return row === undefined
          ? yield* new SearchIndexNotFound({ indexName })
          : yield* Effect.orDie(decodeSettings(row.settings))
      })

      /** Reads documents and locks them, in the order of their ids. A planner without statistics finds each by its key. */
      const lock = Effect.fnUntraced(function* (indexName: IndexName, ids: ReadonlyArray<string>) {
        const tenant = yield* Tenant
        const rows = yield* sql<{ readonly id: string; readonly fields: Fields }>`
          SELECT c.doc_id AS id, c.fields
            FROM unnest(${ids}::text[]) AS wanted (doc_id)
           CROSS JOIN LATERAL (
                 SELECT doc_id, fields
                   FROM hm_search_change
                  WHERE tenant_id = ${tenant.id} AND index_name = ${indexName} AND doc_id = wanted.doc_id
                    AND fields IS NOT NULL
                    FOR UPDATE) c
        `
        return new Map(rows.map(({ fields, id }) => [id, fields]))
      })

      const writeIn = Effect.fnUntraced(function* (
        indexName: IndexName,
        { removals = [], updates = [], upserts = [] }: DocumentBatch,
        columns: SearchSettings.SearchSettings["columns"]
      ) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const updated = new Set(updates.map(({ id }) => id))
        const stored =
          updated.size === 0 ? new Map<string, Fields>() : yield* lock(indexName, [...updated].toSorted())
        const changed = updates.flatMap(({ fields, id, version }, n) => {
          const before = stored.get(id)
          if (before === undefined) return []
          const whole = DocumentWrites.merged(before, fields)
          // Another change of the same document comes on top of this one.
          stored.set(id, whole)
          return [{ id, version, fields: whole, path: ["updates", String(n)] }]
        })
        const documents = [
          ...changed,
          ...upserts.map((document, n) => ({ ...document, path: ["upserts", String(n)] }))
        ].map((document) => ({ ...document, text: JSON.stringify(document.fields) }))
        const issues = documents.flatMap(({ fields, path, text }) =>
          DocumentWrites.issuesOf(path, fields, text, columns)
        )
        const size = upserts.length + updates.length + removals.length
        if (size > batchMax) {
          issues.push({ path: ["upserts"], message: `Expected at most ${batchMax} documents in a batch` })
        }
        if (issues.length > 0) return yield* new DocumentInvalid({ errors: issues })
        const writes = DocumentWrites.distinct([
          ...removals.map(({ id, version }) => ({ id, version: version ?? 0, text: "" })),
          ...documents.map(({ id, text, version }) => ({ id, version: version ?? 0, text }))
        ])
        const [row] = yield* sql<{ readonly exists: boolean; readonly written: number }>`
          WITH target_index AS (
            SELECT 1
              FROM hm_search_index
             WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}),
          written AS (
            INSERT INTO hm_search_change AS c (tenant_id, index_name, doc_id, xid, doc_version, fields, updated_at)
            SELECT ${tenant.id}, ${indexName}, d.doc_id, pg_current_xact_id(), d.doc_version, nullif(d.content, '')::jsonb,
                   ${now}::timestamptz
              FROM unnest(${writes.map(({ id }) => id)}::text[],
                          ${writes.map(({ version }) => String(version))}::text[]::bigint[],
                          ${writes.map(({ text }) => text)}::text[])
                   WITH ORDINALITY AS d (doc_id, doc_version, content, n)
             WHERE EXISTS (SELECT 1 FROM target_index)
             ORDER BY d.n
                ON CONFLICT (tenant_id, index_name, doc_id)
                DO UPDATE SET xid = excluded.xid, fields = excluded.fields, updated_at = excluded.updated_at,
                              doc_version = greatest(c.doc_version, excluded.doc_version)
                    WHERE excluded.doc_version > c.doc_version
                       OR (excluded.doc_version = 0 AND c.fields IS DISTINCT FROM excluded.fields)
            RETURNING 1)
          SELECT EXISTS (SELECT 1 FROM target_index) AS exists, (SELECT count(*)::int FROM written) AS written
        `
        if (row?.exists !== true) return yield* new SearchIndexNotFound({ indexName })
        return { written: row.written, ignored: size - row.written }
      })

      /** Changes of some fields read the documents first, in the same transaction. */
      const writeOnce = (
        indexName: IndexName,
        batch: DocumentBatch,
        columns: SearchSettings.SearchSettings["columns"]
      ) => {
        const writing = writeIn(indexName, batch, columns)
        return (batch.updates ?? []).length === 0 ? writing : transactionOf(sql)(writing)
      }

      const write = Effect.fn("SearchDocuments.write")(function* (
        indexName: IndexName,
        batch: DocumentBatch
      ) {
        const { columns } = yield* settingsOf(indexName)
        return yield* writeOnce(indexName, batch, columns)
      })

      const writeFacts = Effect.fn("SearchDocuments.writeFacts")(
        (
          indexName: IndexName,
          batch: DocumentBatch
        ): Effect.Effect<Written, SearchIndexNotFound | DocumentInvalid | SqlError, Tenant> =>
          writeOnce(indexName, batch, [])
      )

      /** Removes what is in the filter of the documents after an id. Returns the last id that was read. */
      const removeAfter = Effect.fnUntraced(function* (
        indexName: IndexName,
        after: string,
        isWanted: (docId: string, fields: Fields) => boolean
      ) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const rows = yield* sql<{ readonly id: string; readonly fields: Fields }>`
          SELECT doc_id AS id, fields
            FROM hm_search_change
           WHERE tenant_id = ${tenant.id} AND index_name = ${indexName} AND doc_id > ${after} AND fields IS NOT NULL
           ORDER BY doc_id
           LIMIT ${batchMax}
             FOR UPDATE
        `
        const ids = rows.filter(({ fields, id }) => isWanted(id, fields)).map(({ id }) => id)
        if (ids.length > 0) {
          yield* sql`
            UPDATE hm_search_change
               SET fields = NULL, xid = pg_current_xact_id(), updated_at = ${now}
             WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}
               -- Without statistics a planner may walk all documents of the condition: these are those that were read.
               AND doc_id > ${after} AND doc_id <= ${rows.at(-1)?.id ?? after} AND doc_id = ANY (${ids}::text[])
          `
        }
        return { removed: ids.length, last: rows.length < batchMax ? undefined : rows.at(-1)?.id }
      })

      const removeWhere = Effect.fn("SearchDocuments.removeWhere")(function* (
        indexName: IndexName,
        filter: string
      ) {
        const settings = yield* settingsOf(indexName)
        const isWanted = yield* EngineRequests.testOf(settings, filter)
        let removed = 0
        let after: string | undefined = ""
        while (after !== undefined) {
          const step: { readonly removed: number; readonly last: string | undefined } = yield* transactionOf(
            sql
          )(removeAfter(indexName, after, isWanted))
          removed += step.removed
          after = step.last
        }
        return { removed }
      })

      const compare = Effect.fn("SearchDocuments.compare")(function* (
        indexName: IndexName,
        versionId?: string
      ) {
        const tenant = yield* Tenant
        const [row] = yield* patiently(sql)(sql<Comparison>`
          WITH compared_version AS (
            SELECT v.version_id, v.built_snapshot
              FROM hm_search_index i
              JOIN hm_search_index_version v
                ON v.tenant_id = ${tenant.id} AND v.index_name = ${indexName}
                   AND v.version_id = coalesce(${versionId ?? null}::text::bigint, i.active_version)
             WHERE i.tenant_id = ${tenant.id} AND i.index_name = ${indexName}),
          -- Of a document in both, the change counts. Sorted and not joined: without statistics, as on a fresh database, an
          -- anti join of 10,000 documents with as many changes was a nested loop of 5 minutes.
          shown AS (
            SELECT DISTINCT ON (u.doc_id) u.hash
              FROM (
                   SELECT d.doc_id COLLATE "C" AS doc_id, 1 AS place,
                          hashtextextended(d.doc_id || ' ' || d.fields::text, 0) AS hash
                     FROM hm_search_document d
                    WHERE d.tenant_id = ${tenant.id} AND d.version = (SELECT version_id FROM compared_version)
                    UNION ALL
                   SELECT c.doc_id, 0, hashtextextended(c.doc_id || ' ' || c.fields::text, 0)
                     FROM hm_search_change c
                    WHERE c.tenant_id = ${tenant.id} AND c.index_name = ${indexName}
                      AND NOT pg_visible_in_snapshot(c.xid, (SELECT built_snapshot FROM compared_version))
                   ) u
             ORDER BY u.doc_id, u.place)
          SELECT c.documents, c.checksum, s.documents AS "indexedDocuments", s.checksum AS "indexedChecksum",
                 (SELECT count(*)::int
                    FROM hm_search_change c
                   WHERE c.tenant_id = ${tenant.id} AND c.index_name = ${indexName}
                     AND c.xid >= pg_snapshot_xmin((SELECT built_snapshot FROM compared_version))
                     AND NOT pg_visible_in_snapshot(c.xid, (SELECT built_snapshot FROM compared_version))) AS changes
            FROM compared_version
            CROSS JOIN (
                       SELECT count(*)::int AS documents,
                              coalesce(sum(hashtextextended(doc_id || ' ' || fields::text, 0)), 0)::text AS checksum
                         FROM hm_search_change
                        WHERE tenant_id = ${tenant.id} AND index_name = ${indexName} AND fields IS NOT NULL
                       ) c
            -- A tombstone has no hash.
            CROSS JOIN (
                       SELECT count(hash)::int AS documents, coalesce(sum(hash), 0)::text AS checksum
                         FROM shown
                       ) s
        `)
        return row ?? (yield* new SearchIndexNotFound({ indexName }))
      })

      const requireIndex = Effect.fnUntraced(function* (indexName: IndexName) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT 1
            FROM hm_search_index
           WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}
        `
        if (row === undefined) return yield* new SearchIndexNotFound({ indexName })
      })

      const get = Effect.fn("SearchDocuments.get")(function* (indexName: IndexName, id: string) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT doc_id AS id, doc_version::float8 AS version, fields, updated_at AS "updatedAt"
            FROM hm_search_change
           WHERE tenant_id = ${tenant.id} AND index_name = ${indexName} AND doc_id = ${id} AND fields IS NOT NULL
        `
        if (row !== undefined) return yield* toDocument(row)
        yield* requireIndex(indexName)
        return yield* new DocumentNotFound({ id })
      })

      const list = Effect.fn("SearchDocuments.list")(function* (indexName: IndexName, request: Page.Request) {
        const tenant = yield* Tenant
        const [after] = Option.getOrElse(yield* pages.after(request), () => [""] as const)
        yield* requireIndex(indexName)
        const rows = yield* sql`
          SELECT doc_id AS id, doc_version::float8 AS version, fields, updated_at AS "updatedAt"
            FROM hm_search_change
           WHERE tenant_id = ${tenant.id} AND index_name = ${indexName} AND doc_id > ${after} AND fields IS NOT NULL
           ORDER BY doc_id
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* pages.page(yield* Effect.forEach(rows, toDocument), request)
      })

      return SearchDocuments.of({ write, writeFacts, removeWhere, get, list, compare })
    })
  )
}
