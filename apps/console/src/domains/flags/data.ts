/** Flags, and their rules as sentences. */
import type { Success } from "../../api/Endpoints.ts"
import type { Tone } from "../../ui/Badge.tsx"
import { conditionWords } from "../../ui/condition.ts"

export type Flag = Success<"GET /v1/platform/flags">["items"][number]
export type Environment = Flag["environments"][string]
export type Rule = Environment["rules"][number]
type Serve = Rule["serve"]

export const flagPlace = (flagKey: string) => ({ to: `/flags/${encodeURIComponent(flagKey)}` })

export const serveWords = (serve: Serve): string =>
  "variant" in serve
    ? serve.variant
    : serve.weights.map(({ variant, weight }) => `${weight} % ${variant}`).join(", ")

/** Returns whom a rule is for. */
export const ruleWords = ({ by, condition, percentage, prerequisites }: Rule): string => {
  const whom = condition === undefined ? "everyone" : `where ${conditionWords(condition)}`
  const share = percentage === undefined ? "" : `${percentage} % by ${by ?? "targetingKey"}, `
  const needs = (prerequisites ?? []).map(
    ({ flag, variants }) => `, while ${flag} is ${variants.join(" or ")}`
  )
  return `${share}${whom}${needs.join("")}`
}

/** Returns the state of an environment in a word or two. */
export const environmentWords = ({ isEnabled, otherwise, rules }: Environment): string => {
  if (!isEnabled) return "off"
  const rest = otherwise === null ? "the code's own value" : serveWords(otherwise)
  return rules.length === 0 ? rest : `${rules.length} ${rules.length === 1 ? "rule" : "rules"}, else ${rest}`
}

export type ChangeRequest = Success<"GET /v1/platform/flag-requests">["items"][number]
type StepChange = ChangeRequest["steps"][number]["does"]

export const isOpen = ({ status }: ChangeRequest): boolean => status === "pending" || status === "scheduled"

export const requestTones: Readonly<Record<ChangeRequest["status"], Tone>> = {
  pending: "warn",
  scheduled: "accent",
  applied: "good",
  conflict: "bad",
  closed: "plain"
}

/** Returns what a step does to the flag. */
export const stepWords = (does: StepChange): string => {
  if ("state" in does) return `${does.environment}: ${environmentWords(does.state)}`
  if ("isEnabled" in does) return `${does.environment}: ${does.isEnabled ? "on" : "off"}`
  if ("percentage" in does) return `${does.environment}: ${does.ruleId} to ${does.percentage} %`
  if ("rollBackTo" in does) return `back to version ${does.rollBackTo}`
  if ("archive" in does) return `archived: ${does.archive}`
  return `${Object.keys(does.change).join(", ")} in all environments`
}
