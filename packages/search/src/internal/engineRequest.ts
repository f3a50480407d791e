/**
 * From a search as it is sent to the request of the engine.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { changeReader } from "./engine/Documents.ts"
import * as Filter from "./engine/Filter.ts"
import * as EngineRequest from "./engine/SearchRequest.ts"
import * as SearchSettings from "../SearchSettings.ts"
import { type Fields, toIndexDocument } from "./indexed.ts"
import {
  distinctLimitDefault,
  facetValuesDefault,
  limitDefault,
  SearchInvalid,
  type SearchQuery
} from "../SearchQuery.ts"

/** Parses a filter. A refusal names the position of what is not understood. */
const parseFilter = (text: string): Effect.Effect<Filter.Filter, SearchInvalid> => {
  const filter = Filter.parse(text)
  if (Result.isSuccess(filter)) return Effect.succeed(filter.success)
  const { message, position } = filter.failure
  return Effect.fail(
    new SearchInvalid({
      errors: [{ path: ["filter", String(position)], message: `${message} at ${position}` }]
    })
  )
}

/** Returns the test of a filter for documents with the columns of some settings. */
export const testOf = Effect.fnUntraced(function* (
  settings: SearchSettings.SearchSettings,
  text: string
): Effect.fn.Return<(docId: string, fields: Fields) => boolean, SearchInvalid> {
  const filter = yield* parseFilter(text)
  const problem = EngineRequest.problemOf(SearchSettings.toEngine(settings), {
    ...EngineRequest.defaults,
    filter
  })
  if (problem !== undefined) {
    return yield* new SearchInvalid({ errors: [{ path: [problem.parameter], message: problem.message }] })
  }
  const test = Filter.compile(filter, changeReader)
  return (docId, fields) => {
    const { keywords, numbers } = toIndexDocument(settings, docId, fields, 0)
    return test({ docId, keywords, numbers })
  }
})

/** Returns a filter that holds where both hold. */
export const both = (
  filter: Filter.Filter | undefined,
  other: Filter.Filter | undefined
): Filter.Filter | undefined =>
  filter === undefined || other === undefined ? (filter ?? other) : { _tag: "And", filters: [other, filter] }

/** Without the ordinals of documents that it names. */
export const make = Effect.fnUntraced(function* (
  query: SearchQuery
): Effect.fn.Return<EngineRequest.SearchRequest, SearchInvalid> {
  const filter = query.filter === undefined ? undefined : yield* parseFilter(query.filter)
  return {
    ...EngineRequest.defaults,
    query: query.query ?? "",
    prefix: query.prefix ?? false,
    typos: query.typos ?? true,
    match: query.match,
    filter,
    // A client's list without values is one where nothing is chosen.
    refinements: (query.refinements ?? [])
      .filter(({ values }) => values.length > 0)
      .map(({ column, values }) => ({ column, values: values.map(String) })),
    distinct:
      query.distinct === undefined
        ? undefined
        : { column: query.distinct.column, limit: query.distinct.limit ?? distinctLimitDefault },
    facets: (query.facets ?? []).map(({ column, limit, query }) => ({
      column,
      valuesMax: limit ?? facetValuesDefault,
      query
    })),
    sort: query.sort ?? [],
    offset: query.offset ?? 0,
    limit: query.limit ?? limitDefault,
    explain: query.explain ?? false,
    explained: query.productId
  }
})
