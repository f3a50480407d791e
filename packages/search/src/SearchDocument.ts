/**
 * The documents of an index. A write is part of the caller's transaction and is found by the next search after its
 * commit; within the transaction its own searches find it at once.
 *
 * @since 0.1.0
 */
import type * as Commerce from "@hypermarket/core/Commerce"
import { AdopterId } from "@hypermarket/core/Identifier"
import { now } from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fields } from "./internal/indexed.ts"
import { patiently } from "./internal/patiently.ts"
import { type IndexName, SearchIndexNotFound } from "./SearchIndex.ts"

/**
 * @category limits
 * @since 0.1.0
 */
export const documentBytesMax = 100_000

/**
 * A batch is one statement and one lock on each of its rows.
 *
 * @category limits
 * @since 0.1.0
 */
export const batchMax = 1_000

/**
 * A document: its id, and any JSON. With a `version`, a lower or equal one than the stored is ignored, so that replay and
 * disorder are harmless; without, the last write wins.
 *
 * @category models
 * @since 0.1.0
 */
export const SearchDocument = Schema.Struct({
  id: AdopterId,
  version: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))
  ),
  fields: Schema.Record(Schema.String, Schema.Json)
})

/**
 * @category models
 * @since 0.1.0
 */
export type SearchDocument = typeof SearchDocument.Type

/**
 * @category models
 * @since 0.1.0
 */
export const DocumentRemoval = Schema.Struct({ id: AdopterId, version: SearchDocument.fields.version })

/**
 * @category models
 * @since 0.1.0
 */
export type DocumentRemoval = typeof DocumentRemoval.Type

/**
 * A document cannot be indexed. Nothing of the batch was written.
 *
 * @category errors
 * @since 0.1.0
 */
export class DocumentInvalid extends HttpApiError.Problem<DocumentInvalid>()(
  "DocumentInvalid",
  {
    type: "urn:hypermarket:problem:search:document-invalid",
    status: 422,
    title: "A document cannot be indexed"
  },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}

/**
 * What became of a batch: `ignored` had no newer version, or the same content.
 *
 * @category models
 * @since 0.1.0
 */
export const Written = Schema.Struct({ written: Schema.Int, ignored: Schema.Int })

/**
 * @category models
 * @since 0.1.0
 */
export type Written = typeof Written.Type

/**
 * The catalogue and what a version with its changes shows, counted in one snapshot. They are the same whenever
 * nothing is wrong.
 *
 * @category models
 * @since 0.1.0
 */
export const Comparison = Schema.Struct({
  documents: Schema.Int,
  checksum: Schema.String,
  indexedDocuments: Schema.Int,
  indexedChecksum: Schema.String,
  /** Changes that stand beside the version. */
  changes: Schema.Int
})

/**
 * @category models
 * @since 0.1.0
 */
export type Comparison = typeof Comparison.Type

/**
 * A product of the shop as a document; undefined for one that is not to be found: hidden or deleted.
 *
 * @category conversions
 * @since 0.1.0
 */
export const ofProduct = (product: Commerce.ProductChanged): Fields | undefined => {
  if (product.status !== "active") return undefined
  const optional = {
    description: product.description,
    brand: product.brand,
    stock: product.stock,
    gtin: product.gtin,
    images: product.images,
    locale: product.locale,
    // Amounts of a catalogue are far below 2^53 minor units, and a column is a double.
    listPrice: product.listPrice === undefined ? undefined : Number(product.listPrice.amount)
  }
  const fields: Record<string, Schema.Json> = {
    title: product.title,
    categories: product.categories,
    sellerId: product.sellerId,
    price: Number(product.price.amount),
    currency: product.price.currency,
    attributes: product.attributes
  }
  for (const [name, value] of Object.entries(optional)) if (value !== undefined) fields[name] = value
  return fields
}

interface Write {
  readonly id: string
  readonly version: number
  /** JSON; empty for a tombstone. */
  readonly text: string
}

/** JSON has escapes for U+0000 and for halves of surrogate pairs; jsonb refuses both. */
const refusedEscape = /(?:^|[^\\])(?:\\\\)*\\u(?:0000|d[89a-f])/

const problemOf = (text: string): string | undefined => {
  const bytes = Buffer.byteLength(text)
  if (bytes > documentBytesMax) return `Expected at most ${documentBytesMax} bytes, got ${bytes}`
  return refusedEscape.test(text) ? "Expected neither U+0000 nor half of a surrogate pair" : undefined
}

/** One write a document: of several the one with the highest version, or else the last. Sorted: two batches cannot deadlock. */
const distinct = (writes: ReadonlyArray<Write>): ReadonlyArray<Write> => {
  const byId = new Map<string, Write>()
  for (const write of writes) {
    const other = byId.get(write.id)
    if (other === undefined || write.version === 0 || write.version >= other.version)
      byId.set(write.id, write)
  }
  return Array.from(byId.values()).toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

/**
 * @category services
 * @since 0.1.0
 */
export class SearchDocuments extends Context.Service<
  SearchDocuments,
  {
    /**
     * Writes and removes up to {@link batchMax} documents, all or nothing, in one statement. An id that stands in both
     * lists is written.
     */
    readonly write: (
      indexName: IndexName,
      batch: {
        readonly upserts?: ReadonlyArray<SearchDocument>
        readonly removals?: ReadonlyArray<DocumentRemoval>
      }
    ) => Effect.Effect<Written, SearchIndexNotFound | DocumentInvalid | SqlError, Tenant>
    /** Compares a version, the active one by default, with the catalogue: reads every row of both. */
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

      const write = Effect.fn("SearchDocuments.write")(function* (
        indexName: IndexName,
        batch: {
          readonly upserts?: ReadonlyArray<SearchDocument>
          readonly removals?: ReadonlyArray<DocumentRemoval>
        }
      ) {
        const tenant = yield* Tenant
        const moment = yield* now
        const upserts = batch.upserts ?? []
        const removals = batch.removals ?? []
        const texts = upserts.map(({ fields }) => JSON.stringify(fields))
        const issues = texts.flatMap((text, index) => {
          const message = problemOf(text)
          return message === undefined ? [] : [{ path: ["upserts", String(index), "fields"], message }]
        })
        if (upserts.length + removals.length > batchMax) {
          issues.push({ path: ["upserts"], message: `Expected at most ${batchMax} documents in a batch` })
        }
        if (issues.length > 0) return yield* new DocumentInvalid({ errors: issues })
        const writes = distinct([
          ...removals.map(({ id, version }): Write => ({ id, version: version ?? 0, text: "" })),
          ...upserts.map(({ id, version }, index): Write => ({
            id,
            version: version ?? 0,
            text: texts[index] ?? ""
          }))
        ])
        const [row] = yield* sql<{ readonly found: boolean; readonly written: number }>`
          WITH found AS (
            SELECT 1 FROM hm_search_index WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}),
          written AS (
            INSERT INTO hm_search_change AS c (tenant_id, index_name, doc_id, xid, doc_version, fields, updated_at)
            SELECT ${tenant.id}, ${indexName}, d.doc_id, pg_current_xact_id(), d.doc_version, nullif(d.content, '')::jsonb,
                   ${moment}::timestamptz
              FROM unnest(${writes.map(({ id }) => id)}::text[],
                          ${writes.map(({ version }) => String(version))}::text[]::bigint[],
                          ${writes.map(({ text }) => text)}::text[]) WITH ORDINALITY AS d (doc_id, doc_version, content, n)
             WHERE EXISTS (SELECT 1 FROM found)
             ORDER BY d.n
                ON CONFLICT (tenant_id, index_name, doc_id)
                DO UPDATE SET xid = excluded.xid, fields = excluded.fields, updated_at = excluded.updated_at,
                              doc_version = greatest(c.doc_version, excluded.doc_version)
                    WHERE excluded.doc_version > c.doc_version
                       OR (excluded.doc_version = 0 AND c.fields IS DISTINCT FROM excluded.fields)
            RETURNING 1)
          SELECT EXISTS (SELECT 1 FROM found) AS found, (SELECT count(*)::int FROM written) AS written
        `
        if (row?.found !== true) return yield* new SearchIndexNotFound({ indexName })
        return { written: row.written, ignored: upserts.length + removals.length - row.written }
      })

      const compare = Effect.fn("SearchDocuments.compare")(function* (
        indexName: IndexName,
        versionId?: string
      ) {
        const tenant = yield* Tenant
        const [row] = yield* patiently(sql)(sql<Comparison>`
          WITH chosen AS (
            SELECT v.version_id, v.built_snapshot
              FROM hm_search_index i
              JOIN hm_search_index_version v ON v.tenant_id = ${tenant.id} AND v.index_name = ${indexName}
               AND v.version_id = coalesce(${versionId ?? null}::text::bigint, i.active_version)
             WHERE i.tenant_id = ${tenant.id} AND i.index_name = ${indexName}),
          shown AS (
            SELECT d.doc_id, d.fields
              FROM hm_search_document d
             WHERE d.tenant_id = ${tenant.id} AND d.version = (SELECT version_id FROM chosen)
               AND NOT EXISTS (
                   SELECT 1
                     FROM hm_search_change c
                    WHERE c.tenant_id = ${tenant.id} AND c.index_name = ${indexName} AND c.doc_id = d.doc_id
                      AND NOT pg_visible_in_snapshot(c.xid, (SELECT built_snapshot FROM chosen)))
             UNION ALL
            SELECT c.doc_id, c.fields
              FROM hm_search_change c
             WHERE c.tenant_id = ${tenant.id} AND c.index_name = ${indexName} AND c.fields IS NOT NULL
               AND NOT pg_visible_in_snapshot(c.xid, (SELECT built_snapshot FROM chosen)))
          SELECT c.documents, c.checksum, s.documents AS "indexedDocuments", s.checksum AS "indexedChecksum",
                 (SELECT count(*)::int
                    FROM hm_search_change c
                   WHERE c.tenant_id = ${tenant.id} AND c.index_name = ${indexName}
                     AND c.xid >= pg_snapshot_xmin((SELECT built_snapshot FROM chosen))
                     AND NOT pg_visible_in_snapshot(c.xid, (SELECT built_snapshot FROM chosen))) AS changes
            FROM chosen
            CROSS JOIN (SELECT count(*)::int AS documents,
                               coalesce(sum(hashtextextended(doc_id || ' ' || fields::text, 0)), 0)::text AS checksum
                          FROM hm_search_change
                         WHERE tenant_id = ${tenant.id} AND index_name = ${indexName} AND fields IS NOT NULL) c
            CROSS JOIN (SELECT count(*)::int AS documents,
                               coalesce(sum(hashtextextended(doc_id || ' ' || fields::text, 0)), 0)::text AS checksum
                          FROM shown) s
        `)
        return row ?? (yield* new SearchIndexNotFound({ indexName }))
      })

      return SearchDocuments.of({ write, compare })
    })
  )
}
