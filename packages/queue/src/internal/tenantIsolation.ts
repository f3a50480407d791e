/** Runs a statement over all tenants, and tenant by tenant when one tenant's row fails it. */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Storage from "@hypermarket/core/Storage"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/** Tenants per round. They are drawn: a round that leaves some out leaves out others the next time. */
export const tenantsMax = 1_000

/** Longest round. The next begins with the statement over all tenants again. */
const roundLimit = "5 seconds"

export interface Options<A> {
  /** Names the loop in `hm_loop_failure`, the metric and doctor. */
  readonly loop: string
  readonly sql: SqlClient.SqlClient
  /** One statement for all tenants, or for one. */
  readonly run: (tenantId?: string) => Effect.Effect<ReadonlyArray<A>, SqlError>
  /** The tenants that have work. */
  readonly tenants: Effect.Effect<ReadonlyArray<string>, SqlError>
}

/**
 * Returns the rows of all tenants that succeed. A tenant that fails is recorded, and tried again after a growing time. A
 * failure of the server is no tenant's, and fails the round.
 */
export const isolated = <A>(options: Options<A>): Effect.Effect<ReadonlyArray<A>, SqlError> =>
  Effect.catch(options.run(), (error) => {
    if (Storage.pointsAtServer(Storage.failureOf(error).reason)) return Effect.fail(error)
    return Effect.gen(function* () {
      const rows: Array<A> = []
      const tenants = yield* options.tenants
      yield* EachTenant.run({
        loop: options.loop,
        items: tenants.map((tenantId) => ({ tenantId })),
        limit: roundLimit,
        turn: ({ tenantId }) =>
          Effect.map(options.run(tenantId), (found) => {
            rows.push(...found)
            return { count: found.length, hasMore: false }
          })
      })
      return rows
    }).pipe(Effect.provideService(SqlClient.SqlClient, options.sql))
  })
