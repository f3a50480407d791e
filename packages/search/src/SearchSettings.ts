/**
 * The settings of an index: text fields with their weights, columns to filter, count and sort by, and the parameters of
 * scores. A version keeps the settings it was built with; a change of settings needs a new version.
 *
 * @since 0.1.0
 */
import { isNotTiny } from "./internal/tiny.ts"
import { isText, make as makeText } from "@hypermarket/core/Text"
import * as Schema from "effect/Schema"
import * as EngineSettings from "./internal/engine/EngineSettings.ts"

/**
 * A dot path into a document: `title`, `attributes.colour`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FieldPath = Schema.String.check(
  Schema.isPattern(/^[^\s\p{Cc}.$][^\p{Cc}.]*(\.[^\p{Cc}.]+)*$/u, {
    message: "Expected a path such as title or attributes.colour"
  }),
  isText({ max: 200 })
)

const Unit = Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 1 }), isNotTiny)
const Phrase = makeText({ max: 200 })
const synonymsMax = 10_000
const phrasesMax = 50
const stopWordsMax = 1_000
const signalsMax = 16

/**
 * Words for others: `two-way` stand for each other, `one-way` are found in place of `from` as well.
 *
 * @category models
 * @since 0.1.0
 */
export const Synonym = Schema.Union([
  Schema.Struct({
    kind: Schema.Literal("two-way"),
    phrases: Schema.Array(Phrase).check(Schema.isMinLength(2), Schema.isMaxLength(phrasesMax))
  }),
  Schema.Struct({
    kind: Schema.Literal("one-way"),
    from: Phrase,
    to: Schema.Array(Phrase).check(Schema.isMinLength(1), Schema.isMaxLength(phrasesMax))
  })
])

const Parts = Schema.Struct({
  /** Objects and lists are searched by all the texts in them. `b` is how much the field's length counts (BM25F). */
  fields: Schema.Array(
    Schema.Struct({
      name: FieldPath,
      weight: Schema.Number.check(Schema.isBetween({ minimum: 0.001, maximum: 1_000 })),
      b: Unit
    })
  ).check(Schema.isMinLength(1), Schema.isMaxLength(EngineSettings.textFieldsMax)),
  columns: Schema.Array(
    Schema.Struct({ name: FieldPath, kind: Schema.Literals(["keyword", "number"]) })
  ).check(Schema.isMaxLength(EngineSettings.columnsMax)),
  k1: Schema.Number.check(Schema.isBetween({ minimum: 0.001, maximum: 100 })),
  /** The most that popularity and the tenant's signals multiply a score by is one more than this. */
  popularityWeight: Unit,
  popularityWindow: Schema.Literals(["day", "week", "month"]),
  /** Ranking signals of the tenant, weighed against popularity, which weighs 1. */
  signals: Schema.Array(
    Schema.Struct({
      signal: Schema.String.check(Schema.isPattern(/^[a-z][a-z0-9_]{0,62}$/)),
      weight: Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 100 }), isNotTiny)
    })
  ).check(Schema.isMaxLength(signalsMax)),
  synonyms: Schema.Array(Synonym).check(Schema.isMaxLength(synonymsMax)),
  stemming: Schema.Literals(["plural", "none"]),
  stopWords: Schema.Array(Phrase).check(Schema.isMaxLength(stopWordsMax)),
  /** True when `4 ft` is also `4ft`. */
  units: Schema.Boolean
})

/**
 * The settings as the engine takes them.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toEngine = (settings: typeof Parts.Type): EngineSettings.EngineSettings => ({
  fields: settings.fields,
  columns: settings.columns,
  k1: settings.k1,
  popularityWeight: settings.popularityWeight,
  synonyms: settings.synonyms,
  analyser: { stemming: settings.stemming, stopWords: settings.stopWords, units: settings.units }
})

/**
 * @category models
 * @since 0.1.0
 */
export const SearchSettings = Parts.check(
  Schema.makeFilter((settings) => {
    const names = settings.columns.map(({ name }) => name)
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    return twice === undefined ? undefined : { path: ["columns"], issue: `${twice} stands there twice` }
  }),
  Schema.makeFilter((settings) => {
    const problem = EngineSettings.problemOf(toEngine(settings))
    return problem === undefined ? undefined : `Expected ${problem}`
  })
)

/**
 * @category models
 * @since 0.1.0
 */
export type SearchSettings = typeof SearchSettings.Type

/**
 * The weights were chosen by cross-validation on judged queries of an electronics shop; columns fit the shop's facts
 * about products.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaults: SearchSettings = {
  fields: EngineSettings.defaults.fields,
  columns: [
    { name: "brand", kind: "keyword" },
    { name: "categories", kind: "keyword" },
    { name: "sellerId", kind: "keyword" },
    { name: "price", kind: "number" },
    { name: "stock", kind: "number" }
  ],
  k1: EngineSettings.defaults.k1,
  popularityWeight: EngineSettings.defaults.popularityWeight,
  popularityWindow: "week",
  signals: [],
  synonyms: [],
  stemming: "plural",
  stopWords: EngineSettings.defaults.analyser.stopWords,
  units: EngineSettings.defaults.analyser.units
}
