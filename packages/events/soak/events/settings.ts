/** Settings that the runs and the workers of the event queue share. */

export const claimConcurrency = 2
export const batchMax = 60
export const attemptsMax = 3
/** For jobs that must not be dead-lettered because Postgres is unavailable. */
export const attemptsMaxGood = 25

export const modes = ["kill", "publish", "hostile"] as const

export type Mode = (typeof modes)[number]

/** More of the environment of a worker process. */
export const environment = {
  mode: "SOAK_MODE",
  /** A folder where a job that stalls leaves a file. */
  marks: "SOAK_MARKS"
} as const
