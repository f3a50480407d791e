/** The rows that a statement receives. */
import * as Statement from "effect/sql/Statement"
import type { ValueOf } from "./keptStatement.ts"

/** A column with its type in Postgres and its value in each row. */
export type Column<Input> = readonly [
  name: string,
  type: string,
  valuesOf: (input: Input) => ReadonlyArray<unknown>
]

/**
 * Rows up to which they are written out, as a single fact mostly has. An array takes a function scan with its own store per
 * column, for one row as for a thousand. Each number of rows is another text for a connection to prepare: more rows come
 * in arrays.
 */
const writtenOutMax = 4

/** The shape of a text with these rows. */
export const shapeOf = (rows: ReadonlyArray<unknown>): string =>
  rows.length === 0 || rows.length > writtenOutMax ? "arrays" : String(rows.length)

/** A relation for FROM, with the name and the columns. */
export const givenRows = <Input>(
  valueOf: ValueOf<Input>,
  name: string,
  rows: ReadonlyArray<unknown>,
  columns: ReadonlyArray<Column<Input>>
): Statement.Fragment => {
  const segments: Array<Statement.Segment> = []
  const add = (text: string) => segments.push(Statement.literal(text))
  if (shapeOf(rows) === "arrays") {
    for (const [index, [, type, valuesOf]] of columns.entries()) {
      add(index === 0 ? "unnest(" : ", ")
      segments.push(valueOf(valuesOf))
      add(`::${type}[]`)
    }
  } else {
    for (const row of rows.keys()) {
      add(row === 0 ? "(VALUES (" : "), (")
      for (const [index, [, type, valuesOf]] of columns.entries()) {
        if (index > 0) add(", ")
        segments.push(valueOf((input) => valuesOf(input)[row]))
        add(`::${type}`)
      }
    }
    add(")")
  }
  add(`) AS ${name} (${columns.map(([column]) => column).join(", ")})`)
  return Statement.fragment(segments)
}
