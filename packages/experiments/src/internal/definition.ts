/** Writes what an experiment is: its variants, weights, targeting and metrics, and the phases that changes begin. */
import { planDefaults } from "../ExperimentPlan.ts"
import * as Condition from "@hypermarket/core/Condition"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as SqlClient from "effect/sql/SqlClient"
import {
  type ExperimentChange,
  ExperimentExists,
  ExperimentId,
  ExperimentInvalid,
  ExperimentLimit,
  type NewExperiment,
  weightsSum
} from "../Experiment.ts"
import type * as ExperimentRow from "./experimentRow.ts"

export const invalid = (field: string, message: string) =>
  new ExperimentInvalid({ errors: [{ path: [field], message }] })

/** Refuses a condition that has the shape and does not compile. */
const checkTargeting = (targeting: Condition.Condition | null | undefined) =>
  targeting === null || targeting === undefined
    ? Effect.void
    : Result.match(Condition.compile(targeting, {}), {
        onFailure: (issues) =>
          Effect.fail(
            new ExperimentInvalid({
              errors: issues.map(({ message, path }) => ({
                path: ["targeting", ...path.map(String)],
                message
              }))
            })
          ),
        onSuccess: () => Effect.void
      })

export const make = (
  sql: SqlClient.SqlClient,
  { get, lockAt }: ReturnType<typeof ExperimentRow.make>,
  experimentsMax: number
) => {
  const create = Effect.fn("Experiments.create")(function* (experiment: NewExperiment) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    yield* checkTargeting(experiment.targeting)
    const goals = experiment.metrics ?? []
    const write = Effect.gen(function* () {
      const [existing] = yield* sql<{ readonly count: number }>`
        SELECT count(*)::int AS count
          FROM hm_experiment
         WHERE tenant_id = ${tenant.id}
      `
      if ((existing?.count ?? 0) >= experimentsMax) return yield* new ExperimentLimit({ experimentsMax })
      const metrics = yield* sql<{ readonly key: string; readonly metricId: string }>`
        SELECT key, metric_id::text AS "metricId"
          FROM hm_experiment_metric
         WHERE tenant_id = ${tenant.id} AND key = ANY (${goals.map(({ metric }) => metric)}::text[])
      `
      const ids = new Map(metrics.map(({ key, metricId }) => [key, metricId]))
      const missing = goals.findIndex(({ metric }) => !ids.has(metric))
      if (missing >= 0) {
        return yield* invalid(`metrics.${missing}.metric`, `No metric has the key ${goals[missing]?.metric}`)
      }
      const experimentId = yield* Identifier.next
      const plan = { ...planDefaults, ...experiment.plan }
      const created = yield* sql`
        INSERT INTO hm_experiment (tenant_id, experiment_id, key, name, hypothesis, environment, unit_kind, status,
                                   scheme, seed, layer, layer_from, layer_until, plan, recorded_at, updated_at)
        VALUES (${tenant.id}, ${experimentId}::uuid, ${experiment.key}, ${experiment.name ?? experiment.key},
                ${experiment.hypothesis ?? ""}, ${experiment.environment ?? "live"},
                ${experiment.unitKind ?? "customer"}, 'draft', ${experiment.scheme ?? "murmur3"}, ${experimentId},
                ${experiment.layer?.key ?? null}, ${experiment.layer?.from ?? null}::int,
                ${experiment.layer?.until ?? null}::int, ${JSON.stringify(plan)}::text::jsonb, ${now}, ${now})
            ON CONFLICT (tenant_id, key) DO NOTHING
        RETURNING 1
      `
      if (created.length === 0) return yield* new ExperimentExists({ key: experiment.key })
      const variantIds = yield* Identifier.nextMany(experiment.variants.length)
      yield* sql`
        INSERT INTO hm_experiment_variant (tenant_id, experiment_id, variant_id, position, key, name)
        SELECT ${tenant.id}, ${experimentId}::uuid, v.id, v.place - 1, v.key, v.name
          FROM unnest(${variantIds}::uuid[], ${experiment.variants.map(({ key }) => key)}::text[],
                      ${experiment.variants.map(({ key, name }) => name ?? key)}::text[])
               WITH ORDINALITY AS v (id, key, name, place)
      `
      yield* sql`
        INSERT INTO hm_experiment_phase (tenant_id, experiment_id, phase, weights, coverage, targeting)
        VALUES (${tenant.id}, ${experimentId}::uuid, 1, ${experiment.variants.map(({ weight }) => weight)}::int[],
                ${experiment.coverage ?? 100_000}::int,
                ${experiment.targeting === undefined ? null : JSON.stringify(experiment.targeting)}::text::jsonb)
      `
      yield* sql`
        INSERT INTO hm_experiment_goal (tenant_id, experiment_id, position, metric_id, role, margin)
        SELECT ${tenant.id}, ${experimentId}::uuid, g.place, g.metric_id, g.role, nullif(g.margin, 0)
          FROM unnest(${goals.map(({ metric }) => ids.get(metric) ?? "")}::uuid[],
                      ${goals.map(({ role }) => role)}::text[], ${goals.map(({ margin }) => margin ?? 0)}::float8[])
               WITH ORDINALITY AS g (metric_id, role, margin, place)
      `
      return yield* Effect.orDie(get(ExperimentId.make(experimentId)))
    })
    return yield* transactionOf(sql)(write)
  })

  const change = Effect.fn("Experiments.change")(function* (
    experimentId: ExperimentId,
    version: number,
    changes: ExperimentChange
  ) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    yield* checkTargeting(changes.targeting)
    const write = Effect.gen(function* () {
      const experiment = yield* lockAt(experimentId, version, ["draft", "running", "paused"])
      const byKey = new Map(changes.variants?.map((variant) => [variant.key, variant]))
      const unknown = changes.variants?.findIndex(
        ({ key }) => !experiment.variants.some((variant) => variant.key === key)
      )
      if (unknown !== undefined && unknown >= 0) {
        return yield* invalid(`variants.${unknown}.key`, "Expected the key of a variant of this experiment")
      }
      const variants = experiment.variants.map((variant) => ({ ...variant, ...byKey.get(variant.key) }))
      if (variants.reduce((sum, { weight }) => sum + weight, 0) !== weightsSum) {
        return yield* invalid("variants", `Expected weights that sum to ${weightsSum}`)
      }
      const coverage = changes.coverage ?? experiment.coverage
      const targeting = changes.targeting === undefined ? experiment.targeting : changes.targeting
      const weights = variants.map(({ weight }) => weight)
      const isSame =
        coverage === experiment.coverage &&
        JSON.stringify(targeting) === JSON.stringify(experiment.targeting) &&
        weights.every((weight, index) => weight === experiment.variants[index]?.weight)
      const phase = isSame || experiment.startedAt === null ? experiment.phase : experiment.phase + 1
      yield* sql`
        INSERT INTO hm_experiment_phase (tenant_id, experiment_id, phase, weights, coverage, targeting, started_at)
        VALUES (${tenant.id}, ${experimentId}::uuid, ${phase}::int, ${weights}::int[], ${coverage}::int,
                ${targeting === null ? null : JSON.stringify(targeting)}::text::jsonb,
                ${experiment.startedAt === null ? null : now})
            ON CONFLICT (tenant_id, experiment_id, phase)
               DO UPDATE
               SET weights = excluded.weights,
                   coverage = excluded.coverage,
                   targeting = excluded.targeting
             WHERE hm_experiment_phase.started_at IS NULL
      `
      yield* sql`
        UPDATE hm_experiment_variant v
           SET name = c.name
          FROM unnest(${variants.map(({ key }) => key)}::text[], ${variants.map(({ name }) => name)}::text[])
               AS c (key, name)
         WHERE v.tenant_id = ${tenant.id} AND v.experiment_id = ${experimentId}::uuid AND v.key = c.key
      `
      yield* sql`
        UPDATE hm_experiment
           SET name = ${changes.name ?? experiment.name},
               hypothesis = ${changes.hypothesis ?? experiment.hypothesis},
               phase = ${phase}::int,
               version = version + 1,
               updated_at = ${now}
         WHERE tenant_id = ${tenant.id} AND experiment_id = ${experimentId}::uuid
      `
      return yield* get(experimentId)
    })
    return yield* transactionOf(sql)(write)
  })

  return { create, change }
}
