/**
 * `bench http`: an authenticated GET through the API, with request ids and access log, beside a bare node:http + pg
 * handler that sends the same SQL.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Load from "@hypermarket/bench/Load"
import * as Setup from "@hypermarket/bench/Setup"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as Effect from "effect/Effect"

const rounds = 7
const roundMillis = 5_000
const warmUpMillis = 5_000
const connections = 64

export const bench: Bench.Bench = {
  run: Effect.fn("bench http")(function* () {
    yield* Setup.build
    yield* Setup.installPeers
    const { settings } = yield* Bench.readTargets("http")
    const { key, url } = yield* Setup.database(settings)
    const api = yield* Setup.startApi(url)
    yield* api.ready
    const barePort = yield* ServiceProcess.freePort
    const bare = yield* ServiceProcess.start(Setup.peerScript("bareHttp.js"), [], {
      DATABASE_URL: url,
      PORT: String(barePort)
    })
    yield* ServiceProcess.answers(bare, `http://127.0.0.1:${barePort}/`)
    const ours = (millis: number) =>
      Load.run({
        port: api.port,
        path: "/v1/platform/tenant",
        headers: { authorization: `Bearer ${key}` },
        connections,
        millis
      })
    const theirs = (millis: number) =>
      Load.run({ port: barePort, path: "/", headers: {}, connections, millis })
    yield* ours(warmUpMillis)
    yield* theirs(warmUpMillis)
    const measured: Array<{ readonly ours: Load.Result; readonly bare: Load.Result }> = []
    for (let round = 1; round <= rounds; round++) {
      const one = { ours: yield* ours(roundMillis), bare: yield* theirs(roundMillis) }
      measured.push(one)
      yield* Bench.say(
        `round ${round}: ours ${Math.round(one.ours.requestsPerSecond)}/s (${one.ours.errors} errors), bare ${Math.round(one.bare.requestsPerSecond)}/s`
      )
    }
    const figure = (name: string, unit: string, of: (result: Load.Result) => number): Bench.Figure => ({
      figure: name,
      unit,
      ours: Bench.median(measured.map((one) => of(one.ours))),
      peers: { "node:http + pg": Bench.median(measured.map((one) => of(one.bare))) }
    })
    return [
      figure("authenticated GET", "requests/s", (result) => result.requestsPerSecond),
      figure("authenticated GET, p50", "ms", (result) => Bench.quantile(result.latenciesMillis, 0.5)),
      figure("authenticated GET, p99", "ms", (result) => Bench.quantile(result.latenciesMillis, 0.99))
    ]
  })
}
