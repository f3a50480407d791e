/** The rounds of risk's jobs over all tenants: hot entities are folded, rows past their retention deleted. */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import { AllTenants } from "@hypermarket/core/Tenant"
import { isConflict, transactionOf } from "@hypermarket/core/Transaction"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as SqlClient from "effect/sql/SqlClient"
import * as Folding from "./folding.ts"

const dayMillis = 86_400_000

const loop = "risk.entity.fold"

/** A round of folding ends before the job's deadline. */
const foldRoundLimit = "30 seconds"
const foldTenantsMax = 1_000

/**
 * Days that signals and their sums are kept: the longest window, as many days that a signal may be late, and a month of space for
 * partitions.
 */
export const windowKeepDays = 91

/** Statements per table and call. What is left waits for the next call. */
const prunesMax = 20

/** The transaction is run again after a deadlock: it is no entity's fault. */
const isRunAgain = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) => reason._tag === "Fail" && isConflict(reason.error))

export const make = (sql: SqlClient.SqlClient, keepDays: number) => {
  const folding = Folding.make(sql)

  /** Folds one entity. One that fails is noted in its row, so that it holds up no other entity of its tenant. */
  const foldOne = Effect.fnUntraced(function* (tenantId: string) {
    const now = yield* Now.now
    const [due] = yield* folding.takeDue(tenantId, now)
    if (due === undefined) return { count: 0, hasMore: false }
    const entity = String(due.entity)
    const exit = yield* Effect.exit(sql.withTransaction(folding.fold(tenantId, entity, now)))
    if (Exit.isFailure(exit)) {
      if (isRunAgain(exit.cause)) return yield* Effect.failCause(exit.cause)
      const { text } = yield* EachTenant.report(loop, tenantId, exit.cause)
      yield* folding.noteFailure(tenantId, entity, text, now)
      return { count: 0, hasMore: true }
    }
    const count = exit.value[0]?.folded ?? 0
    if (count < Folding.foldRowsMax) yield* folding.removeDue(tenantId, entity)
    else if (due.failures > 0) yield* folding.clearFailure(tenantId, entity)
    return { count, hasMore: true }
  })

  const fold = Effect.gen(function* () {
    yield* AllTenants
    const tenants = yield* folding.dueTenants(foldTenantsMax)
    const round = yield* EachTenant.run({
      loop,
      items: tenants,
      limit: foldRoundLimit,
      turn: ({ tenantId }) => transactionOf(sql)(foldOne(tenantId))
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
