/** The rounds of risk's jobs over all tenants: hot entities are folded, rows past their retention deleted. */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import { AllTenants } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Folding from "./folding.ts"

const dayMillis = 86_400_000

/** A round of folding ends before the job's deadline. */
const foldRoundLimit = "30 seconds"
const foldTenantsMax = 1_000

/** Longer than every window and late signal together. */
const windowKeepDays = 91

/** Statements per table and call. What is left waits for the next call. */
const prunesMax = 20

export const make = (sql: SqlClient.SqlClient, keepDays: number) => {
  const folding = Folding.make(sql)

  const fold = Effect.gen(function* () {
    yield* AllTenants
    const tenants = yield* folding.dueTenants(foldTenantsMax)
    const round = yield* EachTenant.run({
      loop: "risk.entity.fold",
      items: tenants,
      limit: foldRoundLimit,
      turn: ({ tenantId }) =>
        transactionOf(sql)(
          Effect.gen(function* () {
            const now = yield* Now.now
            const [due] = yield* folding.takeDue(tenantId)
            if (due === undefined) return { count: 0, hasMore: false }
            const entity = String(due.entity)
            const [row] = yield* folding.fold(tenantId, entity, now)
            const count = row?.folded ?? 0
            if (count < Folding.foldRowsMax) yield* folding.removeDue(tenantId, entity)
            return { count, hasMore: true }
          })
        )
    })
    return round.count
  }).pipe(Effect.provideService(SqlClient.SqlClient, sql), Effect.withSpan("Risk.fold"))

  const prune = Effect.gen(function* () {
    yield* AllTenants
    const now = yield* Now.now
    const windowEnd = new Date(now.getTime() - windowKeepDays * dayMillis)
    const keepEnd = new Date(now.getTime() - keepDays * dayMillis)
    let pruned = 0
    for (const [statement, before] of [
      [folding.pruneHours, windowEnd],
      [folding.pruneEdges, windowEnd],
      [folding.pruneKeys, keepEnd],
      [folding.pruneSubjects, keepEnd],
      [folding.pruneDecisions, keepEnd]
    ] as const) {
      for (let round = 0; round < prunesMax; round++) {
        const [row] = yield* statement(before)
        pruned += row?.pruned ?? 0
        if ((row?.pruned ?? 0) < Folding.pruneRowsMax) break
      }
    }
    return pruned
  }).pipe(Effect.withSpan("Risk.prune"))

  return { fold, prune }
}
