/**
 * Facts about a version that are needed before its rows are read. Plain JSON, kept in the version's row.
 */
import * as Schema from "effect/Schema"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Text = Schema.String

const EngineSettings = Schema.Struct({
  fields: Schema.Array(Schema.Struct({ name: Text, weight: Schema.Finite, b: Schema.Finite })),
  columns: Schema.Array(Schema.Struct({ name: Text, kind: Schema.Literals(["keyword", "number"]) })),
  k1: Schema.Finite,
  popularityWeight: Schema.Finite,
  synonyms: Schema.Array(
    Schema.Union([
      Schema.Struct({ kind: Schema.Literal("two-way"), phrases: Schema.Array(Text) }),
      Schema.Struct({ kind: Schema.Literal("one-way"), from: Text, to: Schema.Array(Text) })
    ])
  ),
  analyser: Schema.Struct({
    stemming: Schema.Literals(["plural", "none"]),
    stopWords: Schema.Array(Text),
    units: Schema.Boolean
  })
})

/** How a column's values are stored: what all of its chunks have in common. */
export const ColumnSummary = Schema.Union([
  Schema.Struct({
    name: Text,
    kind: Schema.Literal("number"),
    /** `int32` when every value is an integer that fits, with the least one for a missing value; else NaN is missing. */
    width: Schema.Literals(["int32", "float64"])
  }),
  Schema.Struct({
    name: Text,
    kind: Schema.Literal("keyword"),
    distinct: Count,
    /** Values of all documents. */
    values: Count,
    /** Some document has more than one value. */
    isMulti: Schema.Boolean,
    /** Of a value's number. */
    width: Schema.Literals(["uint16", "uint32"])
  })
])

export type ColumnSummary = typeof ColumnSummary.Type

export const VersionSummary = Schema.Struct({
  settings: EngineSettings,
  documentCount: Count,
  termCount: Count,
  /** Words as they are written that mistakes are corrected to. */
  surfaceCount: Count,
  /** Of all terms, in UTF-8. */
  termBytes: Count,
  postingCount: Count,
  postingBytes: Count,
  /** Length of a field, averaged over the documents that have it, in the order of the settings. */
  fieldAverages: Schema.Array(Schema.Finite),
  /** Documents come by popularity: where each level begins, the highest first. */
  popularitySteps: Schema.Array(Schema.Struct({ level: Count, ordinal: Count })),
  columns: Schema.Array(ColumnSummary),
  /** Fields of documents that were longer than the limits and are only partly found. */
  truncatedFields: Count
})

export type VersionSummary = typeof VersionSummary.Type
