/** What one claim brought, and how far it has come. */
import * as Latch from "effect/Latch"
import { keyedBatchMax, queueOfLane, unpackAll, type ClaimedJob } from "./jobRow.ts"
import { released } from "./retry.ts"
import type { ClaimedRow, FailedJob, KeyResult, Progress } from "./statements/claim.ts"

/** A claimed key: its token, and the jobs behind it in order. */
export interface ClaimedKey {
  readonly token: ClaimedJob
  readonly jobs: ReadonlyArray<ClaimedJob>
}

/** The jobs of one tenant and queue of a claim. */
export interface Group {
  readonly tenantId: string
  readonly queue: string
  /** The queue as the lease knows it: with the mark of quarantine. */
  readonly lane: string
  readonly plain: ReadonlyArray<ClaimedJob>
  readonly keys: ReadonlyArray<ClaimedKey>
  /** Of large payloads. */
  readonly bytes: number
}

export const groupsOf = (
  rows: ReadonlyArray<ClaimedRow>,
  attemptsMaxOf: (queue: string) => number
): ReadonlyArray<Group> => {
  const bodies = new Map<string, string>()
  for (const row of rows) if (row.bodySeq !== null && row.body !== null) bodies.set(row.bodySeq, row.body)
  const groups: Array<Group> = []
  for (const row of rows) {
    if (row.jobs === null) continue
    const queue = queueOfLane(row.queue)
    const attemptsMax = attemptsMaxOf(queue)
    const claimed = unpackAll(row.tenantId, queue, row.jobs, row.payloads, bodies, attemptsMax)
    const behind = unpackAll(row.tenantId, queue, row.keyed, row.keyedPayloads, bodies, attemptsMax)
    const byKey = Map.groupBy(behind, (job) => job.orderingKey)
    groups.push({
      tenantId: row.tenantId,
      queue,
      lane: row.queue,
      plain: claimed.filter((job) => job.orderingKey === undefined).toSorted((a, b) => a.seq - b.seq),
      keys: claimed
        .filter((job) => job.orderingKey !== undefined)
        .map((token) => ({ token, jobs: byKey.get(token.orderingKey) ?? [] })),
      bytes: claimed.reduce((sum, job) => sum + job.bodyBytes, 0)
    })
  }
  return groups
}

/** Jobs of a group that handlers get. */
export const countOf = (group: Group): number =>
  group.plain.length + group.keys.reduce((sum, key) => sum + key.jobs.length, 0)

/** What a key came to when nothing of it failed. */
export const keyDone = (
  key: ClaimedKey,
  done: ReadonlyArray<number>,
  buried: KeyResult["buried"]
): KeyResult => {
  const through = done.length + buried.length
  const alone = Math.max(0, key.token.attempt - through)
  return {
    tenant_id: key.token.tenantId,
    queue: key.token.queue,
    ordering_key: key.token.orderingKey ?? "",
    priority: key.token.priority,
    done,
    buried,
    failed: null,
    attempt: 0,
    errors: null,
    run_at: null,
    // A job that ran took nobody down: what is left of the suspicion falls on those behind it.
    token_lost: alone > 0 ? (through > 0 ? Math.min(1, key.token.lost) : key.token.lost) : 0,
    token_alone: Math.min(keyedBatchMax, alone)
  }
}

export class Batch {
  readonly lost = Latch.makeUnsafe(false)
  readonly tenants: ReadonlyArray<string>
  readonly batchId: string
  readonly groups: ReadonlyArray<Group>
  readonly startedAtMillis: number
  private readonly failed: Array<FailedJob> = []
  private readonly keys: Array<KeyResult> = []
  private readonly settled = new Set<number>()
  private readonly keysSettled = new Set<ClaimedKey>()
  private readonly unflushed = new Map<Group, Array<number>>()
  /** Groups whose handler acknowledged in its own transaction. */
  private readonly committed = new Set<Group>()
  /** Jobs that are not finished, by queue. */
  readonly unfinished = new Map<string, number>()

  constructor(batchId: string, groups: ReadonlyArray<Group>, startedAtMillis: number) {
    this.batchId = batchId
    this.groups = groups
    this.startedAtMillis = startedAtMillis
    this.tenants = Array.from(new Set(groups.map((group) => group.tenantId)))
    for (const group of groups) {
      this.unfinished.set(group.queue, (this.unfinished.get(group.queue) ?? 0) + countOf(group))
    }
  }

  /** A job ran to its end. */
  done(group: Group, job: ClaimedJob): void {
    this.settled.add(job.seq)
    const fresh = this.unflushed.get(group)
    if (fresh === undefined) this.unflushed.set(group, [job.seq])
    else fresh.push(job.seq)
    this.finish(job.queue, 1)
  }

  /** A job ran to its end, and its lease knows it. */
  doneAlready(job: ClaimedJob): void {
    this.settled.add(job.seq)
    this.finish(job.queue, 1)
  }

  fail(job: ClaimedJob, failure: FailedJob): void {
    this.settled.add(job.seq)
    this.failed.push(failure)
    this.finish(job.queue, 1)
  }

  /** A key is through: its jobs were counted by `done`, those it did not come to by this. */
  settleKey(key: ClaimedKey, result: KeyResult): void {
    this.keysSettled.add(key)
    this.keys.push(result)
    this.finish(key.token.queue, key.jobs.filter((job) => !this.settled.has(job.seq)).length)
  }

  commit(group: Group): void {
    this.committed.add(group)
    this.finish(group.queue, countOf(group))
  }

  private finish(queue: string, jobs: number): void {
    this.unfinished.set(queue, Math.max(0, (this.unfinished.get(queue) ?? 0) - jobs))
  }

  /** True when every lease of the batch was deleted by transactions of its handlers. */
  get isGone(): boolean {
    return this.committed.size === this.groups.length
  }

  /** True when deleting its leases acknowledges all of it. */
  get isClean(): boolean {
    return this.failed.length === 0 && this.keys.length === 0
  }

  get outcome(): { readonly failed: ReadonlyArray<FailedJob>; readonly keys: ReadonlyArray<KeyResult> } {
    return { failed: this.failed, keys: this.keys }
  }

  /** The outcome when it ends here: what has not ended is handed back as it came. */
  outcomeNow(nowMillis: number) {
    const open = this.groups.filter((group) => !this.committed.has(group))
    return {
      failed: [
        ...this.failed,
        ...open.flatMap((group) =>
          group.plain.filter((job) => !this.settled.has(job.seq)).map((job) => released(job, nowMillis))
        )
      ],
      keys: [
        ...this.keys,
        ...open.flatMap((group) =>
          group.keys
            .filter((key) => !this.keysSettled.has(key))
            .map((key) =>
              keyDone(
                key,
                key.jobs.filter((job) => this.settled.has(job.seq)).map((job) => job.seq),
                []
              )
            )
        )
      ]
    }
  }

  /** What was done since the last look, for the partial acknowledgement. */
  takeProgress(): ReadonlyArray<Progress> {
    const lanes = Array.from(this.unflushed, ([group, done]) => ({
      tenant_id: group.tenantId,
      queue: group.lane,
      batch_id: this.batchId,
      done
    }))
    this.unflushed.clear()
    return lanes
  }
}
