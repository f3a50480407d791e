/**
 * Reads rows of a table as instances of a model class: the select list and the decoder come from one list of fields.
 *
 * ```ts
 * const keys = Row.make(ApiKey, { apiKeyId: ApiKeyId, name: Schema.String, recordedAt: Column.Timestamp }, { uuid: ["apiKeyId"] })
 * sql`SELECT ${sql.literal(keys.columns)} FROM hm_api_key`
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * @category models
 * @since 0.1.0
 */
export interface Row<Self> {
  /** The select list: each column in `snake_case`, named as the field; a uuid as text. */
  readonly columns: string
  /** The select list with every column qualified by a table's alias. */
  readonly columnsOf: (alias: string) => string
  /** Decodes one row. A row of ours that does not decode is a defect. */
  readonly decode: (row: unknown) => Effect.Effect<Self>
  readonly decodeAll: (rows: ReadonlyArray<unknown>) => Effect.Effect<ReadonlyArray<Self>>
}

const snakeCase = (field: string): string =>
  field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/**
 * Makes the decoder of a class. `fields` are schemas of columns as a driver returns them: `Column.Timestamp` for an
 * instant, `Column.BigInt` for a bigint. `uuid` names the fields whose columns are of type uuid.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const Fields extends Record<string, Schema.ConstraintCodec<unknown, unknown>>, Self>(
  Class: new (props: Schema.Struct<Fields>["Type"]) => Self,
  fields: Fields,
  options?: { readonly uuid?: ReadonlyArray<keyof Fields & string> }
): Row<Self> => {
  const uuids = new Set<string>(options?.uuid)
  const decodeFields = Schema.decodeUnknownEffect(Schema.Struct(fields))
  const decode = (row: unknown) =>
    Effect.orDie(Effect.map(decodeFields(row), (decoded) => new Class(decoded)))
  const columnsOf = (alias: string) =>
    Object.keys(fields)
      .map((field) => {
        const column = `${alias === "" ? "" : `${alias}.`}${snakeCase(field)}${uuids.has(field) ? "::text" : ""}`
        return column === field ? column : `${column} AS "${field}"`
      })
      .join(", ")
  return {
    columns: columnsOf(""),
    columnsOf,
    decode,
    decodeAll: (rows) => Effect.forEach(rows, decode)
  }
}
