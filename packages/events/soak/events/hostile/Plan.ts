/** Settings that harness and workers of a hostile run agree on. */

export const kinds = [
  "throws",
  "nonErrors",
  "hangs",
  "ignoresDeadline",
  "floods",
  "hugeErrors",
  "blocks"
] as const

export type Kind = (typeof kinds)[number]

/** Kinds whose jobs complete; the others are dead after their attempts. */
export const completing: ReadonlySet<Kind> = new Set(["floods", "blocks"])

/** Jobs of each kind in a run. Those that ignore their deadline take nearly three seconds for each attempt. */
export const jobsOf: Readonly<Record<Kind, number>> = {
  throws: 60,
  nonErrors: 96,
  hangs: 16,
  ignoresDeadline: 8,
  floods: 20,
  hugeErrors: 20,
  blocks: 30
}

export const queueOf = (kind: Kind): string => `hostile.${kind.toLowerCase()}`

/** Jobs that a flooding job enqueues, for its tenant, in one call. */
export const perFlood = 200
export const floodedQueue = "hostile.flooded"

export const attempts = 2
/** Of the two kinds that never end. The others have time for a busy machine. */
export const deadlineMillis = 500
export const deadlineOtherMillis = 30_000
export const blockMillis = 100
/** Long enough for a worker whose loop is blocked time and again: no lease may be lost, and nothing repeated. */
export const leaseMillis = 20_000

/** The names of hostile jobs, which are numbers as those of the good ones, begin here. */
export const namesFrom = 1_000_000
