/**
 * Filters over the attributes of an event: the dialects `exact`, `prefix`, `suffix`, `all`, `any` and `not` of CloudEvents
 * Subscriptions 1.0.
 *
 * @since 0.1.0
 */
import * as Text from "@hypermarket/core/Text"
import * as Schema from "effect/Schema"

/**
 * Maximum filters of a subscription: all of them are evaluated for each published event.
 *
 * @category limits
 * @since 0.1.0
 */
export const filtersMax = 20

/**
 * Maximum filters within one another, the comparison included: `any` of `all` of `not` of `exact`.
 *
 * @category limits
 * @since 0.1.0
 */
export const depthMax = 4

/**
 * Maximum attribute comparisons over all filters of a subscription: 64 take microseconds per event.
 *
 * @category limits
 * @since 0.1.0
 */
export const leavesMax = 64

/** The longest attribute of an event has 500 characters. */
const valueCharsMax = 500

/** CloudEvents 1.0.2, 3.1: names of attributes. `data` is none. */
const attributePattern = /^(?!data$)[a-z0-9]{1,20}$/

const Attribute = Schema.String.check(
  Schema.isPattern(attributePattern, {
    message: "Expected the name of an attribute: 1 to 20 of a-z and 0-9, other than data"
  })
)

const Attributes = Schema.Record(Attribute, Text.make({ max: valueCharsMax })).check(
  Schema.makeFilter((attributes) =>
    Object.keys(attributes).length === 0 ? "Expected at least one attribute" : undefined
  )
)

type Attributes = { readonly [attribute: string]: string }

/**
 * One filter. A comparison with an attribute that the event does not have is false.
 *
 * @category models
 * @since 0.1.0
 */
export type Filter =
  | { readonly exact: Attributes }
  | { readonly prefix: Attributes }
  | { readonly suffix: Attributes }
  | { readonly all: ReadonlyArray<Filter> }
  | { readonly any: ReadonlyArray<Filter> }
  | { readonly not: Filter }

const leaves = [
  Schema.Struct({ exact: Attributes }),
  Schema.Struct({ prefix: Attributes }),
  Schema.Struct({ suffix: Attributes })
] as const

const Leaf: Schema.Codec<Filter> = Schema.Union(leaves).annotate({ identifier: "EventFilterComparison" })

/** One schema per level, and none that refers to itself: a deeply nested document would end the stack. */
const over = (inner: Schema.Codec<Filter>, identifier: string): Schema.Codec<Filter> => {
  const children = Schema.Array(inner).check(
    Schema.isMinLength(1, { message: "Expected at least one filter" }),
    Schema.isMaxLength(leavesMax)
  )
  return Schema.Union([
    ...leaves,
    Schema.Struct({ all: children }),
    Schema.Struct({ any: children }),
    Schema.Struct({ not: inner })
  ]).annotate({ identifier })
}

const FilterSchema = over(over(over(Leaf, "EventFilterLevel3"), "EventFilterLevel2"), "EventFilter")

const childrenOf = (filter: Filter): ReadonlyArray<Filter> => {
  if ("all" in filter) return filter.all
  if ("any" in filter) return filter.any
  return "not" in filter ? [filter.not] : []
}

const leavesOf = (filter: Filter): number => {
  if ("exact" in filter) return Object.keys(filter.exact).length
  if ("prefix" in filter) return Object.keys(filter.prefix).length
  if ("suffix" in filter) return Object.keys(filter.suffix).length
  return childrenOf(filter).reduce((sum, child) => sum + leavesOf(child), 0)
}

/**
 * One filter. Exactly one dialect per object; `exact`, `prefix` and `suffix` compare every attribute that they name.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Filter = FilterSchema

/**
 * The filters of a subscription: an event must match all of them. Without filters every event matches.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Filters = Schema.Array(Filter).check(
  Schema.isMaxLength(filtersMax),
  Schema.makeFilter((filters: ReadonlyArray<Filter>) => {
    const comparisons = filters.reduce((sum, filter) => sum + leavesOf(filter), 0)
    return comparisons > leavesMax ? `Expected at most ${leavesMax} comparisons` : undefined
  })
)
