/**
 * DBOS Transact in `bench workflows`, at its defaults: executions of one process, each with steps in order
 * (https://docs.dbos.dev/typescript/programming-guide). The pools have a connection per execution at once, as for ours.
 */
import { DBOS } from "@dbos-inc/dbos-sdk"
import { Pool } from "pg"

const settings = JSON.parse(process.env.BENCH_SETTINGS)
const { atOnce, executions, steps, writes } = settings
const url = process.env.DATABASE_URL

const pool = new Pool({ connectionString: url, max: settings.pool })

const once = async (name) => {
  if (writes) await pool.query("INSERT INTO bench_write (entry) VALUES ($1)", [name])
  return name
}

const program = DBOS.registerWorkflow(
  async (key) => {
    for (let n = 0; n < steps; n++) await DBOS.runStep(() => once(`${key} ${n}`), { name: `step ${n}` })
    return key
  },
  { name: "program" }
)

DBOS.setConfig({
  name: "bench",
  systemDatabaseUrl: url,
  systemDatabasePoolSize: settings.pool,
  logLevel: "error"
})
await DBOS.launch()
await pool.query("CREATE TABLE IF NOT EXISTS bench_write (entry text NOT NULL)")

const run = async (from, count) => {
  let next = from
  const slot = async () => {
    while (next < from + count) {
      const workflowID = `execution ${next++}`
      const handle = await DBOS.startWorkflow(program, { workflowID })(workflowID)
      await handle.getResult()
    }
  }
  await Promise.all(Array.from({ length: atOnce }, slot))
}

await run(0, Math.min(atOnce, executions))
process.once("message", async () => {
  const startedAt = performance.now()
  await run(1_000_000, executions)
  process.send({ _tag: "Took", millis: performance.now() - startedAt, jobs: executions * steps })
})
process.send({ _tag: "Ready" })
