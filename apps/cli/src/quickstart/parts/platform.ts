/**
 * Tenants and keys: a first call with the key, and one without. Flags: a checkout for a quarter of the shop's customers, asked
 * for over OFREP as OpenFeature's providers ask. Region policies and the activity log.
 */
import { TenantAccount } from "@hypermarket/platform/TenantAccount"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { failed } from "../../CommandFailed.ts"
import * as CustomerOrders from "../CustomerOrders.ts"
import type { Part } from "../Part.ts"
import * as Policies from "../Policies.ts"

/** Customers whose flag is asked for: enough to see a quarter of them, and done in a second. */
const customersMax = 200
const requestsAtOnce = 8

const flagKey = "new-checkout"
const percentage = 25

const flag = {
  flagKey,
  kind: "boolean",
  owner: "checkout team",
  environments: {
    live: {
      isEnabled: true,
      rules: [{ ruleId: "quarter", percentage, serve: { variant: "on" } }],
      otherwise: { variant: "off" }
    }
  }
}

const Evaluation = Schema.Struct({ value: Schema.Boolean })

/** Makes the flag once, and counts the customers who have it. */
const rollout = Effect.fnUntraced(function* (apiUrl: string, apiKey: string, tenantId: string) {
  const client = yield* HttpClient
  const post = (path: string, body: Schema.Json) =>
    client.execute(
      HttpClientRequest.post(`${apiUrl}${path}`).pipe(
        HttpClientRequest.bearerToken(apiKey),
        HttpClientRequest.bodyJsonUnsafe(body)
      )
    )
  const created = yield* post("/v1/platform/flags", flag)
  if (created.status !== 201 && created.status !== 409) {
    return yield* failed(`Creating a flag answered ${created.status}: ${yield* created.text}`)
  }
  const evaluate = Effect.fnUntraced(function* (customerId: string) {
    const answer = yield* post(`/ofrep/v1/evaluate/flags/${flagKey}`, {
      context: { targetingKey: customerId }
    }).pipe(
      // The process that evaluates is woken after the commit.
      Effect.repeat({
        until: ({ status }) => status !== 404,
        schedule: Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: "5 seconds" }))
      })
    )
    if (answer.status !== 200) {
      return yield* failed(`Evaluating a flag answered ${answer.status}: ${yield* answer.text}`)
    }
    return (yield* HttpClientResponse.schemaBodyJson(Evaluation)(answer)).value
  })
  const customers = yield* CustomerOrders.firstIds(tenantId, customersMax)
  const values = yield* Effect.forEach(customers, evaluate, { concurrency: requestsAtOnce })
  return { customers: customers.length, withNewCheckout: values.filter(Boolean).length }
})

export const platform: Part = {
  domain: "platform",
  title: "Tenants, API keys, feature flags, region policies and the activity log",
  run: Effect.fnUntraced(function* (installation) {
    const { apiKey, apiUrl, tenantId } = installation
    const client = yield* HttpClient
    const request = HttpClientRequest.get(`${apiUrl}/v1/platform/tenant`)
    const refused = yield* client.execute(request)
    if (refused.status !== 401)
      return yield* failed(`A call without a key answered ${refused.status}, not 401`)
    const before = yield* Clock.currentTimeMillis
    const answer = yield* client.execute(HttpClientRequest.bearerToken(request, apiKey))
    if (answer.status !== 200)
      return yield* failed(`The first call answered ${answer.status}: ${yield* answer.text}`)
    const tenant = yield* HttpClientResponse.schemaBodyJson(TenantAccount)(answer)
    const millis = (yield* Clock.currentTimeMillis) - before
    const flags = yield* rollout(apiUrl, apiKey, tenantId)
    const policy = yield* Policies.policies(installation)
    const { intact, tampered } = yield* Policies.verification(tenantId)
    const [problem] = tampered.problems
    const audit = { problems: intact.problems.length, tampered: problem?.kind ?? null }
    return {
      figures: {
        tenant: tenant.tenantId,
        plan: tenant.plan,
        status: tenant.status,
        withoutKey: refused.status,
        flags,
        policy,
        audit
      },
      screen: [
        `The flag ${flagKey} reaches ${flags.withNewCheckout} of ${flags.customers} customers at ${percentage} %, asked over OFREP`,
        `A policy forbids cutlery in Utah from 2026 on: ${policy.before} the second before, ${policy.after} then`,
        `The activity log is ${audit.problems === 0 ? "intact" : "not intact"}; ${problem === undefined ? "a changed row in a copy was not found" : "a changed row in a copy of it was found"}`
      ],
      lines: [
        `GET /v1/platform/tenant with the key: 200 in ${millis} ms, ${tenant.name} (plan ${tenant.plan})`,
        "The same without a key: 401, a problem document",
        `The flag ${flagKey} reaches ${flags.withNewCheckout} of ${flags.customers} customers at ${percentage} %, asked over OFREP`,
        `The policy ${Policies.policyKey} forbids cutlery in Utah from 2026 on: ${policy.before} the second before, ${policy.after} then; with Nevada ${policy.dryRun.deniedAfter} and not ${policy.dryRun.deniedBefore} of ${policy.dryRun.questions} questions would be denied`,
        `The activity log is ${audit.problems === 0 ? "intact" : "not intact"}; of a copy with one changed row: ${problem === undefined ? "nothing was found" : `${problem.kind} ${problem.id}, ${problem.reason}`}`
      ],
      next: [
        `curl -H "Authorization: Bearer $HM_API_KEY" $HM_API_URL/v1/platform/tenant`,
        `curl -H "Authorization: Bearer $HM_API_KEY" -H "Content-Type: application/json" -d '{"context":{"targetingKey":"customer-1"}}' $HM_API_URL/ofrep/v1/evaluate/flags`,
        `curl -H "Authorization: Bearer $HM_API_KEY" "$HM_API_URL/v1/platform/activity?limit=5"`
      ]
    }
  })
}
