/** `hypermarket console`: a link that opens a signed-in console once. */
import { readScopes } from "@hypermarket/api/console/scopes"
import { AccessScope } from "@hypermarket/core/AccessScope"
import * as Database from "@hypermarket/core/Database"
import * as Now from "@hypermarket/core/Now"
import * as Tenant from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import { ConsoleSessions } from "@hypermarket/platform/ConsoleSessions"
import { consoleSessionHours } from "@hypermarket/platform/PlatformSettings"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { userInfo } from "node:os"
import { collect } from "../collect.ts"
import { failed, misused, orCommandFailed } from "../CommandFailed.ts"
import * as ConsoleLink from "../ConsoleLink.ts"

const services = Layer.unwrap(
  Effect.map(Database.options, (options) =>
    Layer.mergeAll(ApiKeys.layer, TenantAccounts.layer, ConsoleSessions.layer, ActivityLog.layerAudit).pipe(
      Layer.provide(Database.layer(options, "hypermarket-cli"))
    )
  )
)

/** A container may have no name for its user. */
const userName = Effect.orElseSucceed(
  Effect.try(() => userInfo().username),
  () => "operator"
)

/** The tenant that was named, or the only one. */
const chosen = Effect.fnUntraced(function* (named: Option.Option<Tenant.TenantId>) {
  const accounts = yield* TenantAccounts
  if (Option.isSome(named)) {
    return yield* accounts.get(named.value).pipe(
      Effect.map((account) => account.tenantId),
      Effect.catchTag("TenantNotFound", ({ tenantId }) =>
        Effect.fail(failed(`There is no tenant ${tenantId}`))
      )
    )
  }
  const tenants = yield* collect(accounts.list)
  const [first, ...others] = tenants
  if (first === undefined) {
    return yield* failed("There is no tenant yet: make one with `hypermarket tenants create <tenant>`")
  }
  if (others.length > 0) {
    const shown = tenants.slice(0, 20).map(({ tenantId }) => tenantId)
    const more = tenants.length > shown.length ? ", ..." : ""
    return yield* misused(`Give --tenant, one of ${shown.join(", ")}${more}, or --system`)
  }
  return first.tenantId
})

export const command = Command.make(
  "console",
  {
    tenant: Flag.String("tenant").pipe(
      Flag.withDescription("The tenant to sign in to; the only one by default"),
      Flag.withSchema(Tenant.TenantId),
      Flag.optional
    ),
    scopes: Flag.String("scope").pipe(
      Flag.withDescription("A scope beside the read scopes, such as events:write; give it several times"),
      Flag.withSchema(AccessScope),
      Flag.atLeast(0)
    ),
    system: Flag.Boolean("system").pipe(
      Flag.withDescription("Sign in as the operator of the installation, who sees no tenant's rows"),
      Flag.withDefault(false)
    )
  },
  Effect.fn(
    function* ({ scopes, system, tenant }) {
      if (system && (Option.isSome(tenant) || scopes.length > 0)) {
        return yield* misused("--system takes no --tenant and no --scope")
      }
      const keys = yield* ApiKeys
      const now = yield* Now.now
      const hours = yield* consoleSessionHours.config
      const expiresAt = DateTime.add(DateTime.makeUnsafe(now), { hours })
      const name = `console-${now.toISOString().slice(0, 10)}-${yield* userName}`
      const tenantId = system ? undefined : yield* chosen(tenant)
      const issued = yield* tenantId === undefined
        ? keys.createSystem(name, expiresAt)
        : keys
            .create({ name, scopes: Array.from(new Set([...readScopes, ...scopes])), expiresAt }, "operator")
            .pipe(
              Tenant.provide(tenantId),
              Effect.catchTag("ScopeTooWide", () =>
                Effect.fail(failed("system:* scopes belong to the tenant-less credential: use --system"))
              )
            )
      yield* Console.log(
        [
          yield* ConsoleLink.make(yield* ConsoleLink.apiUrl, tenantId, issued.apiKey.apiKeyId),
          "",
          `It opens the console once, within ten minutes. The session ends in ${hours} hours.`
        ].join("\n")
      )
    },
    Effect.provideService(Tenant.AllTenants, { actor: "cli" }),
    Effect.provide(services),
    orCommandFailed
  )
).pipe(Command.withDescription("Make a link that opens a signed-in console once"))
