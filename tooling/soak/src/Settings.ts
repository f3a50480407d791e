/**
 * Settings that harness and workers share.
 */
import { TenantId } from "@hypermarket/core/Tenant"

export const tenants = [
  TenantId.make("amber"),
  TenantId.make("birch"),
  TenantId.make("cedar"),
  TenantId.make("dune"),
  TenantId.make("elm"),
  TenantId.make("fjord"),
  TenantId.make("grove")
] as const

/** Short, so that what a dead worker held comes back within a run; a loaded machine must still keep it alive. */
export const leaseMillis = 3_000
/** Longer than the lease and the reaper's interval together: the batch is run elsewhere meanwhile. */
export const stallMillis = 6_000
export const claimConcurrency = 2
export const batchMax = 60
export const attemptsMax = 3
/** For jobs that must not die of Postgres being away. */
export const attemptsMaxGood = 25

/** The environment of a worker process. */
export const environment = {
  url: "SOAK_DATABASE_URL",
  mode: "SOAK_MODE",
  worker: "SOAK_WORKER",
  /** A folder where a job that stalls leaves word that it has. */
  marks: "SOAK_MARKS"
} as const

/** The line of a worker that will stop in order from then on. */
export const up = "the worker is up"
