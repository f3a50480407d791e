/** Pools of the drivers under test, closed with the scope. */
import { Effect } from "effect"
import { Pool } from "pg"
import postgres from "postgres"

const connectionsMax = 3

export const pool = (url: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new Pool({ connectionString: url, max: connectionsMax })),
    (pool) => Effect.promise(() => pool.end())
  )

export const postgresJs = (url: string) =>
  Effect.acquireRelease(
    Effect.sync(() => postgres(url, { max: connectionsMax, onnotice: () => undefined })),
    (sql) => Effect.promise(() => sql.end())
  )
