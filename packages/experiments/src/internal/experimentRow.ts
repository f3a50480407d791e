/** Reads experiments with their variants, current phase and metrics, in one statement, and locks them for a change. */
import { planDefaults } from "../ExperimentPlan.ts"
import * as Column from "@hypermarket/core/Column"
import { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import { Experiment, type ExperimentId, ExperimentNotFound, ExperimentStatusWrong } from "../Experiment.ts"

const Row = Schema.Struct({
  ...Experiment.fields,
  startedAt: Schema.NullOr(Column.Timestamp),
  stoppedAt: Schema.NullOr(Column.Timestamp),
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
})

const decodeRow = Schema.decodeUnknownEffect(Row)

export const decode = (row: unknown): Effect.Effect<Experiment> =>
  Effect.orDie(Effect.map(decodeRow(row), (decoded) => new Experiment(decoded)))

/** Plans of before a field existed have its default. */
const defaults = JSON.stringify(planDefaults)

const columns = `
  e.experiment_id::text AS "experimentId", e.key, e.name, e.hypothesis, e.environment, e.unit_kind AS "unitKind",
  e.status, e.scheme, e.seed, '${defaults}'::jsonb || e.plan AS plan, e.phase, e.decision, e.version,
  e.started_at AS "startedAt", e.stopped_at AS "stoppedAt", e.recorded_at AS "recordedAt", e.updated_at AS "updatedAt",
  CASE WHEN e.layer IS NULL THEN NULL
       ELSE jsonb_build_object('key', e.layer, 'from', e.layer_from, 'until', e.layer_until) END AS layer,
  p.coverage, p.targeting,
  (SELECT jsonb_agg(jsonb_build_object('variantId', v.variant_id, 'key', v.key, 'name', v.name,
                                       'weight', p.weights[v.position + 1])
                    ORDER BY v.position)
     FROM hm_experiment_variant v
    WHERE v.tenant_id = e.tenant_id AND v.experiment_id = e.experiment_id) AS variants,
  coalesce(
    (SELECT jsonb_agg(jsonb_build_object('metric', m.key, 'role', g.role, 'margin', g.margin)
                      ORDER BY g.position)
       FROM hm_experiment_goal g
       JOIN hm_experiment_metric m ON m.tenant_id = g.tenant_id AND m.metric_id = g.metric_id
      WHERE g.tenant_id = e.tenant_id AND g.experiment_id = e.experiment_id), '[]'::jsonb) AS metrics
`

const tables = `
  hm_experiment e
  CROSS JOIN LATERAL (
    SELECT coverage, targeting, weights
      FROM hm_experiment_phase
     WHERE tenant_id = e.tenant_id AND experiment_id = e.experiment_id AND phase = e.phase
     LIMIT 1
  ) p
`

export const make = (sql: SqlClient.SqlClient) => {
  /** The select list and the FROM clause. */
  const parts = { columns: sql.literal(columns), tables: sql.literal(tables) }

  const get = Effect.fn("Experiments.get")(function* (experimentId: ExperimentId) {
    const tenant = yield* Tenant
    const [row] = yield* sql`
      SELECT ${parts.columns}
        FROM ${parts.tables}
       WHERE e.tenant_id = ${tenant.id} AND e.experiment_id = ${experimentId}::uuid
    `
    if (row === undefined) return yield* new ExperimentNotFound({ experiment: experimentId })
    return yield* decode(row)
  })

  const getByKey = Effect.fn("Experiments.getByKey")(function* (key: string) {
    const tenant = yield* Tenant
    const [row] = yield* sql`
      SELECT ${parts.columns}
        FROM ${parts.tables}
       WHERE e.tenant_id = ${tenant.id} AND e.key = ${key}
    `
    if (row === undefined) return yield* new ExperimentNotFound({ experiment: key })
    return yield* decode(row)
  })

  /** Locks the experiment and checks its version and status. */
  const lockAt = Effect.fnUntraced(function* (
    experimentId: ExperimentId,
    version: number,
    expected: ReadonlyArray<Experiment["status"]>
  ) {
    const tenant = yield* Tenant
    yield* sql`
      SELECT 1
        FROM hm_experiment
       WHERE tenant_id = ${tenant.id} AND experiment_id = ${experimentId}::uuid
         FOR UPDATE
    `
    const experiment = yield* get(experimentId)
    if (experiment.version !== version) {
      return yield* new VersionStale({ currentVersion: experiment.version })
    }
    if (!expected.includes(experiment.status)) {
      return yield* new ExperimentStatusWrong({ current: experiment.status, expected })
    }
    return experiment
  })

  return { ...parts, get, getByKey, lockAt }
}
