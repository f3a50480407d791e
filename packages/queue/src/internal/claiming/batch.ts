/** The jobs of one claim, and their outcome so far. */
import * as Latch from "effect/Latch"
import { keyedBatchMax, queueOfFlow, unpackAll, type ClaimedJob } from "../jobRow.ts"
import { released } from "../handling/retry.ts"
import type { ClaimedRow, FailedJob, KeyResult, Progress } from "../statements/claim.ts"

/** A claimed ordering key: its token, and its first jobs in order. */
export interface ClaimedKey {
  readonly token: ClaimedJob
  readonly jobs: ReadonlyArray<ClaimedJob>
}

/** The jobs of one tenant and queue of a claim. */
export interface Group {
  readonly tenantId: string
  readonly queue: string
  /** The queue as in the lease: with the prefix of a quarantine. */
  readonly leasedQueue: string
  readonly plain: ReadonlyArray<ClaimedJob>
  readonly keys: ReadonlyArray<ClaimedKey>
  /** Bytes of large payloads. */
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
    const queue = queueOfFlow(row.queue)
    const attemptsMax = attemptsMaxOf(queue)
    const claimed = unpackAll(row.tenantId, queue, row.jobs, row.payloads, bodies, attemptsMax)
    const behind = unpackAll(row.tenantId, queue, row.keyed, row.keyedPayloads, bodies, attemptsMax)
    const byKey = Map.groupBy(behind, (job) => job.orderingKey)
    groups.push({
      tenantId: row.tenantId,
      queue,
      leasedQueue: row.queue,
      plain: claimed.filter((job) => job.orderingKey === undefined).toSorted((a, b) => a.seq - b.seq),
      keys: claimed
        .filter((job) => job.orderingKey !== undefined)
        .map((token) => ({ token, jobs: byKey.get(token.orderingKey) ?? [] })),
      bytes: claimed.reduce((sum, job) => sum + job.bodyBytes, 0)
    })
  }
  return groups
}

/** Returns the number of jobs for handlers. */
export const countOf = (group: Group): number =>
  group.plain.length + group.keys.reduce((sum, key) => sum + key.jobs.length, 0)

/** Returns the result of a key without a failed job. */
export const keyDone = (
  key: ClaimedKey,
  done: ReadonlyArray<number>,
  buried: KeyResult["buried"]
): KeyResult => {
  const through = done.length + buried.length
  const singly = Math.max(0, key.token.attempt - through)
  return {
    tenant_id: key.token.tenantId,
    queue: key.token.queue,
    ordering_key: key.token.orderingKey ?? "",
    token: key.token.seq,
    priority: key.token.priority,
    done,
    buried,
    failed: null,
    attempt: 0,
    errors: null,
    run_at: null,
    // A job that ran did not end its worker: the remaining suspicion falls on the jobs behind it.
    token_lost: singly > 0 ? (through > 0 ? Math.min(1, key.token.lost) : key.token.lost) : 0,
    token_singly: Math.min(keyedBatchMax, singly)
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
  /** Number of `failed` and `keys`, from their beginning, that are written already. */
  private failedWritten = 0
  private keysWritten = 0
  /** Unfinished jobs per queue. */
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

  /** Records a completed job. */
  done(group: Group, job: ClaimedJob): void {
    this.settled.add(job.seq)
    const unflushed = this.unflushed.get(group)
    if (unflushed === undefined) this.unflushed.set(group, [job.seq])
    else unflushed.push(job.seq)
    this.finish(job.queue, 1)
  }

  /** Records a completed job that is acknowledged already. */
  doneAlready(job: ClaimedJob): void {
    this.settled.add(job.seq)
    this.finish(job.queue, 1)
  }

  fail(job: ClaimedJob, failure: FailedJob): void {
    this.settled.add(job.seq)
    this.failed.push(failure)
    this.finish(job.queue, 1)
  }

  /** Records the result of a key. Its completed jobs are counted by `done`, the remaining ones here. */
  settleKey(key: ClaimedKey, result: KeyResult): void {
    this.keysSettled.add(key)
    this.keys.push(result)
    this.finish(key.token.queue, key.jobs.filter((job) => !this.settled.has(job.seq)).length)
  }

  /** Records that a transaction of its handler has committed a whole group. */
  commit(group: Group): void {
    this.committed.add(group)
    this.finish(group.queue, countOf(group))
  }

  private finish(queue: string, jobs: number): void {
    this.unfinished.set(queue, Math.max(0, (this.unfinished.get(queue) ?? 0) - jobs))
  }

  /** True when the transactions of its handlers have deleted every lease of the batch. */
  get isGone(): boolean {
    return this.committed.size === this.groups.length
  }

  /** True when deleting its leases acknowledges all its jobs. */
  get isClean(): boolean {
    return this.failed.length === 0 && this.keys.length === 0
  }

  get outcome(): { readonly failed: ReadonlyArray<FailedJob>; readonly keys: ReadonlyArray<KeyResult> } {
    // What is written is counted once more, and needs no errors for that.
    const failed = this.failed.map((failure, index) =>
      index < this.failedWritten ? { ...failure, errors: null } : failure
    )
    return { failed, keys: this.keys }
  }

  /** Returns the jobs and keys of a group that have no outcome. */
  unsettledOf(group: Group): {
    readonly plain: ReadonlyArray<ClaimedJob>
    readonly keys: ReadonlyArray<{
      readonly key: ClaimedKey
      readonly done: ReadonlyArray<number>
    }>
  } {
    return {
      plain: group.plain.filter((job) => !this.settled.has(job.seq)),
      keys: group.keys
        .filter((key) => !this.keysSettled.has(key))
        .map((key) => ({
          key,
          done: key.jobs.filter((job) => this.settled.has(job.seq)).map((job) => job.seq)
        }))
    }
  }

  /** Returns the outcome when the batch ends now: unfinished jobs are released. */
  outcomeNow(nowMillis: number) {
    const uncommitted = this.groups.filter((group) => !this.committed.has(group))
    const unsettled = uncommitted.map((group) => this.unsettledOf(group))
    return {
      failed: [
        ...this.outcome.failed,
        ...unsettled.flatMap(({ plain }) => plain.map((job) => released(job, nowMillis)))
      ],
      keys: [
        ...this.keys,
        ...unsettled.flatMap(({ keys }) => keys.map(({ done, key }) => keyDone(key, done, [])))
      ]
    }
  }

  /**
   * Returns the outcomes that are not written, and a function that records that they are. Undefined when there are none.
   */
  takeUnwritten(): { readonly outcome: Batch["outcome"]; readonly written: () => void } | undefined {
    const failed = this.failed.slice(this.failedWritten)
    const keys = this.keys.slice(this.keysWritten)
    if (failed.length === 0 && keys.length === 0) return undefined
    const failedWritten = this.failed.length
    const keysWritten = this.keys.length
    return {
      outcome: { failed, keys },
      written: () => {
        this.failedWritten = failedWritten
        this.keysWritten = keysWritten
      }
    }
  }

  /** Returns the jobs completed since the last call, for the partial acknowledgement. */
  takeProgress(): ReadonlyArray<Progress> {
    const progress = Array.from(this.unflushed, ([group, done]) => ({
      tenant_id: group.tenantId,
      queue: group.leasedQueue,
      batch_id: this.batchId,
      done
    }))
    this.unflushed.clear()
    return progress
  }
}
