/**
 * Settings that the harness and the workers of several soaks share.
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

/** The environment of a worker process. */
export const environment = {
  url: "SOAK_DATABASE_URL",
  worker: "SOAK_WORKER"
} as const

/** The line of a worker that will stop in order from then on. */
export const up = "the worker is up"
