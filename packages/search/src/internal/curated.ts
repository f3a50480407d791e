/**
 * The rules of an index as a search applies them.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { Curation, type SearchRule } from "../SearchCuration.ts"
import * as Filter from "./engine/Filter.ts"
import { normalise } from "./engine/Fold.ts"
import type { Searcher } from "./engine/Searcher.ts"
import type { SearchRequest } from "./engine/SearchRequest.ts"
import type { Synonyms } from "./engine/Synonyms.ts"

/** The parts of a request that rules add. */
export interface Applied {
  readonly request: Pick<SearchRequest, "pins" | "hides" | "boosts">
  readonly ruleIds: ReadonlyArray<string>
  readonly redirect: string | undefined
}

const notWordPattern = /[^\p{L}\p{M}\p{N}+#]+/u

const wordsOf = (text: string): ReadonlyArray<string> =>
  normalise(text)
    .split(notWordPattern)
    .filter((word) => word !== "")

const hasPhrase = (words: ReadonlyArray<string>, phrase: ReadonlyArray<string>): boolean =>
  phrase.length > 0 && words.some((_, at) => phrase.every((word, n) => words[at + n] === word))

interface CompiledRule extends Pick<SearchRule, "ruleId" | "pins" | "hides" | "redirect"> {
  readonly boosts: SearchRequest["boosts"]
  readonly applies: (words: ReadonlyArray<string>) => boolean
}

const compile = ({ boosts = [], when, ...rule }: SearchRule): CompiledRule => {
  const phrase = when === undefined ? [] : wordsOf(when.query)
  return {
    ...rule,
    boosts: boosts.flatMap(({ factor, filter }) => {
      const parsed = Filter.parse(filter)
      return Result.isSuccess(parsed) ? [{ filter: parsed.success, factor }] : []
    }),
    applies: (words) =>
      when === undefined ||
      (hasPhrase(words, phrase) && (when.match === "contains" || words.length === phrase.length))
  }
}

/** A filter that no longer parses lets nothing pass. */
const forced = (text: string): Filter.Filter => {
  const parsed = Filter.parse(text)
  return Result.isSuccess(parsed) ? parsed.success : { _tag: "Or", filters: [] }
}

export class Curated {
  readonly version: number
  /** Those of the version and those of the curation. */
  readonly synonyms: Synonyms | undefined
  /** That of searches with client keys. */
  readonly clientFilter: Filter.Filter | undefined
  private readonly rules: ReadonlyArray<CompiledRule>

  constructor(version: number, curation: Curation, searcher: Searcher) {
    this.version = version
    this.rules = curation.rules.map(compile)
    this.clientFilter = curation.clientFilter === undefined ? undefined : forced(curation.clientFilter)
    this.synonyms = curation.synonyms.length === 0 ? undefined : searcher.synonymsWith(curation.synonyms)
  }

  apply(query: string): Applied | undefined {
    if (this.rules.length === 0) return undefined
    const words = wordsOf(query)
    const rules = this.rules.filter(({ applies }) => applies(words))
    if (rules.length === 0) return undefined
    const pins = new Map<string, number>()
    for (const { id, position } of rules.flatMap((rule) => rule.pins ?? [])) {
      if (!pins.has(id)) pins.set(id, position)
    }
    return {
      request: {
        pins: Array.from(pins, ([docId, position]) => ({ docId, position })).toSorted(
          (a, b) => a.position - b.position
        ),
        hides: [...new Set(rules.flatMap((rule) => rule.hides ?? []))],
        boosts: rules.flatMap(({ boosts }) => boosts)
      },
      ruleIds: rules.map(({ ruleId }) => ruleId),
      redirect: rules.find(({ redirect }) => redirect !== undefined)?.redirect
    }
  }
}

const decodeCuration = Schema.decodeUnknownEffect(Curation)

/** Reads the rules of an index. Undefined when the index is gone. */
export const read = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  tenantId: string,
  indexName: string,
  searcher: Searcher
): Effect.fn.Return<Curated | undefined, SqlError> {
  const [row] = yield* sql<{ readonly curation: unknown; readonly version: number }>`
    SELECT curation, curation_version AS version
      FROM hm_search_index
     WHERE tenant_id = ${tenantId} AND index_name = ${indexName}
  `
  if (row === undefined) return undefined
  return new Curated(row.version, yield* Effect.orDie(decodeCuration(row.curation)), searcher)
})
