/**
 * The documents of the hits, and where a version has the documents that a search names.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as EngineRequest from "./engine/SearchRequest.ts"
import type { Fields } from "./indexed.ts"
import type { ReadDocument, ReadDocuments } from "./readDocuments.ts"
import type * as VersionRows from "./versionRows.ts"

/** The changes that a search sees: those of the snapshot, of transactions up to the horizon. */
export interface Moment {
  readonly snapshot: string
  readonly horizon: bigint
  /** Of the changed documents, when they were read with the snapshot. */
  readonly fields: ReadonlyMap<string, Fields> | undefined
}

export interface Found {
  readonly hit: EngineRequest.Hit
  readonly id: string
  readonly fields: Fields
}

export type Page =
  /** The version's rows were removed. */
  | { readonly _tag: "Gone" }
  /** Every hit as it was found, or without those that changed since. */
  | { readonly _tag: "Whole" | "Torn"; readonly documents: ReadonlyArray<Found> }

interface PageRow {
  readonly ord: number | null
  readonly id: string
  readonly fields: Fields
  /** False for a document that was changed after the look which found it. */
  readonly isAsFound: boolean
}

/**
 * Reads the documents of the hits, in their order. Hits were chosen in the snapshot of the look, and these rows are read
 * later: a change that the snapshot does not see would show fields that were not searched.
 */
export const page = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  version: VersionRows.Live,
  hits: ReadonlyArray<EngineRequest.Hit>,
  { fields, horizon, snapshot }: Moment,
  read: ReadDocuments
): Effect.fn.Return<Page, SqlError> {
  // Another server, such as a restored one, may have another version of this id.
  const key = `${version.identity}/${version.versionId}`
  const byOrdinal = new Map<number, ReadDocument>()
  const ordinals: Array<number> = []
  for (const { ordinal } of hits) {
    if (ordinal === undefined) continue
    const document = read.get(key, ordinal)
    if (document === undefined) ordinals.push(ordinal)
    else byOrdinal.set(ordinal, document)
  }
  const ids = hits.flatMap(({ docId, ordinal }) =>
    ordinal === undefined && docId !== undefined && fields?.has(docId) !== true ? [docId] : []
  )
  // One by one by its key: for several at once a planner without statistics walks all documents of the index. A
  // transaction id above the horizon may have been another transaction's before a crash.
  const reading = sql<PageRow>`
    SELECT ord, doc_id AS id, fields, true AS "isAsFound"
      FROM hm_search_document
     WHERE tenant_id = ${version.tenantId} AND version = ${version.versionId}::text::bigint
       AND ord = ANY (${ordinals}::int4[])
     UNION ALL
    SELECT NULL, c.doc_id, c.fields,
           c.xid <= ${String(horizon)}::text::xid8
           AND (pg_visible_in_snapshot(c.xid, ${snapshot}::text::pg_snapshot)
                OR c.xid IS NOT DISTINCT FROM pg_current_xact_id_if_assigned())
      FROM unnest(${ids}::text[]) AS wanted (doc_id)
     CROSS JOIN LATERAL (
           SELECT doc_id, fields, xid
             FROM hm_search_change
            WHERE tenant_id = ${version.tenantId} AND index_name = ${version.indexName}
              AND doc_id = wanted.doc_id AND fields IS NOT NULL
            LIMIT 1) c
  `
  const rows = ordinals.length + ids.length === 0 ? [] : yield* reading
  for (const row of rows) {
    if (row.ord === null) continue
    byOrdinal.set(row.ord, row)
    read.add(key, row.ord, row)
  }
  const byId = new Map(rows.filter(({ ord }) => ord === null).map((row) => [row.id, row]))
  if (ordinals.some((ordinal) => !byOrdinal.has(ordinal))) return { _tag: "Gone" }
  const documents = hits.flatMap((hit) => {
    if (hit.ordinal !== undefined) {
      const document = byOrdinal.get(hit.ordinal)
      return document === undefined ? [] : [{ hit, id: document.id, fields: document.fields }]
    }
    const id = hit.docId ?? ""
    const seen = fields?.get(id)
    if (seen !== undefined) return [{ hit, id, fields: seen }]
    const row = byId.get(id)
    return row?.isAsFound === true ? [{ hit, id, fields: row.fields }] : []
  })
  return { _tag: documents.length === hits.length ? "Whole" : "Torn", documents }
})

/** Completes a request with the places of the documents that it names. */
export const withOrdinals = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  version: VersionRows.Live,
  request: EngineRequest.SearchRequest
): Effect.fn.Return<EngineRequest.SearchRequest, SqlError> {
  const ids = [...EngineRequest.idsOf(request)]
  if (ids.length === 0 || version.searcher.summary.documentCount === 0) return request
  const rows = yield* sql<{ readonly id: string; readonly ord: number }>`
    SELECT d.doc_id AS id, d.ord
      FROM unnest(${ids}::text[]) AS wanted (doc_id)
     CROSS JOIN LATERAL (
           SELECT doc_id, ord
             FROM hm_search_document
            WHERE tenant_id = ${version.tenantId} AND version = ${version.versionId}::text::bigint
              AND doc_id = wanted.doc_id
            LIMIT 1) d
  `
  return { ...request, ordinals: new Map(rows.map(({ id, ord }) => [id, ord])) }
})
