/**
 * The service of the installation's tenants. Its methods act over all tenants, for system administration; `current` reads
 * the tenant of the context.
 *
 * @since 0.1.0
 */
import * as Audit from "@hypermarket/core/Audit"
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Column from "@hypermarket/core/Column"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import { AllTenants, system, Tenant, TenantId } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import {
  type NewTenant,
  TenantAccount,
  type TenantChange,
  TenantExists,
  TenantNotFound
} from "./TenantAccount.ts"

const Row = Schema.Struct({
  ...TenantAccount.fields,
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
})

const columns = `
  tenant_id AS "tenantId", name, plan, region, status, status_reason AS "statusReason",
  version, recorded_at AS "recordedAt", updated_at AS "updatedAt"
`

const pages = Page.make({
  list: "platform.tenants",
  key: Schema.Tuple([TenantId]),
  keyOf: (tenant: TenantAccount) => [tenant.tenantId] as const
})

const planDefault = "standard"

/**
 * Creates, reads and changes tenants.
 *
 * @category services
 * @since 0.1.0
 */
export class TenantAccounts extends Context.Service<
  TenantAccounts,
  {
    readonly create: (tenant: NewTenant) => Effect.Effect<TenantAccount, TenantExists | SqlError, AllTenants>
    readonly get: (tenantId: TenantId) => Effect.Effect<TenantAccount, TenantNotFound | SqlError, AllTenants>
    /** Lists tenants in the order of their ids. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<TenantAccount>, Page.CursorInvalid | SqlError, AllTenants>
    /** Changes a tenant. Fails with `VersionStale` when the row is no longer at `version`. */
    readonly change: (
      tenantId: TenantId,
      version: number,
      change: TenantChange
    ) => Effect.Effect<TenantAccount, TenantNotFound | VersionStale | SqlError, AllTenants>
    /** Reads the tenant of the context. */
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
        sql`
          SELECT ${returned}
            FROM hm_tenant
           WHERE tenant_id = ${tenantId}
        `.pipe(
          Effect.flatMap(([row]) =>
            row === undefined ? Effect.fail(new TenantNotFound({ tenantId })) : account(row)
          )
        )

      const create = Effect.fn("TenantAccounts.create")(function* (tenant: NewTenant) {
        yield* AllTenants
        const now = yield* Now.now
        const [row] = yield* sql`
          INSERT INTO hm_tenant (tenant_id, name, plan, region, status, recorded_at, updated_at)
          VALUES (${tenant.tenantId}, ${tenant.name}, ${tenant.plan ?? planDefault}, ${tenant.region ?? null}, 'active',
                  ${now}, ${now})
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
        const now = yield* Now.now
        const write = Effect.gen(function* () {
          const [current] = yield* sql`
            SELECT ${returned}
              FROM hm_tenant
             WHERE tenant_id = ${tenantId}
               FOR UPDATE
          `
          if (current === undefined) return yield* new TenantNotFound({ tenantId })
          const before = yield* account(current)
          if (before.version !== version) return yield* new VersionStale({ currentVersion: before.version })
          const after = { ...before, ...changed }
          const [row] = yield* sql`
            UPDATE hm_tenant
               SET name = ${after.name}, plan = ${after.plan}, region = ${after.region}, status = ${after.status},
                   status_reason = ${after.status === "active" ? null : after.statusReason},
                   version = version + 1, updated_at = ${now}
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

      /** An act of the installation on a tenant is in the log of both. */
      const inBothLogs = <E, R>(
        self: Effect.Effect<TenantAccount, E, R>,
        tenantId: TenantId,
        options: Parameters<typeof AuditedChange.change<TenantAccount, E, R, TenantAccount, E, R>>[2]
      ) =>
        AuditedChange.change(
          sql,
          AuditedChange.change(sql, self, options).pipe(Audit.inLogOf(tenantId)),
          options
        ).pipe(Audit.inLogOf(system))

      const targetOf = (tenantId: TenantId) => ({ type: "tenant", id: tenantId })

      return TenantAccounts.of({
        create: (tenant) =>
          inBothLogs(create(tenant), tenant.tenantId, {
            action: "tenant.created",
            target: targetOf(tenant.tenantId),
            after: (account) => account
          }),
        get,
        list,
        change: (tenantId, version, wanted) =>
          inBothLogs(change(tenantId, version, wanted), tenantId, {
            action: "tenant.changed",
            target: targetOf(tenantId),
            before: get(tenantId),
            after: (account) => account
          }),
        current
      })
    })
  )
}
