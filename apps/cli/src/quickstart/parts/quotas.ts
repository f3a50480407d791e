/**
 * Quotas: the replayed orders metered against a plan, a soft limit with its event, a burst of checks under a rate policy, and requests
 * of the API itself under one.
 */
import { RateDecision } from "@hypermarket/quotas/RateLimit"
import { QuotaUsage } from "@hypermarket/quotas/TenantQuota"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import type * as Schema from "effect/Schema"
import * as ApiClient from "../../ApiClient.ts"
import { failed } from "../../CommandFailed.ts"
import type { Installation, Part } from "../Part.ts"
import { thousands } from "../Screen.ts"
import * as Subscriptions from "../Subscriptions.ts"

/** Orders of the plan: more than the sample has, so that the rest is a figure too. */
const ordersQuota = 6_000

const burst = 5
const checks = 8

const feature = "orders.placed"
const policy = "checkout"
const bucket = { policy, subject: { user: "quickstart" } }

/** A limit of one route of the API, for as long as the part shows it. */
const routePolicy = "policy-reads"
const reads = 8

/** Exports above the soft limit are granted; reaching it is an event. */
const softFeature = "exports.made"
const softQuota = 40
const softUsed = 43
const alerts = {
  name: "Quotas that are used up",
  queue: "quota-alerts",
  filters: [{ exact: { type: "com.hypermarket.quotas.threshold.reached.v1" } }]
}

const poll = Schedule.spaced("50 millis")
const refusedStatus = 429

/** Sends a request; an answer of another status than the expected ones ends the part. */
const send = Effect.fnUntraced(function* (
  { apiKey, apiUrl }: Installation,
  path: string,
  body: Schema.Json,
  expected: ReadonlyArray<number>,
  key?: string
) {
  const client = yield* HttpClient
  const request = HttpClientRequest.post(`${apiUrl}/v1/quotas/${path}`).pipe(
    HttpClientRequest.bearerToken(apiKey),
    HttpClientRequest.bodyJsonUnsafe(body)
  )
  const answer = yield* client.execute(
    key === undefined ? request : HttpClientRequest.setHeader(request, "idempotency-key", key)
  )
  if (!expected.includes(answer.status)) {
    return yield* failed(`POST /v1/quotas/${path} answered ${answer.status}: ${yield* answer.text}`)
  }
  return answer
})

/** Uses more than a soft limit, and returns the type of the event that comes of it, from the tenant's own queue. */
const passSoftLimit = Effect.fnUntraced(function* (installation: Installation) {
  const api = ApiClient.make(installation)
  const call = <A>(run: Parameters<typeof api<A>>[0]) =>
    api(run).pipe(ApiClient.orCommandFailed("A soft limit"))
  yield* Subscriptions.ensure(installation, alerts)
  const soft = { feature: softFeature, kind: "metered", soft: true, thresholds: [100] }
  const made = yield* send(installation, "features", soft, [201, 409])
  if (made.status === 201) {
    yield* send(installation, `features/${softFeature}/grants`, { source: "plan", amount: softQuota }, [201])
  }
  // A key counts once, however often the quickstart runs.
  yield* send(
    installation,
    "records",
    { key: "quickstart exports", feature: softFeature, amount: softUsed - 1 },
    [200]
  )
  yield* send(
    installation,
    "reservations",
    { key: "quickstart one more", feature: softFeature, amount: 1 },
    [201]
  )
  const jobs = call(({ queues }, options) => queues.jobs({ queue: alerts.queue }, options))
  const listed = yield* Effect.repeat(jobs, { until: (page) => page.items.length > 0, schedule: poll })
  return listed.items.map(({ type }) => type)
})

/** Reads a policy until the API refuses to, and returns the answers. The policy that limits it is removed again. */
const readUntilRefused = Effect.fnUntraced(function* (installation: Installation) {
  const client = yield* HttpClient
  const limit = { policy: routePolicy, kind: "gcra", quota: burst, periodMillis: 3_600_000, by: ["route"] }
  yield* send(installation, "policies", { ...limit, routes: ["limits.getPolicy"] }, [201, 409])
  const policies = `${installation.apiUrl}/v1/quotas/policies`
  const read = client.execute(
    HttpClientRequest.get(`${policies}/${policy}`).pipe(HttpClientRequest.bearerToken(installation.apiKey))
  )
  // Every process of the API has the policy after 500 ms, and a busy one may answer without asking the database for its limits.
  const isLimited = ({ headers }: { readonly headers: Readonly<Record<string, string | undefined>> }) =>
    headers["ratelimit-policy"]?.includes(routePolicy) === true
  const subject = { policy: routePolicy, subject: { route: "limits.getPolicy" } }
  const answers = yield* send(installation, "limits/reset", subject, [200]).pipe(
    Effect.andThen(Effect.forEach(Array.from({ length: reads }), () => read)),
    Effect.repeat({
      // A refusal of the round before is remembered for up to 500 ms, and the first answer is one then.
      until: (answers) => answers.every(isLimited) && answers[0]?.status !== refusedStatus,
      schedule: poll
    })
  )
  const removed = yield* client.execute(
    HttpClientRequest.delete(`${policies}/${routePolicy}`).pipe(
      HttpClientRequest.bearerToken(installation.apiKey),
      HttpClientRequest.setHeader("if-match", '"1"')
    )
  )
  if (removed.status !== 204) return yield* failed(`The policy was not removed: ${yield* removed.text}`)
  return answers.map(({ headers, status }) => ({
    status,
    retryAfter: headers["retry-after"],
    ratelimit: headers["ratelimit"]
  }))
})

export const quotas: Part = {
  domain: "quotas",
  title: "Quotas and rate limits",
  run: Effect.fnUntraced(function* (installation, { facts: { orders } }) {
    // 409 is a quickstart that has run before.
    const made = yield* send(installation, "features", { feature, kind: "metered" }, [201, 409])
    if (made.status === 201) {
      yield* send(installation, `features/${feature}/grants`, { source: "plan", amount: ordersQuota }, [201])
    }
    const readUsage = send(installation, "usage", { feature }, [200]).pipe(
      Effect.flatMap(HttpClientResponse.schemaBodyJson(QuotaUsage))
    )
    const { used } = yield* readUsage
    if (used < orders) {
      const record = { key: `orders ${used} to ${orders}`, feature, amount: orders - used }
      yield* send(installation, "records", record, [200])
    }
    const usage = yield* readUsage
    const tooMany = { key: "quickstart too many", feature, amount: ordersQuota + 1 }
    yield* send(installation, "reservations", tooMany, [409])

    const newPolicy = { policy, kind: "gcra", quota: burst, periodMillis: 3_600_000, by: ["user"] }
    yield* send(installation, "policies", newPolicy, [201, 409])
    const check = send(
      installation,
      "limits/check",
      { policies: [policy], subject: bucket.subject },
      [200]
    ).pipe(Effect.flatMap(HttpClientResponse.schemaBodyJson(RateDecision)))
    // A process that waits too long for the database decides alone, and would admit more.
    const decisions = yield* send(installation, "limits/reset", bucket, [200]).pipe(
      Effect.andThen(Effect.forEach(Array.from({ length: checks }), () => check)),
      Effect.repeat({
        until: (decisions) => decisions.every(({ decidedBy }) => decidedBy !== "process"),
        schedule: poll
      })
    )
    const allowed = decisions.filter((decision) => decision.allowed).length
    const answers = yield* readUntilRefused(installation)
    const refused = answers.filter(
      ({ ratelimit, retryAfter, status }) =>
        status === refusedStatus &&
        Number(retryAfter) > 0 &&
        ratelimit?.includes(`"${routePolicy}";r=0;t=`) === true
    )
    const events = yield* passSoftLimit(installation)
    return {
      figures: {
        ordersQuota: usage.quota,
        ordersUsed: usage.used,
        ordersRemaining: usage.remaining,
        checksAllowed: allowed,
        checksDenied: checks - allowed,
        requestsAnswered: answers.filter(({ status }) => status === 200).length,
        requestsRefused: refused.length,
        softLimitEvents: events
      },
      screen: [
        `${thousands(usage.used)} of ${thousands(usage.quota ?? 0)} orders of the plan are used; of ${checks} checks at ${burst} per hour ${allowed} were allowed`
      ],
      lines: [
        `${usage.used} orders of ${usage.quota} in the plan are used, ${usage.remaining} remain; ${ordersQuota + 1} at once: 409`,
        `${checks} checks in a row under a policy of ${burst} per hour: ${allowed} allowed, ${checks - allowed} denied`,
        `${reads} requests of the API under such a policy: ${reads - refused.length} answered, then 429 with Retry-After: ${refused[0]?.retryAfter}, RateLimit: ${refused[0]?.ratelimit}`,
        `${softUsed} exports above a soft limit of ${softQuota} are granted; the queue ${alerts.queue} has ${events.join(", ")}`
      ],
      next: [
        `curl -H "Authorization: Bearer $HM_API_KEY" $HM_API_URL/v1/quotas/features`,
        `curl -H "Authorization: Bearer $HM_API_KEY" $HM_API_URL/v1/quotas/policies`
      ]
    }
  })
}
