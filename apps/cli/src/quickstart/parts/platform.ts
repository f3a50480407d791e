/**
 * Tenants and keys: a first call with the key, and one without. Flags: one for two states and
 * a percentage, asked for by three clients. Region policies and the activity log.
 */
import { TenantAccount } from "@hypermarket/platform/TenantAccount"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { failed } from "../../CommandFailed.ts"
import * as FlagClients from "../FlagClients.ts"
import type { Part } from "../Part.ts"
import * as Policies from "../Policies.ts"
import { thousands } from "../Screen.ts"

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
    const flags = yield* FlagClients.agreement(installation)
    const told = `The flag ${FlagClients.flagKey} is on for ${flags.on.openFeature} of ${flags.users} users: two states, ${FlagClients.percentage} % of each`
    const agreed = `OpenFeature, GrowthBook and Unleash clients agree on ${flags.agreed} of ${flags.users} users`
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
        `Flag for ${FlagClients.percentage} % in two states: OpenFeature, GrowthBook, Unleash agree on ${thousands(flags.agreed)} of ${thousands(flags.users)} users, on for ${flags.on.openFeature}`,
        `A policy forbids cutlery in Utah from 2026 on: ${policy.before} the second before, ${policy.after} then`,
        `The activity log is ${audit.problems === 0 ? "intact" : "not intact"}; ${problem === undefined ? "a changed row in a copy was not found" : "a changed row in a copy of it was found"}`
      ],
      lines: [
        `GET /v1/platform/tenant with the key: 200 in ${millis} ms, ${tenant.name} (plan ${tenant.plan})`,
        "The same without a key: 401, a problem document",
        `${told}; ${agreed}`,
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
