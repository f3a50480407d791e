/** `hypermarket keys`: list, create, rotate, revoke; and the tenant-less credential of administration. */
import { AccessScope, systemAdmin } from "@hypermarket/core/AccessScope"
import * as KeyScopes from "@hypermarket/installation/KeyScopes"
import * as Database from "@hypermarket/core/Database"
import * as Tenant from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import { type ApiKey, ApiKeyId, type IssuedKey, type NewApiKey } from "@hypermarket/platform/ApiKey"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { collect } from "../collect.ts"
import { failed, misused, orCommandFailed } from "../CommandFailed.ts"
import * as Output from "../Output.ts"
import { tenantArgument } from "./Tenants.ts"

const services = Layer.unwrap(
  Effect.map(Database.options, (options) =>
    Layer.mergeAll(ApiKeys.layer, TenantAccounts.layer, ActivityLog.layerAudit).pipe(
      Layer.provide(Database.layer(options, "hypermarket-cli"))
    )
  )
)

const asOperator = Effect.provideService(Tenant.AllTenants, { actor: "cli" })

const leakedPattern =
  /^(?:hm_)?([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})(?:_[A-Za-z0-9]*)?$/

/** A leaked key is at hand as its text, whose id has no hyphens. */
const AnyKeyId = Schema.String.pipe(
  Schema.decodeTo(
    ApiKeyId,
    SchemaTransformation.transform({
      decode: (text) => text.trim().toLowerCase().replace(leakedPattern, "$1-$2-$3-$4-$5"),
      encode: (id) => id
    })
  )
)

const keyArgument = Argument.String("key").pipe(
  Argument.withDescription("The key's id, as `keys list` shows it, or the key itself"),
  Argument.withSchema(AnyKeyId)
)

const requireTenant = (tenant: Tenant.TenantId) =>
  Effect.flatMap(TenantAccounts, (accounts) => accounts.get(tenant)).pipe(
    Effect.catchTag("TenantNotFound", () =>
      Effect.fail(
        failed(`There is no tenant ${tenant}: make it with \`hypermarket tenants create ${tenant}\``)
      )
    )
  )

const stateOf = (key: ApiKey, now: DateTime.Utc): string => {
  if (key.revokedAt !== null) return "revoked"
  if (key.expiresAt === null) return "active"
  return DateTime.isLessThanOrEqualTo(key.expiresAt, now)
    ? "expired"
    : `until ${DateTime.formatIso(key.expiresAt)}`
}

const print = (issued: IssuedKey, json: boolean) =>
  json
    ? Output.json({ apiKeyId: issued.apiKey.apiKeyId, secret: issued.secret, scopes: issued.apiKey.scopes })
    : Console.log(
        [
          `Key ${issued.apiKey.apiKeyId} with ${issued.apiKey.scopes.join(", ")}`,
          "",
          `  ${issued.secret}`,
          "",
          "It is not stored and not shown again."
        ].join("\n")
      )

const problemText = (tag: string, key: string): string =>
  ({
    ApiKeyNotFound: `The tenant has no key ${key}`,
    ApiKeyInactive: `The key ${key} is revoked or expired already`,
    VersionStale: `The key ${key} was changed just now by another caller: read it again`,
    ScopeTooWide: "system:* scopes belong to the tenant-less credential: use --system"
  })[tag] ?? tag

const list = Command.make(
  "list",
  { tenant: tenantArgument, json: Output.jsonFlag },
  Effect.fn(
    function* ({ json, tenant }) {
      yield* requireTenant(tenant)
      const keys = yield* ApiKeys
      const all = yield* collect(keys.list).pipe(Tenant.provide(tenant))
      const now = yield* DateTime.now
      yield* json
        ? Output.json({ items: all })
        : Console.log(
            Output.columns([
              ["KEY", "KIND", "STATE", "SCOPES", "NAME"],
              ...all.map((key) => [key.apiKeyId, key.kind, stateOf(key, now), key.scopes.join(","), key.name])
            ])
          )
    },
    asOperator,
    Effect.provide(services),
    orCommandFailed
  )
).pipe(Command.withDescription("List a tenant's keys, without their secrets"))

const issueSystem = (name: string) =>
  Effect.flatMap(ApiKeys, (keys) => keys.createSystem(name)).pipe(Effect.provide(services))

const issue = Effect.fnUntraced(function* (tenant: Tenant.TenantId, key: NewApiKey) {
  yield* requireTenant(tenant)
  const keys = yield* ApiKeys
  return yield* keys.create(key, "operator").pipe(
    Tenant.provide(tenant),
    Effect.catchTag("ScopeTooWide", (problem) => Effect.fail(failed(problemText(problem._tag, ""))))
  )
}, Effect.provide(services))

const create = Command.make(
  "create",
  {
    tenant: tenantArgument.pipe(Argument.optional),
    system: Flag.Boolean("system").pipe(
      Flag.withDescription("The tenant-less credential that manages tenants over the API"),
      Flag.withDefault(false)
    ),
    scopes: Flag.String("scope").pipe(
      Flag.withDescription("<domain>:read, <domain>:write or <domain>:admin; give it several times"),
      Flag.withSchema(AccessScope),
      // The service refuses that of the system, and says how to get it.
      Flag.filter(
        (scope) => scope === systemAdmin || KeyScopes.exists(scope),
        () => KeyScopes.text
      ),
      Flag.atLeast(0)
    ),
    name: Flag.String("name").pipe(
      Flag.withDescription("What the key is for"),
      Flag.withDefault("made by the CLI")
    ),
    kind: Flag.Literals("kind", ["server", "client"]).pipe(
      Flag.withDescription("server keys, the default, are secret; client keys are public"),
      Flag.withDefault("server")
    ),
    expires: Flag.String("expires").pipe(
      Flag.withDescription("When it expires, RFC 3339; never by default"),
      Flag.withSchema(Schema.DateTimeUtcFromString),
      Flag.optional
    ),
    json: Output.jsonFlag
  },
  Effect.fn(
    function* ({ expires, json, kind, name, scopes, system, tenant }) {
      if (system) {
        if (Option.isSome(tenant) || scopes.length > 0)
          return yield* misused("--system takes no tenant and no --scope")
        return yield* print(yield* issueSystem(name), json)
      }
      if (Option.isNone(tenant)) return yield* misused("Name a tenant, or give --system")
      if (scopes.length === 0)
        return yield* misused("Give at least one --scope, such as --scope platform:read")
      const key = { name, kind, scopes, ...(Option.isSome(expires) ? { expiresAt: expires.value } : {}) }
      yield* print(yield* issue(tenant.value, key), json)
    },
    asOperator,
    orCommandFailed
  )
).pipe(Command.withDescription("Make a key; its secret is shown once"))

const rotate = Command.make(
  "rotate",
  {
    tenant: tenantArgument,
    key: keyArgument,
    overlap: Flag.Int("overlap-seconds").pipe(
      Flag.withDescription("How long the old key goes on working; a day by default"),
      Flag.withDefault(24 * 60 * 60)
    ),
    json: Output.jsonFlag
  },
  Effect.fn(
    function* ({ json, key, overlap, tenant }) {
      const keys = yield* ApiKeys
      const issued = yield* keys.get(key).pipe(
        Effect.flatMap((old) => keys.rotate(key, old.version, { overlapSeconds: overlap }, "operator")),
        Tenant.provide(tenant),
        Effect.catchTag(["ApiKeyNotFound", "ApiKeyInactive", "VersionStale", "ScopeTooWide"], (problem) =>
          Effect.fail(failed(problemText(problem._tag, key)))
        )
      )
      yield* print(issued, json)
    },
    asOperator,
    Effect.provide(services),
    orCommandFailed
  )
).pipe(Command.withDescription("Make a successor; the old key works on for the overlap"))

const revoke = Command.make(
  "revoke",
  {
    tenant: tenantArgument,
    key: keyArgument,
    reason: Flag.String("reason").pipe(
      Flag.withDescription("Why; kept with the key"),
      Flag.withDefault("revoked by the CLI")
    )
  },
  Effect.fn(
    function* ({ key, reason, tenant }) {
      const keys = yield* ApiKeys
      yield* keys.get(key).pipe(
        Effect.flatMap((current) => keys.revoke(key, current.version, reason)),
        Tenant.provide(tenant),
        Effect.catchTag(["ApiKeyNotFound", "ApiKeyInactive", "VersionStale"], (problem) =>
          Effect.fail(failed(problemText(problem._tag, key)))
        )
      )
      yield* Console.log(`Revoked ${key}; it answers 401 within 5 seconds`)
    },
    asOperator,
    Effect.provide(services),
    orCommandFailed
  )
).pipe(Command.withDescription("End a key; takes effect within 5 seconds"))

export const command = Command.make("keys").pipe(
  Command.withDescription("API keys of the installation behind DATABASE_URL"),
  Command.withSubcommands([list, create, rotate, revoke])
)
