/** Gathers the jobs of concurrent calls into one statement. A call ends when the statement with its jobs has committed. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { SqlError } from "effect/sql/SqlError"
import type { PreparedJob } from "./preparedJob.ts"

/** Maximum jobs per statement: with more, one statement is slower than two. */
const statementJobsMax = 1_000
/** Concurrent statements: while one waits for its commit, the next one gathers. */
const statementsMax = 2
/** Maximum waiting jobs, half a second at 20,000 jobs per second. A call beyond it is refused. */
const waitingJobsMax = 10_000
/** Maximum characters of the payloads of waiting jobs, which are in memory. */
const waitingCharactersMax = 16 * 1024 * 1024

interface Waiting {
  readonly jobs: ReadonlyArray<PreparedJob>
  readonly characters: number
  readonly resume: (exit: Exit.Exit<void, SqlError>) => void
}

export interface Batcher {
  /** Returns undefined when a limit of waiting jobs is reached. */
  readonly add: (jobs: ReadonlyArray<PreparedJob>) => Effect.Effect<void, SqlError> | undefined
}

/** Makes a batcher. `fork` runs a loop detached from any caller; the loop ends when no job waits. */
export const make = (
  insert: (jobs: ReadonlyArray<PreparedJob>) => Effect.Effect<void, SqlError>,
  fork: (loop: Effect.Effect<void>) => void
): Batcher => {
  let waiting: Array<Waiting> = []
  let waitingJobs = 0
  let waitingCharacters = 0
  let loops = 0

  const remove = (call: Waiting) => {
    waitingJobs -= call.jobs.length
    waitingCharacters -= call.characters
  }

  const take = (): ReadonlyArray<Waiting> => {
    let jobs = 0
    let count = 0
    for (const call of waiting) {
      if (count > 0 && jobs + call.jobs.length > statementJobsMax) break
      jobs += call.jobs.length
      count++
    }
    const taken = waiting.slice(0, count)
    waiting = waiting.slice(count)
    taken.forEach(remove)
    return taken
  }

  const loop: Effect.Effect<void> = Effect.gen(function* () {
    // Calls that are running now join the first statement.
    yield* Effect.yieldNow
    while (waiting.length > 0) {
      const taken = take()
      const exit = yield* Effect.exit(insert(taken.flatMap((call) => call.jobs)))
      for (const call of taken) call.resume(exit)
    }
    loops--
  })

  const add = (jobs: ReadonlyArray<PreparedJob>) => {
    const characters = jobs.reduce((sum, job) => sum + job.payload.length, 0)
    if (waitingJobs + jobs.length > waitingJobsMax) return undefined
    if (waitingJobs > 0 && waitingCharacters + characters > waitingCharactersMax) return undefined
    return Effect.callback<void, SqlError>((resume) => {
      const call: Waiting = { jobs, characters, resume }
      waiting.push(call)
      waitingJobs += jobs.length
      waitingCharacters += characters
      if (loops < statementsMax) {
        loops++
        fork(loop)
      }
      // An interrupted call whose statement has not started enqueues nothing.
      return Effect.sync(() => {
        const at = waiting.indexOf(call)
        if (at < 0) return
        waiting.splice(at, 1)
        remove(call)
      })
    })
  }

  return { add }
}
