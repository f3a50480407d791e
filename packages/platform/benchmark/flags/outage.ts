/** Evaluations over HTTP while the database is shut down: they go on at the last revision, and limits are asked for each. */
import * as Bench from "@hypermarket/bench/Bench"
import * as Load from "@hypermarket/bench/Load"
import * as Setup from "@hypermarket/bench/Setup"
import * as DatabaseOutage from "@hypermarket/testing/DatabaseOutage"
import * as Effect from "effect/Effect"

const connections = 8
const warmUpMillis = 3_000
/** In the first second a process finds out that limits cannot be asked. */
const firstMillis = 1_000
const outageMillis = 60_000

const flag = {
  flagKey: "new-checkout",
  kind: "boolean",
  environments: {
    live: {
      isEnabled: true,
      rules: [{ ruleId: "some", percentage: 25, serve: { variant: "on" } }],
      otherwise: { variant: "off" }
    }
  }
}

export const outage = Effect.fnUntraced(function* (scale: number) {
  yield* Setup.build
  const database = yield* DatabaseOutage.shutDown
  const { key } = yield* Setup.tenantWithKey(database.server.url, ["flags:admin", "flags:read"])
  const api = yield* Setup.startApi(database.server.url, { HM_API_ACCESS_LOG: "false" })
  yield* api.ready
  const headers = { authorization: `Bearer ${key}` }
  const made = yield* Effect.tryPromise(() =>
    fetch(`http://127.0.0.1:${api.port}/v1/platform/flags`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json", "idempotency-key": "bench" },
      body: JSON.stringify(flag)
    }).then(async (answer) => ({ status: answer.status, text: await answer.text() }))
  )
  if (made.status !== 201) return yield* new Setup.SetupFailed({ message: made.text })
  const evaluate = (millis: number) =>
    Load.run({
      port: api.port,
      path: `/ofrep/v1/evaluate/flags/${flag.flagKey}`,
      headers,
      bodies: Array.from({ length: 100 }, (_, user) =>
        JSON.stringify({ context: { targetingKey: `c-${user}` } })
      ),
      connections,
      millis
    })
  yield* evaluate(warmUpMillis)
  const before = yield* evaluate(warmUpMillis)
  yield* database.leave
  const first = yield* evaluate(firstMillis)
  const during = yield* evaluate(outageMillis * scale)
  yield* database.comeBack
  const p99 = (result: Load.Result) => Bench.quantile(result.latenciesMillis, 0.99)
  const own = (figure: string, unit: string, ours: number): Bench.Figure => ({
    figure,
    unit,
    ours,
    peers: {}
  })
  return [
    own("OFREP, database there: p99", "ms", p99(before)),
    own("OFREP, database shut down: p99 of the first second", "ms", p99(first)),
    own("OFREP, database shut down: p99 from the second second on", "ms", p99(during)),
    own("OFREP, database shut down: answers other than 200", "answers", first.errors + during.errors),
    own("OFREP, database shut down: rate", "requests/s", during.requestsPerSecond)
  ]
}, Effect.scoped)
