/**
 * Handlers of the events' HTTP groups.
 *
 * @since 0.1.0
 */
import * as AccessScope from "@hypermarket/core/AccessScope"
import type * as Audit from "@hypermarket/core/Audit"
import * as AuditedReading from "@hypermarket/core/AuditedReading"
import { Caller } from "@hypermarket/core/Credentials"
import * as Commerce from "@hypermarket/core/Commerce"
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import { expectedVersion, tagged } from "@hypermarket/core/Precondition"
import * as Storage from "@hypermarket/core/Storage"
import * as Withheld from "@hypermarket/core/Withheld"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as CloudEventRequest from "./CloudEventRequest.ts"
import { EventQueues } from "./EventQueues.ts"
import { Events } from "./Events.ts"
import { ContentTypeUnsupported, EventsApi, FactUnknown, publishBytesMax } from "./EventsApi.ts"
import { EventSubscription, NewSubscription } from "./EventSubscription.ts"
import { EventSubscriptions } from "./EventSubscriptions.ts"
import { readsOf } from "./internal/reads.ts"
import { JobSchedule, NewSchedule } from "./JobSchedule.ts"
import { JobSchedules } from "./JobSchedules.ts"

const bodyMax = ByteSize.bytes(publishBytesMax)

const jsonSchemaOf = (type: string): Schema.Json | undefined => {
  const schema = Commerce.schemaOf(type)
  if (schema === undefined) return undefined
  const { definitions, schema: root } = Schema.toJsonSchemaDocument(schema)
  return JSON.parse(
    JSON.stringify({
      $schema: "https://json-schema.org/draft/2020-12/schema",
      $id: `urn:hypermarket:schema:${type}`,
      ...root,
      $defs: definitions
    })
  )
}

const events = HttpApiBuilder.group(
  EventsApi,
  "events",
  Effect.fn(function* (handlers) {
    const published = yield* Events
    return handlers
      .handle("state", ({ query }) => published.state(query).pipe(Storage.orUnavailable))
      .handleRaw(
        "publish",
        Effect.fnUntraced(function* ({ request }) {
          // A body that is too large is a defect here; the server answers 413 for it.
          const body = yield* request.arrayBuffer.pipe(
            Effect.provideService(MaxBodySize, bodyMax),
            Effect.orDie
          )
          const parsed = yield* CloudEventRequest.fromHttp(request.headers, new Uint8Array(body))
          if (parsed === undefined) return yield* new ContentTypeUnsupported()
          return { items: yield* published.publish(parsed) }
        }, Storage.orUnavailable)
      )
  })
)

const facts = HttpApiBuilder.group(EventsApi, "facts", (handlers) =>
  Effect.succeed(
    handlers.handleAll({
      factSchema: ({ params }) => {
        const schema = jsonSchemaOf(params.type)
        return schema === undefined
          ? Effect.fail(new FactUnknown({ fact: params.type }))
          : Effect.succeed(schema)
      }
    })
  )
)

const queues = HttpApiBuilder.group(
  EventsApi,
  "queues",
  Effect.fn(function* (handlers) {
    const all = yield* EventQueues
    const readings = AuditedReading.make(yield* SqlClient.SqlClient)
    return handlers.handleAll({
      listQueues: () =>
        all.list.pipe(
          Effect.map((items) => ({ items })),
          Storage.orUnavailable
        ),
      getQueue: ({ params }) => all.get(params.queue).pipe(Effect.map(tagged), Storage.orUnavailable),
      minutes: ({ params }) =>
        all.minutes(params.queue).pipe(
          Effect.map((items) => ({ items })),
          Storage.orUnavailable
        ),
      changeQueue: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => all.change(params.queue, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      pauseQueue: ({ params }) => all.setPaused(params.queue, true).pipe(Storage.orUnavailable),
      resumeQueue: ({ params }) => all.setPaused(params.queue, false).pipe(Storage.orUnavailable),
      job: ({ params }) => all.job(params.queue, params.jobId).pipe(Storage.orUnavailable),
      jobs: ({ params, query }) => all.jobs(params.queue, query).pipe(Storage.orUnavailable),
      payload: ({ params }) =>
        all.payload(params.queue, params.jobId).pipe(
          Effect.tap(() =>
            readings.record({
              action: "job.payload-read",
              target: { type: "job", id: params.jobId }
            })
          ),
          Storage.orUnavailable
        ),
      cancel: ({ params }) => all.cancel(params.queue, params.jobId).pipe(Storage.orUnavailable),
      dead: ({ params, query }) => all.dead(params.queue, query).pipe(Storage.orUnavailable),
      deadGroups: ({ params }) =>
        all.deadGroups(params.queue).pipe(
          Effect.map((items) => ({ items })),
          Storage.orUnavailable
        ),
      redrive: ({ params, payload }) =>
        all.redrive(params.queue, payload).pipe(
          Effect.map((redriven) => ({ redriven })),
          Storage.orUnavailable
        ),
      discard: ({ params, payload }) =>
        all.discard(params.queue, payload).pipe(
          Effect.map((discarded) => ({ discarded })),
          Storage.orUnavailable
        )
    })
  })
)

const createSubscription = IdempotentRequests.create({
  operation: "events.createSubscription",
  payload: NewSubscription,
  answer: EventSubscription
})

const subscriptions = HttpApiBuilder.group(
  EventsApi,
  "subscriptions",
  Effect.fn(function* (handlers) {
    const all = yield* EventSubscriptions
    const createOnce = yield* createSubscription
    return handlers.handleAll({
      createSubscription: Effect.fnUntraced(function* ({ headers, payload }) {
        const { scopes } = yield* Caller
        return tagged(yield* createOnce({ headers, payload }, all.create(payload, readsOf(scopes))))
      }, Storage.orUnavailable),
      listSubscriptions: ({ query }) => all.list(query).pipe(Storage.orUnavailable),
      getSubscription: ({ params }) =>
        all.get(params.subscriptionId).pipe(Effect.map(tagged), Storage.orUnavailable),
      changeSubscription: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => all.change(params.subscriptionId, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      removeSubscription: ({ headers, params }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => all.remove(params.subscriptionId, version)),
          Storage.orUnavailable
        )
    })
  })
)

/** A job of the schedule gets its payload. */
const shownSchedule = Withheld.unless(
  AccessScope.payload,
  (schedule: JobSchedule) => new JobSchedule({ ...schedule, payload: null, withheld: [AccessScope.payload] })
)

const showSchedule = <E, R>(self: Effect.Effect<JobSchedule, E, R>) =>
  Effect.map(Effect.all([self, shownSchedule]), ([schedule, shown]) => tagged(shown(schedule)))

/** The list shows each schedule's payload, and a view of it is one entry. */
const everySchedule = { type: "schedules", id: "all" }

const createSchedule = IdempotentRequests.create({
  operation: "events.createSchedule",
  payload: NewSchedule,
  answer: JobSchedule
})

const schedules = HttpApiBuilder.group(
  EventsApi,
  "schedules",
  Effect.fn(function* (handlers) {
    const all = yield* JobSchedules
    const createOnce = yield* createSchedule
    const readings = AuditedReading.make(yield* SqlClient.SqlClient)
    const recordReading = (target: Audit.Entry["target"]) =>
      readings.record({ action: "schedule.payload-read", target })
    return handlers.handleAll({
      createSchedule: ({ headers, payload }) =>
        createOnce({ headers, payload }, all.create(payload)).pipe(showSchedule, Storage.orUnavailable),
      listSchedules: Effect.fnUntraced(function* ({ query }) {
        const page = yield* all.list(query)
        const items = page.items.map(yield* shownSchedule)
        if (items.some(({ payload }) => payload !== null)) yield* recordReading(everySchedule)
        return { ...page, items }
      }, Storage.orUnavailable),
      getSchedule: Effect.fnUntraced(function* ({ params }) {
        const schedule = (yield* shownSchedule)(yield* all.get(params.scheduleId))
        if (schedule.payload !== null) yield* recordReading({ type: "schedule", id: params.scheduleId })
        return tagged(schedule)
      }, Storage.orUnavailable),
      changeSchedule: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => all.setPaused(params.scheduleId, version, payload.paused)),
          showSchedule,
          Storage.orUnavailable
        ),
      runs: ({ params }) =>
        all.runs(params.scheduleId).pipe(
          Effect.map((items) => ({ items })),
          Storage.orUnavailable
        ),
      runNow: ({ params }) => all.runNow(params.scheduleId).pipe(Storage.orUnavailable),
      removeSchedule: ({ headers, params }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => all.remove(params.scheduleId, version)),
          Storage.orUnavailable
        )
    })
  })
)

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(events, facts, queues, subscriptions, schedules)
