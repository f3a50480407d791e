/**
 * Handlers of the events' HTTP groups.
 *
 * @since 0.1.0
 */
import * as Commerce from "@hypermarket/core/Commerce"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import { expectedVersion, tagged } from "@hypermarket/core/Precondition"
import * as Storage from "@hypermarket/core/Storage"
import { tenantId } from "@hypermarket/core/Tenant"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as CloudEvent from "./CloudEvent.ts"
import { EventQueues } from "./EventQueue.ts"
import { Events } from "./Events.ts"
import { ContentTypeUnsupported, EventsApi, FactUnknown, publishBytesMax } from "./EventsApi.ts"
import { EventSubscription, EventSubscriptions, NewSubscription } from "./EventSubscription.ts"
import { JobSchedule, JobSchedules, NewSchedule } from "./JobScheduler.ts"

const bodyMax = ByteSize.bytes(publishBytesMax)

/** The media type without its parameters; one of CloudEvents' or undefined. */
const contentTypeOf = (header: string | undefined) => {
  const given = (header ?? "application/json").split(";")[0]?.trim().toLowerCase()
  return CloudEvent.contentTypes.find((one) => one === given)
}

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
    return handlers.handleRaw(
      "publish",
      Effect.fnUntraced(function* ({ request }) {
        const contentType = contentTypeOf(request.headers["content-type"])
        if (contentType === undefined) return yield* new ContentTypeUnsupported()
        // A body that is too large is a defect here; the server answers 413 for it.
        const body = yield* request.text.pipe(Effect.provideService(MaxBodySize, bodyMax), Effect.orDie)
        const parsed = yield* CloudEvent.fromRequest(contentType, request.headers, body)
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
    return handlers.handleAll({
      listQueues: () =>
        all.list.pipe(
          Effect.map((items) => ({ items })),
          Storage.orUnavailable
        ),
      getQueue: ({ params }) => all.get(params.queue).pipe(Effect.map(tagged), Storage.orUnavailable),
      listMinutes: ({ params }) =>
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
      getJob: ({ params }) => all.job(params.queue, params.jobId).pipe(Storage.orUnavailable),
      cancelJob: ({ params }) => all.cancel(params.queue, params.jobId).pipe(Storage.orUnavailable),
      listDead: ({ params, query }) => all.dead(params.queue, query).pipe(Storage.orUnavailable),
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

const encodeNewSubscription = Schema.encodeSync(NewSubscription)
const createSubscriptionOnce = IdempotencyKey.make({
  operation: "events.createSubscription",
  answer: EventSubscription
})

const subscriptions = HttpApiBuilder.group(
  EventsApi,
  "subscriptions",
  Effect.fn(function* (handlers) {
    const all = yield* EventSubscriptions
    const sql = yield* SqlClient.SqlClient
    const storage = Effect.provideService(SqlClient.SqlClient, sql)
    return handlers.handleAll({
      createSubscription: Effect.fnUntraced(
        function* ({ headers, payload }) {
          const request = { owner: yield* tenantId, headers, body: encodeNewSubscription(payload) }
          return tagged(yield* createSubscriptionOnce(request, all.create(payload)))
        },
        Storage.orUnavailable,
        storage
      ),
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

const encodeNewSchedule = Schema.encodeSync(NewSchedule)
const createScheduleOnce = IdempotencyKey.make({ operation: "events.createSchedule", answer: JobSchedule })

const schedules = HttpApiBuilder.group(
  EventsApi,
  "schedules",
  Effect.fn(function* (handlers) {
    const all = yield* JobSchedules
    const sql = yield* SqlClient.SqlClient
    const storage = Effect.provideService(SqlClient.SqlClient, sql)
    return handlers.handleAll({
      createSchedule: Effect.fnUntraced(
        function* ({ headers, payload }) {
          const request = { owner: yield* tenantId, headers, body: encodeNewSchedule(payload) }
          return tagged(yield* createScheduleOnce(request, all.create(payload)))
        },
        Storage.orUnavailable,
        storage
      ),
      listSchedules: ({ query }) => all.list(query).pipe(Storage.orUnavailable),
      getSchedule: ({ params }) => all.get(params.scheduleId).pipe(Effect.map(tagged), Storage.orUnavailable),
      changeSchedule: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => all.setPaused(params.scheduleId, version, payload.paused)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      runSchedule: ({ params }) => all.runNow(params.scheduleId).pipe(Storage.orUnavailable),
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
