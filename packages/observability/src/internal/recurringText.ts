/** Replaces many texts at once, in time that grows with the length of what is read and hardly with their number. */

/** One expression finds all texts up to this length, whose beginnings it shares. Few of a longer one fit into an event. */
const jointLengthMax = 200

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")

/** Returns a function that replaces each of the texts; of two that begin alike the longer one. */
export const replacer = (texts: Iterable<string>, replacement: string): ((text: string) => string) => {
  const sorted = Array.from(new Set(texts)).toSorted((a, b) => b.length - a.length)
  const long = sorted.filter(({ length }) => length > jointLengthMax)
  const short = sorted.slice(long.length)
  const pattern = short.length === 0 ? undefined : new RegExp(short.map(escaped).join("|"), "g")
  const lengthMin = sorted.at(-1)?.length ?? Infinity
  return (text) => {
    if (text.length < lengthMin) return text
    let result = text
    for (const one of long)
      if (result.length >= one.length) result = result.replaceAll(one, () => replacement)
    return pattern === undefined ? result : result.replaceAll(pattern, () => replacement)
  }
}
