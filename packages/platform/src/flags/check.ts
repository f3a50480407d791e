/** Finds what a change would break before it is stored, by compiling the environment as it would be. */
import { type FlagDefinition } from "../FeatureFlag.ts"
import { FlagInUse, FlagInvalid } from "../FlagProblems.ts"
import type { Issue } from "./flagRule.ts"
import { compile, edgesOf, type StoredFlag } from "./flagSet.ts"
import * as Effect from "effect/Effect"

type Typed = Pick<FlagDefinition, "variants"> & { readonly kind: StoredFlag["kind"] }

const typesOf: Readonly<Record<StoredFlag["kind"], string | undefined>> = {
  boolean: "boolean",
  string: "string",
  number: "number",
  json: undefined
}

/** Values that are not of the flag's kind. A json flag has any value but null, which no SDK can tell from none. */
export const kindIssues = ({ kind, variants }: Typed): ReadonlyArray<Issue> => {
  const type = typesOf[kind]
  return variants.flatMap(({ value }, index) =>
    (type === undefined ? value !== null : typeof value === type)
      ? []
      : [{ path: ["variants", index, "value"], message: `Expected a value of the kind ${kind}` }]
  )
}

const messagesOf = (issues: ReadonlyArray<Issue> | undefined): ReadonlySet<string> =>
  new Set((issues ?? []).map((issue) => JSON.stringify(issue)))

/** Flags with an issue that they did not have. */
const newlyBroken = (
  before: ReadonlyMap<string, ReadonlyArray<Issue>>,
  after: ReadonlyMap<string, ReadonlyArray<Issue>>
): ReadonlyArray<string> =>
  Array.from(after.keys()).filter((key) => {
    const known = messagesOf(before.get(key))
    return Array.from(messagesOf(after.get(key))).some((issue) => !known.has(issue))
  })

export interface Environment {
  readonly environment: string
  readonly flags: ReadonlyArray<StoredFlag>
  readonly segments: ReadonlyMap<string, unknown>
}

const issuesOf = (environment: Environment, only: ReadonlySet<string>) =>
  compile({ ...environment, revision: 0n, only }).issues

/**
 * Fails when the flag could not be evaluated, or when another flag could no longer be. `replaced` is the key that the flag had.
 * Paths begin with `prefix`, then the field of the environment.
 */
export const checkFlag = (
  environment: Environment,
  flag: StoredFlag | undefined,
  replaced: string | undefined,
  prefix: ReadonlyArray<string | number>
): Effect.Effect<void, FlagInvalid | FlagInUse> =>
  Effect.suspend((): Effect.Effect<void, FlagInvalid | FlagInUse> => {
    const others = environment.flags.filter(({ flagKey }) => flagKey !== replaced)
    // Only the flag and those that need it can change: the others are not compiled.
    const only = new Set(flag === undefined ? [] : [flag.flagKey])
    for (const other of others) {
      if (edgesOf(other).some((key) => key === replaced || key === flag?.flagKey)) only.add(other.flagKey)
    }
    const before = issuesOf(environment, only)
    const after = issuesOf({ ...environment, flags: flag === undefined ? others : [...others, flag] }, only)
    const own = flag === undefined ? undefined : after.get(flag.flagKey)
    if (own !== undefined) {
      return Effect.fail(
        new FlagInvalid({ errors: own.map(({ message, path }) => ({ path: [...prefix, ...path], message })) })
      )
    }
    const usedBy = newlyBroken(before, after).filter((key) => key !== flag?.flagKey)
    return usedBy.length === 0 ? Effect.void : Effect.fail(new FlagInUse({ usedBy }))
  })

/** The flags that a change of segments would break. */
export const brokenBySegments = (
  environment: Environment,
  segments: ReadonlyMap<string, unknown>
): ReadonlyArray<string> => {
  const only = new Set(
    environment.flags
      .filter(({ definition }) => JSON.stringify(definition).includes('"segment"'))
      .map(({ flagKey }) => flagKey)
  )
  return newlyBroken(issuesOf(environment, only), issuesOf({ ...environment, segments }, only))
}
