/** The flags that may evaluate otherwise at another revision. */
import type { Issue } from "./flagRule.ts"
import { edgesOf, type StoredFlag } from "./flagSet.ts"

/** The flags and segments of an environment, as they were stored. */
export interface FlagSource {
  readonly flags: ReadonlyMap<string, StoredFlag>
  readonly segments: ReadonlyMap<string, unknown>
  /** Why flags cannot be evaluated; the others are absent. */
  readonly issues: ReadonlyMap<string, ReadonlyArray<Issue>>
}

const textsOf = (source: FlagSource): ReadonlyMap<string, string> => {
  const segments = JSON.stringify(Array.from(source.segments).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  return new Map(
    Array.from(source.flags, ([key, flag]) => {
      const text = JSON.stringify(flag)
      // A segment may use another: a change of any concerns every flag that uses one.
      return [key, text.includes('"segment"') ? text + segments : text]
    })
  )
}

/** Flags that were added, removed or changed, and those that need one of them; in the order of their keys. */
export const changedKeys = (before: FlagSource, after: FlagSource): ReadonlyArray<string> => {
  const [old, current] = [textsOf(before), textsOf(after)]
  const changed = new Set(
    [...old.keys(), ...current.keys()].filter((key) => old.get(key) !== current.get(key))
  )
  const dependants = new Map<string, Array<string>>()
  for (const [key, flag] of after.flags) {
    for (const needed of edgesOf(flag)) dependants.set(needed, [...(dependants.get(needed) ?? []), key])
  }
  // A set that grows while it is walked: what is added is walked too.
  for (const key of changed) for (const dependant of dependants.get(key) ?? []) changed.add(dependant)
  return Array.from(changed).toSorted()
}
