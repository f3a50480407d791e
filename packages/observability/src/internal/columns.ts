/**
 * Columns as their drivers return them.
 */
import * as Column from "@hypermarket/core/Column"
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

/** A bigint that counts things: far below 2^53. */
export const Count = Column.BigInt.pipe(
  Schema.decodeTo(
    Schema.Int,
    SchemaTransformation.transform({ decode: Number, encode: (count: number) => BigInt(count) })
  )
)

/** An instant of a cursor, to the millisecond. */
export const textOf = (instant: DateTime.Utc): string => DateTime.formatIso(instant)

/** After every instant that a column has. */
export const lastInstant = "9999-12-31T00:00:00.000Z"

const fromText = Schema.decodeSync(Schema.fromJsonString(Schema.Unknown))

/** jsonb as a driver returns it: decoded, or as text. */
export const jsonOf = (value: unknown): unknown => (typeof value === "string" ? fromText(value) : value)
