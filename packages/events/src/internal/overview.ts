/** The part of events in pages that show more than one domain. */
import * as Overview from "@hypermarket/core/Overview"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { EventQueues } from "../EventQueues.ts"

/** Queues with dead jobs, the most first. Nothing is lost: they wait to be redriven or discarded. */
export const alerts: Overview.Alerts<EventQueues | Tenant> = Effect.gen(function* () {
  const queues = yield* EventQueues
  const list = yield* queues.list
  return list
    .filter(({ dead }) => dead > 0)
    .toSorted((a, b) => b.dead - a.dead)
    .slice(0, Overview.alertsMax)
    .map(({ dead, queue, ready }) =>
      Overview.Alert.make({
        kind: "queue.dead",
        severity: "critical",
        subject: queue,
        value: dead,
        since: null,
        data: { ready }
      })
    )
})

/** All that the list of queues shows. */
export const queueFingerprint: Overview.QueueFingerprint<EventQueues | Tenant> = Effect.map(
  Effect.flatMap(EventQueues, (queues) => queues.list),
  (list) => JSON.stringify(list)
)

const isAfter = (a: Overview.TimelineItem, b: Overview.TimelineItem): boolean =>
  a.at.epochMilliseconds === b.at.epochMilliseconds
    ? a.itemId > b.itemId
    : a.at.epochMilliseconds > b.at.epochMilliseconds

/** Merges timelines, each of which returns its first items of a page. */
export const merged =
  <R>(timelines: ReadonlyArray<Overview.Timeline<R>>): Overview.Timeline<R> =>
  (request) =>
    Effect.map(
      Effect.forEach(timelines, (timeline) => timeline(request)),
      (parts) =>
        parts
          .flat()
          .toSorted((a, b) => (isAfter(a, b) ? -1 : 1))
          .slice(0, request.limit)
    )

/** Subscriptions and schedules by their id or the beginning of their name. */
export const lookup: Overview.Lookup<SqlClient.SqlClient | Tenant> = Effect.fnUntraced(function* (text) {
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  const rows = yield* sql<typeof Overview.Match.Type>`
    SELECT 'subscription' AS kind, subscription_id::text AS id, name AS title
      FROM hm_event_subscription
     WHERE tenant_id = ${tenant.id} AND (subscription_id::text = ${text} OR starts_with(name, ${text}))
     UNION ALL
    SELECT 'schedule', schedule_id::text, name
      FROM hm_job_scheduler
     WHERE tenant_id = ${tenant.id} AND (schedule_id::text = ${text} OR starts_with(name, ${text}))
     ORDER BY title
     LIMIT ${Overview.matchesMax}
  `
  return rows.map((row) => Overview.Match.make(row))
})
