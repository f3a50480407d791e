/**
 * One migration, and the ordered migrations of a package, as its code states them. {@link module:Migrations} applies them.
 *
 * @since 0.1.0
 */
import * as Release from "./Release.ts"

/**
 * The longest wait that a migration causes to others: `none`, `brief` (a writer waits at most 200 ms),
 * `writes` (writers wait until it is done) or `all` (readers too).
 *
 * @category models
 * @since 0.1.0
 */
export type Locks = "none" | "brief" | "writes" | "all"

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
  /** The release of the package that adds the migration. */
  readonly since: string
  /** The oldest release of the package whose code works after it. */
  readonly oldestRelease: string
  readonly locks: Locks
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
  /** The release of the package. */
  readonly release: string
  /** The bookkeeping table. */
  readonly table: string
  readonly migrations: ReadonlyArray<NumberedMigration>
}

/**
 * Throws on a release that is none, on an `oldestRelease` after `since`, and on a brief migration without a transaction,
 * which could not be tried again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const migration = (
  statements: ReadonlyArray<string>,
  options: {
    readonly since: string
    readonly oldestRelease: string
    readonly locks: Locks
    /** True by default. */
    readonly transactional?: boolean
  }
): Migration => {
  const { locks, oldestRelease, since, transactional = true } = options
  if (Release.isOlder(since, oldestRelease)) {
    throw new TypeError(
      `oldestRelease ${oldestRelease} is after the release ${since} that adds the migration`
    )
  }
  if (locks === "brief" && !transactional) {
    throw new TypeError("a migration with brief locks is tried again: it needs its transaction")
  }
  return { statements, transactional, since, oldestRelease, locks }
}

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
 * The migrations of a package, keyed `NNNN_name`, and the release of the package. Throws on a malformed key, a gap, or a
 * migration of an earlier release than the one before it: all are mistakes in the code.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  domain: string,
  migrations: Record<string, Migration>,
  options: { readonly release: string }
): MigrationSet => {
  if (!Release.isRelease(options.release))
    throw new TypeError(`${domain}: "${options.release}" is no release`)
  let since = "0.0.0"
  return {
    domain,
    release: options.release,
    table: `hm_${domain}_migrations`,
    migrations: Object.entries(migrations)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, unnumbered], index) => {
        const parts = keyPattern.exec(key)
        if (parts === null) throw new TypeError(`${domain}: "${key}" is not NNNN_name`)
        const id = Number(parts[1])
        if (id !== index + 1) {
          throw new TypeError(`${domain}: ${key} should be number ${index + 1}; ids have no gaps`)
        }
        if (Release.isOlder(unnumbered.since, since)) {
          throw new TypeError(`${domain}: ${key} is of ${unnumbered.since}, the one before it of ${since}`)
        }
        since = unnumbered.since
        return { ...unnumbered, id, name: parts[2] ?? "", checksum: checksumOf(unnumbered.statements) }
      })
  }
}
