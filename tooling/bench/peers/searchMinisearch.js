/**
 * MiniSearch as a peer of `bench search`: ranks the judged queries under each of the configurations it is given. Its
 * stemmer is supplied by us, as its documentation suggests: the plural rules of our own analyser.
 * Arguments: a file with { documents, queries, configurations }, a file to write the rankings to.
 */
import { readFileSync, writeFileSync } from "node:fs"
import MiniSearch from "minisearch"

const [input, output] = process.argv.slice(2)
const { configurations, documents, isTimed, queries, stopWords } = JSON.parse(readFileSync(input, "utf8"))
const stops = new Set(stopWords)
const indexes = new Map()

const withoutPlural = (word) => {
  if (word.length < 4 || !/^\p{L}+s$/u.test(word)) return word
  if (word.endsWith("ies")) return `${word.slice(0, -3)}y`
  if (/(?:s|x|z|ch|sh)es$/.test(word)) return word.slice(0, -2)
  return word.endsWith("us") || word.endsWith("ss") ? word : word.slice(0, -1)
}

const processors = {
  plain: (term) => term.toLowerCase(),
  plural: (term) => {
    const lower = term.toLowerCase()
    return stops.has(lower) ? null : withoutPlural(lower)
  }
}

const indexOf = (processor) => {
  const known = indexes.get(processor)
  if (known !== undefined) return known
  const index = new MiniSearch({
    idField: "n",
    fields: ["title", "brand", "description", "attributes"],
    processTerm: processors[processor]
  })
  index.addAll(documents.map((document, n) => ({ n, ...document })))
  indexes.set(processor, index)
  return index
}

const ranker = ({ attributes, b, brand, d, description, fuzzy, k, mode, prefix, processor, title }) => {
  const index = indexOf(processor)
  const options = {
    boost: { title, brand, description, attributes },
    bm25: { k, b, d },
    prefix: prefix ? (term) => term.length > 2 : false,
    fuzzy: fuzzy === 0 ? false : fuzzy
  }
  return (query) => {
    const found = (combineWith) =>
      index
        .search(query, { ...options, combineWith })
        .slice(0, 10)
        .map(({ id }) => id)
    if (mode === "or") return found("OR")
    const all = found("AND")
    return all.length === 10 ? all : [...new Set([...all, ...found("OR")])].slice(0, 10)
  }
}

/** Of the first configuration: the time to index, and of each query its median over three rounds after one to warm up. */
const timed = () => {
  const startedAt = performance.now()
  indexOf(configurations[0].processor)
  const indexSeconds = (performance.now() - startedAt) / 1_000
  const rank = ranker(configurations[0])
  const rounds = [0, 1, 2, 3].map(() =>
    queries.map((query) => {
      const queriedAt = performance.now()
      rank(query)
      return performance.now() - queriedAt
    })
  )
  const millis = queries.map(
    (_, n) =>
      rounds
        .slice(1)
        .map((round) => round[n])
        .toSorted((a, b) => a - b)[1]
  )
  return { indexSeconds, rssMegabytes: process.memoryUsage().rss / 1e6, millis }
}

const answer = isTimed ? timed() : configurations.map((configuration) => queries.map(ranker(configuration)))
writeFileSync(output, JSON.stringify(answer))
