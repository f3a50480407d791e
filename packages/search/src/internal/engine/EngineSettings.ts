/**
 * The settings of one version of an index. Everything here changes what is stored, so a change needs a new version. `hash`
 * shows whether a stored version was built with the same rules and settings.
 */
import * as Analyser from "./Analyser.ts"

/** More fields would not fit the three bits a posting has for its field while a version is built. */
export const textFieldsMax = 8

/** Each column is resident memory, 2 to 8 bytes a document. */
export const columnsMax = 64

/** A field that is searched. `b` is how much its length counts (BM25F): 0 not at all, 1 fully. */
export interface TextField {
  readonly name: string
  readonly weight: number
  readonly b: number
}

/** A field that is filtered, counted and sorted by. A keyword column may hold several values a document. */
export interface Column {
  readonly name: string
  readonly kind: "keyword" | "number"
}

/** Words that stand for each other (`two-way`), or words found in place of others (`one-way`). Not transitive. */
export type Synonym =
  | { readonly kind: "two-way"; readonly phrases: ReadonlyArray<string> }
  | { readonly kind: "one-way"; readonly from: string; readonly to: ReadonlyArray<string> }

export interface EngineSettings {
  readonly fields: ReadonlyArray<TextField>
  readonly columns: ReadonlyArray<Column>
  /** How fast more occurrences stop counting. */
  readonly k1: number
  /** The most that popularity multiplies a score by is `1 + popularityWeight`. */
  readonly popularityWeight: number
  readonly synonyms: ReadonlyArray<Synonym>
  readonly analyser: Analyser.Options
}

/**
 * Chosen by cross-validation on judged queries of a shop for electronics. Popularity starts low on purpose: a random
 * popularity of weight 0.3 took a third of the NDCG of 1,000,000 products.
 */
export const defaults: EngineSettings = {
  fields: [
    { name: "title", weight: 1, b: 0.4 },
    { name: "brand", weight: 0.25, b: 0.75 },
    { name: "description", weight: 0.3, b: 0.6 },
    { name: "attributes", weight: 0.15, b: 0.9 }
  ],
  columns: [],
  k1: 0.6,
  popularityWeight: 0.05,
  synonyms: [],
  analyser: Analyser.defaults
}

/** A number that is not finite orders nothing and prunes nothing, and no timing shows it: such settings are refused. */
export const problemOf = (settings: EngineSettings): string | undefined => {
  const names = [...settings.fields, ...settings.columns].map(({ name }) => name)
  const inUnit = (value: number) => value >= 0 && value <= 1
  if (settings.fields.length === 0) return "at least one text field"
  if (settings.fields.length > textFieldsMax) return `at most ${textFieldsMax} text fields`
  if (settings.columns.length > columnsMax) return `at most ${columnsMax} columns`
  if (names.some((name) => name === "" || name.startsWith("$"))) {
    return "a field's name is not empty and does not begin with $"
  }
  if (new Set(settings.fields.map(({ name }) => name)).size < settings.fields.length) {
    return "text fields have different names"
  }
  if (new Set(settings.columns.map(({ name }) => name)).size < settings.columns.length) {
    return "columns have different names"
  }
  if (!settings.fields.every(({ weight, b }) => weight > 0 && Number.isFinite(weight) && inUnit(b))) {
    return "a field's weight is above 0 and finite, its b from 0 to 1"
  }
  if (!(settings.k1 > 0 && Number.isFinite(settings.k1))) return "k1 is above 0 and finite"
  return inUnit(settings.popularityWeight) ? undefined : "the weight of popularity is from 0 to 1"
}
