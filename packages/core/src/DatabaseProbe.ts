/**
 * Asks the database on a separate connection whether it answers, whether it accepts writes and has disk for them, and
 * whether tables that all work goes through are locked.
 *
 * @since 0.1.0
 */
import { PgClient } from "@effect/sql-pg"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"
import { monitorEventLoopDelay } from "node:perf_hooks"
import type * as Database from "./Database.ts"
import * as DatabaseGate from "./DatabaseGate.ts"
import * as Storage from "./Storage.ts"

/**
 * The state of the database as a fresh connection sees it. Two are no fault of it: `busy`, the server has no connection to
 * spare, and `lagged`, this process had no processor to ask in time.
 *
 * @category models
 * @since 0.1.0
 */
export type State = "available" | "busy" | "lagged" | "unavailable" | "read-only" | "disk-full" | "locked"

/**
 * @category services
 * @since 0.1.0
 */
export class DatabaseProbe extends Context.Service<
  DatabaseProbe,
  {
    /** Asks now, or shares the answer of one that is under way. */
    readonly state: Effect.Effect<State>
  }
>()("@hypermarket/core/DatabaseProbe") {}

/** A probe that waits longer is read as a failure by most orchestrators, whose default is one second. */
const patience = "900 millis"

/** A loop that was late by this much may have had the answer waiting: idle, it is late by no more than 20 ms. */
const lagNanosMax = 60_000_000

/** Longer than the patience, so that a refused connection and one that only took its time are told apart. */
const connectTimeout = "3 seconds"

/** A lock held for that long is none of a statement that passes. */
const lockTimeoutMillis = 400

/** Ten times the memory that the probe's session has. */
const spilledRows = 20_000

const connectionsSpentState = "53300"
const lockedState = "55P03"

/**
 * Makes the probe of a database. `tables` are those whose lock stops all work.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Database.Options, tables: ReadonlyArray<string>): Layer.Layer<DatabaseProbe> =>
  Layer.effectContext(
    Effect.gen(function* () {
      // A connection that hung once would hang for the next probe: each has a fresh one.
      const client = PgClient.layer({
        url: options.url,
        applicationName: "hypermarket-probe",
        connectTimeout,
        maxConnections: 1,
        prepare: false,
        startupParameters: options.prepare ? { search_path: options.schema } : { TimeZone: "UTC" }
      })
      const ask = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const [session] = yield* sql<{ readonly isReadOnly: boolean }>`
          SELECT current_setting('transaction_read_only') = 'on' AS "isReadOnly"
        `
        if (session?.isReadOnly === true) return "read-only" as const
        if (tables.length === 0) return "available" as const
        return yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`SELECT set_config('lock_timeout', ${String(lockTimeoutMillis)}, true)`
            yield* sql`SELECT set_config('work_mem', '64kB', true)`
            // Spills into a temporary file: no row, no log of it, but a disk that is full refuses it.
            yield* sql`SELECT count(*) FROM generate_series(1, ${spilledRows}::int)`
            for (const table of tables) yield* sql`LOCK TABLE ${sql(table)} IN ROW EXCLUSIVE MODE`
            return "available" as const
          })
        )
      }).pipe(
        Effect.scoped,
        Effect.provide(client),
        Effect.catchIf(isSqlError, (error) => {
          const { reason, state } = Storage.failureOf(error)
          if (state === connectionsSpentState) return Effect.succeed<State>("busy")
          if (reason === "disk-full" || reason === "resources") return Effect.succeed<State>("disk-full")
          if (state === lockedState) return Effect.succeed<State>("locked")
          // A table that is missing is a fault of the schema, which the database's answer proves to be readable.
          return Effect.succeed<State>(reason === "other" ? "available" : "unavailable")
        }),
        Effect.catchCause(() => Effect.succeed<State>("unavailable"))
      )
      const round = Effect.acquireUseRelease(
        Effect.sync(() => {
          const delay = monitorEventLoopDelay({ resolution: 20 })
          delay.enable()
          return delay
        }),
        (delay) =>
          ask.pipe(
            Storage.within(patience),
            Effect.catch(() => Effect.sync((): State => (delay.max > lagNanosMax ? "lagged" : "unavailable")))
          ),
        (delay) => Effect.sync(() => delay.disable())
      )
      const state = yield* Effect.cachedWithTTL(round, "200 millis")
      const gateRound = Effect.map(state, (seen): DatabaseGate.Round =>
        seen === "unavailable" || seen === "lagged" ? seen : "available"
      )
      return Context.make(DatabaseProbe, { state }).pipe(Context.add(DatabaseGate.Probe, gateRound))
    })
  )
