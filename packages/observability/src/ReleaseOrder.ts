/**
 * The order of releases: by version when both have one of the same package, else by their first event.
 *
 * A name is `<package>@<version>` or a version alone. Versions of one to four numbers are compared number by number, so that
 * `2.10` comes after `2.9.1.4`; a prerelease comes before its release, as in Semantic Versioning 2.0.0.
 *
 * @since 0.1.0
 */
import * as SemanticVersion from "@hypermarket/core/SemanticVersion"
import * as Result from "effect/Result"

/**
 * @category models
 * @since 0.1.0
 */
export interface Release {
  readonly name: string
  readonly firstSeenMillis: number | null
}

interface Version {
  readonly package: string
  readonly semantic: SemanticVersion.SemanticVersion
  /** The fourth number of a version that has one. */
  readonly build: string
}

const pattern = /^(?:(.+)@)?v?(\d{1,18})(?:\.(\d{1,18}))?(?:\.(\d{1,18}))?(?:\.(\d{1,18}))?((?:[-+].*)?)$/

const canonical = (digits: string | undefined): string => (digits ?? "0").replace(/^0+(?=\d)/, "")

const versionOf = (name: string): Version | undefined => {
  const match = pattern.exec(name)
  if (match === null) return undefined
  const [, package_ = "", major, minor, patch, build, rest = ""] = match
  // A commit of digits alone is no version.
  if (minor === undefined) return undefined
  const parsed = SemanticVersion.parse(`${canonical(major)}.${canonical(minor)}.${canonical(patch)}${rest}`)
  return Result.isSuccess(parsed)
    ? { package: package_, semantic: parsed.success, build: canonical(build) }
    : undefined
}

const compareNumbers = (a: string, b: string): -1 | 0 | 1 =>
  BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0

/**
 * Returns -1, 0 or 1. The same name is the same release.
 *
 * @category ordering
 * @since 0.1.0
 */
export const compare = (a: Release, b: Release): -1 | 0 | 1 => {
  if (a.name === b.name) return 0
  const versionA = versionOf(a.name)
  const versionB = versionOf(b.name)
  if (versionA !== undefined && versionB !== undefined && versionA.package === versionB.package) {
    const cores = { ...versionA.semantic, prerelease: [] }
    const byCore = SemanticVersion.compare(cores, { ...versionB.semantic, prerelease: [] })
    if (byCore !== 0) return byCore
    const byBuild = compareNumbers(versionA.build, versionB.build)
    return byBuild !== 0 ? byBuild : SemanticVersion.compare(versionA.semantic, versionB.semantic)
  }
  const difference = (a.firstSeenMillis ?? 0) - (b.firstSeenMillis ?? 0)
  return difference < 0 ? -1 : difference > 0 ? 1 : 0
}
