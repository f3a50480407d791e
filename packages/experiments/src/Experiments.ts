/**
 * Experiments of a tenant: defined, started, changed, stopped and decided, and assigned to units.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import type * as Condition from "@hypermarket/core/Condition"
import { FeatureSource } from "@hypermarket/core/FeatureSource"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import type { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Assignment from "./Assignment.ts"
import {
  type Experiment,
  type ExperimentChange,
  type ExperimentExists,
  ExperimentId,
  type ExperimentInvalid,
  type ExperimentLimit,
  type ExperimentNotFound,
  type ExperimentStatusWrong,
  type LayerOverlap,
  LookNotFound,
  type NewDecision,
  type NewExperiment
} from "./Experiment.ts"
import * as Settings from "./ExperimentsSettings.ts"
import * as Definition from "./internal/definition.ts"
import { featureOf } from "./internal/growthbook.ts"
import * as ExperimentRow from "./internal/experimentRow.ts"
import * as Lifecycle from "./internal/lifecycle.ts"

const pages = Page.make({
  list: "experiments.experiments",
  key: Schema.Tuple([ExperimentId]),
  keyOf: (experiment: Experiment) => [experiment.experimentId] as const
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
    readonly getByKey: (key: string) => Effect.Effect<Experiment, ExperimentNotFound | SqlError, Tenant>
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
      const rows = ExperimentRow.make(sql)
      const { columns, get, getByKey, lockAt, tables } = rows
      const { change, create } = Definition.make(sql, rows, experimentsMax)
      const { pause, setHoldout, start, stop } = Lifecycle.make(sql, rows)

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

      const decide = Effect.fn("Experiments.decide")(function* (
        experimentId: ExperimentId,
        version: number,
        decision: typeof NewDecision.Type
      ) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const write = Effect.gen(function* () {
          const experiment = yield* lockAt(experimentId, version, ["running", "paused", "stopped"])
          if (experiment.decision !== null)
            return yield* Definition.invalid("outcome", "A decision is on record")
          const { variant } = decision
          if (variant !== undefined && !experiment.variants.some(({ key }) => key === variant)) {
            return yield* Definition.invalid("variant", "Expected the key of a variant of this experiment")
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
        getByKey,
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

  /** Fills core's `FeatureSource`: experiments that run are features of GrowthBook's SDKs. */
  static readonly layerFeatures: Layer.Layer<never, Config.ConfigError, SqlClient.SqlClient> = Layer.effect(
    FeatureSource,
    Effect.gen(function* () {
      const experiments = yield* Experiments
      const sql = yield* SqlClient.SqlClient
      return {
        features: (environment: string) =>
          Effect.map(experiments.definitions(environment), (definitions) => definitions.map(featureOf)),
        // Experiments are never deleted, and every change raises a version.
        revision: Effect.gen(function* () {
          const tenant = yield* Tenant
          const [row] = yield* sql<{ readonly revision: bigint }>`
            SELECT coalesce(sum(version), 0)::bigint AS revision
              FROM hm_experiment
             WHERE tenant_id = ${tenant.id}
          `
          return BigInt(row?.revision ?? 0)
        })
      }
    })
  ).pipe(Layer.provide(Experiments.layer))
}
