/**
 * Tenants of the installation: their plan, region and status. Over all tenants, for system administration; one method
 * reads the tenant at hand.
 *
 * @since 0.1.0
 */
import * as Column from "@hypermarket/core/Column"
import { transactionOf } from "@hypermarket/core/Transaction"
import { now } from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import { AllTenants, Tenant, TenantId } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

const Text = (lengthMax: number) => Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(lengthMax))

/**
 * ISO 3166-1 alpha-2, or an ISO 3166-2 subdivision.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Region = Schema.String.check(
  Schema.isPattern(/^[A-Z]{2}(-[A-Z0-9]{1,3})?$/, {
    message: "Expected an ISO 3166 code such as DE or US-CA"
  })
)

/**
 * A suspended tenant's keys answer 403; its data stays.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Status = Schema.Literals(["active", "suspended"])

const fields = {
  name: Text(200),
  plan: Text(64),
  region: Schema.NullOr(Region),
  status: Status,
  statusReason: Schema.NullOr(Text(500))
}

/**
 * @category models
 * @since 0.1.0
 */
export class TenantAccount extends Schema.Class<TenantAccount>("@hypermarket/platform/TenantAccount")({
  tenantId: TenantId,
  ...fields,
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * What a new tenant needs. `plan` defaults to `standard`.
 *
 * @category models
 * @since 0.1.0
 */
export const NewTenant = Schema.Struct({
  tenantId: TenantId,
  name: fields.name,
  plan: Schema.optionalKey(fields.plan),
  region: Schema.optionalKey(fields.region)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewTenant = typeof NewTenant.Type

/**
 * What can change; absent fields stay. Suspending needs a `statusReason`.
 *
 * @category models
 * @since 0.1.0
 */
export const TenantChange = Schema.Struct({
  name: Schema.optionalKey(fields.name),
  plan: Schema.optionalKey(fields.plan),
  region: Schema.optionalKey(fields.region),
  status: Schema.optionalKey(fields.status),
  statusReason: Schema.optionalKey(fields.statusReason)
}).check(
  Schema.makeFilter((change) =>
    change.status === "suspended" && (change.statusReason ?? null) === null
      ? { path: ["statusReason"], issue: "Suspending needs a reason" }
      : undefined
  )
)

/**
 * @category models
 * @since 0.1.0
 */
export type TenantChange = typeof TenantChange.Type

/**
 * @category errors
 * @since 0.1.0
 */
export class TenantNotFound extends HttpApiError.Problem<TenantNotFound>()(
  "TenantNotFound",
  { type: "urn:hypermarket:problem:platform:tenant-not-found", status: 404, title: "No such tenant" },
  { tenantId: Schema.String }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class TenantExists extends HttpApiError.Problem<TenantExists>()(
  "TenantExists",
  { type: "urn:hypermarket:problem:platform:tenant-exists", status: 409, title: "The tenant exists already" },
  { tenantId: Schema.String }
) {}

const Row = Schema.Struct({
  tenantId: TenantId,
  ...fields,
  version: Schema.Int,
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
})

const columns = `
  tenant_id AS "tenantId", name, plan, region, status, status_reason AS "statusReason",
  version, recorded_at AS "recordedAt", updated_at AS "updatedAt"
`

const pages = Page.make({
  key: Schema.Tuple([TenantId]),
  keyOf: (tenant: TenantAccount) => [tenant.tenantId] as const
})

const planDefault = "standard"

/**
 * @category services
 * @since 0.1.0
 */
export class TenantAccounts extends Context.Service<
  TenantAccounts,
  {
    readonly create: (tenant: NewTenant) => Effect.Effect<TenantAccount, TenantExists | SqlError, AllTenants>
    readonly get: (tenantId: TenantId) => Effect.Effect<TenantAccount, TenantNotFound | SqlError, AllTenants>
    /** In the order of their ids. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<TenantAccount>, Page.CursorInvalid | SqlError, AllTenants>
    /** Fails with `VersionStale` when the row is no longer at `version`. */
    readonly change: (
      tenantId: TenantId,
      version: number,
      change: TenantChange
    ) => Effect.Effect<TenantAccount, TenantNotFound | VersionStale | SqlError, AllTenants>
    /** The tenant of the context. */
    readonly current: Effect.Effect<TenantAccount, TenantNotFound | SqlError, Tenant>
  }
>()("@hypermarket/platform/TenantAccounts") {
  static readonly layer: Layer.Layer<TenantAccounts, never, SqlClient.SqlClient> = Layer.effect(
    TenantAccounts,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const returned = sql.literal(columns)
      const decode = Schema.decodeUnknownEffect(Row)
      const account = (row: unknown) =>
        Effect.orDie(Effect.map(decode(row), (decoded) => new TenantAccount(decoded)))

      const select = (tenantId: TenantId) =>
        sql`SELECT ${returned} FROM hm_tenant WHERE tenant_id = ${tenantId}`.pipe(
          Effect.flatMap(([row]) =>
            row === undefined ? Effect.fail(new TenantNotFound({ tenantId })) : account(row)
          )
        )

      const create = Effect.fn("TenantAccounts.create")(function* (tenant: NewTenant) {
        yield* AllTenants
        const moment = yield* now
        const [row] = yield* sql`
          INSERT INTO hm_tenant (tenant_id, name, plan, region, status, recorded_at, updated_at)
          VALUES (${tenant.tenantId}, ${tenant.name}, ${tenant.plan ?? planDefault}, ${tenant.region ?? null}, 'active',
                  ${moment}, ${moment})
              ON CONFLICT (tenant_id) DO NOTHING
          RETURNING ${returned}
        `
        if (row === undefined) return yield* new TenantExists({ tenantId: tenant.tenantId })
        return yield* account(row)
      })

      const get = Effect.fn("TenantAccounts.get")(function* (tenantId: TenantId) {
        yield* AllTenants
        return yield* select(tenantId)
      })

      const list = Effect.fn("TenantAccounts.list")(function* (request: Page.Request) {
        yield* AllTenants
        const [after] = Option.getOrElse(yield* pages.after(request), () => [""] as const)
        const rows = yield* sql`
          SELECT ${returned}
            FROM hm_tenant
           WHERE tenant_id > ${after}
           ORDER BY tenant_id
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* pages.page(yield* Effect.forEach(rows, account), request)
      })

      const change = Effect.fn("TenantAccounts.change")(function* (
        tenantId: TenantId,
        version: number,
        changed: TenantChange
      ) {
        yield* AllTenants
        const moment = yield* now
        const write = Effect.gen(function* () {
          const [current] = yield* sql`
            SELECT ${returned} FROM hm_tenant WHERE tenant_id = ${tenantId} FOR UPDATE
          `
          if (current === undefined) return yield* new TenantNotFound({ tenantId })
          const before = yield* account(current)
          if (before.version !== version) return yield* new VersionStale({ currentVersion: before.version })
          const after = { ...before, ...changed }
          const [row] = yield* sql`
            UPDATE hm_tenant
               SET name = ${after.name}, plan = ${after.plan}, region = ${after.region}, status = ${after.status},
                   status_reason = ${after.status === "active" ? null : after.statusReason},
                   version = version + 1, updated_at = ${moment}
             WHERE tenant_id = ${tenantId}
            RETURNING ${returned}
          `
          return yield* account(row)
        })
        return yield* transactionOf(sql)(write)
      })

      const current = Effect.flatMap(Tenant, (tenant) => select(tenant.id)).pipe(
        Effect.withSpan("TenantAccounts.current")
      )

      return TenantAccounts.of({ create, get, list, change, current })
    })
  )
}
