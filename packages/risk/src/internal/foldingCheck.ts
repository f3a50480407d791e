/** Reports entities whose hours wait to be summed, and those that cannot be. */
import * as Check from "@hypermarket/core/Check"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** A round folds thousands of rows every ten seconds: as many entities that wait mean that none runs. */
const dueMax = 10_000

/** Failures in a row from which an entity needs a look: two may be a lock or a slow moment. */
const failuresShown = 3

/** Most entities that doctor names. */
const entitiesShown = 10

interface Failing {
  readonly tenantId: string
  readonly entity: string
  readonly failures: number
  readonly lastError: string | null
}

const waiting = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly waiting: number }>`
    SELECT count(*)::int AS waiting
      FROM (SELECT FROM hm_fraud_entity_due LIMIT ${dueMax + 1}) w
  `
  const count = row?.waiting ?? 0
  return count > dueMax
    ? {
        status: "warn" as const,
        message: `more than ${dueMax} entities wait for their hours to be summed`,
        hint: "start a worker: counts stay exact, and are slower to read until it has folded them"
      }
    : { status: "ok" as const, message: `${count} entities wait for their hours to be summed` }
})

const failing = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<Failing>`
    SELECT d.tenant_id AS "tenantId", d.entity::text AS entity, d.failures, d.last_error AS "lastError"
      FROM hm_fraud_entity_due d
     WHERE d.failures >= ${failuresShown}
     ORDER BY d.failures DESC, d.tenant_id, d.entity
     LIMIT ${entitiesShown}
  `
  return rows.map(({ entity, failures, lastError, tenantId }) => ({
    status: "fail" as const,
    message: `summing the hours of entity ${entity} failed ${failures} times in a row for ${tenantId}: ${lastError}`,
    hint: "repair the rows of the entity: counts stay exact, it is tried again within 10 minutes, and the others go on"
  }))
})

export const check = Check.make(
  "risk entities",
  Effect.zipWith(waiting, failing, (first, others) => [first, ...others])
)
