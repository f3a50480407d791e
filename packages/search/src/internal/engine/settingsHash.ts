/**
 * A hash of rules and settings, stored with a version: queries must be analysed as its documents were. Apart from the
 * settings themselves, which a browser may import.
 */
import { createHash } from "node:crypto"
import type { Options } from "./Analyser.ts"
import type { EngineSettings } from "./EngineSettings.ts"

/** Raised with every change of what the bytes in a version's rows mean. */
const formatVersion = 1

/** Raised with every change of the rules by which texts become terms, or documents become scores. */
const rulesVersion = 3

const ofAnalyser = (options: Options): string =>
  createHash("sha256")
    .update(JSON.stringify([rulesVersion, options.stemming, options.stopWords, options.units]))
    .digest("hex")

/** Hash of format and rules of this code. A process reads only versions that carry it; others are built again. */
export const rules: string = createHash("sha256")
  .update(JSON.stringify([formatVersion, rulesVersion]))
  .digest("hex")

/** The hash a version carries. Weights are in it because impacts are stored with the weights multiplied in. */
export const hash = (settings: EngineSettings): string =>
  createHash("sha256")
    .update(
      JSON.stringify([
        ofAnalyser(settings.analyser),
        settings.fields.map(({ name, weight, b }) => [name, weight, b]),
        settings.columns.map(({ name, kind }) => [name, kind]),
        settings.k1,
        settings.popularityWeight,
        settings.synonyms.map((synonym) =>
          synonym.kind === "two-way" ? [synonym.phrases] : [synonym.from, synonym.to]
        )
      ])
    )
    .digest("hex")
