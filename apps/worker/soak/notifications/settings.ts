/** Settings that the harness and the workers of notifications share. */
import { TenantId } from "@hypermarket/core/Tenant"

export const tenants = ["amber", "birch", "cedar"].map((name) => TenantId.make(name))

/** `false` takes the commit of `sending` out. */
export const marksSendingName = "SOAK_MARKS_SENDING"

/** Longer than a group needs on a loaded machine; what a dead worker held comes back within a run. */
export const messageLeaseMillis = 5_000

/** Open calls of one worker: four chunks at a time, of five messages each. */
export const openCallsMax = 20

/** Signs links. Every worker has the same. */
export const secretsKey = `soak:${Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7)).toString("base64")}`
