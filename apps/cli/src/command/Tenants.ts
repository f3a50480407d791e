/** `hypermarket tenants`: list, create, suspend, activate. */
import * as Database from "@hypermarket/core/Database"
import { AllTenants, TenantId } from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import type { TenantAccount, TenantChange } from "@hypermarket/platform/TenantAccount"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { collect } from "../collect.ts"
import { failed, orCommandFailed } from "../CommandFailed.ts"
import * as Output from "../Output.ts"

const services = Layer.unwrap(
  Effect.map(Database.options, (options) =>
    Layer.merge(TenantAccounts.layer, ActivityLog.layerAudit).pipe(
      Layer.provide(Database.layer(options, "hypermarket-cli"))
    )
  )
)

/** The operator at the command line acts for the whole installation. */
const asOperator = Effect.provideService(AllTenants, { actor: "cli" })

export const tenantArgument = Argument.String("tenant").pipe(
  Argument.withDescription("The tenant's id: 1 to 63 of a-z, 0-9, - and _"),
  Argument.withSchema(TenantId)
)

const line = (tenant: TenantAccount) => [
  tenant.tenantId,
  tenant.status,
  tenant.plan,
  tenant.region ?? "-",
  tenant.name
]

const list = Command.make(
  "list",
  { json: Output.jsonFlag },
  Effect.fn(
    function* ({ json }) {
      const accounts = yield* TenantAccounts
      const tenants = yield* collect(accounts.list)
      yield* json
        ? Output.json({ items: tenants })
        : Console.log(Output.columns([["TENANT", "STATUS", "PLAN", "REGION", "NAME"], ...tenants.map(line)]))
    },
    asOperator,
    Effect.provide(services),
    orCommandFailed
  )
).pipe(Command.withDescription("List the tenants"))

const create = Command.make(
  "create",
  {
    tenant: tenantArgument,
    name: Flag.String("name").pipe(Flag.withDescription("Its name; the id by default"), Flag.optional),
    plan: Flag.String("plan").pipe(Flag.withDescription("Its plan"), Flag.withDefault("standard"))
  },
  Effect.fn(
    function* ({ name, plan, tenant }) {
      const accounts = yield* TenantAccounts
      const made = yield* accounts
        .create({ tenantId: tenant, name: Option.getOrElse(name, () => tenant), plan })
        .pipe(
          Effect.catchTag("TenantExists", () => Effect.fail(failed(`The tenant ${tenant} exists already`)))
        )
      yield* Console.log(`Created ${made.tenantId} (${made.name}, plan ${made.plan})`)
    },
    asOperator,
    Effect.provide(services),
    orCommandFailed
  )
).pipe(Command.withDescription("Make a tenant"))

const change = (tenant: TenantId, changed: TenantChange) =>
  Effect.gen(function* () {
    const accounts = yield* TenantAccounts
    const current = yield* accounts.get(tenant)
    return yield* accounts.change(tenant, current.version, changed)
  }).pipe(
    Effect.catchTag(["TenantNotFound", "VersionStale"], (problem) =>
      Effect.fail(
        failed(
          problem._tag === "TenantNotFound"
            ? `There is no tenant ${tenant}`
            : `${tenant} was changed just now by another caller: read it again`
        )
      )
    )
  )

const suspend = Command.make(
  "suspend",
  {
    tenant: tenantArgument,
    reason: Flag.String("reason").pipe(Flag.withDescription("Why; kept with the tenant"))
  },
  Effect.fn(
    function* ({ reason, tenant }) {
      yield* change(tenant, { status: "suspended", statusReason: reason })
      yield* Console.log(`Suspended ${tenant}; its keys answer 403 within 5 seconds`)
    },
    asOperator,
    Effect.provide(services),
    orCommandFailed
  )
).pipe(Command.withDescription("Refuse a tenant's requests; its data stays"))

const activate = Command.make(
  "activate",
  { tenant: tenantArgument },
  Effect.fn(
    function* ({ tenant }) {
      yield* change(tenant, { status: "active" })
      yield* Console.log(`Activated ${tenant}`)
    },
    asOperator,
    Effect.provide(services),
    orCommandFailed
  )
).pipe(Command.withDescription("Accept a suspended tenant's requests again"))

export const command = Command.make("tenants").pipe(
  Command.withDescription("Tenants of the installation behind DATABASE_URL"),
  Command.withSubcommands([list, create, suspend, activate])
)
