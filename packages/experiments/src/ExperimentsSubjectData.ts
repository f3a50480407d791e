/**
 * The data of persons in experiments: units are deleted, and taken out of the sums as if they had never been. Looks stay as they were.
 *
 * @since 0.1.0
 */
import type { Subject, SubjectData } from "@hypermarket/core/SubjectData"
import * as SubjectTables from "@hypermarket/core/SubjectTables"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Accounting from "./internal/accounting.ts"

const { columns, nothing, rows } = SubjectTables

const unit = { ids: ["unit"] }

const ofTables = SubjectTables.make({
  tables: [
    rows("hm_experiment_unit", unit),
    rows("hm_experiment_fact", unit),
    rows("hm_experiment_fact_key", unit),
    rows("hm_experiment_subject", unit),
    columns(
      "hm_experiment_phase",
      { texts: ["targeting"] },
      { set: { targeting: "replaced" }, reason: "the condition stays without the person" }
    ),
    nothing("hm_experiment_delta", "sums"),
    nothing("hm_experiment_moment", "sums"),
    nothing("hm_experiment_refund", "amounts by order"),
    nothing("hm_experiment_goal", "configuration of the tenant"),
    nothing("hm_experiment_layer", "configuration of the tenant"),
    nothing("hm_experiment_metric", "configuration of the tenant"),
    nothing("hm_experiment_result", "statistics"),
    nothing("hm_experiment_variant", "configuration of the tenant"),
    nothing("hm_experiment", "configuration of the tenant")
  ]
})

/** Removes a person's units from the moments, under their locks: a writer that waits finds the units gone. */
const release = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, tenantId: string, subject: Subject) {
  const names = Array.from(new Set([subject.id, ...subject.identifiers.map(({ value }) => value)]))
  const rows = yield* sql<{ readonly unitKind: string }>`
    SELECT DISTINCT unit_kind AS "unitKind"
      FROM hm_experiment
     WHERE tenant_id = ${tenantId}
  `
  const units = rows.flatMap(({ unitKind }) => names.map((unit) => ({ unitKind, unit })))
  if (units.length === 0) return 0
  const accounting = Accounting.make(sql)
  const kinds = units.map(({ unitKind }) => unitKind)
  const ids = units.map(({ unit }) => unit)
  const made = yield* accounting.lockUnits(tenantId, kinds, ids)
  const [row] = yield* accounting.release(tenantId, kinds, ids)
  const dropped = yield* accounting.dropUnits(tenantId, kinds, ids)
  // Locks that were made for this call are no data of the person.
  return (row?.released ?? 0) + dropped.length - made
})

/**
 * Finds, exports and erases a person in the tables of experiments.
 *
 * @category domains
 * @since 0.1.0
 */
export const subjectData: SubjectData<SqlClient.SqlClient> = {
  ...ofTables,
  erase: Effect.fnUntraced(function* (subject: Subject, cursor?: string) {
    const sql = yield* SqlClient.SqlClient
    const tenant = yield* Tenant
    const work = Effect.gen(function* () {
      const released = yield* release(sql, tenant.id, subject)
      const erased = yield* ofTables.erase(subject, cursor)
      return { ...erased, rows: erased.rows + released }
    })
    return yield* transactionOf(sql)(work)
  })
}
