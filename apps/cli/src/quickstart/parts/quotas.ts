/** Quotas: the replayed orders metered against a plan, and a burst of checks under a rate policy. */
import { RateDecision } from "@hypermarket/quotas/RateLimit"
import { QuotaUsage } from "@hypermarket/quotas/TenantQuota"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import type * as Schema from "effect/Schema"
import { failed } from "../../CommandFailed.ts"
import type { Installation, Part } from "../Part.ts"
import { thousands } from "../Screen.ts"

/** Orders of the plan: more than the sample has, so that the rest is a figure too. */
const ordersQuota = 6_000

const burst = 5
const checks = 8

const feature = "orders.placed"
const policy = "checkout"
const bucket = { policy, subject: { user: "quickstart" } }

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
    yield* send(installation, "limits/reset", bucket, [200])
    const decisions = yield* Effect.forEach(Array.from({ length: checks }), () =>
      send(installation, "limits/check", { policies: [policy], subject: bucket.subject }, [200]).pipe(
        Effect.flatMap(HttpClientResponse.schemaBodyJson(RateDecision))
      )
    )
    const allowed = decisions.filter((decision) => decision.allowed).length
    return {
      figures: {
        ordersQuota: usage.quota,
        ordersUsed: usage.used,
        ordersRemaining: usage.remaining,
        checksAllowed: allowed,
        checksDenied: checks - allowed
      },
      screen: [
        `${thousands(usage.used)} of ${thousands(usage.quota ?? 0)} orders of the plan are used; of ${checks} checks at ${burst} per hour ${allowed} were allowed`
      ],
      lines: [
        `${usage.used} orders of ${usage.quota} in the plan are used, ${usage.remaining} remain; ${ordersQuota + 1} at once: 409`,
        `${checks} checks in a row under a policy of ${burst} per hour: ${allowed} allowed, ${checks - allowed} denied`
      ],
      next: [
        `curl -H "Authorization: Bearer $HM_API_KEY" $HM_API_URL/v1/quotas/features`,
        `curl -H "Authorization: Bearer $HM_API_KEY" $HM_API_URL/v1/quotas/policies`
      ]
    }
  })
}
