/**
 * Changes executions from outside of their run, each in one transaction: what a wake-up waits for is stored together
 * with the job that it enqueues, so that no wake-up is lost.
 */
import * as Now from "@hypermarket/core/Now"
import { Tenant, TenantId } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type { NewJob } from "@hypermarket/queue/QueueJob"
import type { WorkQueue } from "@hypermarket/queue/WorkQueue"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Exits from "./exits.ts"
import { clockQueue, queueOf } from "./names.ts"
import { type StatusRow, wakeByRequest, wakeByResult } from "./rows.ts"
import type { NewExecution, Statements } from "./statements.ts"

/** The queue delays a job by at most a year: a longer clock is enqueued again. */
const delayMillisMax = 300 * 24 * 60 * 60 * 1_000

const provideTenant = (tenantId: string) =>
  Effect.provideService(Tenant, { id: TenantId.make(tenantId, { disableChecks: true }) })

export interface Parent {
  readonly executionId: string
  readonly isDetached: boolean
}

/** Makes the operations of a client. */
export const make = (sql: SqlClient, statements: Statements, queue: WorkQueue) => {
  const transaction = transactionOf(sql)

  const enqueue = (tenantId: string, jobs: ReadonlyArray<NewJob>): Effect.Effect<void, SqlError> =>
    queue
      .enqueue(jobs)
      .pipe(
        provideTenant(tenantId),
        Effect.catchTags({ JobInvalid: Effect.die, QueueOverloaded: Effect.die }),
        Effect.asVoid
      )

  const jobOf = (execution: {
    readonly executionId: string
    readonly name: string
    readonly version: number
    readonly wake: number
  }): NewJob => ({
    queue: queueOf(execution.name, execution.version),
    type: "run",
    payload: { executionId: execution.executionId, wake: execution.wake }
  })

  const clockJob = (executionId: string, name: string, dueAt: Date, now: Date): NewJob => ({
    queue: clockQueue,
    type: "clock",
    payload: { executionId, name },
    runAt: new Date(Math.min(dueAt.getTime(), now.getTime() + delayMillisMax))
  })

  /** In the transaction of what the executions wait for. */
  const wake = Effect.fnUntraced(function* (
    tenantId: string,
    executionIds: ReadonlyArray<string>,
    mode: number
  ) {
    if (executionIds.length === 0) return
    const woken = yield* statements.wake(tenantId, executionIds, mode, yield* Now.now)
    if (woken.length > 0) yield* enqueue(tenantId, woken.map(jobOf))
  })

  /** Starts an execution unless it exists, and returns the status of one that does. */
  const start = Effect.fnUntraced(function* (
    tenantId: string,
    execution: NewExecution,
    parent: Parent | undefined
  ) {
    const now = yield* Now.now
    const [inserted] = yield* statements.insert(tenantId, execution, now)
    if (inserted !== undefined) yield* enqueue(tenantId, [jobOf({ ...execution, wake: 1 })])
    if (inserted !== undefined && parent === undefined) return undefined
    // Locked, so that a child cannot finish between here and the row that waits for it.
    const [status] =
      inserted === undefined ? yield* statements.lock(tenantId, execution.executionId) : [undefined]
    if (parent !== undefined) {
      const child = {
        childId: execution.executionId,
        detached: parent.isDetached,
        finished: status?.result === null ? undefined : status
      }
      yield* statements.insertChild(tenantId, parent.executionId, child, now)
    }
    return status
  }, transaction)

  /** Stores the result of a signal for an execution, which need not have started. False when it is not the first result. */
  const signal = Effect.fnUntraced(function* (
    tenantId: string,
    execution: { readonly executionId: string; readonly workflowName: string },
    name: string,
    exit: Exit.Exit<unknown, unknown>
  ) {
    const result = yield* Exits.encodeSignal(exit)
    const now = yield* Now.now
    let [status] = yield* statements.lock(tenantId, execution.executionId)
    if (status === undefined) {
      yield* statements.expect(tenantId, execution.executionId, execution.workflowName, now)
      ;[status] = yield* statements.lock(tenantId, execution.executionId)
    }
    if (status !== undefined && status.result !== null) return false
    const [stored] = yield* statements.completeDeferred(
      tenantId,
      execution.executionId,
      name,
      result,
      Exits.outcomeOf(exit),
      now
    )
    if (stored === undefined) return false
    yield* wake(tenantId, [execution.executionId], wakeByResult)
    return true
  }, transaction)

  const scheduleClock = Effect.fnUntraced(function* (
    tenantId: string,
    executionId: string,
    name: string,
    durationMillis: number
  ) {
    const now = yield* Now.now
    const dueAt = new Date(now.getTime() + durationMillis)
    const [inserted] = yield* statements.insertClock(tenantId, executionId, name, dueAt, now)
    if (inserted !== undefined) yield* enqueue(tenantId, [clockJob(executionId, name, dueAt, now)])
  }, transaction)

  const fireClocks = Effect.fnUntraced(function* (
    tenantId: string,
    clocks: ReadonlyArray<{ readonly executionId: string; readonly name: string }>
  ) {
    const now = yield* Now.now
    const result = yield* Exits.encodeSignal(Exit.void)
    const fired = yield* statements.completeClocks(tenantId, clocks, result, now)
    const later = fired.filter((clock) => !clock.isDone)
    if (later.length > 0) {
      yield* enqueue(
        tenantId,
        later.map((clock) => clockJob(clock.executionId, clock.name, clock.dueAt, now))
      )
    }
    const done = new Set(fired.filter((clock) => clock.isDone).map((clock) => clock.executionId))
    yield* wake(tenantId, Array.from(done).toSorted(), wakeByResult)
  }, transaction)

  /** Wakes the executions that wait for a child, in the transaction that finishes it. */
  const completeParents = Effect.fnUntraced(function* (
    tenantId: string,
    childId: string,
    result: string,
    outcome: "succeeded" | "failed"
  ) {
    const parents = yield* statements.completeChild(tenantId, childId, result, outcome, yield* Now.now)
    const waiting = parents.filter((parent) => !parent.detached).map((parent) => parent.executionId)
    yield* wake(tenantId, waiting.toSorted(), wakeByResult)
  })

  /** Finishes the execution of a run. False when the run has lost it. */
  const finish = Effect.fnUntraced(function* (
    run: { readonly tenantId: string; readonly executionId: string; readonly runId: string },
    options: {
      readonly state: "succeeded" | "failed" | "cancelled"
      readonly result: string
      readonly error: string | null
      readonly unasked: ReadonlyArray<string>
    }
  ) {
    const [finished] = yield* statements.finish(run, options, yield* Now.now)
    if (finished === undefined) return false
    const outcome = options.state === "succeeded" ? "succeeded" : "failed"
    yield* completeParents(run.tenantId, run.executionId, options.result, outcome)
    return true
  }, transaction)

  const resume = (tenantId: string, executionId: string) =>
    transaction(wake(tenantId, [executionId], wakeByRequest))

  /** False when the execution is finished, or does not exist. */
  const cancel = Effect.fnUntraced(function* (tenantId: string, executionId: string) {
    const [requested] = yield* statements.requestCancel(tenantId, executionId, yield* Now.now)
    if (requested === undefined) return false
    yield* wake(tenantId, [executionId], wakeByRequest)
    return true
  }, transaction)

  /** False when the execution is finished, or does not exist. */
  const kill = Effect.fnUntraced(function* (tenantId: string, executionId: string) {
    const result = yield* Exits.encodeActivity(Exit.interrupt())
    const [killed] = yield* statements.kill(tenantId, executionId, result, yield* Now.now)
    if (killed === undefined) return false
    yield* completeParents(tenantId, executionId, result, "failed")
    return true
  }, transaction)

  /** Runs an execution again from an activity, in any state but after its compensations began. */
  const retry = Effect.fnUntraced(function* (
    tenantId: string,
    executionId: string,
    activity: string
  ): Effect.fn.Return<"retried" | "missing" | "compensated" | "unrecorded", SqlError> {
    const [locked] = yield* statements.lockForRetry(tenantId, executionId)
    if (locked === undefined || locked.state === "expected") return "missing"
    if (locked.compensated) return "compensated"
    const forgotten = yield* statements.forget(tenantId, executionId, activity)
    if (forgotten.length === 0) return "unrecorded"
    const ready = yield* statements.retry(tenantId, executionId, yield* Now.now)
    yield* enqueue(tenantId, ready.map(jobOf))
    return "retried"
  }, transaction)

  const status = (tenantId: string, executionId: string): Effect.Effect<StatusRow | undefined, SqlError> =>
    Effect.map(statements.status(tenantId, executionId), ([row]) => row)

  return { start, signal, scheduleClock, fireClocks, finish, resume, cancel, kill, retry, status }
}

export type Operations = ReturnType<typeof make>
