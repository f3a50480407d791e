/**
 * A hundred clients that try again every 100 ms while the process is held to a fifth of its processor by stopping and
 * continuing it, with a healthy Postgres. The gate must stay open and readiness must not fail. Afterwards every client has its
 * answer.
 */
import * as ApiProcess from "@hypermarket/soak/ApiProcess"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"

export interface Report {
  readonly answers: Readonly<Record<string, number>>
  readonly notReady: number
  readonly gateClosed: boolean
  readonly failures: ReadonlyArray<string>
}

const clientCount = 100
const stopped = "80 millis"
const running = "20 millis"

export const run = Effect.fn("RetryStorm.run")(function* (databaseUrl: string, answersMin: number) {
  const port = yield* ServiceProcess.freePort
  const { service, url } = yield* ApiProcess.startApi(databaseUrl, port)
  const key = yield* ApiProcess.makeKey(databaseUrl, "storm", ["platform:read"])
  const agent = yield* ApiProcess.agent
  const headers = { authorization: `Bearer ${key}` }
  const answers: Record<string, number> = {}
  let total = 0
  let notReady = 0
  const limit = yield* service
    .signal("SIGSTOP")
    .pipe(
      Effect.andThen(Effect.sleep(stopped)),
      Effect.andThen(service.signal("SIGCONT")),
      Effect.andThen(Effect.sleep(running)),
      Effect.forever,
      Effect.forkScoped
    )
  const ask = ApiProcess.request(agent, `${url}/v1/platform/tenant`, { method: "GET", headers }).pipe(
    Effect.tap(({ status }) =>
      Effect.sync(() => {
        total++
        answers[status] = (answers[status] ?? 0) + 1
      })
    )
  )
  const clients = yield* Effect.forEach(Array.from({ length: clientCount }), () =>
    ask.pipe(
      Effect.repeat({ until: () => total >= answersMin, schedule: Schedule.spaced("100 millis") }),
      Effect.forkScoped
    )
  )
  const probe = yield* ApiProcess.request(agent, `${url}/health/ready`, { method: "GET", headers: {} }).pipe(
    Effect.tap(({ status }) => Effect.sync(() => void (status === 200 || notReady++))),
    Effect.repeat({ until: () => total >= answersMin, schedule: Schedule.spaced("500 millis") }),
    Effect.forkScoped
  )
  yield* Effect.forEach([...clients, probe], Fiber.join, { discard: true })
  yield* Fiber.interrupt(limit)
  yield* service.signal("SIGCONT")
  // With its processor back, each client gets a good answer.
  yield* Effect.forEach(
    clients,
    () =>
      ApiProcess.request(agent, `${url}/v1/platform/tenant`, { method: "GET", headers }).pipe(
        Effect.repeat({ until: ({ status }) => status === 200, schedule: Schedule.spaced("100 millis") })
      ),
    { concurrency: "unbounded", discard: true }
  )
  yield* service.signal("SIGTERM")
  const { code } = yield* service.exit
  const gateClosed = service.log().includes("The database is unavailable")
  const failures = [
    ...(code === 0 ? [] : [`exit code ${code}`]),
    ...(gateClosed ? ["the gate closed"] : []),
    ...(notReady > 0 ? [`not ready ${notReady} times`] : []),
    ...((answers["200"] ?? 0) > 0 ? [] : ["no good answer"])
  ]
  return { answers, notReady, gateClosed, failures } satisfies Report
})
