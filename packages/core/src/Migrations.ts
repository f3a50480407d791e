/**
 * Numbered SQL migrations of several packages against one database.
 *
 * Each package numbers its own and records them in its own table `hm_<package>_migrations`, so that packages are
 * adopted, upgraded and removed one at a time. Forward only. Ids have no gaps, and the code of an applied migration is
 * compared by checksum. Any number of processes may start at once: one applies, the others wait by asking again (a
 * process that waited inside the server would hold a snapshot, and `CREATE INDEX CONCURRENTLY` waits for snapshots).
 *
 * Two releases share a schema. Each migration records the oldest release whose code works after it. A process that finds
 * migrations that it does not know compares its own release with the newest of these: it starts and never migrates, or
 * it refuses and names the release to install.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as EffectCopies from "./internal/effectCopies.ts"
import type { MigrationSet, NumberedMigration } from "./Migration.ts"
import * as Release from "./Release.ts"

export {
  type Locks,
  make,
  type Migration,
  migration,
  type MigrationSet,
  type NumberedMigration
} from "./Migration.ts"

/**
 * `checksum_changed`: an applied migration was edited. `renamed`: an applied migration has another name here.
 * `newer_schema`: the database has migrations after which this release does not work. `behind`: something is not
 * applied, and this process does not migrate. `unreleased`: the tables are older than the first release. `search_path`:
 * the session does not look for tables where they are.
 *
 * @category errors
 * @since 0.1.0
 */
export class MigrationRefused extends Schema.TaggedError<MigrationRefused>()("MigrationRefused", {
  domain: Schema.String,
  /** Null if no single migration is the cause. */
  id: Schema.NullOr(Schema.Int),
  reason: Schema.Literals([
    "checksum_changed",
    "newer_schema",
    "renamed",
    "behind",
    "unreleased",
    "search_path"
  ]),
  message: Schema.String
}) {}

/**
 * A migration that is not applied yet.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pending {
  readonly domain: string
  readonly migration: NumberedMigration
}

/**
 * A schema that has migrations of a later release, with which this release works.
 *
 * @category models
 * @since 0.1.0
 */
export interface Newer {
  readonly domain: string
  /** The release that applied the last of them. */
  readonly schemaRelease: string
  readonly release: string
}

/**
 * The state of a database as {@link examine} finds it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Examination {
  readonly pending: ReadonlyArray<Pending>
  /** One for each package whose schema is newer than its code. */
  readonly newer: ReadonlyArray<Newer>
}

interface Applied {
  readonly id: number
  readonly name: string
  readonly checksum: string
  readonly oldestRelease: string
  readonly appliedBy: string
}

const refused = (
  set: MigrationSet,
  id: number | null,
  reason: MigrationRefused["reason"],
  message: string
): MigrationRefused =>
  new MigrationRefused({ domain: set.domain, id, reason, message: `${set.domain}: ${message}` })

const readApplied = Effect.fnUntraced(function* (
  set: MigrationSet
): Effect.fn.Return<ReadonlyArray<Applied>, MigrationRefused | SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const [table] = yield* sql<{ readonly exists: boolean; readonly current: boolean }>`
    SELECT to_regclass(${set.table}) IS NOT NULL AS exists,
           EXISTS (SELECT
                     FROM pg_attribute
                    WHERE attrelid = to_regclass(${set.table})
                      AND attname = 'oldest_release') AS current
  `
  if (table?.exists !== true) return []
  if (!table.current) {
    return yield* refused(
      set,
      null,
      "unreleased",
      "the tables are older than the first release, and no release reads them: remove the database, or the quickstart's data folder, and begin again"
    )
  }
  return yield* sql<Applied>`
    SELECT id, name, checksum, oldest_release AS "oldestRelease", applied_by AS "appliedBy"
      FROM ${sql(set.table)}
     ORDER BY id
  `
})

const newest = (releases: ReadonlyArray<string>): string =>
  releases.reduce((a, b) => (Release.isOlder(a, b) ? b : a))

/** Refuses rows that the code contradicts, and those of releases that this one cannot work with. */
const compare = Effect.fnUntraced(function* (
  set: MigrationSet,
  applied: ReadonlyArray<Applied>
): Effect.fn.Return<Examination, MigrationRefused> {
  for (const row of applied) {
    const migration = set.migrations[row.id - 1]
    if (migration === undefined) continue
    if (migration.name !== row.name) {
      return yield* refused(
        set,
        row.id,
        "renamed",
        `migration ${row.id} is applied as ${row.name}, here it is ${migration.name}`
      )
    }
    if (migration.checksum !== row.checksum) {
      return yield* refused(
        set,
        row.id,
        "checksum_changed",
        `migration ${row.id}_${row.name} was edited after it was applied: write a new one instead`
      )
    }
  }
  const done = new Set(applied.map((row) => row.id))
  const pending = set.migrations
    .filter((migration) => !done.has(migration.id))
    .map((migration) => ({ domain: set.domain, migration }))
  const unknown = applied.filter((row) => row.id > set.migrations.length)
  const [first] = unknown
  if (first === undefined) return { pending, newer: [] }
  const oldest = newest(unknown.map((row) => row.oldestRelease))
  const schemaRelease = newest(unknown.map((row) => row.appliedBy))
  if (Release.isOlder(set.release, oldest)) {
    return yield* refused(
      set,
      first.id,
      "newer_schema",
      `the schema is of ${schemaRelease}, and ${set.release} does not work with it: install ${oldest} or newer`
    )
  }
  return { pending, newer: [{ domain: set.domain, schemaRelease, release: set.release }] }
})

/**
 * Compares a database with the code, and changes nothing.
 *
 * @category running
 * @since 0.1.0
 */
export const examine = (
  sets: ReadonlyArray<MigrationSet>
): Effect.Effect<Examination, MigrationRefused | SqlError, SqlClient.SqlClient> =>
  Effect.forEach(sets, (set) => Effect.flatMap(readApplied(set), (applied) => compare(set, applied))).pipe(
    Effect.map((all) => ({
      pending: all.flatMap(({ pending }) => pending),
      newer: all.flatMap(({ newer }) => newer)
    }))
  )

/**
 * Returns what {@link run} would apply. Changes nothing.
 *
 * @category running
 * @since 0.1.0
 */
export const plan = (
  sets: ReadonlyArray<MigrationSet>
): Effect.Effect<ReadonlyArray<Pending>, MigrationRefused | SqlError, SqlClient.SqlClient> =>
  Effect.map(examine(sets), ({ pending }) => pending)

/**
 * Returns the sentence for a schema that is newer than the code; undefined if none is.
 *
 * @category running
 * @since 0.1.0
 */
export const newerText = (newer: Examination["newer"]): string | undefined =>
  newer.length === 0
    ? undefined
    : `the schema is of ${newest(newer.map(({ schemaRelease }) => schemaRelease))}, this is ${newest(newer.map(({ release }) => release))}`

/** Logs one warning on a newer schema; refuses what is pending, as this process does not migrate. */
const accept = Effect.fnUntraced(function* ({
  newer,
  pending
}: Examination): Effect.fn.Return<void, MigrationRefused> {
  const text = newerText(newer)
  const [first] = pending
  if (first !== undefined) {
    const name = `${first.domain} ${first.migration.id}_${first.migration.name}`
    return yield* new MigrationRefused({
      domain: first.domain,
      id: first.migration.id,
      reason: "behind",
      message: `${pending.length} migrations are not applied, the first is ${name}: ${
        text === undefined ? "run `hypermarket migrate`" : `${text}, and an older release does not migrate`
      }`
    })
  }
  if (text !== undefined) yield* Effect.logWarning(`It works, and does not migrate: ${text}`)
})

/** Asked again by the processes that wait for the one that migrates. */
const lockRetryInterval = "100 millis"

/**
 * The longest wait for a lock of a migration with brief locks, in milliseconds: writers that come after it wait as long.
 *
 * @category limits
 * @since 0.1.0
 */
export const briefLockMillis = 200

/** With the pauses about two minutes, in which a table that is in use has a gap of 200 ms. */
const briefRetriesMax = 240
const briefRetry = Schedule.spaced("500 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: briefRetriesMax })
)

const isLockTimeout = (error: unknown): boolean =>
  isSqlError(error) && error.reason._tag === "LockTimeoutError"

const apply = Effect.fnUntraced(function* (set: MigrationSet, migration: NumberedMigration) {
  const sql = yield* SqlClient.SqlClient
  const steps = Effect.gen(function* () {
    if (migration.locks === "brief") {
      yield* sql`SELECT set_config('lock_timeout', ${`${briefLockMillis}ms`}, true)`
    }
    for (const statement of migration.statements) yield* sql.unsafe(statement)
    yield* sql`
      INSERT INTO ${sql(set.table)} (id, name, checksum, oldest_release, applied_by)
      VALUES (${migration.id}, ${migration.name}, ${migration.checksum}, ${migration.oldestRelease}, ${set.release})
    `
  })
  const applied = migration.transactional ? sql.withTransaction(steps) : steps
  yield* migration.locks === "brief"
    ? applied.pipe(Effect.retry({ while: isLockTimeout, schedule: briefRetry }))
    : applied
  yield* Effect.logInfo(`Applied ${set.domain} ${String(migration.id).padStart(4, "0")}_${migration.name}`)
})

/**
 * Returns the statement that makes a bookkeeping table unless it exists.
 *
 * @category constructors
 * @since 0.1.0
 */
export const bookkeepingStatement = (set: MigrationSet): string => `
  CREATE TABLE IF NOT EXISTS ${set.table} (
    id             integer     NOT NULL PRIMARY KEY,
    name           text        NOT NULL,
    checksum       text        NOT NULL,
    -- The oldest release whose code works after the migration: what an older process reads of one it does not know.
    oldest_release text        NOT NULL,
    applied_by     text        NOT NULL,
    applied_at     timestamptz NOT NULL DEFAULT now()
  )
`

const runLocked = Effect.fnUntraced(function* (sets: ReadonlyArray<MigrationSet>, schema: string) {
  const sql = yield* SqlClient.SqlClient
  const examined = yield* examine(sets)
  if (examined.newer.length > 0) {
    yield* accept(examined)
    return []
  }
  // Asked first: CREATE SCHEMA wants a privilege on the database also where the schema exists.
  const [existing] = yield* sql<{ readonly exists: boolean }>`
    SELECT to_regnamespace(quote_ident(${schema})) IS NOT NULL AS exists
  `
  if (existing?.exists !== true) yield* sql`CREATE SCHEMA ${sql(schema)}`
  for (const set of sets) {
    const pending = examined.pending.filter(({ domain }) => domain === set.domain)
    // A role that may not create tables starts on a schema where nothing is pending.
    if (pending.length > 0) yield* sql.unsafe(bookkeepingStatement(set))
    for (const { migration } of pending) yield* apply(set, migration)
  }
  return examined.pending
})

/**
 * Applies what is pending, one package after the other, and returns it. On a schema that is newer than the code it
 * applies nothing. Requires a client of one direct connection (`Database.layerDirect`): the lock lives in its session.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fn("Migrations.run")(function* (
  sets: ReadonlyArray<MigrationSet>,
  schema: string
): Effect.fn.Return<ReadonlyArray<Pending>, MigrationRefused | SqlError, SqlClient.SqlClient> {
  yield* EffectCopies.warnOfRuntime
  const sql = yield* SqlClient.SqlClient
  // Two installations in two schemas of one database do not wait for each other.
  const lockName = `hypermarket migrate ${schema}`
  const tryLock = sql<{ readonly locked: boolean }>`
    SELECT pg_try_advisory_lock(hashtextextended(${lockName}, 0)) AS locked
  `.pipe(Effect.map((rows) => rows[0]?.locked === true))
  return yield* Effect.acquireUseRelease(
    tryLock.pipe(Effect.repeat({ until: (locked) => locked, schedule: Schedule.spaced(lockRetryInterval) })),
    () => runLocked(sets, schema),
    () =>
      sql`SELECT pg_advisory_unlock(hashtextextended(${lockName}, 0))`.pipe(
        // A broken connection has let go of the lock already.
        Effect.ignore
      )
  )
})

/**
 * Refuses to go on while something is pending, for processes that may not migrate. Warns on a newer schema.
 *
 * @category running
 * @since 0.1.0
 */
export const requireApplied = (
  sets: ReadonlyArray<MigrationSet>
): Effect.Effect<void, MigrationRefused | SqlError, SqlClient.SqlClient> =>
  Effect.flatMap(examine(sets), accept)
