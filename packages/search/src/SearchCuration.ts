/**
 * The rules and synonyms of an index that take effect with the next search, without a version: products that are pinned,
 * hidden or boosted for a query, and addresses that a query leads to. Schemas only; the service is `SearchCurations`.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import { AdopterId } from "@hypermarket/core/Identifier"
import * as Text from "@hypermarket/core/Text"
import * as Schema from "effect/Schema"
import * as Filter from "./internal/engine/Filter.ts"
import { windowMax } from "./internal/engine/SearchRequest.ts"
import { IndexName, Name } from "./SearchIndex.ts"
import { Synonym } from "./SearchSettings.ts"

/** Each rule is compared with every query. */
const rulesMax = 500
const synonymsMax = 2_000
const pinsMax = 50
const hidesMax = 200
const boostsMax = 10
const redirectCharsMax = 2_000
const boostFilterCharsMax = 2_000

/**
 * A rule for the searches of a query, or without `when` for every search.
 *
 * @category models
 * @since 0.1.0
 */
export const SearchRule = Schema.Struct({
  ruleId: Name,
  when: Schema.optionalKey(
    Schema.Struct({
      /** Compared word by word, without regard to case and accents. */
      query: Text.make({ min: 1, max: 200 }),
      /** `is`: the query has these words and no others. `contains`: it has them one after another. */
      match: Schema.Literals(["is", "contains"])
    })
  ),
  /**
   * Documents with their positions, from 1. A pinned document is shown whether it has the words of the query or not, and only
   * when it is in the filter. Pins have no effect on a search with `sort`.
   */
  pins: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        id: AdopterId,
        position: BoundedInt.make({ minimum: 1, maximum: windowMax })
      })
    ).check(Schema.isMaxLength(pinsMax))
  ),
  /** Documents that are not found. */
  hides: Schema.optionalKey(Schema.Array(AdopterId).check(Schema.isMaxLength(hidesMax))),
  /** Factors of the scores of documents in a filter; below 1 they come later. A column that the version lacks has no values. */
  boosts: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        filter: Text.make({ min: 1, max: boostFilterCharsMax }),
        factor: Schema.Number.check(Schema.isBetween({ minimum: 0.01, maximum: 100 }))
      })
    ).check(Schema.isMaxLength(boostsMax))
  ),
  /** An address for the client to go to instead of showing hits. */
  redirect: Schema.optionalKey(Text.make({ min: 1, max: redirectCharsMax }))
})

/**
 * @category models
 * @since 0.1.0
 */
export type SearchRule = typeof SearchRule.Type

/**
 * Rules in the order in which they apply, and synonyms beside those of the settings. Where two rules pin the same document or
 * redirect, the first counts; a document that any rule hides is hidden.
 *
 * @category models
 * @since 0.1.0
 */
export const Curation = Schema.Struct({
  synonyms: Schema.Array(Synonym).check(Schema.isMaxLength(synonymsMax)),
  rules: Schema.Array(SearchRule).check(
    Schema.isMaxLength(rulesMax),
    Schema.makeFilter((rules) => {
      const ids = rules.map(({ ruleId }) => ruleId)
      const twice = ids.findIndex((id, n) => ids.indexOf(id) !== n)
      return twice === -1
        ? undefined
        : { path: [twice, "ruleId"], issue: `Expected different ids, got ${ids[twice] ?? ""} twice` }
    })
  ),
  /**
   * A filter that every search with a client key has beside its own. What it leaves out does not exist for such a key: no hit,
   * facet, pin or explanation shows it.
   */
  clientFilter: Schema.optionalKey(Text.make({ min: 1, max: Filter.filterCharsMax }))
})

/**
 * @category models
 * @since 0.1.0
 */
export type Curation = typeof Curation.Type

/**
 * The curation of an index with its version, 0 when it was never set.
 *
 * @category models
 * @since 0.1.0
 */
export class SearchCuration extends Schema.Class<SearchCuration>("@hypermarket/search/SearchCuration")({
  indexName: IndexName,
  ...Curation.fields,
  version: Schema.Int,
  updatedAt: Schema.NullOr(Schema.DateTimeUtcFromString)
}) {}
