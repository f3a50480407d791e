/**
 * Gathers what many callers enqueue at the same time into one statement. A promise resolves when the statement that holds
 * its jobs has committed.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { SqlError } from "effect/sql/SqlError"
import type { Prepared } from "./newJob.ts"

/** Jobs of one statement at most: more makes it slower than two. */
const statementJobsMax = 1_000
/** Statements at the same time: while one waits for its commit, the next gathers. */
const statementsMax = 2
/** Jobs that wait at most; what comes beyond is shed. At 20,000 a second it is half a second of waiting. */
const waitingJobsMax = 10_000
/** Their payloads, in characters: what waits stands in memory. */
const waitingCharactersMax = 16 * 1024 * 1024

interface Waiting {
  readonly jobs: ReadonlyArray<Prepared>
  readonly characters: number
  readonly resume: (exit: Exit.Exit<void, SqlError>) => void
}

export interface Batcher {
  /** Undefined when it has no room. */
  readonly add: (jobs: ReadonlyArray<Prepared>) => Effect.Effect<void, SqlError> | undefined
}

/** `fork` runs a loop outside of any caller: it ends by itself when nothing waits. */
export const make = (
  insert: (jobs: ReadonlyArray<Prepared>) => Effect.Effect<void, SqlError>,
  fork: (loop: Effect.Effect<void>) => void
): Batcher => {
  let waiting: Array<Waiting> = []
  let waitingJobs = 0
  let waitingCharacters = 0
  let loops = 0

  const remove = (one: Waiting) => {
    waitingJobs -= one.jobs.length
    waitingCharacters -= one.characters
  }

  const take = (): ReadonlyArray<Waiting> => {
    let jobs = 0
    let count = 0
    for (const one of waiting) {
      if (count > 0 && jobs + one.jobs.length > statementJobsMax) break
      jobs += one.jobs.length
      count++
    }
    const taken = waiting.slice(0, count)
    waiting = waiting.slice(count)
    taken.forEach(remove)
    return taken
  }

  const loop: Effect.Effect<void> = Effect.gen(function* () {
    // Callers that run now get into the first statement.
    yield* Effect.yieldNow
    while (waiting.length > 0) {
      const taken = take()
      const exit = yield* Effect.exit(insert(taken.flatMap((one) => one.jobs)))
      for (const one of taken) one.resume(exit)
    }
    loops--
  })

  const add = (jobs: ReadonlyArray<Prepared>) => {
    const characters = jobs.reduce((sum, job) => sum + job.payload.length, 0)
    if (waitingJobs + jobs.length > waitingJobsMax) return undefined
    if (waitingJobs > 0 && waitingCharacters + characters > waitingCharactersMax) return undefined
    return Effect.callback<void, SqlError>((resume) => {
      const one: Waiting = { jobs, characters, resume }
      waiting.push(one)
      waitingJobs += jobs.length
      waitingCharacters += characters
      if (loops < statementsMax) {
        loops++
        fork(loop)
      }
      // What is not on its way yet is not enqueued when its caller gives up.
      return Effect.sync(() => {
        const at = waiting.indexOf(one)
        if (at < 0) return
        waiting.splice(at, 1)
        remove(one)
      })
    })
  }

  return { add }
}
