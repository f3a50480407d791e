/** Starts, pauses and stops experiments, and keeps those of a layer from sharing buckets. */
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { type Experiment, type ExperimentId, LayerOverlap } from "../Experiment.ts"
import type * as ExperimentRow from "./experimentRow.ts"

export const make = (sql: SqlClient.SqlClient, { get, lockAt }: ReturnType<typeof ExperimentRow.make>) => {
  /** Locks a layer: of two starts at the same time the second sees the first. */
  const lockLayer = Effect.fnUntraced(function* (layer: string, now: Date) {
    const tenant = yield* Tenant
    yield* sql`
      INSERT INTO hm_experiment_layer (tenant_id, layer, updated_at)
      VALUES (${tenant.id}, ${layer}, ${now})
          ON CONFLICT (tenant_id, layer) DO NOTHING
    `
    const [row] = yield* sql<{ readonly holdout: number }>`
      SELECT holdout
        FROM hm_experiment_layer
       WHERE tenant_id = ${tenant.id} AND layer = ${layer}
         FOR UPDATE
    `
    return row?.holdout ?? 0
  })

  const overlapping = Effect.fnUntraced(function* (
    layer: string,
    from: number,
    until: number,
    except: string | null
  ) {
    const tenant = yield* Tenant
    const rows = yield* sql<{ readonly key: string }>`
      SELECT key
        FROM hm_experiment
       WHERE tenant_id = ${tenant.id} AND layer = ${layer} AND status IN ('running', 'paused')
         AND layer_from < ${until}::int AND layer_until > ${from}::int
         AND experiment_id IS DISTINCT FROM ${except}::uuid
       ORDER BY key
       LIMIT 20
    `
    return rows.map(({ key }) => key)
  })

  const setStatus = Effect.fnUntraced(function* (
    experimentId: ExperimentId,
    status: Experiment["status"],
    now: Date
  ) {
    const tenant = yield* Tenant
    yield* sql`
      UPDATE hm_experiment
         SET status = ${status},
             started_at = CASE WHEN ${status} = 'running' THEN coalesce(started_at, ${now}) ELSE started_at END,
             next_look_at = CASE WHEN ${status} = 'stopped' THEN NULL
                                 WHEN ${status} = 'running' AND started_at IS NULL
                                 THEN ${now}::timestamptz + (plan ->> 'lookEverySeconds')::int * interval '1 second'
                                 ELSE next_look_at
                            END,
             stopped_at = CASE WHEN ${status} = 'stopped' THEN ${now}::timestamptz ELSE stopped_at END,
             version = version + 1,
             updated_at = ${now}
       WHERE tenant_id = ${tenant.id} AND experiment_id = ${experimentId}::uuid
    `
    return yield* get(experimentId)
  })

  const start = Effect.fn("Experiments.start")(function* (experimentId: ExperimentId, version: number) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const write = Effect.gen(function* () {
      const { layer } = yield* lockAt(experimentId, version, ["draft", "paused"])
      if (layer !== null) {
        const holdout = yield* lockLayer(layer.key, now)
        const experiments = yield* overlapping(layer.key, layer.from, layer.until, experimentId)
        if (experiments.length > 0 || layer.from < holdout) {
          return yield* new LayerOverlap({ layer: layer.key, experiments })
        }
      }
      yield* sql`
        UPDATE hm_experiment_phase
           SET started_at = ${now}
         WHERE tenant_id = ${tenant.id} AND experiment_id = ${experimentId}::uuid AND started_at IS NULL
      `
      return yield* setStatus(experimentId, "running", now)
    })
    return yield* transactionOf(sql)(write)
  })

  const pause = Effect.fn("Experiments.pause")(function* (experimentId: ExperimentId, version: number) {
    const now = yield* Now.now
    return yield* transactionOf(sql)(
      Effect.andThen(lockAt(experimentId, version, ["running"]), setStatus(experimentId, "paused", now))
    )
  })

  const stop = Effect.fn("Experiments.stop")(function* (experimentId: ExperimentId, version: number) {
    const now = yield* Now.now
    return yield* transactionOf(sql)(
      Effect.andThen(
        lockAt(experimentId, version, ["running", "paused"]),
        setStatus(experimentId, "stopped", now)
      )
    )
  })

  const setHoldout = Effect.fn("Experiments.setHoldout")(function* (layer: string, buckets: number) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const write = Effect.gen(function* () {
      yield* lockLayer(layer, now)
      const experiments = yield* overlapping(layer, 0, buckets, null)
      if (experiments.length > 0) return yield* new LayerOverlap({ layer, experiments })
      yield* sql`
        UPDATE hm_experiment_layer
           SET holdout = ${buckets}::int,
               updated_at = ${now}
         WHERE tenant_id = ${tenant.id} AND layer = ${layer}
      `
    })
    yield* transactionOf(sql)(write)
  })

  return { start, pause, stop, setHoldout }
}
