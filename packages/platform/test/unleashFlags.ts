/** Toggles of Unleash's public cases as flags of ours, as an importer would make them. */
import type { Condition } from "@hypermarket/core/Condition"
import type { FlagRule } from "@hypermarket/platform/FeatureFlag"
import * as FlagEvaluator from "@hypermarket/platform/FlagEvaluator"
import { isIP } from "node:net"
import { type Constraint, conditionOf } from "@hypermarket/testing/UnleashConditions"

export interface Variant {
  readonly name: string
  readonly weight: number
  readonly payload?: { readonly type: string; readonly value: string }
  readonly stickiness?: string
  readonly overrides?: ReadonlyArray<{
    readonly contextName: string
    readonly values: ReadonlyArray<string>
  }>
}

interface Strategy {
  readonly name: string
  readonly parameters?: Readonly<Record<string, string>>
  readonly constraints?: ReadonlyArray<Constraint>
  readonly segments?: ReadonlyArray<number>
  readonly variants?: ReadonlyArray<Variant>
}

export interface Toggle {
  readonly name: string
  readonly enabled: boolean
  readonly strategies: ReadonlyArray<Strategy>
  readonly variants?: ReadonlyArray<Variant>
}

export interface State {
  readonly features: ReadonlyArray<Toggle>
  readonly segments?: ReadonlyArray<{
    readonly id: number
    readonly constraints: ReadonlyArray<Constraint>
  }>
}

const has = (attribute: string): Condition => ({ attribute, operator: "exists" })

/** The unit of `default` is the user's id, without one the session's, and without both chance. */
export const defaultUnits = ["userId", "sessionId", "random"]

/** A rule per unit: each applies to those who have none of the units before it. */
const byUnits = (
  units: ReadonlyArray<string>,
  rule: Pick<FlagRule, "percentage" | "salt">,
  condition: ReadonlyArray<Condition>,
  ruleId: string
): ReadonlyArray<FlagRule> =>
  units.map((by, index) => ({
    ...rule,
    ruleId: `${ruleId}.${by}`,
    by,
    condition: { all: [...condition, ...units.slice(0, index).map((unit) => ({ not: has(unit) }))] },
    serve: { variant: "on" }
  }))

const listOf = (text = ""): ReadonlyArray<string> => text.split(",").map((part) => part.trim())

/** An SDK skips what is no address; a condition of ours is refused for it. */
const networksOf = (text: string | undefined): ReadonlyArray<string> =>
  listOf(text).filter((network) => isIP(network.split("/")[0] ?? "") !== 0)

const rulesOf = (toggle: Toggle, strategy: Strategy, ruleId: string): ReadonlyArray<FlagRule> => {
  const { constraints = [], parameters = {}, segments = [] } = strategy
  const condition: ReadonlyArray<Condition> = [
    ...constraints.map(conditionOf),
    ...segments.map((id) => ({ segment: String(id) }))
  ]
  const when = (...more: ReadonlyArray<Condition>): ReadonlyArray<FlagRule> => [
    { ruleId, condition: { all: [...condition, ...more] }, serve: { variant: "on" } }
  ]
  const gradual = (units: ReadonlyArray<string>, percentage: string | undefined) =>
    byUnits(
      units,
      { percentage: Number(percentage), salt: parameters["groupId"] ?? toggle.name },
      condition,
      ruleId
    )
  switch (strategy.name) {
    case "default":
      return when()
    case "userWithId":
      return when({ attribute: "userId", operator: "in", values: listOf(parameters["userIds"]) })
    case "remoteAddress":
      return when({ attribute: "remoteAddress", operator: "network", values: networksOf(parameters["IPs"]) })
    case "gradualRolloutUserId":
      return gradual(["userId"], parameters["percentage"])
    case "gradualRolloutSessionId":
      return gradual(["sessionId"], parameters["percentage"])
    case "gradualRolloutRandom":
      return gradual(["random"], parameters["percentage"])
    case "flexibleRollout": {
      const { stickiness = "default" } = parameters
      return gradual(stickiness === "default" ? defaultUnits : [stickiness], parameters["rollout"])
    }
    default:
      return []
  }
}

/** The flags of a state. The first part of a rule's id is the index of its strategy. */
export const evaluatorOf = ({ features, segments = [] }: State): FlagEvaluator.FlagEvaluator =>
  FlagEvaluator.make({
    environment: "live",
    revision: 1n,
    flags: features.map((toggle) => ({
      flagKey: toggle.name,
      kind: "boolean" as const,
      variants: [
        { name: "on", value: true },
        { name: "off", value: false }
      ],
      metadata: {},
      salt: toggle.name,
      hashing: "unleash" as const,
      definition: {
        isEnabled: toggle.enabled,
        offVariant: "off",
        rules: toggle.strategies.flatMap((strategy, index) => rulesOf(toggle, strategy, String(index))),
        otherwise: { variant: toggle.strategies.length === 0 ? "on" : "off" }
      }
    })),
    segments: new Map(
      segments.map(({ constraints, id }) => [String(id), { all: constraints.map(conditionOf) }])
    )
  })
