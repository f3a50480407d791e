/** The rows that a statement receives. */
import * as Statement from "effect/sql/Statement"

/** A column with its type in Postgres and its value in each row. */
export type Column = readonly [name: string, type: string, values: ReadonlyArray<unknown>]

/**
 * Rows up to which they are written out, as a single fact mostly has. An array takes a function scan with its own store per
 * column, for one row as for a thousand. Each number of rows is another text for a connection to prepare: more rows come
 * in arrays.
 */
const writtenOutMax = 4

/** A relation for FROM, with the name and the columns. */
export const givenRows = (name: string, columns: ReadonlyArray<Column>): Statement.Fragment => {
  const count = columns[0]?.[2].length ?? 0
  const names = columns.map(([column]) => column).join(", ")
  const segments: Array<Statement.Segment> = []
  /** Writes the columns with commas between them, as one row or as arrays. */
  const list = (suffix: string, valueOf: (values: ReadonlyArray<unknown>) => unknown) => {
    for (const [index, [, type, values]] of columns.entries()) {
      segments.push(Statement.parameter(valueOf(values)))
      segments.push(Statement.literal(`::${type}${suffix}${index === columns.length - 1 ? "" : ", "}`))
    }
  }
  if (count === 0 || count > writtenOutMax) {
    segments.push(Statement.literal("unnest("))
    list("[]", (values) => values)
  } else {
    for (let row = 0; row < count; row++) {
      segments.push(Statement.literal(row === 0 ? "(VALUES (" : "), ("))
      list("", (values) => values[row])
    }
    segments.push(Statement.literal(")"))
  }
  segments.push(Statement.literal(`) AS ${name} (${names})`))
  return Statement.fragment(segments)
}
