/** Enqueues the jobs that send deliveries. */
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import type { NewJob } from "@hypermarket/queue/QueueJob"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { prefix } from "./prefix.ts"
import { attemptQueue, dispatchQueue } from "./webhookFanOut.ts"
import * as Statements from "./webhookStatements.ts"

/** Of the advisory lock under which the free slots of a tenant are counted. */
const dispatchLock = "hypermarket events.dispatch"

const makeEnqueue = Effect.map(
  WorkQueue.make({ prefix }),
  (queue) => (jobs: ReadonlyArray<NewJob>) =>
    // Jobs of this module are valid, and in a transaction the queue holds no backlog.
    Effect.catchTags(queue.enqueue(jobs), { JobInvalid: Effect.die, QueueOverloaded: Effect.die })
)

/** Makes the effect that asks a worker to send what is due of the tenant, with the commit of the caller's transaction. */
export const makeDispatch = Effect.map(makeEnqueue, (enqueue) =>
  enqueue([{ queue: dispatchQueue, type: dispatchQueue, payload: null }])
)

/** Makes the effect that gives each free slot of the tenant a due delivery and a job. Returns the number of jobs. */
export const makeDispatcher = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const enqueue = yield* makeEnqueue
  return transactionOf(sql)(
    Effect.gen(function* () {
      const tenant = yield* Tenant
      yield* sql`SELECT pg_advisory_xact_lock(hashtextextended(${`${dispatchLock} ${tenant.id}`}, 0))::text`
      const chosen = yield* Statements.dispatch(sql, tenant.id, yield* Now.now)
      if (chosen.length === 0) return 0
      // The schedule is in the delivery's row: a job tries once.
      yield* enqueue(
        chosen.map(({ deliveryId, dispatchId }) => ({
          queue: attemptQueue,
          type: attemptQueue,
          payload: { deliveryId, dispatchId },
          attemptsMax: 1
        }))
      )
      return chosen.length
    })
  )
})
