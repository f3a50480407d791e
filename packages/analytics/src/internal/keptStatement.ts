/**
 * Statements whose text is made once. Putting a text together from fragments takes the process 20 to 50 us, which a single
 * fact pays for as a thousand do.
 */
import type * as SqlClient from "effect/sql/SqlClient"
import * as Statement from "effect/sql/Statement"

/** Reads a value of the input. One function is one parameter of the statement, wherever its text has it. */
export type Read<Input> = (input: Input) => unknown

/** Makes the parameter that has a value of the input. */
export type ValueOf<Input> = (read: Read<Input>) => Statement.Parameter

interface Kept<Input> {
  readonly text: string
  readonly reads: ReadonlyArray<Read<Input>>
}

/** Numbers the parameters by what they read. */
const keep = <Input>(build: (valueOf: ValueOf<Input>) => Statement.Statement<object>): Kept<Input> => {
  const readOf = new Map<unknown, Read<Input>>()
  const statement = build((read) => {
    readOf.set(read, read)
    return Statement.parameter(read)
  })
  const [text, parameters] = statement.compile()
  const distinct = Array.from(new Set(parameters))
  const reads = distinct.map((parameter) => {
    const read = readOf.get(parameter)
    // A value of this input would be sent with every later one, of whatever tenant.
    if (read === undefined) throw new Error("A kept statement has a value that is not read from its input")
    return read
  })
  return {
    text: text.replaceAll(
      /\$(\d+)/gu,
      (_, number: string) => `$${distinct.indexOf(parameters[Number(number) - 1]) + 1}`
    ),
    reads
  }
}

/** The statements of a builder, with a text for each shape of the input: there must be few shapes. */
export const make = <A extends object, Input>(
  sql: SqlClient.SqlClient,
  shapeOf: (input: Input) => string,
  build: (valueOf: ValueOf<Input>, input: Input) => Statement.Statement<A>
): ((input: Input) => Statement.Statement<A>) => {
  const texts = new Map<string, Kept<Input>>()
  return (input) => {
    const shape = shapeOf(input)
    const kept = texts.get(shape) ?? keep<Input>((valueOf) => build(valueOf, input))
    texts.set(shape, kept)
    return sql.unsafe<A>(
      kept.text,
      kept.reads.map((read) => read(input))
    )
  }
}
