/**
 * The conditions that are equal for all engines of `bench events`: how their processes start, and how durable their rows are.
 */
import * as Main from "@hypermarket/core/Main"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** As in the worker app. */
const heapGrowingPercent = 100

/** Sets the options of V8 that the worker app sets. */
export const boundHeap = Effect.andThen(Main.boundYoungGeneration, Main.boundHeapGrowth(heapGrowingPercent))

/** The options that {@link boundHeap} sets, for a peer's command line. */
export const ownFlags = ["--semi-space-growth-factor=1", `--heap-growing-percent=${heapGrowingPercent}`]

/** Returns the options and the environment with which a process of an engine starts. */
export const processOptions = (
  engine: { readonly settings: Readonly<Record<string, unknown>>; readonly flags?: ReadonlyArray<string> },
  url: string,
  settings: Readonly<Record<string, unknown>>
) => ({
  execArgv: [...process.execArgv, ...(engine.flags ?? [])],
  env: {
    ...process.env,
    NODE_ENV: "production",
    DATABASE_URL: url,
    BENCH_SETTINGS: JSON.stringify({ ...engine.settings, ...settings })
  }
})

/**
 * Returns what a crash of the server could lose in the database of the client: tables, indexes and sequences without WAL, and
 * settings of the server, the database or the role that weaken a commit. Empty when all that is committed is kept.
 */
export const undurable = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly found: string }>`
    SELECT format('%s is not logged', c.oid::regclass) AS found
      FROM pg_class c
     WHERE c.relpersistence = 'u'
     UNION ALL
    SELECT format('%s = %s', s.name, s.setting)
      FROM pg_settings s
     WHERE s.name IN ('fsync', 'full_page_writes', 'synchronous_commit')
       AND s.setting <> 'on'
     ORDER BY 1
  `
  return rows.map(({ found }) => found)
})
