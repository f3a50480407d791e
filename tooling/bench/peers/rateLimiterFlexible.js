/**
 * rate-limiter-flexible at its documented settings: its Postgres store by default, on an UNLOGGED table, with its in-memory block,
 * or its limiter in memory. Reads a job and writes what was decided per second: both are JSON files.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { Pool } from "pg"
import { RateLimiterMemory, RateLimiterPostgres } from "rate-limiter-flexible"

const [input, output] = process.argv.slice(2)
const { inFlight, keys, millis, points, store, url } = JSON.parse(readFileSync(input, "utf8"))
const duration = 60
const pool = new Pool({ connectionString: url, max: 8 })
const tableName = `flexible_${store}`

const limiterOf = () => {
  if (store === "memory") return new RateLimiterMemory({ points, duration })
  const block = store === "block" ? { inMemoryBlockOnConsumed: points } : {}
  return new Promise((resolve, reject) => {
    const limiter = new RateLimiterPostgres(
      { storeClient: pool, points, duration, tableName, clearExpiredByTimeout: false, ...block },
      (error) => (error ? reject(error) : resolve(limiter))
    )
  })
}

const limiter = await limiterOf()
if (store === "unlogged") await pool.query(`ALTER TABLE ${tableName} SET UNLOGGED`)

const run = async (length) => {
  let decided = 0
  const until = performance.now() + length
  const worker = async () => {
    while (performance.now() < until) {
      const key = `u${Math.floor(Math.random() * keys)}`
      // A denial rejects with a result, a failure with an error.
      await limiter.consume(key).catch((reason) => {
        if (reason instanceof Error) throw reason
      })
      decided++
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  return decided
}

await run(millis / 4)
const before = performance.now()
const decided = await run(millis)
writeFileSync(output, JSON.stringify({ perSecond: (decided * 1000) / (performance.now() - before) }))
await pool.end()
