/** Arguments and output of all imports. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import type * as Import from "./Import.ts"

export const fileArgument = Argument.String("file").pipe(
  Argument.withDescription("NDJSON, or CSV with a header; plain or gzip")
)

export const formatFlag = Flag.Literals("format", ["ndjson", "csv"]).pipe(
  Flag.withDescription("By the file's name when it is not given"),
  Flag.optional
)

export const restartFlag = Flag.Boolean("restart").pipe(
  Flag.withDescription("Begin at the first line, also when an earlier import was interrupted"),
  Flag.withDefault(false)
)

/** For people. */
export const textOf = (what: string, summary: Import.Summary): string =>
  [
    `${summary.sent} ${what} imported, ${summary.refused} rows refused`,
    ...(summary.resumedAfterLine === 0 ? [] : [`went on after line ${summary.resumedAfterLine}`]),
    ...(summary.refused > summary.refusals.length
      ? [`the first ${summary.refusals.length} refused lines are named above`]
      : [])
  ].join("; ")
