import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { Credentials } from "@hypermarket/core/Credentials"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import * as KeyCredentials from "@hypermarket/platform/KeyCredentials"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import { Console, Effect, Layer, Redacted } from "effect"

const migrate = Effect.flatMap(Database.options, (options) =>
  Migrations.run([CoreDomain.migrations, PlatformDomain.domain.migrations], options.schema).pipe(
    Effect.provide(Database.layerDirect(options))
  )
)

const services = Layer.mergeAll(PlatformDomain.layer, KeyCredentials.layer).pipe(
  Layer.provide(Database.layerConfig)
)

const acme = TenantId.make("acme")

const firstKey = Effect.gen(function* () {
  const tenants = yield* TenantAccounts
  const keys = yield* ApiKeys
  const credentials = yield* Credentials
  yield* tenants.create({ tenantId: acme, name: "Acme" }).pipe(
    Effect.catchTag("TenantExists", () => Effect.void),
    Effect.provideService(AllTenants, { actor: "readme" })
  )
  const issued = yield* keys
    .create({ name: "first", scopes: ["platform:read"] }, "operator")
    .pipe(provide(acme))
  const credential = yield* Effect.flatMap(
    credentials.authenticate(Redacted.make(issued.secret ?? "")),
    Effect.fromOption
  )
  yield* Effect.flatMap(Effect.fromOption(credential.tenantId), Console.log)
}).pipe(Effect.provide(services))

await Effect.runPromise(Effect.andThen(migrate, firstKey))
