/** A condition over attributes as a sentence, for flags, policies and experiments. */

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const operators: Readonly<Record<string, string>> = {
  exists: "is there",
  type: "is a",
  equals: "is",
  in: "is one of",
  includesAll: "includes all of",
  contains: "contains",
  startsWith: "begins with",
  endsWith: "ends with",
  matches: "matches",
  numberEquals: "=",
  lt: "<",
  lte: "≤",
  gt: ">",
  gte: "≥",
  textLt: "is before",
  textLte: "is at or before",
  textGt: "is after",
  textGte: "is at or after",
  before: "is before",
  after: "is after",
  versionEquals: "is version",
  versionLt: "is below version",
  versionLte: "is at most version",
  versionGt: "is above version",
  versionGte: "is at least version",
  network: "is in the network",
  some: "has an item for which",
  every: "has only items for which",
  size: "has a number of items for which"
}

/** Values of a sentence; a longer list is counted. */
const valuesShown = 5

const valueWords = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value))

const operandWords = (condition: Readonly<Record<string, unknown>>): string => {
  if (condition["condition"] !== undefined) return conditionWords(condition["condition"])
  const values = condition["values"]
  if (Array.isArray(values)) {
    const shown = values.slice(0, valuesShown).map(valueWords).join(", ")
    return values.length > valuesShown ? `${shown} and ${values.length - valuesShown} more` : shown
  }
  const value = condition["value"] ?? condition["pattern"]
  return value === undefined ? "" : valueWords(value)
}

const joined = (parts: ReadonlyArray<unknown>, word: string): string =>
  parts.map((part) => (isJoined(part) ? `(${conditionWords(part)})` : conditionWords(part))).join(` ${word} `)

const isJoined = (condition: unknown): boolean =>
  isObject(condition) && (Array.isArray(condition["all"]) || Array.isArray(condition["any"]))

/** Returns a condition as a sentence. A shape that is not known is shown as it is stored. */
export const conditionWords = (condition: unknown): string => {
  if (!isObject(condition)) return JSON.stringify(condition)
  const { all, any, not, operator, segment } = condition
  if (Array.isArray(all)) return all.length === 0 ? "always" : joined(all, "and")
  if (Array.isArray(any)) return any.length === 0 ? "never" : joined(any, "or")
  if (not !== undefined) return `not (${conditionWords(not)})`
  if (typeof segment === "string") return `in the segment ${segment}`
  const words = typeof operator === "string" ? operators[operator] : undefined
  if (words === undefined) return JSON.stringify(condition)
  const attribute = typeof condition["attribute"] === "string" ? condition["attribute"] : "it"
  return [attribute, words, operandWords(condition)].filter((part) => part !== "").join(" ")
}
