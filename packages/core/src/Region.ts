/**
 * Countries (ISO 3166-1), subdivisions (ISO 3166-2) and economic groups of countries, whose members have dates. Pure:
 * works in a browser.
 *
 * The codes are those of the package `iso-3166`, which follows the ISO Online Browsing Platform. The groups are data of
 * this module, each with its source.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { iso31661, iso31662 } from "iso-3166"

/**
 * `parent` is the country of a subdivision.
 *
 * @category models
 * @since 0.1.0
 */
export type Region =
  | { readonly kind: "global"; readonly code: "GLOBAL" }
  | { readonly kind: "group"; readonly code: string }
  | { readonly kind: "country"; readonly code: string }
  | { readonly kind: "subdivision"; readonly code: string; readonly parent: string }

/**
 * A membership from its first day to the day after its last one: half-open, in the calendar of the treaty.
 *
 * @category models
 * @since 0.1.0
 */
export interface Membership {
  readonly country: string
  /** `YYYY-MM-DD`. */
  readonly from: string
  /** The first day that is no longer part of it; absent while the membership lasts. */
  readonly until?: string
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Group {
  readonly code: string
  readonly name: string
  readonly source: string
  readonly members: ReadonlyArray<Membership>
}

const joined = (from: string, countries: string): ReadonlyArray<Membership> =>
  countries.split(" ").map((country) => ({ country, from }))

/** The withdrawal took effect at the end of 31 January 2020, Brussels time. */
const withdrawal = "2020-02-01"

/**
 * The groups, by code. A group's code is never that of a country.
 *
 * @category data
 * @since 0.1.0
 */
export const groups: ReadonlyArray<Group> = [
  {
    code: "EU",
    name: "European Union and its predecessors",
    source: "https://european-union.europa.eu/principles-countries-history/eu-countries_en",
    members: [
      ...joined("1958-01-01", "BE DE FR IT LU NL"),
      ...joined("1973-01-01", "DK IE"),
      { country: "GB", from: "1973-01-01", until: withdrawal },
      ...joined("1981-01-01", "GR"),
      ...joined("1986-01-01", "ES PT"),
      ...joined("1995-01-01", "AT FI SE"),
      ...joined("2004-05-01", "CY CZ EE HU LT LV MT PL SI SK"),
      ...joined("2007-01-01", "BG RO"),
      ...joined("2013-07-01", "HR")
    ]
  },
  {
    code: "EEA",
    name: "European Economic Area",
    source:
      "https://www.efta.int/eea-relations-eu/eea-agreement (entry into force, or provisional application where earlier)",
    members: [
      ...joined("1994-01-01", "AT BE DE DK ES FI FR GR IE IS IT LU NL NO PT SE"),
      { country: "GB", from: "1994-01-01", until: withdrawal },
      ...joined("1995-05-01", "LI"),
      ...joined("2004-05-01", "CY CZ EE HU LT LV MT PL SI SK"),
      ...joined("2007-08-01", "BG RO"),
      ...joined("2014-04-12", "HR")
    ]
  },
  {
    code: "EFTA",
    name: "European Free Trade Association",
    source: "https://www.efta.int/about-efta/history",
    members: [
      { country: "AT", from: "1960-05-03", until: "1995-01-01" },
      { country: "DK", from: "1960-05-03", until: "1973-01-01" },
      { country: "GB", from: "1960-05-03", until: "1973-01-01" },
      { country: "PT", from: "1960-05-03", until: "1986-01-01" },
      { country: "SE", from: "1960-05-03", until: "1995-01-01" },
      ...joined("1960-05-03", "CH NO"),
      ...joined("1970-03-01", "IS"),
      { country: "FI", from: "1986-01-01", until: "1995-01-01" },
      ...joined("1991-09-01", "LI")
    ]
  },
  {
    code: "EUROZONE",
    name: "Countries whose currency is the euro",
    source: "https://economy-finance.ec.europa.eu/euro/eu-countries-and-euro_en",
    members: [
      ...joined("1999-01-01", "AT BE DE ES FI FR IE IT LU NL PT"),
      ...joined("2001-01-01", "GR"),
      ...joined("2007-01-01", "SI"),
      ...joined("2008-01-01", "CY MT"),
      ...joined("2009-01-01", "SK"),
      ...joined("2011-01-01", "EE"),
      ...joined("2014-01-01", "LV"),
      ...joined("2015-01-01", "LT"),
      ...joined("2023-01-01", "HR"),
      ...joined("2026-01-01", "BG")
    ]
  }
]

/** Codes in common use that are reserved, not assigned, and the assigned code of the same country. */
const mistaken = new Map([
  ["UK", "GB"],
  ["EL", "GR"]
])

const countries = new Set(iso31661.map(({ alpha2 }) => alpha2))
const subdivisions = new Set(iso31662.map(({ code }) => code))
const groupsByCode = new Map(groups.map((group) => [group.code, group]))

/**
 * The whole world, which contains every region.
 *
 * @category constructors
 * @since 0.1.0
 */
export const global: Region = { kind: "global", code: "GLOBAL" }

/**
 * Parses `GLOBAL`, a group's code, an ISO 3166-1 alpha-2 code or an ISO 3166-2 code. The case counts. The failure is a
 * sentence that names the code to write when it is known: `UK` and `EL` are refused, and name `GB` and `GR`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parse = (code: string): Result.Result<Region, string> => {
  if (code === "GLOBAL") return Result.succeed(global)
  if (groupsByCode.has(code)) return Result.succeed({ kind: "group", code })
  if (countries.has(code)) return Result.succeed({ kind: "country", code })
  if (subdivisions.has(code)) return Result.succeed({ kind: "subdivision", code, parent: code.slice(0, 2) })
  const assigned = mistaken.get(code.slice(0, 2))
  if (assigned !== undefined && (code.length === 2 || code[2] === "-")) {
    return Result.fail(`Expected ${assigned}${code.slice(2)}: ISO 3166-1 does not assign ${code.slice(0, 2)}`)
  }
  return Result.fail(
    "Expected GLOBAL, a group such as EU, an ISO 3166-1 alpha-2 code or an ISO 3166-2 code, in capitals"
  )
}

const countryOf = (region: Region): string | undefined =>
  region.kind === "country" ? region.code : region.kind === "subdivision" ? region.parent : undefined

/**
 * Returns true when a country is a member of a group on a day (`YYYY-MM-DD`).
 *
 * @category guards
 * @since 0.1.0
 */
export const isMember = (group: string, country: string, day: string): boolean =>
  groupsByCode
    .get(group)
    ?.members.some(
      (member) =>
        member.country === country && member.from <= day && (member.until === undefined || day < member.until)
    ) ?? false

/**
 * Returns true when every place of the inner region is in the outer region on a day (`YYYY-MM-DD`). A region contains
 * itself. Of groups only the same group is contained.
 *
 * @category guards
 * @since 0.1.0
 */
export const contains = (outer: Region, inner: Region, day: string): boolean => {
  if (outer.kind === "global" || outer.code === inner.code) return true
  const country = countryOf(inner)
  if (country === undefined) return false
  return outer.kind === "group"
    ? isMember(outer.code, country, day)
    : outer.kind === "country" && outer.code === country
}
