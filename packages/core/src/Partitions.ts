/**
 * Tables that grow by time: partitions made ahead, past ones on demand, old ones dropped whole.
 *
 * A partition is built as a plain table with its bounds as a CHECK and then attached: `CREATE TABLE ... PARTITION OF` would
 * lock out every reader of the table behind one old snapshot. Attaching and detaching still need a moment alone with the
 * default partition or the table: they wait for it at most {@link lockTimeoutMillis}, so that no statement waits longer behind
 * them, and are tried again. `DETACH ... CONCURRENTLY` is not open to us: Postgres refuses it on a table that has a default
 * partition, and a table without one refuses rows when its worker is away for long.
 *
 * Rows that found no partition are in the default one. The retention holds there too: maintaining a table deletes those that a
 * dropped partition would have taken along, and moves the others to a partition of their time. `doctor` tells of what is left.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as Check from "./Check.ts"
import * as Ddl from "./Ddl.ts"
import * as Job from "./Job.ts"
import { now } from "./Now.ts"

/**
 * The period of one partition: from an instant, and up to another without it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Period {
  readonly name: string
  readonly from: Date
  readonly to: Date
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Partitions {
  /** A table `PARTITION BY RANGE (by)` with a default partition `<table>_default`. */
  readonly table: string
  /** A `date` or `timestamptz` column. */
  readonly by: string
  readonly every: "day" | "month"
  /** A partition is dropped when all of it is older; undefined keeps everything. */
  readonly keep: Duration.Duration | undefined
  /** Periods made before they begin. */
  readonly ahead: number
  /** Storage parameters of each partition, which are not inherited. */
  readonly storage: string | undefined
  /** The oldest instant that something still refers to: nothing from then on is dropped. */
  readonly oldestInUse: Effect.Effect<Date | undefined, SqlError, SqlClient.SqlClient>
  /** True for a period with rows that must stay: its partition is not dropped, and later ones are. */
  readonly isInUse: (period: Period) => Effect.Effect<boolean, SqlError, SqlClient.SqlClient>
}

/**
 * The longest wait for a lock, in milliseconds: all that comes after waits as long.
 *
 * @category limits
 * @since 0.1.0
 */
export const lockTimeoutMillis = 200

/** Tried so often before it is left to the next hour. */
const lockRetriesMax = 20
const lockRetry = Schedule.spaced("250 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: lockRetriesMax })
)

/** Partitions that one call makes at most: a day's of eleven years. */
const periodsMax = 4_096

/** Past partitions that one round makes for rows of the default one; the next round makes the others. */
const pastPeriodsMax = 32

/** Rows of the default partition per deletion, so that it holds its locks for some tens of milliseconds. */
const deletedRowsMax = 5_000
/** Deletions per table and round: a million rows, so that the tables behind this one have their turn. */
const deletionsMax = 200

const identifier = /^[a-z_][a-z0-9_]{0,50}$/
const storageText = /^[a-z_]+ = [a-z0-9.]+(, [a-z_]+ = [a-z0-9.]+)*$/

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: {
  readonly table: string
  readonly by: string
  readonly every: "day" | "month"
  readonly keep?: Duration.Input
  readonly ahead: number
  readonly storage?: string
  readonly oldestInUse?: Partitions["oldestInUse"]
  readonly isInUse?: Partitions["isInUse"]
}): Partitions => {
  for (const name of [options.table, options.by]) {
    if (!identifier.test(name)) throw new TypeError(`"${name}" is not a name of a table or column`)
  }
  if (options.storage !== undefined && !storageText.test(options.storage)) {
    throw new TypeError(`"${options.storage}" is not a list of storage parameters`)
  }
  return {
    table: options.table,
    by: options.by,
    every: options.every,
    keep: options.keep === undefined ? undefined : Duration.fromInputUnsafe(options.keep),
    ahead: options.ahead,
    storage: options.storage,
    oldestInUse: options.oldestInUse ?? Effect.succeed(undefined),
    isInUse: options.isInUse ?? (() => Effect.succeed(false))
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Periods
// ---------------------------------------------------------------------------------------------------------------

const startOf = (every: Partitions["every"], at: Date): Date =>
  new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), every === "day" ? at.getUTCDate() : 1))

const step = (every: Partitions["every"], start: Date, by: number): Date =>
  every === "day"
    ? new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth(), start.getUTCDate() + by))
    : new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + by, 1))

const dayText = (at: Date): string => at.toISOString().slice(0, 10)

const periodOf = (self: Partitions, at: Date): Period => {
  const from = startOf(self.every, at)
  const digits = dayText(from)
    .replaceAll("-", "")
    .slice(0, self.every === "day" ? 8 : 6)
  return { name: `${self.table}_p${digits}`, from, to: step(self.every, from, 1) }
}

const periodsBetween = (self: Partitions, from: Date, to: Date): ReadonlyArray<Period> => {
  const periods: Array<Period> = []
  for (
    let at = startOf(self.every, from);
    at <= to && periods.length < periodsMax;
    at = step(self.every, at, 1)
  ) {
    periods.push(periodOf(self, at))
  }
  return periods
}

/** The period that a partition's name stands for; undefined for the default partition, or one of other making. */
const periodNamed = (self: Partitions, name: string): Period | undefined => {
  const digits = name.startsWith(`${self.table}_p`) ? name.slice(self.table.length + 2) : ""
  if (!/^\d{6}(\d{2})?$/.test(digits)) return undefined
  const year = Number(digits.slice(0, 4))
  const month = Number(digits.slice(4, 6)) - 1
  const period = periodOf(
    self,
    new Date(Date.UTC(year, month, digits.length === 8 ? Number(digits.slice(6)) : 1))
  )
  return period.name === name ? period : undefined
}

// ---------------------------------------------------------------------------------------------------------------
// Statements
// ---------------------------------------------------------------------------------------------------------------

const attached = (self: Partitions) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly name: string }>`
      SELECT c.relname AS name
        FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
       WHERE i.inhparent = to_regclass(${self.table})
       ORDER BY 1
    `
  ).pipe(Effect.map((rows) => rows.map((row) => row.name)))

/** One of our own dates, which DDL does not take as a parameter: midnight UTC, for a `date` and for a `timestamptz`. */
const midnight = (sql: SqlClient.SqlClient, day: Date) => sql.literal(`'${dayText(day)} 00:00:00+00'`)

/**
 * Reads the periods whose partitions are attached, the oldest first. The default partition has none.
 *
 * @category running
 * @since 0.1.0
 */
export const periods = Effect.fn("Partitions.periods")(function* (
  self: Partitions
): Effect.fn.Return<ReadonlyArray<Period>, SqlError, SqlClient.SqlClient> {
  return (yield* attached(self))
    .map((name) => periodNamed(self, name))
    .filter((period): period is Period => period !== undefined)
})

const isLockTimeout = (error: unknown): boolean =>
  isSqlError(error) && error.reason._tag === "LockTimeoutError"

/** In a transaction that does not wait long for a lock, again and again. */
const briefly = <A, E, R>(sql: SqlClient.SqlClient, self: Effect.Effect<A, E, R>) =>
  sql
    .withTransaction(
      Effect.andThen(sql`SELECT set_config('lock_timeout', ${`${lockTimeoutMillis}ms`}, true)`, self)
    )
    .pipe(Effect.retry({ while: isLockTimeout, schedule: lockRetry }))

const create = Effect.fnUntraced(function* (self: Partitions, period: Period) {
  const sql = yield* SqlClient.SqlClient
  const table = sql(self.table)
  const fallback = sql(`${self.table}_default`)
  const partition = sql(period.name)
  const by = sql(self.by)
  const bounds = sql(`${period.name}_bounds`)
  const from = midnight(sql, period.from)
  const to = midnight(sql, period.to)
  yield* briefly(
    sql,
    Effect.gen(function* () {
      // One maker at a time; the others find it made.
      yield* sql`SELECT pg_advisory_xact_lock(hashtextextended(concat_ws(' ', current_schema(), ${period.name}::text), 0))::text`
      const [there] = yield* sql<{ readonly exists: boolean }>`
        SELECT to_regclass(${period.name}) IS NOT NULL AS exists
      `
      if (there?.exists === true) return
      yield* sql`CREATE TABLE ${partition} (LIKE ${table} INCLUDING ALL)`
      if (self.storage !== undefined) yield* sql`ALTER TABLE ${partition} SET (${sql.literal(self.storage)})`
      yield* sql`
        ALTER TABLE ${partition} ADD CONSTRAINT ${bounds} CHECK (${by} IS NOT NULL AND ${by} >= ${from} AND ${by} < ${to})
      `
      const [stray] = yield* sql<{ readonly any: boolean }>`
        SELECT EXISTS (SELECT 1 FROM ${fallback} WHERE ${by} >= ${from} AND ${by} < ${to}) AS any
      `
      if (stray?.any === true) {
        yield* sql`LOCK TABLE ${fallback} IN SHARE ROW EXCLUSIVE MODE`
        yield* sql`
          WITH moved AS (DELETE FROM ${fallback} WHERE ${by} >= ${from} AND ${by} < ${to} RETURNING *)
          INSERT INTO ${partition}
          SELECT *
            FROM moved
        `
      }
      yield* sql`ALTER TABLE ${table} ATTACH PARTITION ${partition} FOR VALUES FROM (${from}) TO (${to})`
      yield* sql`ALTER TABLE ${partition} DROP CONSTRAINT ${bounds}`
    })
  )
})

/**
 * Makes the missing partitions from one instant to another, for imports of the past. Their rows in the default partition
 * move to them.
 *
 * @category running
 * @since 0.1.0
 */
export const ensure = Effect.fn("Partitions.ensure")(function* (
  self: Partitions,
  from: Date,
  to: Date
): Effect.fn.Return<void, SqlError, SqlClient.SqlClient> {
  const there = new Set(yield* attached(self))
  yield* Effect.forEach(
    periodsBetween(self, from, to).filter((period) => !there.has(period.name)),
    (period) => create(self, period),
    { discard: true }
  )
})

const drop = Effect.fnUntraced(function* (self: Partitions, period: Period) {
  const sql = yield* SqlClient.SqlClient
  yield* briefly(
    sql,
    Effect.andThen(
      sql`ALTER TABLE ${sql(self.table)} DETACH PARTITION ${sql(period.name)}`,
      sql`DROP TABLE ${sql(period.name)}`
    )
  )
  yield* Effect.logInfo(`Dropped ${period.name}: it is older than its table keeps`)
})

/**
 * Makes the partition of now and those due ahead: what `migrate` does, so that rows find theirs before the first worker runs.
 *
 * @category running
 * @since 0.1.0
 */
export const ensureAhead = Effect.fn("Partitions.ensureAhead")(function* (
  self: Partitions
): Effect.fn.Return<void, SqlError, SqlClient.SqlClient> {
  const moment = yield* now
  yield* ensure(self, moment, step(self.every, startOf(self.every, moment), self.ahead))
})

/** Returns the start of the first period that is kept, all of it or a part; undefined when everything is. */
const keptFrom = Effect.fnUntraced(function* (self: Partitions, moment: Date) {
  if (self.keep === undefined) return undefined
  const aged = new Date(moment.getTime() - Duration.toMillis(self.keep))
  const inUse = yield* self.oldestInUse
  return startOf(self.every, inUse === undefined || inUse > aged ? aged : inUse)
})

const unusedOf = (self: Partitions, all: ReadonlyArray<Period>) =>
  Effect.filter(all, (period) => Effect.map(self.isInUse(period), (isInUse) => !isInUse))

/** Deletes rows of the default partition that are older than kept: no partition takes them along. */
const deleteStrays = Effect.fnUntraced(function* (
  self: Partitions,
  before: Date,
  but: ReadonlyArray<Period>
) {
  const sql = yield* SqlClient.SqlClient
  const fallback = sql(`${self.table}_default`)
  const by = sql(self.by)
  let deleted = 0
  for (let n = 0; n < deletionsMax; n++) {
    const [row] = yield* sql<{ readonly count: number }>`
      WITH deleted AS (
        DELETE FROM ${fallback}
         WHERE ctid = ANY (ARRAY (
                 SELECT ctid
                   FROM ${fallback}
                  WHERE ${by} < ${midnight(sql, before)}
                    AND date_trunc(${self.every}, ${by}::timestamptz, 'UTC')
                        <> ALL (${but.map(({ from }) => from)}::timestamptz[])
                  LIMIT ${deletedRowsMax}
                    FOR UPDATE SKIP LOCKED))
        RETURNING 1)
      SELECT count(*)::int AS count
        FROM deleted
    `
    deleted += row?.count ?? 0
    if (row === undefined || row.count < deletedRowsMax) break
  }
  if (deleted > 0) {
    yield* Effect.logInfo(`Deleted ${deleted} rows of ${self.table}_default: they are older than it keeps`)
  }
})

/**
 * Deletes past rows of the default partition as a dropped partition would, and makes the partitions of the others, which move
 * there.
 */
const ageStrays = Effect.fnUntraced(function* (self: Partitions, keptFrom: Date, today: Date) {
  const sql = yield* SqlClient.SqlClient
  const by = sql(self.by)
  // A time before year 1, or -infinity, is in no period: it is only deleted.
  const starts = yield* sql<{ readonly from: Date }>`
    SELECT DISTINCT date_trunc(${self.every}, ${by}::timestamptz, 'UTC') AS "from"
      FROM ${sql(`${self.table}_default`)}
     WHERE ${by} >= '0001-01-01' AND ${by} < ${midnight(sql, today)}
     ORDER BY 1
  `
  const all = starts.map(({ from }) => periodOf(self, from))
  const aged = all.filter(({ to }) => to <= keptFrom)
  const unused = new Set(yield* unusedOf(self, aged))
  const kept = all.filter((period) => !unused.has(period))
  yield* deleteStrays(self, keptFrom, kept)
  yield* Effect.forEach(kept.slice(0, pastPeriodsMax), (period) => create(self, period), { discard: true })
})

/**
 * Makes what is due ahead, and drops what is older than kept, rows of the default partition too. Other past rows of that
 * one move to partitions of their time. Returns the names of what it dropped.
 *
 * @category running
 * @since 0.1.0
 */
export const maintain = Effect.fn("Partitions.maintain")(function* (
  self: Partitions
): Effect.fn.Return<ReadonlyArray<string>, SqlError, SqlClient.SqlClient> {
  yield* ensureAhead(self)
  const moment = yield* now
  const from = yield* keptFrom(self, moment)
  if (from === undefined) return []
  const old = yield* unusedOf(
    self,
    (yield* periods(self)).filter(({ to }) => to <= from)
  )
  yield* Effect.forEach(old, (period) => drop(self, period), { discard: true })
  yield* ageStrays(self, from, startOf(self.every, moment))
  return old.map((period) => period.name)
})

/** Maintains every table though one fails, and then fails with the first failure. */
const maintainAll = Effect.fnUntraced(function* (all: ReadonlyArray<Partitions>) {
  const exits = yield* Effect.forEach(all, (self) =>
    maintain(self).pipe(
      Effect.tapError((error) =>
        Effect.logWarning(`The partitions of ${self.table} are not maintained`, error)
      ),
      Effect.exit
    )
  )
  const failed = exits.find(Exit.isFailure)
  if (failed !== undefined) return yield* Effect.failCause(failed.cause)
})

/**
 * The one job that maintains all partitioned tables of an installation, with the client for DDL. It does nothing where
 * this process is not of the role that owns them: `hypermarket partitions maintain` does it there.
 *
 * @category jobs
 * @since 0.1.0
 */
export const job = (all: ReadonlyArray<Partitions>): Job.Job<null, SqlClient.SqlClient> =>
  Job.scheduled({
    name: "core.partition.maintain",
    every: "1 hour",
    deadline: "10 minutes",
    run: Effect.flatMap(Effect.service(Ddl.Ddl), (ddl) =>
      ddl.isOwner ? ddl.run(maintainAll(all)) : Effect.void
    )
  })

/**
 * Warns when partitions are made for less than three days ahead, fails under one day, and warns of rows that found none.
 *
 * @category checks
 * @since 0.1.0
 */
export const check = (all: ReadonlyArray<Partitions>): Check.Check =>
  Check.make(
    "partitions",
    Effect.flatMap(now, (moment) => Effect.forEach(all, (self) => findingsOf(self, moment))).pipe(
      Effect.map((findings) => findings.flat())
    )
  )

const dayMillis = 86_400_000
/** A weekend is over before rows go to the default partition. */
const daysAheadWarn = 3
const daysAheadFail = 1

const findingsOf = Effect.fnUntraced(function* (self: Partitions, moment: Date) {
  const sql = yield* SqlClient.SqlClient
  const there = new Set(yield* attached(self))
  // All that is made ahead, and one more: the first that is missing ends what is covered.
  const ahead = periodsBetween(self, moment, step(self.every, startOf(self.every, moment), self.ahead + 1))
  const gap = ahead.find((period) => !there.has(period.name))
  const coveredUntil = gap === undefined ? ahead.at(-1)?.to : gap.from
  const daysAhead = ((coveredUntil ?? moment).getTime() - moment.getTime()) / dayMillis
  const [stray] = yield* sql<{ readonly any: boolean }>`
    SELECT EXISTS (SELECT 1 FROM ${sql(`${self.table}_default`)}) AS any
  `
  const findings: Array<Check.Finding> = []
  if (gap !== undefined && daysAhead < daysAheadWarn) {
    findings.push({
      status: daysAhead < daysAheadFail ? "fail" : "warn",
      message: `${self.table} has partitions for ${Math.max(0, Math.floor(daysAhead))} days ahead, the first that is missing is ${gap.name}`,
      hint: "a worker of the tables' owner makes them once an hour; else run `hypermarket partitions maintain`"
    })
  }
  if (stray?.any === true) {
    findings.push({
      status: "warn",
      message: `rows of ${self.table} stand in its default partition`,
      hint: "a worker of the tables' owner moves those of the past or deletes them once an hour, and the others when their time comes; else run `hypermarket partitions maintain`"
    })
  }
  return findings.length > 0
    ? findings
    : [{ status: "ok" as const, message: `${self.table} has its partitions` }]
})
