/**
 * The tenants and their keys, made once and kept in files of the data folder, which only its owner can read.
 */
import * as Tenant from "@hypermarket/core/Tenant"
import { Credentials } from "@hypermarket/core/Credentials"
import { ApiKeyId } from "@hypermarket/platform/ApiKey"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { failed } from "../CommandFailed.ts"

export const demo = { tenantId: Tenant.TenantId.make("demo"), name: "Demo Shop", file: "quickstart.json" }
/** A tenant that imports old orders. */
export const importer = {
  tenantId: Tenant.TenantId.make("demo-import"),
  name: "Demo Import",
  file: "quickstart-import.json"
}

const Kept = Schema.fromJsonString(Schema.Struct({ tenantId: Tenant.TenantId, apiKey: Schema.String }))

/** The demo key may do everything its tenant may. */
const scopes = [
  "events:admin",
  "events:payload",
  "customers:contact",
  "search:admin",
  "risk:admin",
  "platform:admin",
  "flags:admin",
  "policy:admin",
  "audit:admin",
  "analytics:admin",
  "notifications:admin",
  "quotas:admin",
  "experiments:admin",
  "observability:admin"
]

const ownerOnly = 0o600

const readKept = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const credentials = yield* Credentials
  const kept = yield* fs.readFileString(file).pipe(Effect.flatMap(Schema.decodeEffect(Kept)), Effect.option)
  if (Option.isNone(kept)) return Option.none()
  // The database may have been created again since.
  const known = yield* credentials.authenticate(Redacted.make(kept.value.apiKey))
  return Option.map(known, ({ keyId }) => ({ ...kept.value, apiKeyId: ApiKeyId.make(keyId) }))
})

export const ensure = Effect.fn("Demo.ensure")(function* (file: string, { name, tenantId }: typeof demo) {
  const kept = yield* readKept(file)
  if (Option.isSome(kept)) return kept.value
  const fs = yield* FileSystem.FileSystem
  const accounts = yield* TenantAccounts
  const keys = yield* ApiKeys
  yield* accounts.create({ tenantId, name }).pipe(
    Effect.catchTag("TenantExists", () => accounts.get(tenantId)),
    Effect.orDie
  )
  const issued = yield* keys
    .create({ name: "quickstart", scopes }, "operator")
    .pipe(Tenant.provide(tenantId), Effect.catchTag("ScopeTooWide", Effect.die))
  const made = { tenantId, apiKey: issued.secret ?? "", apiKeyId: issued.apiKey.apiKeyId }
  const text = yield* Effect.orDie(Schema.encodeEffect(Kept)(made))
  // Written whole or not at all: a kill in between must not leave half a file.
  const fresh = `${file}.new`
  yield* fs.writeFileString(fresh, text, { mode: ownerOnly }).pipe(
    Effect.andThen(fs.rename(fresh, file)),
    Effect.mapError((error) => failed(`Cannot keep the demo key in ${file}: ${error.message}`))
  )
  return made
})
