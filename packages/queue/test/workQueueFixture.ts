/** Counts of the queue's tables. */
import * as Database from "@hypermarket/core/Database"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { layerOf } from "./queueFixture.ts"

export const TestLayer = layerOf(
  Layer.unwrap(Effect.map(TestDatabase.TestDatabase, ({ options }) => Wakeup.layer(Database.listen(options))))
)

/** Counts the rows of a queue in each table. */
export const standing = Effect.fnUntraced(function* (queue: string) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<Record<string, number>>`
    SELECT (SELECT count(*)::int FROM hm_test_queue WHERE ltrim(queue, '!') = ${queue}) AS ready,
           (SELECT count(*)::int FROM hm_test_delayed WHERE queue = ${queue}) AS delayed,
           (SELECT coalesce(sum(jobs_count), 0)::int
              FROM hm_test_lease
             WHERE ltrim(queue, '!') = ${queue}) AS leased,
           (SELECT count(*)::int FROM hm_test_keyed WHERE queue = ${queue}) AS keyed,
           (SELECT coalesce(sum(pending), 0)::int FROM hm_test_key WHERE queue = ${queue}) AS pending,
           (SELECT count(*)::int FROM hm_test_dead WHERE queue = ${queue}) AS dead
  `
  return { ready: 0, delayed: 0, leased: 0, keyed: 0, pending: 0, dead: 0, ...row }
})

export const untilIdle = (queue: string) =>
  standing(queue).pipe(
    Effect.repeat({
      until: (counts) => Object.entries(counts).every(([name, count]) => name === "dead" || count === 0),
      schedule: Schedule.spaced("20 millis")
    })
  )
