import { assert, layer } from "@effect/vitest"
import * as HeldTransaction from "@hypermarket/testing/HeldTransaction"
import { Effect, Fiber, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { envelopeOf, eventOf, layerServer, newEventId, post, projectOf } from "./errorServer.ts"

layer(layerServer, { excludeTestServices: true })("The intake of errors", (it) => {
  it.effect("stores the events of a project while those of another one wait for a lock", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const locked = yield* projectOf("acme", "locked")
      const free = yield* projectOf("acme", "free")
      const send = (project: typeof free) =>
        post(project, envelopeOf({ event_id: newEventId() }, [{ type: "event" }, eventOf({})]), {
          tenant: "acme"
        })
      const letGo = yield* HeldTransaction.hold(
        sql`
          SELECT 1
            FROM hm_error_project
           WHERE tenant_id = 'acme' AND project_id = ${locked.projectId}
             FOR UPDATE
        `,
        Effect.void
      )
      const first = yield* Effect.forkChild(send(locked), { startImmediately: true })
      yield* sql<{ readonly waiting: number }>`
        SELECT count(*)::int AS waiting
          FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'
      `.pipe(
        Effect.repeat({ until: ([row]) => (row?.waiting ?? 0) > 0, schedule: Schedule.spaced("10 millis") })
      )
      const second = yield* Effect.forkChild(send(locked), { startImmediately: true })
      for (let n = 0; n < 10; n++) assert.strictEqual((yield* send(free)).status, 200)
      assert.isUndefined(first.pollUnsafe())
      assert.isUndefined(second.pollUnsafe())
      yield* letGo
      assert.strictEqual((yield* Fiber.join(first)).status, 200)
      assert.strictEqual((yield* Fiber.join(second)).status, 200)
    })
  )
})
