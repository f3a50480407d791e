/** Decodes the arguments of a call by the schemas of its method. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { errorsMax, errorsOf, type InputError } from "../../InputErrors.ts"
import type * as Service from "../../Service.ts"
import * as Excess from "./excess.ts"
import { toEncoded } from "./values.ts"

const parseOptions = { onExcessProperty: "error", errors: "all" } as const

/** Decodes one value; the path of each error begins with `within`. */
export type DecodeValue = (
  value: unknown,
  within: ReadonlyArray<string | number>
) => Result.Result<unknown, ReadonlyArray<InputError>>

export const decoderOf = <A>(schema: Schema.Codec<A, unknown>) => {
  const decode = Schema.decodeUnknownResult(schema)
  const decodeFully = Schema.decodeUnknownResult(schema, parseOptions)
  const mayHaveExcess = Excess.make(schema.ast)
  return (
    value: unknown,
    within: ReadonlyArray<string | number>
  ): Result.Result<A, ReadonlyArray<InputError>> => {
    const encoded = toEncoded(value)
    if (!mayHaveExcess(encoded)) {
      const decoded = decode(encoded)
      if (Result.isSuccess(decoded)) return Result.succeed(decoded.success)
    }
    return Result.mapError(decodeFully(encoded), (error) => errorsOf(error, within))
  }
}

/** Decodes the arguments of a call of one method. */
export type Decode = (
  values: ReadonlyArray<unknown>
) => Result.Result<ReadonlyArray<unknown>, ReadonlyArray<InputError>>

interface Argument {
  readonly kind: "Required" | "Optional" | "Rest"
  readonly decode: DecodeValue
}

const argumentOf = (schema: Service.ArgumentSchema): Argument =>
  "_tag" in schema
    ? { kind: schema._tag, decode: decoderOf(schema.schema) }
    : { kind: "Required", decode: decoderOf(schema) }

/** Makes the decoder of a method's arguments. */
export const make = (schemas: ReadonlyArray<Service.ArgumentSchema>): Decode => {
  const expected = schemas.map(argumentOf)
  const last = expected.at(-1)
  const rest = last?.kind === "Rest" ? last : undefined
  return (values) => {
    const decoded: Array<unknown> = []
    const errors: Array<InputError> = []
    for (let index = 0; index < Math.max(values.length, expected.length); index++) {
      const argument = expected[index] ?? rest
      const value = values[index]
      if (argument === undefined) {
        if (value !== undefined) errors.push({ path: [index], message: "Expected no argument here" })
      } else if (value === undefined && argument.kind !== "Required") {
        if (index < values.length) decoded.push(value)
      } else {
        const result = argument.decode(value, [index])
        if (Result.isSuccess(result)) decoded.push(result.success)
        else errors.push(...result.failure)
      }
    }
    return errors.length === 0 ? Result.succeed(decoded) : Result.fail(errors.slice(0, errorsMax))
  }
}
