/** The flags of an environment in another system's notation, and why some of them are not. */
import * as Condition from "@hypermarket/core/Condition"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { FlagEnvironment } from "../FeatureFlag.ts"
import type { FlagSource } from "./changedKeys.ts"
import { ExportBudget } from "./exportBudget.ts"
import { ExportRefusals } from "./exportRefusals.ts"
import { edgesOf, type StoredFlag } from "./flagSet.ts"

/** A flag whose definition was read. */
export interface ReadableFlag {
  readonly stored: StoredFlag
  readonly environment: FlagEnvironment
}

/** Finds a flag that was exported; every flag comes after those that it needs. */
export type Exported = (flagKey: string) => ReadableFlag | undefined

export interface Exports<Feature> {
  /** In the order of their keys. */
  readonly features: ReadonlyMap<string, Feature>
  readonly refused: ReadonlyMap<string, ReadonlyArray<string>>
}

export interface ExportContext {
  readonly segments: ReadonlyMap<string, Condition.Condition>
  readonly exported: Exported
  readonly refusals: ExportRefusals
}

const decodeEnvironment = Schema.decodeUnknownResult(FlagEnvironment)
const decodeCondition = Schema.decodeUnknownResult(Condition.Schema)

const segmentsOf = (source: FlagSource): ReadonlyMap<string, Condition.Condition> =>
  new Map(
    Array.from(source.segments).flatMap(([key, condition]) => {
      const decoded = decodeCondition(condition)
      return Result.isSuccess(decoded) ? [[key, decoded.success] as const] : []
    })
  )

const notPublic = "its rules are not public, and the key is"

/** Exports the flags, or only those whose rules are public. A flag that cannot be evaluated is not exported either. */
export const exportFlags = <Feature extends Schema.Json>(
  source: FlagSource,
  options: { readonly publicOnly: boolean },
  toFeature: (flag: ReadableFlag, context: ExportContext) => Feature
): Exports<Feature> => {
  const segments = segmentsOf(source)
  const readable = new Map<string, ReadableFlag>()
  const features = new Map<string, Feature>()
  const refused = new Map<string, ReadonlyArray<string>>()
  const visited = new Set<string>()
  const total = new ExportBudget()

  const exportOne = (stored: StoredFlag): void => {
    const { flagKey } = stored
    visited.add(flagKey)
    for (const needed of edgesOf(stored)) {
      const flag = source.flags.get(needed)
      if (flag !== undefined && !visited.has(needed)) exportOne(flag)
    }
    const [issue] = source.issues.get(flagKey) ?? []
    const decoded = decodeEnvironment(stored.definition)
    if (issue !== undefined || Result.isFailure(decoded)) {
      refused.set(flagKey, [issue?.message ?? "this release cannot read its definition"])
      return
    }
    const flag = { stored, environment: decoded.success }
    if (options.publicOnly && decoded.success.hasPublicRules !== true) {
      refused.set(flagKey, [notPublic])
      return
    }
    const budget = total.next()
    const refusals = new ExportRefusals(budget)
    const feature = toFeature(flag, { segments, exported: (key) => readable.get(key), refusals })
    if (refusals.reasons.size === 0) budget.settle(feature)
    if (budget.isSpent) {
      refused.set(flagKey, [budget.reason])
      return
    }
    if (refusals.reasons.size > 0) {
      refused.set(flagKey, Array.from(refusals.reasons))
      return
    }
    readable.set(flagKey, flag)
    features.set(flagKey, feature)
  }
  const inOrder = Array.from(source.flags.values()).toSorted((a, b) => (a.flagKey < b.flagKey ? -1 : 1))
  for (const flag of inOrder) if (!visited.has(flag.flagKey)) exportOne(flag)
  return { features, refused }
}
