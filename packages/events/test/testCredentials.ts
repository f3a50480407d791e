/** Keys of tests: the tenant's name is the secret. */
import { Credentials } from "@hypermarket/core/Credentials"
import { TenantId } from "@hypermarket/core/Tenant"
import { Effect, Layer, Option, Redacted } from "effect"

export const layer = Layer.succeed(Credentials, {
  authenticate: (secret) => {
    const tenantId = Redacted.value(secret)
    return Effect.succeed(
      Option.some({
        keyId: tenantId,
        kind: "server",
        tenantId: Option.some(TenantId.make(tenantId)),
        environment: "live",
        plan: Option.some("standard"),
        resource: Option.none(),
        isTenantActive: true,
        scopes: new Set(["events:admin", "events:write", "events:read", "events:payload"])
      })
    )
  }
})
