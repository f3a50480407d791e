/**
 * Conditions over attributes, for flags, policies and experiments: one language, one evaluator. Pure: works in a browser.
 *
 * A condition is true, false or unknown (Kleene's three-valued logic). A comparison with an attribute that is missing,
 * null or of another type is unknown. {@link Compiled.test} keeps the unknown, as policies need it.
 * {@link Compiled.matches} reads an unknown comparison as false before negation, as flags and their SDKs do.
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as build from "./internal/condition/build.ts"

/**
 * The bounds of a condition. Beyond one, `compile` fails and names the path.
 *
 * @category limits
 * @since 0.1.0
 */
export const limits = {
  /** Levels of nesting, those of segments included: evaluation recurses. */
  depthMax: 16,
  /** Evaluated parts, each reference to a segment counted in full, parts of `some` and `every` fifty times. */
  partsMax: 10_000,
  /** Values of one comparison. A set of texts is looked up, not walked. */
  valuesMax: 10_000,
  /** Characters of an attribute's path, of a segment's key and of a text value. */
  textMaxCharacters: 1_000,
  /** Items of an attribute's list that a comparison looks at. A longer list is unknown. */
  itemsMax: 1_000
} as const

/** Postgres stores neither U+0000 nor half of a surrogate pair. */
const Text = Schema.String.check(
  Schema.isMaxLength(limits.textMaxCharacters),
  Schema.makeFilter((text: string) =>
    text.isWellFormed() && !text.includes("\0")
      ? undefined
      : "Expected text without U+0000 and lone surrogates"
  )
)
const Scalar = Schema.Union([Text, Schema.Finite, Schema.Boolean])
const Scalars = Schema.Array(Scalar).check(Schema.isMaxLength(limits.valuesMax))
const Texts = Schema.Array(Text).check(Schema.isMaxLength(limits.valuesMax))
const IgnoreCase = { ignoreCase: Schema.optionalKey(Schema.Boolean) }

/**
 * The path of an attribute: a name, or names joined by dots. A name that contains dots is found before a path. Left out
 * inside of `some`, `every` and `size`, it is the item or the number of items itself.
 */
const Attribute = { attribute: Schema.optionalKey(Text.check(Schema.isMinLength(1))) }

/**
 * The attribute is there and not null. Never unknown.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Exists = Schema.Struct({ ...Attribute, operator: Schema.Literal("exists") })

/**
 * The attribute's JSON type. A missing attribute is unknown, null has the type `null`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TypeIs = Schema.Struct({
  ...Attribute,
  operator: Schema.Literal("type"),
  value: Schema.Literals(["string", "number", "boolean", "null", "array", "object"])
})

/**
 * Deep equality of JSON. Numbers and texts differ: 1 is not "1". Null is no value: `compile` refuses it in favour of
 * `exists`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Equals = Schema.Struct({ ...Attribute, operator: Schema.Literal("equals"), value: Schema.Json })

/**
 * `in`: the attribute, or an item of its list, is one of the values. `includesAll`: the attribute's list has all of them.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Membership = Schema.Struct({
  ...Attribute,
  operator: Schema.Literals(["in", "includesAll"]),
  values: Scalars,
  ...IgnoreCase
})

/**
 * The attribute's text contains, begins or ends with one of the values.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TextIs = Schema.Struct({
  ...Attribute,
  operator: Schema.Literals(["contains", "startsWith", "endsWith"]),
  values: Texts,
  ...IgnoreCase
})

/**
 * RE2 matches anywhere in the attribute's text; see `Pattern`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Matches = Schema.Struct({
  ...Attribute,
  operator: Schema.Literal("matches"),
  pattern: Text,
  ...IgnoreCase
})

/**
 * Compares numbers. Numeric text is a number: "8" is less than 10.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NumberIs = Schema.Struct({
  ...Attribute,
  operator: Schema.Literals(["numberEquals", "lt", "lte", "gt", "gte"]),
  value: Schema.Finite
})

/**
 * Compares texts by UTF-16 code units.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TextOrder = Schema.Struct({
  ...Attribute,
  operator: Schema.Literals(["textLt", "textLte", "textGt", "textGte"]),
  value: Text
})

/**
 * Compares instants, neither bound included: RFC 3339 with an offset, or milliseconds since 1970 in the attribute.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DateIs = Schema.Struct({
  ...Attribute,
  operator: Schema.Literals(["before", "after"]),
  value: Text
})

/**
 * Compares semantic versions by precedence. `prefix` accepts a leading `v` on both sides.
 *
 * @category schemas
 * @since 0.1.0
 */
export const VersionIs = Schema.Struct({
  ...Attribute,
  operator: Schema.Literals(["versionEquals", "versionLt", "versionLte", "versionGt", "versionGte"]),
  value: Text,
  prefix: Schema.optionalKey(Schema.Boolean)
})

/**
 * The attribute is an IP address in one of the networks (CIDR, or a single address). An IPv4-mapped address is IPv4.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Network = Schema.Struct({
  ...Attribute,
  operator: Schema.Literal("network"),
  values: Texts
})

/**
 * A condition. `all` of nothing is true, `any` of nothing is false. `some` and `every` ask the items of a list, `size`
 * the number of its items. `segment` is the condition of that key among the segments.
 *
 * @category models
 * @since 0.1.0
 */
export type Condition =
  | typeof Exists.Type
  | typeof TypeIs.Type
  | typeof Equals.Type
  | typeof Membership.Type
  | typeof TextIs.Type
  | typeof Matches.Type
  | typeof NumberIs.Type
  | typeof TextOrder.Type
  | typeof DateIs.Type
  | typeof VersionIs.Type
  | typeof Network.Type
  | {
      readonly attribute?: string
      readonly operator: "some" | "every" | "size"
      readonly condition: Condition
    }
  | { readonly all: ReadonlyArray<Condition> }
  | { readonly any: ReadonlyArray<Condition> }
  | { readonly not: Condition }
  | { readonly segment: string }

const Nested: Schema.Codec<Condition> = Schema.suspend((): Schema.Codec<Condition> => ConditionSchema)
const Children = Schema.Array(Nested).check(Schema.isMaxLength(limits.partsMax))

const ConditionSchema: Schema.Codec<Condition> = Schema.Union([
  Schema.Struct({ all: Children }),
  Schema.Struct({ any: Children }),
  Schema.Struct({ not: Nested }),
  Schema.Struct({ segment: Text }),
  Exists,
  TypeIs,
  Equals,
  Membership,
  TextIs,
  Matches,
  NumberIs,
  TextOrder,
  DateIs,
  VersionIs,
  Network,
  Schema.Struct({
    ...Attribute,
    operator: Schema.Literals(["some", "every", "size"]),
    condition: Nested
  })
]).annotate({ identifier: "Condition" })

/**
 * The schema of a condition as it is stored and sent. It refuses shapes; `compile` also refuses what a shape cannot say:
 * patterns, versions, dates, networks, unknown segments, cycles and sizes.
 *
 * @category schemas
 * @since 0.1.0
 */
const schema = ConditionSchema
export { schema as Schema }

/**
 * The attributes that a condition is tested against: JSON, as the caller sent it.
 *
 * @category models
 * @since 0.1.0
 */
export type Attributes = { readonly [name: string]: unknown }

/**
 * @category models
 * @since 0.1.0
 */
export type Outcome = "true" | "false" | "unknown"

/**
 * A problem of a condition. The path leads from the condition, or from `segments` and a segment's key, to the part.
 *
 * @category models
 * @since 0.1.0
 */
export interface Issue {
  readonly path: ReadonlyArray<string | number>
  readonly message: string
}

/**
 * An evaluated part and its parts. Nothing is cut short: a part that could not change the outcome is explained too.
 *
 * @category models
 * @since 0.1.0
 */
export interface Explanation {
  readonly outcome: Outcome
  readonly path: ReadonlyArray<string | number>
  /** `all`, `any`, `not`, `segment` or an operator. */
  readonly kind: string
  readonly attribute?: string
  /** The segment's key. */
  readonly segment?: string
  /** Why a comparison is unknown. */
  readonly because?: "missing" | "type"
  readonly parts: ReadonlyArray<Explanation>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Compiled {
  /** Returns the outcome in three-valued logic. */
  readonly test: (attributes: Attributes) => Outcome
  /** Returns the outcome in two-valued logic: each unknown comparison is false, and its negation is true. */
  readonly matches: (attributes: Attributes) => boolean
  /** Returns the outcome of each part, as `test` finds it. Slower than `test`. */
  readonly explain: (attributes: Attributes) => Explanation
}

/**
 * The conditions that `segment` refers to, by key.
 *
 * @category models
 * @since 0.1.0
 */
export type Segments = { readonly [key: string]: Condition } | ReadonlyMap<string, Condition>

/**
 * Compiles a condition to closures, once per revision. Fails with every problem that it finds, at most 100. A stored
 * condition with an operator of a newer release fails too, and so does everything that negates it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const compile = (
  condition: Condition,
  segments: Segments
): Result.Result<Compiled, ReadonlyArray<Issue>> => build.compile(condition, segments, limits)
