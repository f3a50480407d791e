/** Runs a search on a version: in memory when its segment is resident, else with the rows that the search asks for. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as SqlClient from "effect/sql/SqlClient"
import type * as EngineRequest from "./engine/SearchRequest.ts"
import * as VersionRows from "./versionRows.ts"

/** Read in the same step as the changes: another look moves both on. */
const momentOf = ({ horizon, snapshot }: VersionRows.Live) => ({ horizon, snapshot })

const none = Effect.succeed([])

export const make = (sql: SqlClient.SqlClient) => {
  /** Asks the database for what the search still needs, until it has an answer. */
  const onDemand = Effect.fnUntraced(function* (
    version: VersionRows.Live,
    request: EngineRequest.SearchRequest
  ) {
    const begun = version.searcher.onDemand(request, { delta: version.delta })
    if (Result.isFailure(begun)) return { outcome: Result.fail(begun.failure), ...momentOf(version) }
    const search = begun.success
    for (;;) {
      const step = search.next()
      if (step._tag === "Answer") return { outcome: Result.succeed(step.answer), ...momentOf(version) }
      const { columns, completions, frequencies, postings, typoBuckets } = step.need
      const hasColumns = columns.length > 0 || Object.values(typoBuckets).some(({ length }) => length > 0)
      search.supply(
        yield* Effect.all(
          {
            postings: postings.length === 0 ? none : VersionRows.readPostings(sql, version, postings),
            frequencies:
              frequencies.length === 0 ? none : VersionRows.readFrequencies(sql, version, frequencies),
            completions: Effect.forEach(completions, (wanted) =>
              Effect.map(VersionRows.readCompletions(sql, version, wanted), (terms) => ({
                prefix: wanted.prefix,
                terms
              }))
            ),
            columns: hasColumns ? VersionRows.readColumns(sql, version, columns, typoBuckets) : none
          },
          { concurrency: "unbounded" }
        )
      )
    }
  })

  const execute = (version: VersionRows.Live, request: EngineRequest.SearchRequest) => {
    const { delta, searcher, segment } = version
    return segment === undefined
      ? onDemand(version, request)
      : Effect.sync(() => ({
          outcome: searcher.resident(segment, request, delta),
          ...momentOf(version)
        }))
  }

  return { execute }
}
