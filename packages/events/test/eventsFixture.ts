/** The layer, and a domain that records what it handles. */
import { PgClient } from "@effect/sql-pg"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import * as Wakeup from "@hypermarket/core/Wakeup"
import type { CloudEvent } from "@hypermarket/events/CloudEvent"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"

export const TestLayer = Layer.merge(EventsDomain.layer, EventsDomain.domain.contracts).pipe(
  Layer.provideMerge(Wakeup.layerSilent),
  Layer.provideMerge(
    Layer.effect(
      ClaimClient,
      Effect.map(PgClient.PgClient, (client): SqlClient.SqlClient => client)
    )
  ),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

export const event = (id: string, options: Partial<CloudEvent> = {}): CloudEvent => ({
  specversion: "1.0",
  id,
  source: "/shop",
  type: "com.example.thing.happened",
  data: { id },
  ...options
})

export const makeTable = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`CREATE TABLE IF NOT EXISTS recorded (tenant_id text, handler text, event_id text)`
)

export const recorded = (handler: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly tenantId: string; readonly id: string }>`
      SELECT tenant_id AS "tenantId", event_id AS id
        FROM recorded
       WHERE handler = ${handler}
       ORDER BY 1, 2
    `
  )

export const untilEmpty = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql<{ readonly left: number }>`
    SELECT (SELECT count(*)::int FROM hm_event_queue WHERE queue LIKE 'handler.%')
         + (SELECT count(*)::int FROM hm_event_lease WHERE queue LIKE 'handler.%')
         + (SELECT count(*)::int FROM hm_event_delayed WHERE queue LIKE 'handler.%') AS left
  `.pipe(Effect.repeat({ until: ([row]) => row?.left === 0, schedule: Schedule.spaced("20 millis") }))
})
