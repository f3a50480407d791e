/** The API process with a stream that never ends and a request that is slow, for the test of stopping. */
import * as Server from "@hypermarket/api/Server"
import * as Database from "@hypermarket/core/Database"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as Sse from "@hypermarket/core/Sse"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as Listener from "@hypermarket/installation/Listener"
import * as Startup from "@hypermarket/installation/Startup"
import { Effect, Layer, Schedule, Stream } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"

/** More than the test opens. */
const streamsMax = 5_000

const routes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const shutdown = yield* Shutdown
    const ticks = Stream.fromEffectSchedule(
      Effect.succeed("data: tick\n\n"),
      Schedule.spaced("50 millis")
    ).pipe(Stream.encodeText)
    const stream = (body: typeof ticks) =>
      HttpServerResponse.stream(body, { contentType: "text/event-stream" })
    const events = Stream.concat(Stream.succeed({ data: "open" }), Stream.never)
    yield* router.add(
      "GET",
      "/test/events",
      Sse.respond(events, { tenantMax: streamsMax, credentialMax: streamsMax }).pipe(
        provide(TenantId.make("acme")),
        Effect.provideService(Shutdown, shutdown),
        Effect.orDie
      )
    )
    yield* router.add("GET", "/test/deaf-stream", stream(ticks))
    yield* router.add(
      "GET",
      "/test/slow",
      Effect.as(Effect.sleep("60 seconds"), HttpServerResponse.text("late"))
    )
    yield* router.add("POST", "/test/echo", (request) => Effect.map(request.text, HttpServerResponse.text))
    yield* router.add(
      "GET",
      "/test/brief",
      Effect.as(Effect.sleep("2 seconds"), HttpServerResponse.text("in time"))
    )
  })
)

const service = Layer.unwrap(
  Effect.gen(function* () {
    const listen = yield* Server.options
    const database = yield* Database.options
    return Server.layerRoutes(routes).pipe(
      Layer.provide(Listener.layer(listen)),
      Layer.provide(Wakeup.layer(Database.listen(database))),
      Layer.provide(Startup.layerDatabase(database, "hm-test-stoppable"))
    )
  })
)

Startup.run(service)
