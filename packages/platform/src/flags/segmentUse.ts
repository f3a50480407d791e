/** Which flags a segment decides, through other segments too. */
import type { StoredFlag } from "./flagSet.ts"

/** Adds the keys of segments that a stored condition or definition names. Its form is not trusted. */
const collect = (stored: unknown, keys: Set<string>): void => {
  if (typeof stored !== "object" || stored === null) return
  for (const [name, value] of Object.entries(stored)) {
    if (name === "segment" && typeof value === "string") keys.add(value)
    else collect(value, keys)
  }
}

const namedIn = (stored: unknown): ReadonlySet<string> => {
  const keys = new Set<string>()
  collect(stored, keys)
  return keys
}

/** The segment and all that name it, directly or through others. */
const dependents = (segmentKey: string, segments: ReadonlyMap<string, unknown>): ReadonlySet<string> => {
  const users = new Map<string, Array<string>>()
  for (const [key, condition] of segments) {
    for (const named of namedIn(condition)) users.set(named, [...(users.get(named) ?? []), key])
  }
  const found = new Set([segmentKey])
  // A set visits what is added while it is walked.
  for (const key of found) for (const user of users.get(key) ?? []) found.add(user)
  return found
}

export const usesSegment = (
  flags: ReadonlyArray<StoredFlag>,
  segmentKey: string,
  segments: ReadonlyMap<string, unknown>
): boolean => {
  const keys = dependents(segmentKey, segments)
  return flags.some(({ definition }) => Array.from(namedIn(definition)).some((key) => keys.has(key)))
}
