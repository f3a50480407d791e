/**
 * Rules of a project that say which events are one issue, in place of what the SDK or the stack says.
 *
 * @since 0.1.0
 */
import * as Text from "@hypermarket/core/Text"
import * as Schema from "effect/Schema"
import type { Groupable } from "./EventGrouping.ts"

/** Conditions of one rule. All of them must hold. */
const conditionsMax = 10
const fingerprintMax = 20

/**
 * A condition of a rule. `*` in the pattern stands for any text; case matters. `type` and `message` are those of any exception
 * of the event, or `message` that of an event without one. `function` and `file` are those of any frame.
 *
 * @category models
 * @since 0.1.0
 */
export const GroupingCondition = Schema.Struct({
  field: Schema.Literals(["type", "message", "function", "file"]),
  pattern: Text.make({ max: 200 })
})

/**
 * Events for which all conditions hold have the fingerprint. In it, `{{ default }}` stands for the grouping that the event would
 * have without rules. `{{ type }}`, `{{ message }}` and `{{ function }}` stand for those of the event: the message without numbers,
 * ids and addresses, and the function that failed.
 *
 * @category models
 * @since 0.1.0
 */
export const GroupingRule = Schema.Struct({
  match: Schema.Array(GroupingCondition).check(Schema.isMinLength(1), Schema.isMaxLength(conditionsMax)),
  fingerprint: Schema.Array(Text.make({ max: 200 })).check(
    Schema.isMinLength(1),
    Schema.isMaxLength(fingerprintMax)
  )
})

/**
 * @category models
 * @since 0.1.0
 */
export type GroupingRule = typeof GroupingRule.Type

/**
 * The rules of a project. The first that matches an event decides.
 *
 * @category models
 * @since 0.1.0
 */
export const GroupingRules = Schema.Array(GroupingRule).check(Schema.isMaxLength(100))

/** Returns true when the text has the form of the pattern, in time that grows with their lengths. */
const matches = (pattern: string, text: string): boolean => {
  const parts = pattern.split("*")
  const [first = "", ...rest] = parts
  const last = rest.pop()
  if (last === undefined) return text === pattern
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last))
    return false
  const end = text.length - last.length
  let at = first.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found < 0 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}

const textsOf = (event: Groupable, field: typeof GroupingCondition.Type.field): ReadonlyArray<string> => {
  const { exceptions } = event
  switch (field) {
    case "type":
      return exceptions.map(({ type }) => type)
    case "message":
      return exceptions.length === 0 ? [event.message] : exceptions.map(({ value }) => value)
    default: {
      const frames = [...exceptions.flatMap((exception) => exception.frames), ...event.frames]
      return frames.flatMap((frame) => (field === "file" ? frame.filename : frame.function) ?? [])
    }
  }
}

/**
 * Returns the fingerprint of the first rule that matches, or undefined.
 *
 * @category grouping
 * @since 0.1.0
 */
export const fingerprintOf = (
  rules: ReadonlyArray<GroupingRule>,
  event: Groupable
): ReadonlyArray<string> | undefined =>
  rules.find(({ match }) =>
    match.every(({ field, pattern }) => textsOf(event, field).some((text) => matches(pattern, text)))
  )?.fingerprint
