/** Columns of this package's rows, whichever driver read them. */
import * as Column from "@hypermarket/core/Column"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

/** A bigint whose CHECK keeps it within the integers of a number. */
export const Int = Column.BigInt.pipe(
  Schema.decodeTo(Schema.Int, SchemaTransformation.transform({ decode: Number, encode: BigInt }))
)

/** A json column: parsed by the driver, or its text. */
export const Json = <A, I>(schema: Schema.Codec<A, I>) =>
  Schema.Union([schema, Schema.fromJsonString(schema)])

/** A subject: the empty text is the tenant itself. */
export const Subject = Schema.String.pipe(
  Schema.decodeTo(
    Schema.NullOr(Schema.String),
    SchemaTransformation.transform({
      decode: (text: string) => (text === "" ? null : text),
      encode: (subject: string | null) => subject ?? ""
    })
  )
)
