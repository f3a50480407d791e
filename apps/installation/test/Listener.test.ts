import { assert, it } from "@effect/vitest"
import * as Listener from "@hypermarket/installation/Listener"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import { Effect, Layer, Schedule } from "effect"
import { HttpServer, HttpServerResponse } from "effect/http"
import { connect } from "node:net"

it.live("answers a request that arrives while the routes are being built", () =>
  Effect.gen(function* () {
    const port = yield* ServiceProcess.freePort
    const context = yield* Layer.build(Listener.layer({ port, host: "127.0.0.1" }))
    let answer = ""
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => connect(port, "127.0.0.1")),
      (socket) => Effect.sync(() => void socket.destroy())
    )
    socket.on("data", (chunk) => (answer += chunk.toString()))
    const isSent = Effect.sync(() => socket.bytesWritten > 0)
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    yield* Effect.repeat(isSent, { until: (holds) => holds, schedule: Schedule.spaced("5 millis") })
    // The server has read it before another connection is answered.
    yield* Effect.sleep("50 millis")
    yield* Effect.provideContext(
      HttpServer.serveEffect(Effect.succeed(HttpServerResponse.text("served"))),
      context
    )
    yield* Effect.repeat(
      Effect.sync(() => answer),
      { until: (text) => text.includes("served"), schedule: Schedule.spaced("5 millis") }
    )
    assert.match(answer, /^HTTP\/1\.1 200 /)
  }).pipe(Effect.scoped)
)
