/**
 * DuckDB in memory, for benches and for the oracle of the sample's figures. Reads one JSON document from standard input:
 * `{ "setup": [sql], "queries": [sql], "repeat": 1 }`, and writes `[{ "rows": [...], "millis": [...] }]`, in the order of
 * the queries.
 */
import { DuckDBInstance } from "@duckdb/node-api"

let text = ""
process.stdin.setEncoding("utf8")
for await (const chunk of process.stdin) text += chunk
const { queries, repeat = 1, setup, threads = 2 } = JSON.parse(text)

const instance = await DuckDBInstance.create(":memory:", { threads: String(threads) })
const connection = await instance.connect()
for (const statement of setup) await connection.run(statement)

const answers = []
for (const query of queries) {
  const millis = []
  let rows = []
  for (let run = 0; run < repeat; run++) {
    const startedAt = performance.now()
    const result = await connection.runAndReadAll(query)
    rows = result.getRowObjectsJson()
    millis.push(performance.now() - startedAt)
  }
  answers.push({ rows, millis })
}
process.stdout.write(JSON.stringify(answers))
connection.closeSync()
