/**
 * Units of measurement by their names, and numbers as they are written: the same quantity comes to the same term.
 */

/** By canonical name. */
const names = {
  in: "in inch inches",
  ft: "ft foot feet",
  yd: "yd yard yards",
  gal: "gal gallon gallons",
  lb: "lb lbs pound pounds",
  oz: "oz ounce ounces",
  w: "w watt watts",
  v: "v volt volts",
  amp: "amp amps",
  mah: "mah",
  kb: "kb",
  mb: "mb",
  gb: "gb",
  tb: "tb",
  hz: "hz",
  khz: "khz",
  mhz: "mhz",
  ghz: "ghz",
  mm: "mm",
  cm: "cm",
  kg: "kg",
  ml: "ml",
  mp: "mp megapixel megapixels",
  pk: "pk pack packs"
}

/** Canonical names of units by all of their names. */
export const units: ReadonlyMap<string, string> = new Map(
  Object.entries(names).flatMap(([canonical, all]) => all.split(" ").map((name) => [name, canonical]))
)

/**
 * Returns the term of a unit that stands alone as a word. `in` is a stop word and single letters are letters, so that
 * "inch" keeps a name that is searched.
 */
export const unitWord = (token: string): string | undefined => {
  if (token.length < 2 || token === "in") return undefined
  const canonical = units.get(token)
  if (canonical === undefined || canonical.length < 2) return undefined
  return canonical === "in" ? "inch" : canonical
}

const thousandsPattern = /^\d{1,3}(?:,\d{3})+(?!\d)/
const decimalCommaPattern = /^\d+,\d{1,2}(?!\d)/

/** Returns a token with its number in one form: `1,234` as `1234`, and `1,5` as `1.5`. */
export const plainNumber = (token: string): string =>
  token.includes(",")
    ? token
        .replace(thousandsPattern, (number) => number.replaceAll(",", ""))
        .replace(decimalCommaPattern, (number) => number.replace(",", "."))
    : token
