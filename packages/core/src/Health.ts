/**
 * `/health/live` and `/health/ready`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Context from "effect/Context"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as SqlClient from "effect/sql/SqlClient"
import * as DatabaseProbe from "./DatabaseProbe.ts"
import { Shutdown } from "./Shutdown.ts"
import * as Storage from "./Storage.ts"

/**
 * Conditions of the process beside its database. One that returns a text fails readiness with it.
 *
 * @category services
 * @since 0.1.0
 */
export const Conditions = Context.Reference<Set<() => string | undefined>>(
  "@hypermarket/core/Health/Conditions",
  {
    defaultValue: () => new Set()
  }
)

/** A probe that waits longer is read as a failure by most orchestrators, whose default is one second. */
const databaseProbeDeadline = "900 millis"

const answer = (status: number, body: Record<string, string>) =>
  HttpServerResponse.jsonUnsafe(body, { status, headers: { "cache-control": "no-store" } })

/** A server without a connection to spare, or a process without processor, serves what it can: it stays in rotation. */
const answerOf = (state: DatabaseProbe.State) => {
  if (state === "available") return answer(200, { status: "ready" })
  return state === "busy" || state === "lagged"
    ? answer(200, { status: "ready", database: state })
    : answer(503, { status: state === "unavailable" ? "database unavailable" : `database ${state}` })
}

/**
 * Live while the process can answer. Ready while it takes work: not stopping, and the database answers within 900 ms. With
 * a {@link module:DatabaseProbe} it also fails while the database is read-only, its disk is full, or a table that all work
 * goes through is locked. A database or process that is merely busy stays ready.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, HttpRouter.HttpRouter | SqlClient.SqlClient | Shutdown> =
  HttpRouter.use(
    Effect.fnUntraced(function* (router) {
      const sql = yield* SqlClient.SqlClient
      const shutdown = yield* Shutdown
      const conditions = yield* Conditions
      const probe = yield* Effect.serviceOption(DatabaseProbe.DatabaseProbe)
      yield* router.add("GET", "/health/live", answer(200, { status: "live" }))
      yield* router.add(
        "GET",
        "/health/ready",
        Effect.suspend(() => {
          if (shutdown.isStopping()) return Effect.succeed(answer(503, { status: "stopping" }))
          for (const condition of conditions) {
            const failure = condition()
            if (failure !== undefined) return Effect.succeed(answer(503, { status: failure }))
          }
          if (Option.isSome(probe)) return Effect.map(probe.value.state, answerOf)
          return sql`SELECT 1`.pipe(
            Storage.within(databaseProbeDeadline),
            Effect.match({
              onSuccess: () => answer(200, { status: "ready" }),
              onFailure: () => answer(503, { status: "database unavailable" })
            })
          )
        })
      )
    })
  )
