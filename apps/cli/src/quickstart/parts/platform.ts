/** Tenants and keys: a first call with the key, and one without. */
import { TenantAccount } from "@hypermarket/platform/TenantAccount"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { failed } from "../../CommandFailed.ts"
import type { Part } from "../Part.ts"

export const platform: Part = {
  domain: "platform",
  title: "Tenants and API keys",
  run: Effect.fnUntraced(function* ({ apiKey, apiUrl }) {
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
    return {
      figures: {
        tenant: tenant.tenantId,
        plan: tenant.plan,
        status: tenant.status,
        withoutKey: refused.status
      },
      lines: [
        `GET /v1/platform/tenant with the key: 200 in ${millis} ms, ${tenant.name} (plan ${tenant.plan})`,
        "The same without a key: 401, a problem document"
      ],
      next: [`curl -H "Authorization: Bearer $HM_API_KEY" $HM_API_URL/v1/platform/tenant`]
    }
  })
}
