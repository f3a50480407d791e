/**
 * The projects of the tenants that send to this process, in memory: intake reads none per request, and goes on with them while
 * the database is unavailable.
 */
import * as LiveConfig from "@hypermarket/core/LiveConfig"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import { type GroupingRule, GroupingRules } from "../GroupingRule.ts"
import * as Columns from "./columns.ts"

export const channel = "observability.project"

export interface LiveProject {
  readonly projectId: number
  readonly keepsAddresses: boolean
  readonly groupingRules: ReadonlyArray<GroupingRule>
}

const decodeRules = Schema.decodeUnknownOption(GroupingRules)

/**
 * Returns the rules of each project. Those that a newer release wrote and this one cannot read are logged and left out: the
 * project's errors are stored under the usual groups.
 */
export const rulesOf = Effect.fnUntraced(function* (
  tenantId: string,
  rows: ReadonlyArray<{ readonly projectId: number; readonly groupingRules: unknown }>
) {
  const rules = new Map<number, ReadonlyArray<GroupingRule>>()
  for (const { groupingRules, projectId } of rows) {
    const decoded = decodeRules(Columns.jsonOf(groupingRules))
    if (Option.isSome(decoded)) rules.set(projectId, decoded.value)
    else {
      yield* Effect.logWarning(
        "The grouping rules of a project cannot be read: its errors are stored without them",
        { tenantId, projectId }
      )
    }
  }
  return rules
})

/** Past it the least recently used tenant is dropped, and read again when it sends. */
const tenantsMax = 5_000

/** Where no wake-up arrives, a new project is known within a second. */
const poll = { withoutWakeup: "1 second", withWakeup: "5 seconds" } as const

export const make = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  const listening = yield* Effect.serviceOption(Wakeup.Wakeup)
  const layerWakeup = Option.match(listening, {
    onNone: () => Wakeup.layerSilent,
    onSome: (wakeup) => Layer.succeed(Wakeup.Wakeup, wakeup)
  })
  return yield* LiveConfig.make({
    channel,
    // Projects are never deleted, so the sum of their versions grows with every change.
    revision: Effect.gen(function* () {
      const tenant = yield* Tenant
      const [row] = yield* sql<{ readonly revision: string }>`
        SELECT coalesce(sum(version), 0)::text AS revision
          FROM hm_error_project
         WHERE tenant_id = ${tenant.id}
      `
      return BigInt(row?.revision ?? "0")
    }),
    read: Effect.fnUntraced(function* (tenantId: string) {
      const rows = yield* sql<Omit<LiveProject, "groupingRules"> & { readonly groupingRules: unknown }>`
        SELECT project_id AS "projectId", keeps_addresses AS "keepsAddresses", grouping_rules AS "groupingRules"
          FROM hm_error_project
         WHERE tenant_id = ${tenantId} AND status = 'active'
      `
      const rules = yield* rulesOf(tenantId, rows)
      return new Map(
        rows.map((row): [number, LiveProject] => [
          row.projectId,
          { ...row, groupingRules: rules.get(row.projectId) ?? [] }
        ])
      )
    }),
    poll: Option.isSome(listening) ? poll.withWakeup : poll.withoutWakeup,
    tenantsMax
  }).pipe(Effect.provide(yield* Layer.build(layerWakeup)))
})
