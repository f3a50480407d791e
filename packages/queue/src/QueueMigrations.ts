/**
 * The tables of a queue, as numbered steps. A package that has a queue applies each step as a separate migration:
 *
 * ```ts
 * QueueMigrations.migration(1, "hm_event", { since: "1.0.0", oldestRelease: "1.0.0" })
 * ```
 *
 * A step that has been released is never changed; a change of the tables is a further step.
 *
 * @since 0.1.0
 */
import * as Migrations from "@hypermarket/core/Migrations"
import * as Partitions from "@hypermarket/core/Partitions"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as QueueTables from "./internal/migrations/0001_queue_tables.ts"
import * as QueueJobIndexes from "./internal/migrations/0002_queue_job.ts"
import { oldestBody } from "./internal/statements/control.ts"
import { tablesOf } from "./internal/tables.ts"

interface Step {
  readonly statements: (prefix: string) => ReadonlyArray<string>
  readonly transactional: boolean
}

const steps: ReadonlyArray<Step> = [
  { statements: QueueTables.statements, transactional: true },
  // Indexes are created concurrently.
  { statements: QueueJobIndexes.statements, transactional: false }
]

const stepOf = (number: number): Step => {
  const found = steps[number - 1]
  if (found === undefined) throw new RangeError(`a queue has steps 1 to ${lastStep}, not ${number}`)
  return found
}

/**
 * Number of the last step.
 *
 * @category migrations
 * @since 0.1.0
 */
export const lastStep = steps.length

/** A comment on the table of runnable jobs records the last applied step: reading it needs no privilege. */
const commentPrefix = "hypermarket queue, step "

/**
 * Returns the statements of a step for the tables with a prefix, such as `hm_event`. Throws on a number without a step,
 * which is a mistake in the code.
 *
 * @category migrations
 * @since 0.1.0
 */
export const step = (number: number, prefix: string): ReadonlyArray<string> => {
  const { ready } = tablesOf(prefix)
  return [...stepOf(number).statements(prefix), `COMMENT ON TABLE ${ready} IS '${commentPrefix}${number}'`]
}

/**
 * Returns a step as a migration of the package that has the queue, in the releases of that package. Throws as
 * {@link step} does.
 *
 * @category migrations
 * @since 0.1.0
 */
export const migration = (
  number: number,
  prefix: string,
  releases: { readonly since: string; readonly oldestRelease: string }
): Migrations.Migration =>
  Migrations.migration(step(number, prefix), {
    ...releases,
    locks: "none",
    transactional: stepOf(number).transactional
  })

/**
 * The tables of a queue are older than this release.
 *
 * @category errors
 * @since 0.1.0
 */
export class QueueTablesOutdated extends Schema.TaggedError<QueueTablesOutdated>()("QueueTablesOutdated", {
  prefix: Schema.String,
  /** Last applied step; 0 when the tables do not exist. */
  step: Schema.Int,
  lastStep: Schema.Int,
  message: Schema.String
}) {}

/**
 * Fails when the tables lack a step. A worker calls it when it starts. Tables of a later release pass: the migrations of
 * the package decide whether this release works with them. A restore with `pg_restore --no-comments` loses the step; apply
 * the comment of the last step again.
 *
 * @category running
 * @since 0.1.0
 */
export const requireLastStep = Effect.fn("QueueMigrations.requireLastStep")(function* (
  prefix: string
): Effect.fn.Return<void, QueueTablesOutdated | SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly comment: string | null }>`
    SELECT obj_description(to_regclass(${tablesOf(prefix).ready}), 'pg_class') AS comment
  `
  const comment = row?.comment ?? ""
  const applied = comment.startsWith(commentPrefix) ? Number(comment.slice(commentPrefix.length)) : 0
  if (applied >= lastStep) return
  return yield* new QueueTablesOutdated({
    prefix,
    step: applied,
    lastStep,
    message: `the tables ${prefix}_* are at step ${applied} of ${lastStep}: run \`hypermarket migrate\``
  })
})

/**
 * Returns the partitioned tables of a queue: large payloads and history. A payload is kept while a job refers to it.
 *
 * @category migrations
 * @since 0.1.0
 */
export const partitions = (prefix: string): ReadonlyArray<Partitions.Partitions> => {
  const tables = tablesOf(prefix)
  return [
    Partitions.make({
      table: tables.body,
      by: "day",
      every: "day",
      keep: "7 days",
      ahead: 7,
      storage: QueueTables.payloadStorage,
      oldestInUse: Effect.flatMap(SqlClient.SqlClient, (sql) => oldestBody(sql, tables))
    }),
    Partitions.make({ table: tables.history, by: "day", every: "day", keep: "30 days", ahead: 7 })
  ]
}
