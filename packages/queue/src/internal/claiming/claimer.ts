/** Claims the jobs of selected flows, and reports to the scheduler what each flow held. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import { queueOfFlow } from "../jobRow.ts"
import type { ClaimFlow } from "../statements/flow.ts"
import type { Statements } from "../statements.ts"
import { Batch, groupsOf } from "./batch.ts"
import type { FairScheduler, SelectedFlow, Selection } from "./fairScheduler.ts"
import type { InFlight } from "./inFlight.ts"
import type { Signal } from "./signal.ts"

/** Maximum bytes of large payloads per claim: they are parsed and held in memory together. */
const claimBytesMax = 1024 * 1024
/** Delay before a queue at its concurrency limit is tried again, unless a job of this process ends earlier. */
const limitedRetryMillis = 50

export interface Options {
  readonly workerId: string
  readonly claims: Statements
  readonly claimSql: SqlClient.SqlClient
  readonly scheduler: FairScheduler
  readonly attemptsMaxOf: (queue: string) => number
  readonly clock: Clock.Clock
  readonly signal: Signal
  readonly batchMax: number
  readonly leaseMillis: number
}

export interface Claimer {
  /**
   * Claims, and acknowledges `previous` in the same statement unless the selection is of a limited queue. Returns
   * undefined when a limit allows nothing now.
   */
  readonly claim: (
    selection: Selection,
    previous: Batch | undefined
  ) => Effect.Effect<Batch | undefined, SqlError>
}

export const make = (options: Options, inFlight: InFlight): Claimer => {
  const { claims, clock, scheduler, signal } = options

  const claimFlows = Effect.fnUntraced(function* (
    flows: ReadonlyArray<ClaimFlow>,
    keyedMax: number,
    previous: Batch | undefined
  ) {
    const batchId = yield* Identifier.next
    const rows = yield* claims.claim({
      previous,
      flows,
      batchId,
      workerId: options.workerId,
      leaseMillis: options.leaseMillis,
      keyedMax,
      flowBytesMax: Math.ceil(claimBytesMax / flows.length),
      now: yield* Now.now
    })
    if (previous !== undefined) inFlight.batches.delete(previous.batchId)
    return new Batch(batchId, groupsOf(rows, options.attemptsMaxOf), clock.currentTimeMillisUnsafe())
  })

  /** Reports what the claim found in each flow; a flow that may hold more wakes another loop. */
  const report = (selected: ReadonlyArray<SelectedFlow>, batch: Batch, bytesMax: number) => {
    const nowMillis = clock.currentTimeMillisUnsafe()
    for (const selection of selected) {
      let count = 0
      let highest = 0
      let bytes = 0
      for (const group of batch.groups) {
        if (group.tenantId !== selection.flow.tenantId || group.leasedQueue !== selection.flow.queue) continue
        bytes = group.bytes
        for (const { priority, seq } of group.plain) {
          if (priority !== selection.flow.priority) continue
          count++
          if (seq > highest) highest = seq
        }
        for (const { token } of group.keys) {
          if (token.priority !== selection.flow.priority) continue
          count++
          if (token.seq > highest) highest = token.seq
        }
      }
      if (scheduler.report(selection, count, highest, bytes >= bytesMax, nowMillis)) signal.notify()
    }
  }

  /** Counts and claims in one transaction, behind the lock of the queue's settings. */
  const claimLimited = Effect.fnUntraced(function* (selected: SelectedFlow) {
    const { tenantId } = selected.flow
    const queue = queueOfFlow(selected.flow.queue)
    const now = yield* Now.now
    return yield* options.claimSql.withTransaction(
      Effect.gen(function* () {
        const allowance = yield* claims.allowance(tenantId, queue, now)
        if (allowance.jobs < 1) return allowance.waitMillis
        const flow = { ...selected.flow, limit: Math.min(selected.flow.limit, allowance.jobs) }
        // One job per key: the number of claimed jobs must be bounded before the claim.
        const batch = yield* claimFlows([flow], 1, undefined)
        const count = batch.groups.reduce((sum, group) => sum + group.plain.length + group.keys.length, 0)
        if (count > 0) yield* claims.pay(tenantId, queue, count, now)
        return { batch, flow }
      })
    )
  })

  const claim = Effect.fnUntraced(function* (selection: Selection, previous: Batch | undefined) {
    const { isLimited, selected } = selection
    const [first] = selected
    if (!isLimited || first === undefined) {
      const batch = yield* claimFlows(
        selected.map(({ flow }) => flow),
        options.batchMax,
        previous
      )
      report(selected, batch, Math.ceil(claimBytesMax / Math.max(1, selected.length)))
      return batch
    }
    const claimed = yield* claimLimited(first)
    if (typeof claimed === "number") {
      const waitMillis = Math.max(limitedRetryMillis, claimed)
      scheduler.block(first, clock.currentTimeMillisUnsafe() + waitMillis)
      return undefined
    }
    report([{ ...first, flow: claimed.flow }], claimed.batch, claimBytesMax)
    return claimed.batch
  })

  return { claim }
}
