/** The payload of GrowthBook's SDKs, made once per revision. */
import type { Kind } from "@hypermarket/core/Credentials"
import type { Json } from "effect/Schema"
import type { FlagEvaluator } from "../../FlagEvaluator.ts"
import { type FlagExports, growthbook } from "../../FlagExports.ts"

interface Made {
  readonly exports: FlagExports
  readonly text: string
}

const made = { server: new WeakMap<FlagEvaluator, Made>(), client: new WeakMap<FlagEvaluator, Made>() }

const make = (evaluator: FlagEvaluator, kind: Kind): Made => {
  const exports = growthbook(evaluator, { publicOnly: kind === "client" })
  return { exports, text: JSON.stringify(bodyOf(exports, kind, [])) }
}

/** A public key is told no name of a flag that it may not read. */
const bodyOf = (exports: FlagExports, kind: Kind, added: ReadonlyArray<readonly [string, Json]>) => ({
  status: 200,
  features: Object.fromEntries([...added, ...exports.features]),
  ...(kind === "server" ? { refused: Object.fromEntries(exports.refused) } : {})
})

const madeOf = (evaluator: FlagEvaluator, kind: Kind): Made => {
  const existing = made[kind].get(evaluator)
  if (existing !== undefined) return existing
  const fresh = make(evaluator, kind)
  made[kind].set(evaluator, fresh)
  return fresh
}

/** The payload as JSON. A flag comes before an added feature of its key. */
export const payloadText = (
  evaluator: FlagEvaluator,
  kind: Kind,
  added: ReadonlyArray<{ readonly key: string; readonly definition: Json }>
): string => {
  const { exports, text } = madeOf(evaluator, kind)
  if (added.length === 0) return text
  return JSON.stringify(
    bodyOf(
      exports,
      kind,
      added.map(({ definition, key }) => [key, definition] as const)
    )
  )
}
