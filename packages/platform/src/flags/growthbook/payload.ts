/** The payload of GrowthBook's SDKs, made once per revision. */
import type { Kind } from "@hypermarket/core/Credentials"
import type { Feature } from "@hypermarket/core/FeatureSource"
import type { Json } from "effect/Schema"
import type { FlagEvaluator } from "../../FlagEvaluator.ts"
import { type FlagExports, growthbook } from "../../FlagExports.ts"
import { ExportBudget } from "../exportBudget.ts"
import { ExportRefusals } from "../exportRefusals.ts"
import { conditionOf } from "./condition.ts"

interface Made {
  readonly exports: FlagExports
  readonly text: string
}

const made = { server: new WeakMap<FlagEvaluator, Made>(), client: new WeakMap<FlagEvaluator, Made>() }

const make = (evaluator: FlagEvaluator, kind: Kind): Made => {
  const exports = growthbook(evaluator, { publicOnly: kind === "client" })
  return { exports, text: JSON.stringify(bodyOf(exports, kind, nothing)) }
}

interface Added {
  readonly features: ReadonlyArray<readonly [string, Json]>
  readonly refused: ReadonlyArray<readonly [string, ReadonlyArray<string>]>
}

const nothing: Added = { features: [], refused: [] }

/** Features of another domain, with their targeting in each rule. One that an SDK would evaluate otherwise is left out, with why. */
const addedOf = (added: ReadonlyArray<Feature>): Added => {
  const exported = new ExportBudget()
  const read = added.map(({ definition, key, refused = [], targeting }) => {
    const budget = exported.next()
    const refusals = new ExportRefusals(budget)
    for (const reason of refused) refusals.refuse(reason)
    const condition = targeting === undefined ? undefined : conditionOf(targeting, new Map(), refusals)
    const rules = Array.isArray(definition["rules"]) ? definition["rules"] : []
    const targeted =
      condition === undefined
        ? definition
        : { ...definition, rules: rules.map((rule: Json) => Object.assign({}, rule, { condition })) }
    budget.settle(targeted)
    if (budget.isSpent) refusals.refuse(budget.reason)
    return { key, definition: targeted, reasons: [...refusals.reasons] }
  })
  return {
    features: read.flatMap(({ definition, key, reasons }) =>
      reasons.length === 0 ? [[key, definition] as const] : []
    ),
    refused: read.flatMap(({ key, reasons }) => (reasons.length === 0 ? [] : [[key, reasons] as const]))
  }
}

/** A public key is told no name of a flag that it may not read. */
const bodyOf = (exports: FlagExports, kind: Kind, added: Added) => ({
  status: 200,
  features: Object.fromEntries([...added.features, ...exports.features]),
  ...(kind === "server" ? { refused: Object.fromEntries([...added.refused, ...exports.refused]) } : {})
})

const madeOf = (evaluator: FlagEvaluator, kind: Kind): Made => {
  const existing = made[kind].get(evaluator)
  if (existing !== undefined) return existing
  const fresh = make(evaluator, kind)
  made[kind].set(evaluator, fresh)
  return fresh
}

/** The payload as JSON. A flag comes before an added feature of its key. */
export const payloadText = (evaluator: FlagEvaluator, kind: Kind, added: ReadonlyArray<Feature>): string => {
  const { exports, text } = madeOf(evaluator, kind)
  return added.length === 0 ? text : JSON.stringify(bodyOf(exports, kind, addedOf(added)))
}
