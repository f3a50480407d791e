import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import { SubjectRequests } from "@hypermarket/platform/SubjectRequests"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import { ConfigProvider, Effect, Layer } from "effect"
import * as Support from "./auditSupport.ts"

const services = Layer.mergeAll(TenantAccounts.layer, ApiKeys.layer, SubjectRequests.layer).pipe(
  Layer.provideMerge(Support.layerLog)
)

const acme = TenantId.make("acme")
const globex = TenantId.make("globex")

layer(services, { excludeTestServices: true })("The activity log of the installation", (it) => {
  it.effect("has acts on a tenant in the tenant's log too, and in no other tenant's", () =>
    Effect.gen(function* () {
      const tenants = yield* TenantAccounts
      const keys = yield* ApiKeys
      const requests = yield* SubjectRequests
      const log = yield* ActivityLog
      yield* tenants.create({ tenantId: acme, name: "Acme" })
      yield* tenants.create({ tenantId: globex, name: "Globex" })
      yield* keys.create({ name: "first", scopes: ["platform:read"] }, "operator").pipe(provide(acme))
      yield* tenants.change(acme, 1, { plan: "large" })
      yield* tenants.change(acme, 2, { status: "suspended", statusReason: "unpaid" })
      yield* requests.createForTenant(acme)
      const actionsOf = Effect.fnUntraced(function* (tenant: TenantId) {
        const { items } = yield* log.list({}).pipe(provide(tenant))
        return items.map(({ action }) => action).toReversed()
      })
      assert.deepStrictEqual(yield* actionsOf(acme), [
        "tenant.created",
        "key.created",
        "tenant.changed",
        "tenant.changed",
        "tenant.erasure-requested"
      ])
      assert.deepStrictEqual(yield* actionsOf(globex), ["tenant.created"])
    }).pipe(Support.asSystem)
  )

  it.effect("is warned of by doctor without a key, and fails it with one that is malformed", () =>
    Effect.gen(function* () {
      const check = PlatformDomain.domain.checks.find(({ name }) => name === "activity log key")
      const findings = (settings: Readonly<Record<string, string>>) =>
        (check?.run ?? Effect.succeed([])).pipe(
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(settings))),
          Effect.map((list) => list.map(({ message, status }) => `${status}: ${message}`))
        )
      assert.deepStrictEqual(yield* findings({}), ["warn: checkpoints of the activity log are not signed"])
      assert.deepStrictEqual(yield* findings({ HM_PLATFORM_AUDIT_KEY: Support.keyEntry("k9") }), [
        "ok: checkpoints of the activity log are signed by k9"
      ])
      assert.deepStrictEqual(yield* findings({ HM_PLATFORM_AUDIT_KEY: "k9:short" }), [
        "fail: HM_PLATFORM_AUDIT_KEY cannot be read"
      ])
    })
  )
})
