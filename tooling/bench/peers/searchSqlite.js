/**
 * SQLite FTS5 as a peer of `bench search`: ranks the judged queries under each of the configurations it is given, or
 * measures how fast it is.
 * Arguments: a file with { documents, queries, configurations, isTimed }, a file to write the answer to.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"

const [input, output] = process.argv.slice(2)
const { configurations, documents, isTimed, queries } = JSON.parse(readFileSync(input, "utf8"))
const database = new DatabaseSync(":memory:")
const tables = new Map()

const tableOf = (tokenizer) => {
  const known = tables.get(tokenizer)
  if (known !== undefined) return known
  const table = `documents${tables.size}`
  tables.set(tokenizer, table)
  database.exec(
    `CREATE VIRTUAL TABLE ${table} USING fts5(title, brand, description, attributes, tokenize = "${tokenizer}")`
  )
  const insert = database.prepare(
    `INSERT INTO ${table} (rowid, title, brand, description, attributes) VALUES (?, ?, ?, ?, ?)`
  )
  database.exec("BEGIN")
  documents.forEach(({ attributes, brand, description, title }, n) =>
    insert.run(n, title, brand, description, attributes)
  )
  database.exec("COMMIT")
  database.exec(`INSERT INTO ${table} (${table}) VALUES ('optimize')`)
  return table
}

const quoted = (word) => `"${word.replaceAll('"', '""')}"`

const ranker = ({ attributes, brand, description, mode, prefix, title, tokenizer }) => {
  const table = tableOf(tokenizer)
  const statement = database.prepare(
    `SELECT rowid FROM ${table} WHERE ${table} MATCH ?
      ORDER BY bm25(${table}, ${title}, ${brand}, ${description}, ${attributes}), rowid LIMIT 10`
  )
  return (query) => {
    const words = query
      .split(/\s+/)
      .filter(Boolean)
      .map((word) => quoted(word) + (prefix ? "*" : ""))
    const found = (operator) => statement.all(words.join(operator)).map(({ rowid }) => rowid)
    if (mode === "or") return found(" OR ")
    const all = found(" AND ")
    if (all.length === 10) return all
    return [...new Set([...all, ...found(" OR ")])].slice(0, 10)
  }
}

/** Of the first configuration: the time to index, and of each query its median over three rounds after one to warm up. */
const timed = () => {
  const startedAt = performance.now()
  tableOf(configurations[0].tokenizer)
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
