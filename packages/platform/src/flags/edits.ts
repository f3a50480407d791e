/** The steps of change requests as edits of a flag. */
import * as Effect from "effect/Effect"
import type { FeatureFlag, FlagDefinition, FlagEnvironment } from "../FeatureFlag.ts"
import type { FlagStepChange } from "../FlagChangeRequest.ts"
import { FlagEnvironmentNotFound, FlagInvalid } from "../FlagProblems.ts"
import type { Edit } from "./changes.ts"

export const definitionOf = (flag: FeatureFlag): FlagDefinition => ({
  description: flag.description,
  variants: flag.variants,
  metadata: flag.metadata,
  owner: flag.owner,
  expiresAt: flag.expiresAt,
  environments: flag.environments
})

type Path = ReadonlyArray<string | number>

/** Returns the edit of a step. `path` leads to the step's `does`, as its author sent it. */
export const editOf = <E, R>(
  flag: FeatureFlag,
  does: FlagStepChange,
  path: Path,
  definitionAt: (version: number) => Effect.Effect<FlagDefinition, E, R>
): Effect.Effect<Edit, FlagEnvironmentNotFound | FlagInvalid | E, R> => {
  const { flagKey } = flag
  const definition = definitionOf(flag)
  const withState = (environment: string, state: FlagEnvironment, prefix: Path): Edit => ({
    flagKey,
    definition: { ...definition, environments: { ...flag.environments, [environment]: state } },
    prefix: () => prefix
  })
  if ("change" in does) {
    const { flagKey: renamed = flagKey, ...fields } = does.change
    return Effect.succeed({
      flagKey: renamed,
      definition: { ...definition, ...fields },
      prefix: (environment) => [...path, "environments", environment]
    })
  }
  if ("rollBackTo" in does) {
    return Effect.map(definitionAt(does.rollBackTo), (restored) => ({
      flagKey,
      definition: restored,
      prefix: (environment) => [...path, "environments", environment]
    }))
  }
  if ("archive" in does) {
    return Effect.succeed({ flagKey, definition, prefix: () => path, archivedReason: does.archive })
  }
  const { environment } = does
  if ("state" in does) return Effect.succeed(withState(environment, does.state, [...path, "state"]))
  const state = flag.environments[environment]
  if (state === undefined) return Effect.fail(new FlagEnvironmentNotFound({ flagKey, environment }))
  if ("isEnabled" in does) {
    return Effect.succeed(withState(environment, { ...state, isEnabled: does.isEnabled }, path))
  }
  if (!state.rules.some(({ ruleId }) => ruleId === does.ruleId)) {
    return Effect.fail(
      new FlagInvalid({ errors: [{ path: [...path, "ruleId"], message: "Expected a rule of the flag" }] })
    )
  }
  const rules = state.rules.map((rule) =>
    rule.ruleId === does.ruleId ? { ...rule, percentage: does.percentage } : rule
  )
  return Effect.succeed(withState(environment, { ...state, rules }, path))
}
