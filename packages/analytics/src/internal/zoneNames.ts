/**
 * The time zones that the database knows. To list them it reads some 600 files for a tenth of a second, so it is asked once
 * per process.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/** Zones by their names in lower case: IANA compares names without case. */
export type ZoneNames = ReadonlyMap<string, string>

/** Names of files that are no place: a machine without a zone, and copies with other rules for leap seconds. */
const isPlace = (name: string): boolean =>
  !/^(?:Factory|localtime|posixrules|posix\/.*|right\/.*)$/.test(name)

export const make = (sql: SqlClient.SqlClient): Effect.Effect<ZoneNames, SqlError> => {
  let stored: ZoneNames | undefined
  const read = sql<{ readonly name: string }>`SELECT name FROM pg_timezone_names`.pipe(
    Effect.map((rows) => {
      const names = rows.map(({ name }) => name).filter(isPlace)
      stored = new Map(names.map((name) => [name.toLowerCase(), name]))
      return stored
    })
  )
  return Effect.suspend(() => (stored === undefined ? read : Effect.succeed(stored)))
}

/** Returns the name of a zone as the database has it, undefined for one that it does not know. */
export const nameOf = (names: ZoneNames, zone: string): string | undefined => names.get(zone.toLowerCase())
