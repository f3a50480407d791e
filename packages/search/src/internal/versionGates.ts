/**
 * The gates of a version: checks before its activation. The rows are those that were built, the version with its changes
 * has the content of the catalogue, and no more of the common queries are without results.
 */
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { Search } from "../Search.ts"
import type { SearchDocuments } from "../SearchDocuments.ts"
import type { IndexName, VersionId } from "../SearchIndex.ts"
import { type Gate, SearchVersionNotFound } from "../SearchIndexVersion.ts"
import { patiently } from "./patiently.ts"

/** Queries that the gates try in both versions: the commonest. */
const queriesTriedMax = 200

const percent = (part: number, whole: number): string =>
  whole === 0 ? "no queries yet" : `${((100 * part) / whole).toFixed(1)} % of ${whole} queries`

export const make = (
  sql: SqlClient.SqlClient,
  search: Search["Service"],
  documents: SearchDocuments["Service"]
) => {
  /** Reads the counts that the build recorded, and counts the rows of the version. */
  const readStored = Effect.fnUntraced(function* (versionId: VersionId) {
    const tenant = yield* Tenant
    const [row] = yield* patiently(sql)(sql<{
      readonly expectedDocuments: number
      readonly expectedChecksum: string
      readonly documents: number
      readonly checksum: string
      readonly expectedPostings: string
      readonly postings: string
    }>`
      SELECT v.document_count AS "expectedDocuments", v.checksum AS "expectedChecksum", d.documents, d.checksum,
             (v.statistics ->> 'termCount') || ' terms, ' || (v.statistics ->> 'postingBytes') || ' bytes'
               AS "expectedPostings",
             p.terms || ' terms, ' || p.bytes || ' bytes' AS postings
        FROM hm_search_index_version v
        CROSS JOIN (
                   SELECT count(*)::int AS documents,
                          coalesce(sum(hashtextextended(doc_id || ' ' || fields::text, 0)), 0)::text AS checksum
                     FROM hm_search_document
                    WHERE tenant_id = ${tenant.id} AND version = ${versionId}::text::bigint
                   ) d
        CROSS JOIN (
                   SELECT count(*) FILTER (WHERE chunk = 0) AS terms, coalesce(sum(octet_length(data)), 0) AS bytes
                     FROM hm_search_posting
                    WHERE tenant_id = ${tenant.id} AND version = ${versionId}::text::bigint
                   ) p
       WHERE v.tenant_id = ${tenant.id} AND v.version_id = ${versionId}::text::bigint
    `)
    return row
  })

  /** Tries every gate of a built version. */
  const tryGates = Effect.fnUntraced(function* (indexName: IndexName, versionId: VersionId) {
    const tenant = yield* Tenant
    const stored = yield* readStored(versionId)
    if (stored === undefined) return yield* new SearchVersionNotFound({ versionId })
    const comparison = yield* documents
      .compare(indexName, versionId)
      .pipe(
        Effect.catchTag("SearchIndexNotFound", () => Effect.fail(new SearchVersionNotFound({ versionId })))
      )
    const queries = yield* sql<{ readonly query: string }>`
      SELECT query
        FROM hm_search_query
       WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}
       ORDER BY searches DESC
       LIMIT ${queriesTriedMax}
    `
    const tried = yield* search.compare(
      indexName,
      versionId,
      queries.map(({ query }) => query)
    )
    const emptyBefore = tried.filter(({ active }) => active.length === 0).length
    const empty = tried.filter(({ candidate }) => candidate.length === 0).length
    const answered = tried.filter(({ active }) => active.length > 0)
    const common = answered.reduce(
      (sum, { active, candidate }) =>
        sum + active.filter((id) => candidate.includes(id)).length / active.length,
      0
    )
    const gates: ReadonlyArray<Gate> = [
      {
        gate: "documents",
        passed: stored.documents === stored.expectedDocuments,
        effect: "stops",
        expected: String(stored.expectedDocuments),
        found: String(stored.documents)
      },
      {
        gate: "checksum",
        passed: stored.checksum === stored.expectedChecksum,
        effect: "stops",
        expected: stored.expectedChecksum,
        found: stored.checksum
      },
      {
        gate: "postings",
        passed: stored.postings === stored.expectedPostings,
        effect: "stops",
        expected: stored.expectedPostings,
        found: stored.postings
      },
      {
        gate: "catalogue",
        passed:
          comparison.checksum === comparison.indexedChecksum &&
          comparison.documents === comparison.indexedDocuments,
        effect: "stops",
        expected: `${comparison.documents} documents, ${comparison.checksum}`,
        found: `${comparison.indexedDocuments} documents, ${comparison.indexedChecksum}`
      },
      {
        gate: "zero-results",
        passed: empty <= emptyBefore,
        // A loss may be meant: a synonym or a stop word was taken away. Any visitor's text counts as a query.
        effect: "warns",
        expected: percent(emptyBefore, tried.length),
        found: percent(empty, tried.length)
      },
      {
        gate: "overlap",
        passed: true,
        effect: "reports",
        expected: "reported only",
        found: percent(common, answered.length)
      }
    ]
    return gates
  })

  return { tryGates }
}
