/**
 * Experiments of a tenant: defined, started, changed, stopped and decided, and assigned to units.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Condition from "@hypermarket/core/Condition"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Assignment from "./Assignment.ts"
import {
  type Experiment,
  type ExperimentChange,
  ExperimentExists,
  ExperimentId,
  ExperimentInvalid,
  ExperimentLimit,
  ExperimentNotFound,
  ExperimentStatusWrong,
  LayerOverlap,
  LookNotFound,
  type NewDecision,
  type NewExperiment,
  weightsSum
} from "./Experiment.ts"
import * as Settings from "./ExperimentsSettings.ts"
import * as ExperimentRow from "./internal/experimentRow.ts"

const pages = Page.make({
  list: "experiments.experiments",
  key: Schema.Tuple([ExperimentId]),
  keyOf: (experiment: Experiment) => [experiment.experimentId] as const
})

const invalid = (field: string, message: string) =>
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

type Changeable = ExperimentNotFound | ExperimentStatusWrong | VersionStale | SqlError

/**
 * A unit whose variants are asked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface AssignmentRequest {
  readonly environment: string
  readonly unitKind: string
  readonly unit: string
  readonly attributes: Condition.Attributes
  /** Keys of experiments; all of the environment and unit kind that run, when left out. */
  readonly experiments?: ReadonlyArray<string>
}

/**
 * @category services
 * @since 0.1.0
 */
export class Experiments extends Context.Service<
  Experiments,
  {
    readonly create: (
      experiment: NewExperiment
    ) => Effect.Effect<Experiment, ExperimentExists | ExperimentInvalid | ExperimentLimit | SqlError, Tenant>
    readonly get: (
      experimentId: ExperimentId
    ) => Effect.Effect<Experiment, ExperimentNotFound | SqlError, Tenant>
    /** Lists the newest first. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<Experiment>, Page.CursorInvalid | SqlError, Tenant>
    /** Changes what is named and keeps the rest. After the start, other weights, coverage or targeting begin a phase. */
    readonly change: (
      experimentId: ExperimentId,
      version: number,
      change: ExperimentChange
    ) => Effect.Effect<Experiment, ExperimentInvalid | Changeable, Tenant>
    /** Starts a draft, or resumes a paused experiment. Fails when its part of the layer is in use. */
    readonly start: (
      experimentId: ExperimentId,
      version: number
    ) => Effect.Effect<Experiment, LayerOverlap | Changeable, Tenant>
    /** Assigns no unit until it is started again, and keeps its part of the layer. */
    readonly pause: (
      experimentId: ExperimentId,
      version: number
    ) => Effect.Effect<Experiment, Changeable, Tenant>
    /** Ends assignment and exposures. Facts still count for units that are in it. */
    readonly stop: (
      experimentId: ExperimentId,
      version: number
    ) => Effect.Effect<Experiment, Changeable, Tenant>
    /** Records the decision, once, with the look that it rests on. */
    readonly decide: (
      experimentId: ExperimentId,
      version: number,
      decision: typeof NewDecision.Type
    ) => Effect.Effect<Experiment, ExperimentInvalid | LookNotFound | Changeable, Tenant>
    /** Reserves the first buckets of a layer for no experiment. Fails while a running experiment has some of them. */
    readonly setHoldout: (
      layer: string,
      buckets: number
    ) => Effect.Effect<void, LayerOverlap | SqlError, Tenant>
    /** Reads the running experiments of an environment, for `Assignment.compile`. */
    readonly definitions: (
      environment: string
    ) => Effect.Effect<
      ReadonlyArray<Assignment.Definition & { readonly unitKind: string; readonly experimentId: string }>,
      SqlError,
      Tenant
    >
    /** Returns the variants of a unit. A unit that was exposed stays in its variant. Logs no exposure. */
    readonly assign: (
      request: AssignmentRequest
    ) => Effect.Effect<ReadonlyArray<Assignment.Assignment>, SqlError, Tenant>
  }
>()("@hypermarket/experiments/Experiments") {
  static readonly layer: Layer.Layer<Experiments, Config.ConfigError, SqlClient.SqlClient> = Layer.effect(
    Experiments,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const experimentsMax = yield* Settings.experimentsMax.config
      const { columns, tables } = ExperimentRow.make(sql)

      const get = Effect.fn("Experiments.get")(function* (experimentId: ExperimentId) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${columns}
            FROM ${tables}
           WHERE e.tenant_id = ${tenant.id} AND e.experiment_id = ${experimentId}::uuid
        `
        if (row === undefined) return yield* new ExperimentNotFound({ experiment: experimentId })
        return yield* ExperimentRow.decode(row)
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
            return yield* invalid(
              `metrics.${missing}.metric`,
              `No metric has the key ${goals[missing]?.metric}`
            )
          }
          const experimentId = yield* Identifier.next
          const plan = {
            alpha: experiment.plan.alpha ?? 0.05,
            unitsPlanned: experiment.plan.unitsPlanned,
            spending: experiment.plan.spending ?? "obrien-fleming",
            correction: experiment.plan.correction ?? "holm"
          }
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
            INSERT INTO hm_experiment_goal (tenant_id, experiment_id, position, metric_id, role)
            SELECT ${tenant.id}, ${experimentId}::uuid, g.place, g.metric_id, g.role
              FROM unnest(${goals.map(({ metric }) => ids.get(metric) ?? "")}::uuid[],
                          ${goals.map(({ role }) => role)}::text[])
                   WITH ORDINALITY AS g (metric_id, role, place)
          `
          return yield* Effect.orDie(get(ExperimentId.make(experimentId)))
        })
        return yield* transactionOf(sql)(write)
      })

      const list = Effect.fn("Experiments.list")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [before] = Option.getOrElse(yield* pages.after(request), () => [Page.lastUuid] as const)
        const rows = yield* sql`
          SELECT ${columns}
            FROM ${tables}
           WHERE e.tenant_id = ${tenant.id} AND e.experiment_id < ${before}::uuid
           ORDER BY e.experiment_id DESC
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* pages.page(yield* Effect.forEach(rows, ExperimentRow.decode), request)
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
            return yield* invalid(
              `variants.${unknown}.key`,
              "Expected the key of a variant of this experiment"
            )
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

      const decide = Effect.fn("Experiments.decide")(function* (
        experimentId: ExperimentId,
        version: number,
        decision: typeof NewDecision.Type
      ) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const write = Effect.gen(function* () {
          const experiment = yield* lockAt(experimentId, version, ["running", "paused", "stopped"])
          if (experiment.decision !== null) return yield* invalid("outcome", "A decision is on record")
          const { variant } = decision
          if (variant !== undefined && !experiment.variants.some(({ key }) => key === variant)) {
            return yield* invalid("variant", "Expected the key of a variant of this experiment")
          }
          const [row] = yield* sql`
            SELECT 1
              FROM hm_experiment_result
             WHERE tenant_id = ${tenant.id} AND experiment_id = ${experimentId}::uuid AND look = ${decision.look}::int
          `
          if (row === undefined) return yield* new LookNotFound({ look: decision.look })
          const record = { ...decision, variant: variant ?? null, decidedAt: now.toISOString() }
          yield* sql`
            UPDATE hm_experiment
               SET decision = ${JSON.stringify(record)}::text::jsonb,
                   version = version + 1,
                   updated_at = ${now}
             WHERE tenant_id = ${tenant.id} AND experiment_id = ${experimentId}::uuid
          `
          return yield* get(experimentId)
        })
        return yield* transactionOf(sql)(write)
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

      const definitions = Effect.fn("Experiments.definitions")(function* (environment: string) {
        const tenant = yield* Tenant
        const rows = yield* sql`
          SELECT ${columns}
            FROM ${tables}
           WHERE e.tenant_id = ${tenant.id} AND e.environment = ${environment} AND e.status = 'running'
           ORDER BY e.experiment_id
        `
        const holdouts = yield* sql<{ readonly layer: string; readonly holdout: number }>`
          SELECT layer, holdout
            FROM hm_experiment_layer
           WHERE tenant_id = ${tenant.id}
        `
        const held = new Map(holdouts.map(({ holdout, layer }) => [layer, holdout]))
        const experiments = yield* Effect.forEach(rows, ExperimentRow.decode)
        return experiments.map((experiment) => ({
          experimentId: experiment.experimentId,
          unitKind: experiment.unitKind,
          key: experiment.key,
          status: experiment.status,
          scheme: experiment.scheme,
          seed: experiment.seed,
          coverage: experiment.coverage,
          variants: experiment.variants,
          targeting: experiment.targeting,
          layer:
            experiment.layer === null
              ? null
              : { ...experiment.layer, holdout: held.get(experiment.layer.key) ?? 0 }
        }))
      })

      const assign = Effect.fn("Experiments.assign")(function* (request: AssignmentRequest) {
        const tenant = yield* Tenant
        const running = (yield* definitions(request.environment)).filter(
          ({ unitKind }) => unitKind === request.unitKind
        )
        const exposed = yield* sql<{ readonly experimentId: string; readonly variant: number }>`
          SELECT experiment_id::text AS "experimentId", variant::int AS variant
            FROM hm_experiment_unit
           WHERE tenant_id = ${tenant.id} AND unit_kind = ${request.unitKind} AND unit = ${request.unit}
        `
        const places = new Map(exposed.map(({ experimentId, variant }) => [experimentId, variant]))
        const previous = Object.fromEntries(
          running.flatMap(({ experimentId, key, variants }) => {
            const variant = variants[places.get(experimentId) ?? -1]
            return variant === undefined ? [] : [[key, variant.key]]
          })
        )
        const evaluator = Assignment.compile(running)
        return (request.experiments ?? evaluator.keys).map((key) =>
          evaluator.assign(key, request.unit, request.attributes, { previous })
        )
      })

      const targetOf = ({ experimentId }: { readonly experimentId: string }) => ({
        type: "experiment",
        id: experimentId
      })
      const changed = <E, R>(
        action: string,
        experimentId: ExperimentId,
        self: Effect.Effect<Experiment, E, R>
      ) =>
        AuditedChange.change(sql, self, {
          action,
          target: targetOf,
          before: get(experimentId),
          after: (experiment) => experiment
        })

      return Experiments.of({
        create: (experiment) =>
          AuditedChange.change(sql, create(experiment), {
            action: "experiment.created",
            target: targetOf,
            after: (created) => created
          }),
        get,
        list,
        change: (experimentId, version, changes) =>
          changed("experiment.changed", experimentId, change(experimentId, version, changes)),
        start: (experimentId, version) =>
          changed("experiment.started", experimentId, start(experimentId, version)),
        pause: (experimentId, version) =>
          changed("experiment.paused", experimentId, pause(experimentId, version)),
        stop: (experimentId, version) =>
          changed("experiment.stopped", experimentId, stop(experimentId, version)),
        decide: (experimentId, version, decision) =>
          changed("experiment.decided", experimentId, decide(experimentId, version, decision)),
        setHoldout: (layer, buckets) =>
          AuditedChange.change(sql, setHoldout(layer, buckets), {
            action: "experiment-layer.changed",
            target: { type: "experiment-layer", id: layer },
            after: () => ({ holdout: buckets })
          }),
        definitions,
        assign
      })
    })
  )
}
