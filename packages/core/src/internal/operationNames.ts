/**
 * The public name of an operation repeats no noun of its group: `queues.listQueues` is `queues.list` in the document and in
 * clients made from it, as it is in process.
 */

/** A noun without its plural ending. */
const singular = (noun: string): string =>
  noun
    .toLowerCase()
    .replace(/ies$/, "y")
    .replace(/(?<=x)es$/, "")
    .replace(/s$/, "")

/** The last word of a name in camel case, with what is before it. */
const lastWord = (name: string): readonly [before: string, last: string] => {
  const at = name.search(/[A-Z][a-z]*$/)
  return at < 0 ? ["", name] : [name.slice(0, at), name.slice(at)]
}

const shortName = (group: string, operation: string): string => {
  const [verb, noun] = lastWord(operation)
  const [, groupNoun] = lastWord(group)
  return verb !== "" && singular(noun) === singular(groupNoun) ? verb : operation
}

/**
 * The public names of operations that are named `<group>.<operation>`. Throws when two of them would have one name, which is
 * a mistake in the code.
 */
export const operationNames = (names: Iterable<string>): ReadonlyMap<string, string> => {
  const short = new Map(
    Array.from(names, (name) => {
      const [group = "", operation = ""] = name.split(".")
      return [name, `${group}.${shortName(group, operation)}`]
    })
  )
  if (new Set(short.values()).size < short.size) {
    throw new TypeError("Two operations of the composed API have one public name")
  }
  return short
}
