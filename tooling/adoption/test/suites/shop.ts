/**
 * Statements that the suite runs inside a driver's transaction, and reads of the stored rows.
 */
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import { now } from "@hypermarket/core/Now"
import type * as CloudEvent from "@hypermarket/events/CloudEvent"
import * as Events from "@hypermarket/events/Events"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { DateTime, Effect, Layer, Schema } from "effect"
import { HttpServerRequest } from "effect/http"
import { SqlClient } from "effect/sql"
import { asTenant, type Connect, Driven, tenantId } from "./driven.ts"

/** Every table and how many rows it has, over a connection of our own. */
export const rowCounts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql<{ readonly name: string }>`
    SELECT relname AS name
      FROM pg_class
     WHERE relkind = 'r' AND (relname LIKE 'hm\\_%' OR relname = 'shop_order') AND relname NOT LIKE '%\\_migrations'
     ORDER BY 1
  `
  const counted = yield* Effect.forEach(tables, ({ name }) =>
    Effect.map(
      sql<{ readonly n: number }>`SELECT count(*)::int AS n FROM ${sql(name)}`,
      ([row]) => [name, row?.n ?? 0] as const
    )
  )
  return Object.fromEntries(counted.filter(([, n]) => n > 0))
})

/** Texts that a driver or a literal could mishandle. */
export const trickyTexts = [
  "",
  " ",
  "NULL",
  "null",
  "{}",
  `{"a",b}`,
  `"quoted" 'single' \\ back\\slash \\" both`,
  "line\nbreak\ttab\rreturn",
  "comma, semicolon; $1 $2::json -- comment",
  "äöü ß 日本語 🛒",
  "\\x00ff",
  "2026-11-24 13:59:25.123456+00",
  "true",
  "9007199254740993"
]

export const trickyJson: Schema.Json = {
  texts: trickyTexts,
  'key "with" quotes': [1, 1.5, -0.25, true, null, { deep: [[], {}] }],
  big: "9007199254740993"
}

export const moment = new Date("2026-02-28T23:59:59.987Z")

export const eventOf = (id: string, data: Schema.Json): CloudEvent.CloudEvent => ({
  specversion: "1.0",
  id,
  source: "/shop",
  type: "com.example.order.placed.v1",
  subject: id,
  time: DateTime.fromDateUnsafe(moment),
  data
})

const hourMillis = 60 * 60 * 1000

export const decodeEnvelope = Schema.decodeUnknownSync(Schema.Struct({ data: Schema.Json }))

const jobs = (runAt: Date): ReadonlyArray<QueueJob.NewJob> => [
  { queue: "plain", type: "mail", payload: trickyJson },
  { queue: "later", type: "mail", payload: null, runAt, priority: -5 },
  {
    queue: "keyed",
    type: "mail",
    payload: [1, "two"],
    orderingKey: `order "7"`,
    headers: { trace: `"quoted"` }
  },
  { queue: "keyed", type: "mail", payload: "second", orderingKey: `order "7"` },
  { queue: "large", type: "mail", payload: `"\\${"x".repeat(20_000)}` }
]

const remembered = IdempotentRequests.make({
  operation: "test.order.place",
  answer: Schema.Struct({ orderId: Schema.String })
})

export const placeOnce = (orderId: string) =>
  remembered(
    { owner: tenantId, headers: { "idempotency-key": `place ${orderId}` }, body: { orderId } },
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`INSERT INTO shop_order (order_id, placed_at) VALUES (${orderId}, ${moment})`
      return { orderId }
    })
  ).pipe(
    Effect.provideService(
      HttpServerRequest.HttpServerRequest,
      HttpServerRequest.fromWeb(new Request("http://localhost/"))
    )
  )

/** The caller's own row, an idempotent request, two events and all kinds of jobs. */
export const placeOrder = (orderId: string) =>
  Effect.gen(function* () {
    const events = yield* Events.Events
    const queue = yield* WorkQueue.make({ prefix: Events.prefix })
    const answer = yield* placeOnce(orderId)
    const receipts = yield* events.publish([
      eventOf(orderId, trickyJson),
      eventOf(`${orderId} large`, "y".repeat(30_000))
    ])
    const placed = jobs(new Date((yield* now).getTime() + hourMillis))
    const jobIds = yield* queue.enqueue(placed)
    return { answer, receipts, placed, jobIds }
  }).pipe(asTenant)

const prepare = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE shop_order (order_id text PRIMARY KEY, placed_at timestamptz NOT NULL)`
  yield* sql`
    CREATE TABLE uncast (label text, is_on boolean, is_off boolean, at timestamptz, big bigint, small smallint, bytes bytea,
                         exact numeric, missing text)
  `
  yield* sql`
    CREATE TABLE counted (id int CONSTRAINT counted_id_is_unique UNIQUE, n int CONSTRAINT n_is_not_negative CHECK (n >= 0))
  `
  yield* sql`INSERT INTO counted VALUES (1, 1)`
})

/** A database with the packages' tables and the shop's, and the driver on it. */
export const layerShop = (connect: Connect) => {
  const layerDriver = Layer.effect(
    Driven,
    Effect.flatMap(TestDatabase.TestDatabase, ({ url }) => Effect.orDie(connect(url)))
  )
  return layerDriver.pipe(
    Layer.provideMerge(Layer.effectDiscard(Effect.orDie(prepare))),
    Layer.provideMerge(
      TestDatabase.layer(
        AnalyticsDomain.domain.migrations,
        CoreDomain.migrations,
        EventsDomain.domain.migrations,
        PlatformDomain.domain.migrations
      )
    )
  )
}
