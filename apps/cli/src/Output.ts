/**
 * The output of commands: aligned columns for people, one JSON document for machines.
 */
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import type * as Effect from "effect/Effect"

export const jsonFlag = Flag.Boolean("json").pipe(
  Flag.withDescription("Print one JSON document and nothing else"),
  Flag.withDefault(false)
)

/** Pads every column to its widest cell; the last one is left as it is. */
export const columns = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

export const json = (value: unknown): Effect.Effect<void> => Console.log(JSON.stringify(value, null, 2))
