/** Translates Unleash's constraints to our conditions, as an importer would. */
import type { Condition } from "@hypermarket/core/Condition"

export interface Constraint {
  readonly contextName: string
  readonly operator: string
  readonly value?: string
  readonly values?: ReadonlyArray<string>
  readonly caseInsensitive?: boolean
  readonly inverted?: boolean
}

const unleashOperator = (constraint: Constraint): Condition => {
  const { contextName: attribute, operator, value = "", values = [] } = constraint
  const ignoreCase = constraint.caseInsensitive ?? false
  const number = Number(value)
  switch (operator) {
    case "IN":
      return { attribute, operator: "in", values }
    case "NOT_IN":
      return { not: { attribute, operator: "in", values } }
    case "STR_CONTAINS":
      return { attribute, operator: "contains", values, ignoreCase }
    case "STR_STARTS_WITH":
      return { attribute, operator: "startsWith", values, ignoreCase }
    case "STR_ENDS_WITH":
      return { attribute, operator: "endsWith", values, ignoreCase }
    case "NUM_EQ":
      return { attribute, operator: "numberEquals", value: number }
    case "NUM_GT":
      return { attribute, operator: "gt", value: number }
    case "NUM_GTE":
      return { attribute, operator: "gte", value: number }
    case "NUM_LT":
      return { attribute, operator: "lt", value: number }
    case "NUM_LTE":
      return { attribute, operator: "lte", value: number }
    case "DATE_AFTER":
      return { attribute, operator: "after", value }
    case "DATE_BEFORE":
      return { attribute, operator: "before", value }
    case "SEMVER_EQ":
      return { attribute, operator: "versionEquals", value }
    case "SEMVER_GT":
      return { attribute, operator: "versionGt", value }
    case "SEMVER_GTE":
      return { attribute, operator: "versionGte", value }
    case "SEMVER_LT":
      return { attribute, operator: "versionLt", value }
    case "SEMVER_LTE":
      return { attribute, operator: "versionLte", value }
    default:
      return JSON.parse(JSON.stringify({ attribute, operator }))
  }
}

export const conditionOf = (constraint: Constraint): Condition => {
  const condition = unleashOperator(constraint)
  return constraint.inverted === true ? { not: condition } : condition
}
