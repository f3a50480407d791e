/**
 * The promise that a bad row of one tenant stops no other tenant, tried on the loops of a package. No door would let the rows
 * in: they are planted by SQL, as another release, another runtime or a hand may leave them behind.
 */
import { assert, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** One kind of bad row, and the loop that meets it. */
export interface Poison<R> {
  /** The loop and the kind of row, as the end of a claim: "the merge beside a cell that overflows". */
  readonly name: string
  /** Creates work of a tenant that the loop can do. */
  readonly work: (tenantId: string) => Effect.Effect<unknown, unknown, R>
  /** Plants the bad row of a tenant that has work already. */
  readonly plant: (tenantId: string) => Effect.Effect<unknown, unknown, R>
  /** Runs the loop as its job does. It may not fail. */
  readonly round: Effect.Effect<unknown, unknown, R>
  /** True when the work of a tenant is done. */
  readonly isDone: (tenantId: string) => Effect.Effect<boolean, unknown, R>
  /** Returns the failure as it is recorded for a tenant; undefined when there is none. */
  readonly recorded: (tenantId: string) => Effect.Effect<string | undefined, unknown, R>
  /** Part of the recorded failure. */
  readonly expected: RegExp
}

/** Returns what `EachTenant` has recorded for a tenant in a loop. */
export const loopFailure = (loop: string) => (tenantId: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly lastError: string }>`
      SELECT last_error AS "lastError"
        FROM hm_loop_failure
       WHERE tenant_id = ${tenantId}
         AND loop = ${loop}
    `
  ).pipe(Effect.map(([row]) => row?.lastError))

/** Changes a tenant's rows, as no door would. */
export const update = (table: string, tenantId: string, change: string, condition = "true") =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      UPDATE ${sql(table)}
         SET ${sql.literal(change)}
       WHERE tenant_id = ${tenantId}
         AND ${sql.literal(condition)}
    `
  )

/** Counts a tenant's rows. */
export const count = (table: string, tenantId: string, condition = "true") =>
  Effect.map(
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql`
        SELECT
          FROM ${sql(table)}
         WHERE tenant_id = ${tenantId}
           AND ${sql.literal(condition)}
      `
    ),
    (rows) => rows.length
  )

/** A loop in order of ids meets the bad row before, between and after the others' rows. */
const tenantsOf = (index: number) => ({
  poisoned: [`p${index}-0`, `p${index}-b`, `p${index}-z`],
  others: [`p${index}-a`, `p${index}-c`]
})

/** Declares a test per poison: every other tenant advances, and the poisoned ones are recorded with their reason. */
export const suite = <R>(
  it: Pick<Vitest.MethodsNonLive<R>, "effect">,
  poisons: ReadonlyArray<Poison<R>>
): void => {
  poisons.forEach((poison, index) => {
    it.effect(`one tenant's bad row stops no other tenant: ${poison.name}`, () =>
      Effect.gen(function* () {
        const { others, poisoned } = tenantsOf(index)
        for (const tenantId of [...poisoned, ...others]) yield* poison.work(tenantId)
        for (const tenantId of poisoned) yield* poison.plant(tenantId)
        yield* poison.round
        for (const tenantId of others) {
          assert.isTrue(yield* poison.isDone(tenantId), `${tenantId} has not advanced`)
          assert.isUndefined(yield* poison.recorded(tenantId), `${tenantId} is not at fault`)
        }
        for (const tenantId of poisoned) {
          assert.match((yield* poison.recorded(tenantId)) ?? "nothing is recorded", poison.expected, tenantId)
        }
      })
    )
  })
}
