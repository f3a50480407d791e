import { assert, describe, it } from "@effect/vitest"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Fiber, Redacted, Schedule } from "effect"
import { PgClient } from "@effect/sql-pg"
import { makeKey, startApi, workerScript } from "./apiProcess.ts"
import * as Http from "node:http"

const factsMin = 400
const clientCount = 8

/** One POST; status 0 for a connection that ended before the first byte of an answer. */
const post = (agent: Http.Agent, url: string, key: string, body: string) =>
  Effect.callback<{ readonly status: number; readonly text: string }>((resume) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/cloudevents+json" }
    const sent = Http.request(`${url}/v1/events`, { agent, headers, method: "POST" }, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
      response.on("end", () => resume(Effect.succeed({ status: response.statusCode ?? 0, text })))
      response.on("error", ({ message }) => resume(Effect.succeed({ status: -1, text: message })))
    })
    sent.on("error", ({ message }) => resume(Effect.succeed({ status: 0, text: message })))
    sent.end(body)
  })

describe("two API processes and two workers that are restarted one after the other", () => {
  it.live("accept every event of clients that try once more when a connection ends without an answer", () =>
    Effect.gen(function* () {
      const { url: databaseUrl } = yield* TestDatabase.TestDatabase
      const ports = [yield* ServiceProcess.freePort, yield* ServiceProcess.freePort]
      const workerPorts = [yield* ServiceProcess.freePort, yield* ServiceProcess.freePort]
      const api = (port: number) => startApi(databaseUrl, { port, env: { HM_API_ACCESS_LOG: "false" } })
      const worker = Effect.fnUntraced(function* (port: number) {
        const service = yield* ServiceProcess.start(workerScript, [], {
          DATABASE_URL: databaseUrl,
          HM_WORKER_PORT: String(port)
        })
        yield* ServiceProcess.answers(service, `http://127.0.0.1:${port}/health/ready`)
        return { service }
      })
      const apis = yield* Effect.forEach(ports, api)
      const workers = yield* Effect.forEach(workerPorts, worker)
      const urls = apis.map(({ url }) => url)
      const key = yield* makeKey(databaseUrl, { tenant: "rolling", scopes: ["events:write"] })
      const agent = yield* Effect.acquireRelease(
        Effect.sync(() => new Http.Agent({ keepAlive: true })),
        (agent) => Effect.sync(() => agent.destroy())
      )
      let sent = 0
      let isOver = false
      const failures: Array<string> = []
      const publish = Effect.suspend(() => {
        const n = sent++
        const body = JSON.stringify({
          specversion: "1.0",
          id: `fact-${n}`,
          source: "/rolling",
          type: "test.rolled",
          data: { n }
        })
        const first = urls[n % 2] ?? ""
        const other = urls[(n + 1) % 2] ?? ""
        return post(agent, first, key, body).pipe(
          Effect.flatMap((answer) =>
            answer.status === 0 ? post(agent, other, key, body) : Effect.succeed(answer)
          ),
          Effect.tap(({ status, text }) =>
            Effect.sync(() => {
              if (status !== 202) failures.push(`${status} ${text}`)
            })
          )
        )
      })
      const client = publish.pipe(
        Effect.repeat({ until: () => isOver && sent >= factsMin, schedule: Schedule.spaced("10 millis") })
      )
      const clients = yield* Effect.forEach(Array.from({ length: clientCount }), () =>
        Effect.forkScoped(client)
      )
      const stop = Effect.fnUntraced(function* ({
        service
      }: {
        readonly service: ServiceProcess.ServiceProcess
      }) {
        yield* service.signal("SIGTERM")
        assert.deepStrictEqual(yield* service.exit, { code: 0, signal: null }, service.log())
      })
      const later = []
      for (const [index, port] of ports.entries()) {
        const [running, runningWorker] = [apis[index], workers[index]]
        assert.isDefined(running)
        assert.isDefined(runningWorker)
        yield* stop(running)
        later.push(yield* api(port))
        yield* stop(runningWorker)
        later.push(yield* worker(workerPorts[index] ?? 0))
      }
      isOver = true
      for (const fiber of clients) yield* Fiber.join(fiber)
      assert.deepStrictEqual(failures.slice(0, 5), [], `${failures.length} of ${sent}`)
      assert.isAtLeast(sent, factsMin)
      for (const service of later) yield* stop(service)
      const rows = yield* Effect.gen(function* () {
        const sql = yield* PgClient.PgClient
        return yield* sql<{ readonly count: number }>`SELECT count(*)::int AS count FROM hm_event_dedupe`
      }).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(databaseUrl), maxConnections: 1 })))
      assert.strictEqual(rows[0]?.count, sent)
    }).pipe(Effect.provide(TestDatabase.layerDatabase()))
  )
})
