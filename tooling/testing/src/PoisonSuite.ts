/**
 * The promise that a bad row of one tenant stops no other tenant, tried on the loops of a package. No door would let the rows
 * in: they are planted by SQL, as another release, another runtime or a hand may leave them behind.
 */
import { assert, type Vitest } from "@effect/vitest"
import type * as Check from "@hypermarket/core/Check"
import * as Doctor from "@hypermarket/core/Doctor"
import * as EachTenant from "@hypermarket/core/EachTenant"
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
  /**
   * The checks of doctor, one of which names the tenant with the failure.
   *
   * @default that of loops, where the loop has recorded it
   */
  readonly checks?: ReadonlyArray<Check.Check>
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

/** Failures in a row from which doctor names a tenant. */
const failuresShown = 3

/**
 * Lets the loop fail again, as it does on its own after its pause, until doctor has to name it. False when the loop has recorded
 * no failure: it is recorded on the rows then.
 */
const failAgain = Effect.fnUntraced(function* <R>(poison: Poison<R>, tenants: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const endPause = sql`
    UPDATE hm_loop_failure
       SET retry_at = '-infinity'
     WHERE tenant_id = ANY (${tenants}::text[])
    RETURNING 1
  `
  for (let failures = 1; failures < failuresShown; failures++) {
    if ((yield* endPause).length === 0) return false
    yield* poison.round
  }
  // Doctor names the first ten. Those of earlier tests are of no interest here.
  yield* sql`
    DELETE FROM hm_loop_failure
     WHERE tenant_id <> ALL (${tenants}::text[])
  `
  return true
})

const assertNamed = Effect.fnUntraced(function* <R>(poison: Poison<R>, tenants: ReadonlyArray<string>) {
  const { checks, expected } = poison
  if (checks === undefined && !(yield* failAgain(poison, tenants))) return
  const lines = yield* Doctor.run([], [{ name: "tested", checks: checks ?? [EachTenant.check] }])
  for (const tenantId of tenants) {
    const named = lines.filter(({ message, status }) => status !== "ok" && message.includes(tenantId))
    assert.isTrue(
      named.some(({ message }) => expected.test(message)),
      `doctor does not name ${tenantId} with its reason: ${JSON.stringify(named)}`
    )
  }
})

/**
 * Declares a test per poison: every other tenant advances, the poisoned ones are recorded with their reason, and doctor names
 * them with it.
 */
export const suite = <R>(
  it: Pick<Vitest.MethodsNonLive<R | SqlClient.SqlClient>, "effect">,
  poisons: ReadonlyArray<Poison<R | SqlClient.SqlClient>>
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
        yield* assertNamed(poison, poisoned)
      })
    )
  })
}
