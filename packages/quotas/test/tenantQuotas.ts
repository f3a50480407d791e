/** Features and grants of these tests. */
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { QuotaMaintenance } from "@hypermarket/quotas/QuotaMaintenance"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import type { NewQuotaFeature, NewQuotaGrant } from "@hypermarket/quotas/QuotaFeature"
import { TenantQuotas } from "@hypermarket/quotas/TenantQuotas"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { DateTime, Effect, Layer } from "effect"

export const published: Array<Outbox.Event> = []

export const TestLayer = QuotasDomain.layer.pipe(
  Layer.provide(
    Layer.succeed(Outbox.Outbox, {
      publish: (events) =>
        Effect.sync(() => {
          published.push(...events)
        })
    })
  ),
  Layer.provideMerge(Now.layerTest),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

export let tenants = 0
export const fresh = () => provide(TenantId.make(`tenant-${++tenants}`))
export const asWorker = Effect.provideService(AllTenants, { actor: "test" })

export const at = (text: string) => DateTime.makeUnsafe(text)
export const month = {
  unit: "month" as const,
  anchor: at("2026-01-31T00:00:00+01:00"),
  zone: "Europe/Berlin"
}

export const setUp = (feature: Partial<NewQuotaFeature> = {}, grant: Partial<NewQuotaGrant> = {}) =>
  Effect.flatMap(TenantQuotas, (quotas) =>
    Effect.andThen(
      quotas.createFeature({ feature: "calls", kind: "metered", ...feature }),
      quotas.grant(feature.feature ?? "calls", { source: "plan", amount: 100, ...grant })
    )
  )

export const setNow = (text: string) =>
  Effect.flatMap(Now.TestNow, (now) => now.set(DateTime.toDate(at(text))))

export const fold = Effect.flatMap(QuotaMaintenance, (maintenance) => maintenance.fold).pipe(asWorker)
