/**
 * Two API processes and two workers restarted in rotation while clients publish facts, each of which tries once more when
 * a connection ends before the first byte. Every fact must be accepted, and be there once.
 */
import { PgClient } from "@effect/sql-pg"
import * as ApiProcess from "@hypermarket/soak/ApiProcess"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"

export interface Report {
  readonly facts: number
  readonly stored: number
  readonly retried: number
  readonly restarts: number
  readonly failures: ReadonlyArray<string>
}

const clientCount = 16

export const run = Effect.fn("RollingRestart.run")(function* (databaseUrl: string, factsMin: number) {
  const ports = yield* Effect.all([1, 2, 3, 4].map(() => ServiceProcess.freePort))
  const starts = ports.map((port, index) => ({
    start: index < 2 ? ApiProcess.startApi(databaseUrl, port) : ApiProcess.startWorker(databaseUrl, port)
  }))
  const running = yield* Effect.forEach(starts, ({ start }) => start)
  const urls = running.slice(0, 2).map(({ url }) => `${url}/v1/events`)
  const key = yield* ApiProcess.makeKey(databaseUrl, "rolling", ["events:write"])
  const agent = yield* ApiProcess.agent
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/cloudevents+json" }
  let facts = 0
  let retried = 0
  let restarts = 0
  let isOver = false
  const failures: Array<string> = []
  const publish = Effect.suspend(() => {
    const n = facts++
    const body = JSON.stringify({
      specversion: "1.0",
      id: `fact-${n}`,
      source: "/soak",
      type: "test.rolled",
      data: { n }
    })
    const post = (index: number) =>
      ApiProcess.request(agent, urls[index % urls.length] ?? "", { method: "POST", headers, body })
    return post(n).pipe(
      Effect.flatMap((answer) => {
        if (answer.status !== 0) return Effect.succeed(answer)
        retried++
        return post(n + 1)
      }),
      Effect.tap(({ status, text }) =>
        Effect.sync(() => {
          if (status !== 202) failures.push(`${status} ${text}`)
        })
      )
    )
  })
  const clients = yield* Effect.forEach(Array.from({ length: clientCount }), () =>
    publish.pipe(
      Effect.repeat({ until: () => isOver && facts >= factsMin, schedule: Schedule.spaced("20 millis") }),
      Effect.forkScoped
    )
  )
  const stop = Effect.fnUntraced(function* (service: ServiceProcess.ServiceProcess) {
    yield* service.signal("SIGTERM")
    const { code } = yield* service.exit
    if (code !== 0) failures.push(`exit code ${code}: ${service.log().slice(-500)}`)
  })
  // An API process, then a worker, so that one of each kind is there at any time.
  for (const index of [0, 2, 1, 3]) {
    const process = running[index]
    const again = starts[index]
    if (process === undefined || again === undefined) continue
    yield* stop(process.service)
    running[index] = yield* again.start
    restarts++
  }
  isOver = true
  yield* Effect.forEach(clients, Fiber.join, { discard: true })
  for (const { service } of running) yield* stop(service)
  const [row] = yield* Effect.gen(function* () {
    const sql = yield* PgClient.PgClient
    return yield* sql<{ readonly count: number }>`SELECT count(*)::int AS count FROM hm_event_dedupe`
  }).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(databaseUrl), maxConnections: 1 })))
  return { facts, stored: row?.count ?? 0, retried, restarts, failures } satisfies Report
})
