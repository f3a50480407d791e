/**
 * Numbered SQL migrations of several packages against one database.
 *
 * Each package numbers its own and records them in its own table `hm_<package>_migrations`, so that packages are
 * adopted, upgraded and removed one at a time. Forward only. Ids have no gaps, what was applied is compared by
 * checksum, and a database that is newer than the code is refused. Any number of processes may start at once: one
 * applies, the others wait by asking again (a process that waited inside the server would hold a snapshot, and
 * `CREATE INDEX CONCURRENTLY` waits for snapshots).
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/**
 * One migration: statements in order. With `transactional: false` each statement commits by itself, as
 * `CREATE INDEX CONCURRENTLY` needs; the statements must then bear being run again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Migration {
  readonly statements: ReadonlyArray<string>
  readonly transactional: boolean
}

/**
 * @category models
 * @since 0.1.0
 */
export interface NumberedMigration extends Migration {
  readonly id: number
  readonly name: string
  readonly checksum: string
}

/**
 * The ordered migrations of one package.
 *
 * @category models
 * @since 0.1.0
 */
export interface MigrationSet {
  readonly domain: string
  /** The book-keeping table. */
  readonly table: string
  readonly migrations: ReadonlyArray<NumberedMigration>
}

/**
 * `checksum_changed`: an applied migration was edited. `newer_schema`: the database knows migrations that this code
 * does not. `renamed`: an applied migration has another name here. `behind`: something is not applied, and this process
 * was told not to migrate.
 *
 * @category errors
 * @since 0.1.0
 */
export class MigrationRefused extends Schema.TaggedError<MigrationRefused>()("MigrationRefused", {
  domain: Schema.String,
  id: Schema.Int,
  reason: Schema.Literals(["checksum_changed", "newer_schema", "renamed", "behind"]),
  message: Schema.String
}) {}

/**
 * @category constructors
 * @since 0.1.0
 */
export const migration = (
  statements: ReadonlyArray<string>,
  options?: { readonly transactional: boolean }
): Migration => ({ statements, transactional: options?.transactional ?? true })

/** FNV-1a, 64 bit, over the statements: it finds an edit, and needs no crypto module in a browser bundle. */
const checksumOf = (statements: ReadonlyArray<string>): string => {
  let hash = 0xcbf29ce484222325n
  for (const byte of new TextEncoder().encode(statements.join("\n;\n"))) {
    hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn
  }
  return hash.toString(16).padStart(16, "0")
}

const keyPattern = /^(\d{4})_([a-z0-9_]+)$/

/**
 * The migrations of a package, keyed `NNNN_name`. Throws on a malformed key or a gap: both are mistakes in the code.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (domain: string, migrations: Record<string, Migration>): MigrationSet => ({
  domain,
  table: `hm_${domain}_migrations`,
  migrations: Object.entries(migrations)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, one], index) => {
      const parts = keyPattern.exec(key)
      if (parts === null) throw new TypeError(`${domain}: "${key}" is not NNNN_name`)
      const id = Number(parts[1])
      if (id !== index + 1)
        throw new TypeError(`${domain}: ${key} should be number ${index + 1}; ids have no gaps`)
      return { ...one, id, name: parts[2] ?? "", checksum: checksumOf(one.statements) }
    })
})

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

interface Applied {
  readonly id: number
  readonly name: string
  readonly checksum: string
}

const refused = (set: MigrationSet, id: number, reason: MigrationRefused["reason"], message: string) =>
  new MigrationRefused({ domain: set.domain, id, reason, message: `${set.domain}: ${message}` })

const readApplied = Effect.fnUntraced(function* (set: MigrationSet) {
  const sql = yield* SqlClient.SqlClient
  const [found] = yield* sql<{ readonly exists: boolean }>`
    SELECT to_regclass(${set.table}) IS NOT NULL AS exists
  `
  if (found?.exists !== true) return []
  return yield* sql<Applied>`
    SELECT id, name, checksum
      FROM ${sql(set.table)}
     ORDER BY id
  `
})

const compare = Effect.fnUntraced(function* (
  set: MigrationSet,
  applied: ReadonlyArray<Applied>
): Effect.fn.Return<ReadonlyArray<Pending>, MigrationRefused> {
  for (const row of applied) {
    const known = set.migrations[row.id - 1]
    if (known === undefined) {
      return yield* refused(
        set,
        row.id,
        "newer_schema",
        `the database has migration ${row.id} (${row.name}), this version knows ${set.migrations.length}: install the newer version`
      )
    }
    if (known.name !== row.name) {
      return yield* refused(
        set,
        row.id,
        "renamed",
        `migration ${row.id} is applied as ${row.name}, here it is ${known.name}`
      )
    }
    if (known.checksum !== row.checksum) {
      return yield* refused(
        set,
        row.id,
        "checksum_changed",
        `migration ${row.id}_${row.name} was edited after it was applied: write a new one instead`
      )
    }
  }
  const done = new Set(applied.map((row) => row.id))
  return set.migrations
    .filter((one) => !done.has(one.id))
    .map((one) => ({ domain: set.domain, migration: one }))
})

/**
 * What {@link run} would apply. Changes nothing.
 *
 * @category running
 * @since 0.1.0
 */
export const plan = (
  sets: ReadonlyArray<MigrationSet>
): Effect.Effect<ReadonlyArray<Pending>, MigrationRefused | SqlError, SqlClient.SqlClient> =>
  Effect.map(
    Effect.forEach(sets, (set) => Effect.flatMap(readApplied(set), (applied) => compare(set, applied))),
    Arr.flatten
  )

/** Two 32-bit numbers that nobody else uses by chance: "hm" and "migr" in ASCII. */
const lockClass = 0x686d
const lockObject = 0x6d696772
const lockRetryInterval = "100 millis"

const apply = Effect.fnUntraced(function* (set: MigrationSet, one: NumberedMigration) {
  const sql = yield* SqlClient.SqlClient
  const steps = Effect.gen(function* () {
    for (const statement of one.statements) yield* sql.unsafe(statement)
    yield* sql`
      INSERT INTO ${sql(set.table)} (id, name, checksum)
      VALUES (${one.id}, ${one.name}, ${one.checksum})
    `
  })
  yield* one.transactional ? sql.withTransaction(steps) : steps
  yield* Effect.logInfo(`Applied ${set.domain} ${String(one.id).padStart(4, "0")}_${one.name}`)
})

const runLocked = Effect.fnUntraced(function* (sets: ReadonlyArray<MigrationSet>, schema: string) {
  const sql = yield* SqlClient.SqlClient
  // Asked first: CREATE SCHEMA wants a privilege on the database also where the schema stands already.
  const [found] = yield* sql<{
    readonly exists: boolean
  }>`SELECT to_regnamespace(${schema}) IS NOT NULL AS exists`
  if (found?.exists !== true) yield* sql`CREATE SCHEMA ${sql(schema)}`
  const applied: Array<Pending> = []
  for (const set of sets) {
    yield* sql`
      CREATE TABLE IF NOT EXISTS ${sql(set.table)} (
        id         integer     NOT NULL PRIMARY KEY,
        name       text        NOT NULL,
        checksum   text        NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
      )
    `
    for (const pending of yield* compare(set, yield* readApplied(set))) {
      yield* apply(set, pending.migration)
      applied.push(pending)
    }
  }
  return applied
})

/**
 * Applies what is pending, one package after the other, and returns it. Requires a client of one direct connection
 * (`Database.layerDirect`): the lock lives in its session.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fn("Migrations.run")(function* (
  sets: ReadonlyArray<MigrationSet>,
  schema: string
): Effect.fn.Return<ReadonlyArray<Pending>, MigrationRefused | SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const tryLock = sql<{ readonly locked: boolean }>`
    SELECT pg_try_advisory_lock(${lockClass}::int, ${lockObject}::int) AS locked
  `.pipe(Effect.map((rows) => rows[0]?.locked === true))
  return yield* Effect.acquireUseRelease(
    tryLock.pipe(Effect.repeat({ until: (locked) => locked, schedule: Schedule.spaced(lockRetryInterval) })),
    () => runLocked(sets, schema),
    () =>
      sql`SELECT pg_advisory_unlock(${lockClass}::int, ${lockObject}::int)`.pipe(
        // A broken connection has let go of the lock already.
        Effect.ignore
      )
  )
})

/**
 * Refuses to go on while something is pending, for processes that may not migrate.
 *
 * @category running
 * @since 0.1.0
 */
export const requireApplied = (
  sets: ReadonlyArray<MigrationSet>
): Effect.Effect<void, MigrationRefused | SqlError, SqlClient.SqlClient> =>
  Effect.flatMap(plan(sets), (pending) => {
    const [first] = pending
    return first === undefined
      ? Effect.void
      : Effect.fail(
          new MigrationRefused({
            domain: first.domain,
            id: first.migration.id,
            reason: "behind",
            message: `${pending.length} migrations are not applied, the first is ${first.domain} ${first.migration.id}_${first.migration.name}: run \`hypermarket migrate\``
          })
        )
  })
