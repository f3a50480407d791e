/** Gathers the checkpoints of concurrent runs into one statement, whose commit they share. */
import * as Now from "@hypermarket/core/Now"
import * as Storage from "@hypermarket/core/Storage"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import type { SqlError } from "effect/sql/SqlError"
import { keyOf } from "./rows.ts"
import type { Checkpoint, Checkpointed, Statements } from "./statements.ts"

/** Maximum checkpoints per statement. */
const statementMax = 500
/** Maximum characters of results per statement, which are in memory: a result has up to 1 MiB. */
const statementCharactersMax = 4 * 1024 * 1024
/**
 * Concurrent statements: while some wait for their commits, the next one gathers. With two, a step waits half a commit longer
 * for its turn, which on a slow disk is a third of the throughput; with eight, checkpoints hold most of a pool of ten.
 */
const statementsMax = 4

/** A restart of the server is outlasted: an activity whose result is not recorded would run again. */
const outage = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")]).pipe(
  Schedule.upTo({ duration: "20 seconds" })
)

export const retryOutage = <A, R>(self: Effect.Effect<A, SqlError, R>): Effect.Effect<A, SqlError, R> =>
  Effect.retry(self, { while: Storage.isRetryable, schedule: outage })

interface Waiting {
  readonly checkpoint: Checkpoint
  readonly resume: (row: Exit.Exit<Checkpointed | undefined, SqlError>) => void
}

const identityOf = (
  row: Pick<Checkpoint, "tenantId" | "executionId" | "kind" | "name" | "attempt">
): string => `${row.tenantId}\u0000${row.executionId}\u0000${keyOf(row)}`

export interface Checkpoints {
  /** Records a result, and succeeds when it is committed: without a row when the run has lost its execution. */
  readonly record: (checkpoint: Checkpoint) => Effect.Effect<Checkpointed | undefined, SqlError>
}

/** Makes it for a process. `fork` runs a loop detached from any run; the loop ends when no checkpoint waits. */
export const make = (statements: Statements, fork: (loop: Effect.Effect<void>) => void): Checkpoints => {
  let waiting: Array<Waiting> = []
  let loops = 0

  /** Returns the first of them. A statement cannot write one task twice: the second waits for the next one. */
  const take = (): ReadonlyArray<Waiting> => {
    const taken = new Map<string, Waiting>()
    const left: Array<Waiting> = []
    let characters = 0
    for (const entry of waiting) {
      const identity = identityOf(entry.checkpoint)
      const isFull =
        taken.size > 0 &&
        (taken.size >= statementMax || characters + entry.checkpoint.result.length > statementCharactersMax)
      if (isFull || taken.has(identity)) {
        left.push(entry)
        continue
      }
      characters += entry.checkpoint.result.length
      taken.set(identity, entry)
    }
    waiting = left
    return Array.from(taken.values())
  }

  const write = Effect.fnUntraced(function* (taken: ReadonlyArray<Waiting>) {
    const rows = yield* statements.checkpoint(
      taken.map((entry) => entry.checkpoint),
      yield* Now.now
    )
    return new Map(rows.map((row) => [row.n, row]))
  })

  const loop: Effect.Effect<void> = Effect.gen(function* () {
    // Runs that are in progress now join the first statement.
    yield* Effect.yieldNow
    while (waiting.length > 0) {
      const taken = take()
      const exit = yield* Effect.exit(retryOutage(write(taken)))
      for (const [index, { resume }] of taken.entries()) resume(Exit.map(exit, (rows) => rows.get(index + 1)))
    }
    loops--
  })

  return {
    record: (checkpoint) =>
      Effect.callback<Checkpointed | undefined, SqlError>((resume) => {
        waiting.push({ checkpoint, resume })
        if (loops < statementsMax) {
          loops++
          fork(loop)
        }
      })
  }
}
