/**
 * Work of this package on executions of all tenants: clocks that are due, events of subscriptions, and executions that are
 * past their retention.
 *
 * @since 0.1.0
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Handler from "@hypermarket/core/Handler"
import * as Job from "@hypermarket/core/Job"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import type { JobRejected } from "@hypermarket/queue/QueueJob"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type * as Statement from "effect/sql/Statement"
import * as Core from "./internal/workflow/core.ts"
import * as EventSink from "./internal/workflow/eventSink.ts"
import { clockQueue } from "./internal/workflow/names.ts"

/**
 * Days that a finished execution is kept with its tasks.
 *
 * @category limits
 * @since 0.1.0
 */
export const retentionDays = 30

const pruneLoop = "events.workflows.prune"
const dayMillis = 24 * 60 * 60 * 1_000
/** Maximum executions per statement: each may have thousands of tasks. */
const deleteMax = 500
/** Maximum statements per round: the next round continues. */
const deletesMax = 200
/** Maximum clocks per statement. */
const clocksMax = 200
/** Concurrent statements for clocks per process. */
const clocksConcurrency = 2
/** Maximum events per transaction. */
const eventsMax = 100
/** Concurrent transactions for events per process. */
const eventsConcurrency = 4

/** A clock of an execution. */
const Clock = Schema.Struct({ executionId: Schema.String, name: Schema.String })
const decodeClock = Schema.decodeUnknownEffect(Clock)

/**
 * @category services
 * @since 0.1.0
 */
export class WorkflowMaintenance extends Context.Service<
  WorkflowMaintenance,
  {
    /** Ends the clocks that are due and wakes their executions, in one transaction. */
    readonly fireClocks: (clocks: ReadonlyArray<typeof Clock.Type>) => Effect.Effect<void, SqlError, Tenant>
    /** Starts or signals executions for events of subscriptions, all in one transaction or none. */
    readonly deliver: (
      events: ReadonlyArray<Handler.Delivery>
    ) => Effect.Effect<void, JobRejected | SqlError, Tenant>
    /** Deletes executions that are past their retention. Returns the count. */
    readonly prune: Effect.Effect<number, SqlError, AllTenants>
  }
>()("@hypermarket/events/WorkflowMaintenance") {
  static readonly layer: Layer.Layer<WorkflowMaintenance, never, SqlClient.SqlClient | Wakeup> = Layer.effect(
    WorkflowMaintenance,
    Effect.gen(function* () {
      const { operations, sql } = yield* Core.make

      const fireClocks = Effect.fn("WorkflowMaintenance.fireClocks")(function* (
        clocks: ReadonlyArray<typeof Clock.Type>
      ) {
        const tenant = yield* Tenant
        yield* operations.fireClocks(tenant.id, clocks)
      })

      const deliverEvents = EventSink.make(sql, operations)
      const deliver = Effect.fn("WorkflowMaintenance.deliver")(function* (
        events: ReadonlyArray<Handler.Delivery>
      ) {
        const tenant = yield* Tenant
        yield* transactionOf(sql)(deliverEvents(tenant.id, events))
      })

      /** Tenants with executions to delete, of one kind. */
      const tenantsWith = (condition: Statement.Fragment) =>
        Effect.map(
          sql<{ readonly tenantId: string }>`
            SELECT DISTINCT tenant_id AS "tenantId"
              FROM hm_workflow_execution
             WHERE ${condition}
          `,
          (rows) => rows.map(({ tenantId }) => tenantId)
        )

      const deleteSome = (tenants: ReadonlyArray<string>, condition: Statement.Fragment) =>
        Effect.map(
          sql`
            WITH past AS (
              SELECT tenant_id, execution_id
                FROM hm_workflow_execution
               WHERE tenant_id = ANY (${tenants}::text[]) AND ${condition}
               LIMIT ${deleteMax}
                 FOR UPDATE SKIP LOCKED
            ),
            tasks AS (
              DELETE FROM hm_workflow_task t
               USING past p
               WHERE t.tenant_id = p.tenant_id AND t.execution_id = p.execution_id
            )
            DELETE FROM hm_workflow_execution e
             USING past p
             WHERE e.tenant_id = p.tenant_id AND e.execution_id = p.execution_id
            RETURNING 1
          `,
          (rows) => rows.length
        )

      /** Deletes in one statement for all tenants, and without those at fault when it fails. */
      const pruneAll = Effect.fnUntraced(function* (loop: string, condition: Statement.Fragment) {
        const tenants = yield* tenantsWith(condition)
        let count = 0
        for (let round = 0; round < deletesMax; round++) {
          const deleted = yield* EachTenant.statement({
            loop,
            tenants,
            run: (part) => deleteSome(part, condition)
          }).pipe(Effect.provideService(SqlClient.SqlClient, sql))
          const sum = deleted.reduce((total, rows) => total + rows, 0)
          count += sum
          if (sum === 0) break
        }
        return count
      })

      const prune = Effect.gen(function* () {
        yield* AllTenants
        const now = yield* Now.now
        const before = new Date(now.getTime() - retentionDays * dayMillis)
        const count = yield* pruneAll(pruneLoop, sql`finished_at < ${before}`)
        // Signals of executions that were never started.
        yield* pruneAll(
          "events.workflows.prune-expected",
          sql`state = 'expected' AND recorded_at < ${before}`
        )
        return count
      }).pipe(Effect.withSpan("WorkflowMaintenance.prune"))

      return WorkflowMaintenance.of({ fireClocks, deliver, prune })
    })
  )
}

/**
 * The handler of clocks.
 *
 * @category handlers
 * @since 0.1.0
 */
export const clocks = Handler.make<WorkflowMaintenance | Tenant>({
  queue: clockQueue,
  batchMax: clocksMax,
  concurrency: clocksConcurrency,
  run: (jobs) =>
    Effect.gen(function* () {
      const maintenance = yield* WorkflowMaintenance
      yield* maintenance.fireClocks(yield* Effect.forEach(jobs, (job) => decodeClock(job.payload)))
    })
})

/**
 * The handler of events whose subscriptions start or signal executions.
 *
 * @category handlers
 * @since 0.1.0
 */
export const events = Handler.make<WorkflowMaintenance | Tenant>({
  queue: EventSink.eventQueue,
  batchMax: eventsMax,
  concurrency: eventsConcurrency,
  run: (jobs) => Effect.flatMap(WorkflowMaintenance, (maintenance) => maintenance.deliver(jobs))
})

/**
 * The job that deletes executions past their retention.
 *
 * @category jobs
 * @since 0.1.0
 */
export const prune = Job.scheduled<WorkflowMaintenance | AllTenants>({
  name: pruneLoop,
  every: "1 hour",
  deadline: "10 minutes",
  run: Effect.flatMap(WorkflowMaintenance, (maintenance) => maintenance.prune)
})
