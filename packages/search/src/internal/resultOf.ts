/**
 * The result of a search, as it is sent, from the engine's answer and the documents of the hits.
 */
import type * as Schema from "effect/Schema"
import { VersionId } from "../SearchIndex.ts"
import {
  type Hit,
  type PopularityParts,
  type SearchQuery,
  type SearchResult,
  snippetWordsDefault
} from "../SearchQuery.ts"
import { Highlighter } from "./engine/Highlight.ts"
import type * as EngineRequest from "./engine/SearchRequest.ts"
import type { Found } from "./hitRows.ts"
import { type Fields, textOf } from "./indexed.ts"
import type * as VersionRows from "./versionRows.ts"

const retrieved = (fields: Fields, names: ReadonlyArray<string> | undefined): Fields => {
  if (names === undefined) return fields
  const chosen: Record<string, Schema.Json> = {}
  for (const name of names) {
    const value = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (value !== undefined) chosen[name] = value
  }
  return chosen
}

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => escapes[character] ?? "")

const highlights = (
  highlighter: Highlighter,
  fields: Fields,
  { after, before, fields: names }: NonNullable<SearchQuery["highlight"]>
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    names.map((name) => [
      name,
      highlighter.mark(textOf(fields, name), before ?? "<em>", after ?? "</em>", escape)
    ])
  )

const snippets = (
  highlighter: Highlighter,
  fields: Fields,
  { after, before, fields: names, words }: NonNullable<SearchQuery["snippet"]>
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    names.map((name) => [
      name,
      highlighter.snippet(
        textOf(fields, name),
        words ?? snippetWordsDefault,
        before ?? "<em>",
        after ?? "</em>",
        escape
      )
    ])
  )

const noneWritten: ReadonlyMap<string, string> = new Map()

export const make = (
  version: VersionRows.Live,
  query: SearchQuery,
  queryId: string,
  found: EngineRequest.SearchAnswer,
  documents: ReadonlyArray<Found>
): SearchResult => {
  const { settings } = version.searcher.summary
  const highlighter = new Highlighter(settings, found.words)
  // Completions and synonyms are known as terms, which may be stems that no one writes; the titles have the words.
  const [titles] = settings.fields
  const written = found.words.some(({ how }) => how !== "exact" && how !== "unknown")
    ? highlighter.written(documents.map(({ fields }) => textOf(fields, titles?.name ?? "")))
    : noneWritten
  const { explained } = found
  return {
    queryId,
    indexVersion: VersionId.make(version.versionId),
    hits: documents.map(({ fields, hit, id }): Hit => ({
      id,
      score: hit.score,
      missingWords: hit.missingWords,
      fields: retrieved(fields, query.retrieve),
      ...(query.highlight === undefined
        ? {}
        : { highlights: highlights(highlighter, fields, query.highlight) }),
      ...(query.snippet === undefined ? {} : { snippets: snippets(highlighter, fields, query.snippet) }),
      ...(hit.pinned === undefined ? {} : { pinned: hit.pinned }),
      ...(hit.explanation === undefined ? {} : { explanation: hit.explanation })
    })),
    found: found.nbHits,
    level: found.level,
    foundBest: found.nbHitsBest,
    words: found.words.map(({ end, how, shown, start, word }) => ({
      word,
      start,
      end,
      terms: [...new Set(shown.map((text) => written.get(text) ?? text))],
      how
    })),
    facets: found.facets.map(({ column, distinct, of, stats, values }) => ({
      column,
      of,
      values,
      distinct,
      ...(stats === undefined ? {} : { stats })
    })),
    ...(explained === undefined
      ? {}
      : {
          product: {
            id: explained.docId,
            outcome: explained.outcome,
            position: explained.position ?? null,
            missingWords: explained.missingWords,
            explanation: explained.explanation ?? null
          }
        }),
    truncated: found.truncated
  }
}

/** Returns the ids of the documents that a result explains. */
export const explainedIds = ({ hits, product }: SearchResult): ReadonlyArray<string> => [
  ...hits.filter(({ explanation }) => explanation !== undefined).map(({ id }) => id),
  ...(product === undefined || product.explanation === null ? [] : [product.id])
]

/** Completes the explanations of a result. */
export const withParts = (
  result: SearchResult,
  parts: ReadonlyMap<string, PopularityParts>
): SearchResult => {
  const completed = <A extends NonNullable<Hit["explanation"]>>(id: string, explanation: A): A => {
    const popularityParts = parts.get(id)
    return popularityParts === undefined ? explanation : { ...explanation, popularityParts }
  }
  const { hits, product } = result
  return {
    ...result,
    hits: hits.map((hit) =>
      hit.explanation === undefined ? hit : { ...hit, explanation: completed(hit.id, hit.explanation) }
    ),
    ...(product === undefined || product.explanation === null
      ? {}
      : { product: { ...product, explanation: completed(product.id, product.explanation) } })
  }
}

/** Returns a result for a caller for whom documents outside a filter do not exist. */
export const withoutRefused = (result: SearchResult): SearchResult => {
  const { product, words } = result
  return product?.outcome === "filtered" || product?.outcome === "hidden"
    ? {
        ...result,
        product: { ...product, outcome: "absent", missingWords: words.length, explanation: null }
      }
    : result
}
