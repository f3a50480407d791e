/**
 * `bench contracts`: the times that are promised: starting, stopping under load and under open streams, revocation, answers
 * while the database is unavailable and after it; and idle memory.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Load from "@hypermarket/bench/Load"
import * as Setup from "@hypermarket/bench/Setup"
import * as DatabaseOutage from "@hypermarket/testing/DatabaseOutage"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

const rounds = 5
const settle = "3 seconds"
const loadMillis = 4_000
const loadConnections = 64
const megabyte = 1024 * 1024
const openStreams = 200
const slowRequests = 20
const outageClients = 1_000
/** Longer than every deadline of a request: each client is refused several times. */
const outageDuration = "20 seconds"

const startAndRest = Effect.fnUntraced(function* (start: ReturnType<typeof Setup.startApi>) {
  const before = yield* Clock.currentTimeMillis
  const { ready, service } = yield* start
  yield* ready
  const millis = (yield* Clock.currentTimeMillis) - before
  yield* Effect.sleep(settle)
  return { millis, megabytes: (yield* ServiceProcess.residentBytes(service.pid)) / megabyte }
}, Effect.scoped)

const stopUnderLoad = Effect.fnUntraced(function* (url: string, key: string) {
  const api = yield* Setup.startApi(url, { HM_API_ACCESS_LOG: "false" })
  yield* api.ready
  yield* Effect.forkScoped(
    Load.run({
      port: api.port,
      path: "/v1/platform/tenant",
      headers: { authorization: `Bearer ${key}` },
      connections: loadConnections,
      millis: loadMillis
    })
  )
  yield* Effect.sleep("1 second")
  const before = yield* Clock.currentTimeMillis
  yield* api.service.signal("SIGTERM")
  yield* api.service.exit
  return (yield* Clock.currentTimeMillis) - before
}, Effect.scoped)

const stopUnderStreams = Effect.fnUntraced(function* (url: string) {
  const api = yield* Setup.startApi(url, { HM_API_ACCESS_LOG: "false" }, Setup.stoppableScript)
  yield* api.ready
  const agent = yield* DatabaseOutage.agentOf(Infinity)
  const ask = (path: string) => DatabaseOutage.request(agent, `http://127.0.0.1:${api.port}${path}`)
  for (let n = 0; n < openStreams; n++)
    yield* Effect.forkScoped(ask(n % 10 === 0 ? "/test/deaf-stream" : "/test/stream"))
  for (let n = 0; n < slowRequests; n++) yield* Effect.forkScoped(ask("/test/slow"))
  yield* Effect.sleep("1 second")
  const before = yield* Clock.currentTimeMillis
  yield* api.service.signal("SIGTERM")
  yield* api.service.exit
  return (yield* Clock.currentTimeMillis) - before
}, Effect.scoped)

/** Returns the longest answer of 1,000 clients, and how long after the return of the database all were served again. */
const outage = Effect.fnUntraced(function* <E, R>(start: Effect.Effect<DatabaseOutage.Database, E, R>) {
  const database = yield* start
  const { key } = yield* Setup.tenantWithKey(database.server.url, ["platform:read"])
  const api = yield* Setup.startApi(database.server.url, { HM_API_ACCESS_LOG: "false" })
  yield* api.ready
  const asking = yield* DatabaseOutage.startClients({
    url: `http://127.0.0.1:${api.port}/v1/platform/tenant`,
    headers: { authorization: `Bearer ${key}` },
    clients: outageClients
  })
  yield* asking.untilEachGot(200, 1)
  yield* database.leave
  yield* Effect.sleep(outageDuration)
  yield* asking.untilEachGot(503, 1)
  yield* database.comeBack
  const backMillis = yield* Clock.currentTimeMillis
  yield* asking.untilEachGot(200, 1)
  const recoveryMillis = (yield* Clock.currentTimeMillis) - backMillis
  let longestMillis = 0
  for (const { answeredMillis, sentMillis } of asking.answers())
    longestMillis = Math.max(longestMillis, answeredMillis - sentMillis)
  return { longestMillis, recoveryMillis }
}, Effect.scoped)

const status = (port: number, method: string, path: string, key: string, body?: unknown) =>
  Effect.promise(async () => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json", "if-match": '"1"' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    return { status: response.status, text: await response.text() }
  })

/** Revoked through one process, refused by another that knows the key. */
const revocation = Effect.fnUntraced(function* (url: string, key: string) {
  const [one, two] = [yield* Setup.startApi(url), yield* Setup.startApi(url)]
  yield* one.ready
  yield* two.ready
  const delays: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const made = yield* status(one.port, "POST", "/v1/platform/keys", key, {
      name: "x",
      scopes: ["platform:read"]
    })
    const { apiKeyId } = /"apiKeyId":"(?<apiKeyId>[^"]+)"/.exec(made.text)?.groups ?? {}
    const { secret } = /"secret":"(?<secret>[^"]+)"/.exec(made.text)?.groups ?? {}
    yield* status(two.port, "GET", "/v1/platform/tenant", secret ?? "")
    yield* status(one.port, "DELETE", `/v1/platform/keys/${apiKeyId}`, key)
    const before = yield* Clock.currentTimeMillis
    yield* status(two.port, "GET", "/v1/platform/tenant", secret ?? "").pipe(
      Effect.repeat({ until: (answer) => answer.status === 401, schedule: Schedule.spaced("10 millis") })
    )
    delays.push((yield* Clock.currentTimeMillis) - before)
  }
  return Math.max(...delays)
}, Effect.scoped)

export const bench: Bench.Bench = {
  run: Effect.fn("bench contracts")(function* () {
    yield* Setup.build
    const { settings } = yield* Bench.readTargets("contracts")
    const { key, url } = yield* Setup.database(settings)
    const starts = {
      api: [] as Array<{ millis: number; megabytes: number }>,
      worker: [] as Array<{ millis: number; megabytes: number }>
    }
    const stops: Array<number> = []
    const streamStops: Array<number> = []
    for (let round = 1; round <= rounds; round++) {
      starts.api.push(yield* startAndRest(Setup.startApi(url)))
      starts.worker.push(yield* startAndRest(Setup.startWorker(url)))
      stops.push(yield* stopUnderLoad(url, key))
      streamStops.push(yield* stopUnderStreams(url))
      yield* Bench.say(`round ${round} of ${rounds}`)
    }
    const shutDown = yield* outage(DatabaseOutage.shutDown)
    const frozen = yield* outage(DatabaseOutage.frozen)
    const own = (figure: string, unit: string, ours: number): Bench.Figure => ({
      figure,
      unit,
      ours,
      peers: {}
    })
    return [
      own("api start-up", "ms", Bench.median(starts.api.map(({ millis }) => millis))),
      own("worker start-up", "ms", Bench.median(starts.worker.map(({ millis }) => millis))),
      own("api idle memory", "MB", Bench.median(starts.api.map(({ megabytes }) => megabytes))),
      own("worker idle memory", "MB", Bench.median(starts.worker.map(({ megabytes }) => megabytes))),
      own("api stop under load", "ms", Math.max(...stops)),
      own("api stop under open streams", "ms", Math.max(...streamStops)),
      own("longest answer, database shut down", "ms", shutDown.longestMillis),
      own("longest answer, database frozen", "ms", frozen.longestMillis),
      own("recovery, database shut down", "ms", shutDown.recoveryMillis),
      own("recovery, database frozen", "ms", frozen.recoveryMillis),
      own("key revocation delay", "ms", yield* revocation(url, key))
    ]
  })
}
