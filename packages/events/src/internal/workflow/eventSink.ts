/** Events of subscriptions that start or signal executions. */
import type { Delivery } from "@hypermarket/core/Handler"
import * as Identifier from "@hypermarket/core/Identifier"
import * as QueueJob from "@hypermarket/queue/QueueJob"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import { WorkflowSink } from "../../EventSubscription.ts"
import { NewExecution, NewSignal } from "../../WorkflowExecution.ts"
import { executionIdOf } from "./names.ts"
import type { Operations } from "./operations.ts"

/** The queue of these events, which every worker of the events domain handles. */
export const eventQueue = "events.workflow-event" as const

/** The header of a job that names its subscription. */
export const subscriptionHeader = "subscription"

const decodeSink = Schema.decodeUnknownEffect(WorkflowSink)
const decodeStart = Schema.decodeUnknownOption(NewExecution)
const decodeSignal = Schema.decodeUnknownOption(NewSignal)
const Envelope = Schema.Record(Schema.String, Schema.Json)
const decodeEnvelope = Schema.decodeUnknownEffect(Envelope)
const isUuid = Schema.is(Identifier.Uuid)
const isObject = Schema.is(Schema.Record(Schema.String, Schema.Json))

/** Returns the text at a path of an event: an attribute, or a field of its data. */
const textAt = (event: typeof Envelope.Type, path: string): string | undefined => {
  let value: Schema.Json | undefined = event
  for (const name of path.split(".")) {
    value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
  }
  if (typeof value === "string" && value !== "") return value
  return typeof value === "number" && Number.isSafeInteger(value) ? String(value) : undefined
}

const rejected = (reason: string, message: string) => new QueueJob.JobRejected({ reason, message })

interface Target {
  readonly executionId: string
  readonly sink: WorkflowSink
  readonly key: string
  readonly data: Schema.Json
}

/** Makes the delivery of events to executions. */
export const make = (sql: SqlClient, operations: Operations) => {
  /** Of subscriptions that were removed meanwhile there is none. */
  const sinksOf = Effect.fnUntraced(function* (tenantId: string, ids: ReadonlyArray<string>) {
    const rows = yield* sql<{ readonly id: string; readonly workflow: string }>`
      SELECT subscription_id::text AS id, workflow::text AS workflow
        FROM hm_event_subscription
       WHERE tenant_id = ${tenantId}
         AND subscription_id = ANY (${ids}::uuid[])
         AND workflow IS NOT NULL
    `
    const sinks = new Map<string, WorkflowSink>()
    for (const row of rows) sinks.set(row.id, yield* Effect.orDie(decodeSink(JSON.parse(row.workflow))))
    return sinks
  })

  /** Jobs of earlier releases may have no header. As a `uuid` of the statement it would fail the events beside it. */
  const subscriptionOf = Effect.fnUntraced(function* ({ headers }: Delivery) {
    const id = headers[subscriptionHeader]
    return isUuid(id) ? id : yield* rejected("no-subscription", "The event names no subscription")
  })

  const targetOf = Effect.fnUntraced(function* (sink: WorkflowSink, payload: unknown) {
    const event = yield* Effect.orDie(decodeEnvelope(payload))
    const path = sink.key ?? "subject"
    const key = textAt(event, path)
    if (key === undefined) return yield* rejected("no-key", `The event has no text or integer at ${path}`)
    return { sink, key, data: event.data ?? null, executionId: executionIdOf(sink.name, key) }
  })

  const deliverOne = Effect.fnUntraced(function* (
    tenantId: string,
    { data, executionId, key, sink }: Target
  ) {
    if (sink.signal === undefined) {
      const start = decodeStart({ name: sink.name, version: sink.version ?? 1, key, payload: data })
      if (Option.isNone(start))
        return yield* rejected("not-startable", "The key or the data is too large, or not valid, for a start")
      yield* operations.start(
        tenantId,
        {
          executionId,
          name: sink.name,
          version: sink.version ?? 1,
          payload: JSON.stringify(data),
          parentId: null
        },
        undefined
      )
      return
    }
    const signal = decodeSignal({ name: sink.signal, value: data })
    if (Option.isNone(signal)) return yield* rejected("not-sendable", "The data is too large for a signal")
    yield* operations.signal(
      tenantId,
      { executionId, workflowName: sink.name },
      sink.signal,
      Exit.succeed(data)
    )
  })

  /** All of them or none: when one is rejected, the queue hands each over alone. */
  return Effect.fnUntraced(function* (tenantId: string, deliveries: ReadonlyArray<Delivery>) {
    const ids = yield* Effect.forEach(deliveries, subscriptionOf)
    const sinks = yield* sinksOf(tenantId, ids)
    const targets: Array<Target> = []
    for (const [index, { payload }] of deliveries.entries()) {
      const sink = sinks.get(ids[index] ?? "")
      if (sink !== undefined) targets.push(yield* targetOf(sink, payload))
    }
    // In one order, so that two workers do not deadlock.
    targets.sort((a, b) => (a.executionId < b.executionId ? -1 : a.executionId > b.executionId ? 1 : 0))
    yield* Effect.forEach(targets, (target) => deliverOne(tenantId, target), { discard: true })
  })
}
