/** Risk: good payments and planted attacks on the demo shop, all simulated. The starter rules decide. */
import { RiskAnswer } from "@hypermarket/risk/RiskDecision"
import { RiskRuleSet, RiskRuleState } from "@hypermarket/risk/RiskRuleSet"
import { starterRules } from "@hypermarket/risk/StarterRules"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { failed } from "../../CommandFailed.ts"
import type { Installation, Part } from "../Part.ts"
import * as PlantedSignals from "../PlantedSignals.ts"

const send = Effect.fnUntraced(function* (
  { apiKey, apiUrl }: Installation,
  method: "GET" | "POST" | "PUT",
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {}
) {
  const client = yield* HttpClient
  const request = HttpClientRequest.make(method)(`${apiUrl}/v1/risk/${path}`).pipe(
    HttpClientRequest.bearerToken(apiKey),
    HttpClientRequest.setHeaders(headers)
  )
  const answer = yield* client.execute(
    body === undefined ? request : HttpClientRequest.bodyJsonUnsafe(request, body)
  )
  return answer.status < 300
    ? answer
    : yield* failed(`${method} /v1/risk/${path} answered ${answer.status}: ${yield* answer.text}`)
})

/** A busy machine decides later than a checkout would wait; figures are the same every time. */
const deadlineMillis = 10_000

const decide = Effect.fnUntraced(function* (installation: Installation, signal: PlantedSignals.Signal) {
  const answer = yield* send(installation, "POST", "decisions", { ...signal, deadlineMillis })
  return yield* HttpClientResponse.schemaBodyJson(RiskAnswer)(answer)
})

/** Makes the starter rules live, unless a version is. */
const ensureRules = Effect.fnUntraced(function* (installation: Installation) {
  const state = yield* Effect.flatMap(
    send(installation, "GET", "rules/live"),
    HttpClientResponse.schemaBodyJson(RiskRuleState)
  )
  if (state.live !== null) return
  const { version } = yield* Effect.flatMap(
    send(installation, "POST", "rule-sets", starterRules, { "idempotency-key": "quickstart-risk" }),
    HttpClientResponse.schemaBodyJson(RiskRuleSet)
  )
  const chosen = yield* Effect.flatMap(
    send(installation, "GET", "rules/live"),
    HttpClientResponse.schemaBodyJson(RiskRuleState)
  )
  yield* send(installation, "PUT", "rules/live", { live: version }, { "if-match": `"${chosen.version}"` })
})

/** A version acts within two seconds. A new subject each time, which no rule concerns. */
const live = Effect.fnUntraced(function* (installation: Installation) {
  for (let index = 0; index < 100; index++) {
    const answer = yield* decide(installation, {
      kind: "message",
      subject: `simulated-probe-${index}`,
      entities: {}
    })
    if (answer.version !== null) return
    yield* Effect.sleep("50 millis")
  }
  return yield* failed("The starter rules did not become live")
})

export const risk: Part = {
  domain: "risk",
  title: "Risk decisions (simulated payments and attacks)",
  run: Effect.fnUntraced(function* (installation) {
    yield* ensureRules(installation)
    yield* live(installation)
    const { attacks, good } = PlantedSignals.plan(installation.seed)
    let stopped = 0
    for (const signal of good) {
      const { outcome } = yield* decide(installation, signal)
      if (outcome !== "allow") stopped++
    }
    const caught: Record<string, string> = {}
    for (const { before, name, tries } of attacks) {
      yield* send(installation, "POST", "signals", { signals: [...before] })
      const outcomes = yield* Effect.forEach(tries, (signal) => decide(installation, signal))
      caught[name] = outcomes.map(({ outcome }) => outcome).join(", ")
    }
    return {
      figures: { seed: installation.seed, good: good.length, goodStopped: stopped, ...caught },
      screen: [
        `${good.length} simulated payments, ${stopped} stopped; ${Object.entries(caught)
          .map(([name, outcomes]) => `${name}: ${outcomes.split(", ").at(-1)}`)
          .join("; ")}`
      ],
      lines: [
        `Planted from seed ${installation.seed}; --seed takes another one`,
        `${good.length} good payments: ${stopped} stopped`,
        ...Object.entries(caught).map(([name, outcomes]) => `${name}: ${outcomes}`)
      ],
      next: [`curl -H "Authorization: Bearer $HM_API_KEY" "$HM_API_URL/v1/risk/decisions?limit=1"`]
    }
  })
}
