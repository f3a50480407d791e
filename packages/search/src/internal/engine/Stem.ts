/**
 * Singulars and plurals of English, which come to one term. A stronger stemmer was worse on every judged set. Of other
 * languages the rule takes a final s, in documents and queries alike.
 */

/** Plurals that no ending forms, by their singulars; and words that the endings would take apart. */
const irregular: ReadonlyMap<string, string> = new Map(
  (
    "women woman, men man, children child, feet foot, teeth tooth, mice mouse, geese goose, oxen ox, knives knife, " +
    "wives wife, leaves leaf, loaves loaf, wolves wolf, scarves scarf, halves half, calves calf, hooves hoof, elves elf, " +
    "thieves thief, shelve shelf, axe ax, axes ax, tvs tv, cds cd, lps lp, pcs pc"
  )
    .split(", ")
    .map((pair) => {
      const [plural = "", singular = ""] = pair.split(" ")
      return [plural, singular] as const
    })
)

/** The same in singular and plural, or singulars that look like plurals. */
const invariant: ReadonlySet<string> = new Set(
  "lens canvas atlas iris bias gas bus christmas series species".split(" ")
)

/** Words as they are when their ending is taken: "womens" is the possessive of "women". */
const leftOver: ReadonlyMap<string, string> = new Map([
  ["women", "woman"],
  ["men", "man"],
  ["children", "child"]
])

const esPattern = /(?:s|x|z|ch|sh)es$/

/** A singular whose plural looks as if it ended in -es: "case" and "cases" must come to the same. */
const ePattern = /(?:s|x|z|ch|sh)e$/

/** Plurals in -oes whose singular ends in -oe; those of words in -o lose both letters. */
const oePattern = /(?:shoes|canoes|hoes|oboes|foes|aloes|mistletoes)$|^(?:does|goes|toes|tiptoes)$/

const withoutEnding = (token: string): string => {
  if (token.endsWith("ie")) return `${token.slice(0, -2)}y`
  if (token.length < 4) return token
  if (ePattern.test(token)) return token.slice(0, -1)
  if (!token.endsWith("s")) return token
  if (token.endsWith("ies")) return `${token.slice(0, -3)}y`
  if (token.length > 4 && token.endsWith("oes") && !oePattern.test(token)) return token.slice(0, -2)
  if (esPattern.test(token)) return token.slice(0, -2)
  return token.endsWith("us") || token.endsWith("ss") ? token : token.slice(0, -1)
}

const singularOf = (token: string): string => {
  const singular = irregular.get(token)
  if (singular !== undefined) return singular
  if (token.endsWith("shelves")) return `${token.slice(0, -3)}f`
  return token.endsWith("women") ? `${token.slice(0, -2)}an` : token
}

/** Returns the term of a token of letters. */
export const stem = (token: string): string => {
  const singular = singularOf(token)
  if (invariant.has(singular)) return singular
  const stemmed = withoutEnding(singular)
  return leftOver.get(stemmed) ?? stemmed
}
