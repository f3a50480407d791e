/**
 * The standard functions of CEL and their overloads.
 *
 * Source: https://github.com/google/cel-spec/blob/v0.25.1/doc/langdef.md#list-of-standard-definitions.
 *
 * @since 0.1.0
 */
import * as T from "./Type.ts"

/**
 * One overload of a function. Of a method, the first argument is the receiver.
 *
 * @category models
 * @since 0.1.0
 */
export interface Signature {
  readonly args: ReadonlyArray<T.Type>
  readonly result: T.Type
  readonly method?: boolean
}

const a = T.parameter("A")
const b = T.parameter("B")

const of = (result: T.Type, ...args: ReadonlyArray<T.Type>): Signature => ({ args, result })
const method = (result: T.Type, ...args: ReadonlyArray<T.Type>): Signature => ({ args, result, method: true })

const numbers = [T.int, T.uint, T.double]
const ordered = [T.bool, T.int, T.uint, T.double, T.string, T.bytes, T.timestamp, T.duration]

const comparison = [
  ...ordered.map((type) => of(T.bool, type, type)),
  ...numbers.flatMap((left) =>
    numbers.filter((right) => right !== left).map((right) => of(T.bool, left, right))
  )
]

const fields = ["getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"].map(
  (name) => [name, [method(T.int, T.timestamp), method(T.int, T.timestamp, T.string)]] as const
)

const clockFields = ["getHours", "getMinutes", "getSeconds", "getMilliseconds"].map(
  (name) =>
    [
      name,
      [method(T.int, T.timestamp), method(T.int, T.timestamp, T.string), method(T.int, T.duration)]
    ] as const
)

const sized = [T.string, T.bytes, T.list(a), T.map(a, b)]

/**
 * The overloads by the function's name in the tree: operators are `_+_`, `_[_]`, `!_`.
 *
 * @category accessors
 * @since 0.1.0
 */
export const standard: ReadonlyMap<string, ReadonlyArray<Signature>> = new Map<
  string,
  ReadonlyArray<Signature>
>([
  ["_?_:_", [of(a, T.bool, a, a)]],
  ["_&&_", [of(T.bool, T.bool, T.bool)]],
  ["_||_", [of(T.bool, T.bool, T.bool)]],
  ["!_", [of(T.bool, T.bool)]],
  ["@not_strictly_false", [of(T.bool, T.bool)]],
  ["_==_", [of(T.bool, a, a)]],
  ["_!=_", [of(T.bool, a, a)]],
  ["_<_", comparison],
  ["_<=_", comparison],
  ["_>_", comparison],
  ["_>=_", comparison],
  [
    "_+_",
    [
      ...[T.bytes, T.double, T.duration, T.int, T.uint, T.string, T.list(a)].map((type) =>
        of(type, type, type)
      ),
      of(T.timestamp, T.duration, T.timestamp),
      of(T.timestamp, T.timestamp, T.duration)
    ]
  ],
  [
    "_-_",
    [
      ...[T.double, T.duration, T.int, T.uint].map((type) => of(type, type, type)),
      of(T.timestamp, T.timestamp, T.duration),
      of(T.duration, T.timestamp, T.timestamp)
    ]
  ],
  ["_*_", numbers.map((type) => of(type, type, type))],
  ["_/_", numbers.map((type) => of(type, type, type))],
  ["_%_", [of(T.int, T.int, T.int), of(T.uint, T.uint, T.uint)]],
  ["-_", [of(T.double, T.double), of(T.int, T.int)]],
  ["_[_]", [of(a, T.list(a), T.int), of(b, T.map(a, b), a)]],
  ["@in", [of(T.bool, a, T.list(a)), of(T.bool, a, T.map(a, b))]],
  ["size", [...sized.map((type) => of(T.int, type)), ...sized.map((type) => method(T.int, type))]],
  ["contains", [method(T.bool, T.string, T.string)]],
  ["startsWith", [method(T.bool, T.string, T.string)]],
  ["endsWith", [method(T.bool, T.string, T.string)]],
  ["matches", [of(T.bool, T.string, T.string), method(T.bool, T.string, T.string)]],
  ["bool", [of(T.bool, T.bool), of(T.bool, T.string)]],
  ["int", [T.int, T.double, T.string, T.timestamp, T.uint].map((type) => of(T.int, type))],
  ["uint", [T.uint, T.double, T.int, T.string].map((type) => of(T.uint, type))],
  ["double", [T.double, T.int, T.string, T.uint].map((type) => of(T.double, type))],
  [
    "string",
    [T.string, T.bool, T.bytes, T.double, T.duration, T.int, T.timestamp, T.uint].map((type) =>
      of(T.string, type)
    )
  ],
  ["bytes", [of(T.bytes, T.bytes), of(T.bytes, T.string)]],
  ["duration", [of(T.duration, T.duration), of(T.duration, T.string)]],
  ["timestamp", [of(T.timestamp, T.timestamp), of(T.timestamp, T.string), of(T.timestamp, T.int)]],
  ["dyn", [of(T.dyn, a)]],
  ["type", [of(T.typeOf(a), a)]],
  ...fields,
  ...clockFields
])
