/**
 * `/health/live` and `/health/ready`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { Shutdown } from "./Shutdown.ts"
import * as Storage from "./Storage.ts"

/** A probe that waits longer is read as a failure by most orchestrators, whose default is one second. */
const databaseProbeDeadline = "900 millis"

const answer = (status: number, body: Record<string, string>) =>
  HttpServerResponse.jsonUnsafe(body, { status, headers: { "cache-control": "no-store" } })

/**
 * Live while the process can answer. Ready while it takes work: not stopping, and the database answers within 900 ms.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, HttpRouter.HttpRouter | SqlClient.SqlClient | Shutdown> =
  HttpRouter.use(
    Effect.fnUntraced(function* (router) {
      const sql = yield* SqlClient.SqlClient
      const shutdown = yield* Shutdown
      yield* router.add("GET", "/health/live", answer(200, { status: "live" }))
      yield* router.add(
        "GET",
        "/health/ready",
        Effect.suspend(() => {
          if (shutdown.isStopping()) return Effect.succeed(answer(503, { status: "stopping" }))
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
