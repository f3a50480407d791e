/**
 * The findings that were there before the rules: a count per folder and rule. It only shrinks: more findings fail, fewer fail
 * until the counts are lowered, and lowering may move findings between folders but never raise the sum of a rule.
 */
import * as Schema from "effect/Schema"
import type { Finding } from "./proseRules.ts"

type Rule = Finding["rule"]

export type Counts = Readonly<Record<string, Readonly<Record<string, number>>>>

export const Baseline = Schema.fromJsonString(
  Schema.Struct({
    /** Folders or files that cannot be edited any more, such as migrations of a release: they are not checked. */
    frozen: Schema.Array(Schema.String),
    counts: Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.Int))
  })
)

const packageFolders = new Set(["packages", "apps", "tooling"])

/** Returns the folder that a file counts for: its package, or the first folder, or `.` for the root. */
export const folderOf = (file: string): string => {
  const [first = ".", second, third] = file.split("/")
  if (second === undefined) return "."
  return packageFolders.has(first) && third !== undefined ? `${first}/${second}` : first
}

export const isFrozen = (frozen: ReadonlyArray<string>, file: string): boolean =>
  frozen.some((path) => file === path || file.startsWith(`${path}/`))

const sorted = <A>(entries: Iterable<readonly [string, A]>): Record<string, A> =>
  Object.fromEntries(Array.from(entries).toSorted(([a], [b]) => (a < b ? -1 : 1)))

export const countsOf = (findings: Iterable<{ readonly file: string; readonly rule: Rule }>): Counts => {
  const folders = new Map<string, Map<string, number>>()
  for (const { file, rule } of findings) {
    const folder = folderOf(file)
    const rules = folders.get(folder) ?? new Map<string, number>()
    folders.set(folder, rules.set(rule, (rules.get(rule) ?? 0) + 1))
  }
  return sorted(Array.from(folders, ([folder, rules]) => [folder, sorted(rules)]))
}

export interface Difference {
  readonly folder: string
  readonly rule: string
  readonly allowed: number
  readonly found: number
}

/** Returns the folders and rules with more or fewer findings than allowed. */
export const compare = (allowed: Counts, found: Counts): ReadonlyArray<Difference> => {
  const folders = new Set([...Object.keys(allowed), ...Object.keys(found)])
  return Array.from(folders)
    .toSorted()
    .flatMap((folder) => {
      const rules = new Set([...Object.keys(allowed[folder] ?? {}), ...Object.keys(found[folder] ?? {})])
      return Array.from(rules)
        .toSorted()
        .map((rule) => ({
          folder,
          rule,
          allowed: allowed[folder]?.[rule] ?? 0,
          found: found[folder]?.[rule] ?? 0
        }))
        .filter((difference) => difference.allowed !== difference.found)
    })
}

/** Returns the rules whose findings of all folders together are more than before. */
export const raised = (allowed: Counts, found: Counts): ReadonlyArray<string> => {
  const sums = new Map<string, number>()
  for (const difference of compare(allowed, found)) {
    const { rule } = difference
    sums.set(rule, (sums.get(rule) ?? 0) + difference.found - difference.allowed)
  }
  return Array.from(sums).flatMap(([rule, sum]) => (sum > 0 ? [rule] : []))
}
