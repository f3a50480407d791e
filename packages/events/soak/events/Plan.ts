/**
 * The plan of a run, drawn from its seed: which jobs are published in which transaction, and what breaks after each part.
 */
import type { TenantId } from "@hypermarket/core/Tenant"
import * as Chance from "@hypermarket/soak/Chance"
import { tenants } from "@hypermarket/soak/Settings"

/**
 * The behaviour of a job. `poison` kills its process each time, `stalls` holds its whole process up, the first time,
 * for longer than the lease: a worker that comes back from the dead and acknowledges.
 */
export type Kind = "good" | "fails_once" | "fails_always" | "poison" | "stalls"

/** `each` runs jobs one by one, `batch` in batches, `once` in the transaction that acknowledges. */
export const queues = ["soak.each", "soak.batch", "soak.once"] as const

export type QueueName = (typeof queues)[number]

export interface PlannedJob {
  /** Its name, growing in the order of publishing. */
  readonly n: number
  readonly queue: QueueName
  readonly kind: Kind
  readonly orderingKey: string | undefined
  readonly priority: number
  readonly delayMillis: number
  /** Of padding: above 1 KiB the payload is in the body table. */
  readonly bytes: number
}

/** The jobs of one publishing transaction. */
export interface PlannedBatch {
  readonly number: number
  readonly tenantId: TenantId
  readonly jobs: ReadonlyArray<PlannedJob>
  /** The transaction is rolled back: of these jobs nothing may ever be seen. */
  readonly rollsBack: boolean
}

export type Incident =
  | { readonly _tag: "KillWorker"; readonly worker: number; readonly afterMillis: number }
  | { readonly _tag: "FreezeWorker"; readonly worker: number; readonly afterMillis: number }
  | { readonly _tag: "KillPostgres"; readonly afterMillis: number }

export interface Part {
  readonly batches: ReadonlyArray<PlannedBatch>
  readonly incident: Incident | undefined
}

export interface Size {
  readonly jobs: number
  readonly incidents: number
  /** Jobs that take their worker down each time they run. */
  readonly poison: number
  /** Jobs that hold their worker up for longer than its lease, once. */
  readonly stalls?: number
  readonly workers: number
}

const batchJobsMax = 40
const stallsDefault = 2
const failsAlwaysShare = 0.005
const failsOnceShare = 0.09
const keyedShare = 1 / 3
const keysPerTenant = 6
const largeShare = 0.05
const largeBytes = 3_000
const delayedShare = 0.05
const delayMillisMax = 1_500
const urgentShare = 0.1
const rollBackShare = 0.05
const incidentWaitMillisMax = 400

export const incidentsOf = (
  chance: Chance.Chance,
  count: number,
  workers: number
): ReadonlyArray<Incident> => {
  // Every kind comes up, in an order of chance.
  const kinds = ["KillPostgres", "FreezeWorker", "KillWorker", "KillWorker"] as const
  const start = chance.between(0, kinds.length - 1)
  return Array.from({ length: count }, (_, n): Incident => {
    const kind = kinds[(start + n) % kinds.length] ?? "KillWorker"
    const afterMillis = chance.between(0, incidentWaitMillisMax)
    return kind === "KillPostgres"
      ? { _tag: kind, afterMillis }
      : { _tag: kind, afterMillis, worker: chance.between(0, workers - 1) }
  })
}

export const make = (seed: number, size: Size): ReadonlyArray<Part> => {
  const chance = Chance.make(seed)
  // Not in the last part: what they do to others is to be seen.
  const special = new Map<number, Kind>()
  const place = (kind: Kind, count: number) => {
    for (let placed = 0; placed < count;) {
      const n = chance.between(0, Math.floor(size.jobs * 0.8))
      if (special.has(n)) continue
      special.set(n, kind)
      placed++
    }
  }
  place("poison", size.poison)
  place("stalls", size.stalls ?? stallsDefault)
  const jobOf = (n: number): PlannedJob => {
    const kind: Kind =
      special.get(n) ??
      (chance.happens(failsAlwaysShare)
        ? "fails_always"
        : chance.happens(failsOnceShare)
          ? "fails_once"
          : "good")
    const queue = kind === "stalls" ? "soak.once" : chance.pick(queues)
    const isKeyed = kind !== "stalls" && chance.happens(keyedShare)
    return {
      n,
      queue,
      kind,
      orderingKey: isKeyed ? `key-${chance.between(1, keysPerTenant)}` : undefined,
      priority: !isKeyed && chance.happens(urgentShare) ? 5 : 0,
      delayMillis: !isKeyed && chance.happens(delayedShare) ? chance.between(1, delayMillisMax) : 0,
      bytes: chance.happens(largeShare) ? largeBytes : chance.between(0, 200)
    }
  }
  const batches: Array<PlannedBatch> = []
  for (let n = 0; n < size.jobs;) {
    const count = Math.min(size.jobs - n, chance.between(1, batchJobsMax))
    const first = n
    const jobs = Array.from({ length: count }, (_, index) => jobOf(first + index))
    const isPlain = jobs.every((job) => !special.has(job.n))
    batches.push({
      number: batches.length,
      tenantId: chance.pick(tenants),
      jobs,
      rollsBack: isPlain && chance.happens(rollBackShare)
    })
    n += count
  }
  const incidents = incidentsOf(chance, size.incidents, size.workers)
  const perPart = Math.ceil(batches.length / (incidents.length + 1))
  return Array.from({ length: incidents.length + 1 }, (_, index) => ({
    batches: batches.slice(index * perPart, (index + 1) * perPart),
    incident: incidents[index]
  }))
}
