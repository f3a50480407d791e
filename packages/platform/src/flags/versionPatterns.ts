/**
 * Comparisons of semantic versions as regular expressions, which RE2 and JavaScript read alike. GrowthBook pads numbers to five
 * digits and compares text: another order for longer numbers and for prereleases. Unleash accepts more notations than we do.
 */
import * as SemanticVersion from "@hypermarket/core/SemanticVersion"
import * as Result from "effect/Result"

const identifier = "(?:0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*)"
const prerelease = `-${identifier}(?:\\.${identifier})*`
const build = "(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?"
const anyNumber = "(?:0|[1-9]\\d*)"

/** Numbers above one of n digits: longer ones, and those of n digits that are larger at the first digit that differs. */
const above = (number: string): string => {
  const sameLength = Array.from(number, (digit, index) =>
    digit === "9"
      ? []
      : [`${number.slice(0, index)}[${Number(digit) + 1}-9]\\d{${number.length - index - 1}}`]
  ).flat()
  return `(?:${[...sameLength, `[1-9]\\d{${number.length},}`].join("|")})`
}

/** Numbers below one of n digits; undefined where there is none. */
const below = (number: string): string | undefined => {
  if (number === "0") return undefined
  const sameLength = Array.from(number, (digit, index) => {
    // The first of several digits is not 0.
    const least = index === 0 && number.length > 1 ? 1 : 0
    const rest = `\\d{${number.length - index - 1}}`
    return Number(digit) > least ? [`${number.slice(0, index)}[${least}-${Number(digit) - 1}]${rest}`] : []
  }).flat()
  const shorter = number.length === 1 ? [] : ["0", `[1-9]\\d{0,${number.length - 2}}`]
  return `(?:${[...sameLength, ...shorter].join("|")})`
}

type Core = SemanticVersion.SemanticVersion["core"]

const cores = ([major, minor, patch]: Core, part: (number: string) => string | undefined) => {
  const options = [
    [part(major), anyNumber, anyNumber],
    [major, part(minor), anyNumber],
    [major, minor, part(patch)]
  ]
  return options.flatMap((numbers) => (numbers.includes(undefined) ? [] : [numbers.join("\\.")]))
}

export type VersionOperator = "versionEquals" | "versionLt" | "versionLte" | "versionGt" | "versionGte"

/** The pattern of the texts that fulfil a comparison, of whatever length; undefined for a bound that is a prerelease or no version. */
export const patternOf = (operator: VersionOperator, value: string, prefix: boolean): string | undefined => {
  const parsed = SemanticVersion.parse(value, { prefix })
  if (Result.isFailure(parsed) || parsed.success.prerelease.length > 0) return undefined
  const { core } = parsed.success
  const release = core.join("\\.")
  const anyStage = (numbers: string) => `${numbers}(?:${prerelease})?`
  const larger = cores(core, above).map(anyStage)
  const smaller = [...cores(core, below).map(anyStage), `${release}${prerelease}`]
  const fulfilling = {
    versionEquals: [release],
    versionLt: smaller,
    versionLte: [...smaller, release],
    versionGt: larger,
    versionGte: [...larger, release]
  }[operator]
  return `^${prefix ? "v?" : ""}(?:${fulfilling.join("|")})${build}$`
}
