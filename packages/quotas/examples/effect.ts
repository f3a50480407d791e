import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import { TenantQuotas } from "@hypermarket/quotas/TenantQuotas"
import { Console, Effect, Layer } from "effect"

const migrate = Effect.flatMap(Database.options, (options) =>
  Migrations.run([CoreDomain.migrations, QuotasDomain.domain.migrations], options.schema).pipe(
    Effect.provide(Database.layerDirect(options))
  )
)

const services = QuotasDomain.layer.pipe(Layer.provide(Wakeup.layerSend), Layer.provide(Database.layerConfig))

const program = Effect.gen(function* () {
  const limits = yield* RateLimits
  yield* limits.createPolicy({
    policy: "checkout",
    kind: "gcra",
    quota: 2,
    periodMillis: 60_000,
    by: ["user"]
  })
  for (const attempt of [1, 2, 3]) {
    const decision = yield* limits.check({ policies: ["checkout"], subject: { user: "ann" } })
    yield* Console.log(`attempt ${attempt}: ${decision.allowed ? "allowed" : "denied"}`)
  }

  const quotas = yield* TenantQuotas
  yield* quotas.createFeature({ feature: "exports", kind: "metered" })
  yield* quotas.grant("exports", { source: "plan", amount: 100 })
  const reservation = yield* quotas.reserve({ key: "export-1", feature: "exports", amount: 10 })
  yield* quotas.commit(reservation.reservationId, 4)
  const { remaining, used } = yield* quotas.usage({ feature: "exports" })
  yield* Console.log(`exports: ${used} used, ${remaining} remain`)
}).pipe(provide(TenantId.make("acme")), Effect.provide(services))

await Effect.runPromise(Effect.andThen(migrate, program))
