/**
 * Writes the log. A disk that is full or a reader that has gone costs lines, and never the process.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"

const lostCounter = Metric.counter("hm_log_lines_lost_total", {
  description: "Lines of the log that could not be written",
  incremental: true
})

let isGuarded = false
/** The stream has failed once, and Node writes nothing more to it: from then on lines go to the descriptor. */
let isBroken = false
let lostLines = 0

let formatted: (lines: string) => string = (lines) => lines

const standardError = 2

const linesOf = (text: string): number => text.split("\n").length - 1

const lose = (lines: number) => {
  lostLines += lines
  lostCounter.updateUnsafe(lines, Context.empty())
}

/** Without a listener Node makes an uncaught exception of a failed write. */
const guard = () => {
  if (isGuarded) return
  isGuarded = true
  process.stderr.on("error", () => {
    isBroken = true
  })
  process.stdout.on("error", () => undefined)
}

const writeToDescriptor = (text: string) => {
  const note =
    lostLines === 0
      ? ""
      : `{"timestamp":"${new Date().toISOString()}","level":"WARN","message":"Log lines could not be written","count":${lostLines}}\n`
  try {
    // Not imported: the modules of an API's schemas load this one in browsers, where it is never called.
    process.getBuiltinModule("node:fs").writeSync(standardError, formatted(note) + text)
    lostLines = 0
  } catch {
    lose(linesOf(text))
  }
}

/**
 * Sets how all later lines are written, for example as text for a person. Lines are objects of JSON before that.
 *
 * @category writing
 * @since 0.1.0
 */
export const formatLines = (format: (lines: string) => string): void => {
  formatted = format
}

/**
 * Writes whole lines. After a failure each later write tries again, and the first that succeeds says how many lines were
 * lost.
 *
 * @category writing
 * @since 0.1.0
 */
export const write = (json: string): void => {
  guard()
  const lines = formatted(json)
  if (isBroken) return writeToDescriptor(lines)
  process.stderr.write(lines, (error) => {
    if (error === null || error === undefined) return
    isBroken = true
    lose(linesOf(lines))
  })
}

/**
 * Bytes that the reader of the log has not read yet.
 *
 * @category writing
 * @since 0.1.0
 */
export const waitingBytes = (): number => (isBroken ? 0 : process.stderr.writableLength)
