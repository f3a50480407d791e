/**
 * Looks at experiments: computed once, stored, and never changed.
 *
 * @since 0.1.0
 */
import { planDefaults } from "./ExperimentPlan.ts"
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Column from "@hypermarket/core/Column"
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as BigDecimal from "effect/BigDecimal"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import {
  ExperimentId,
  ExperimentNotFound,
  ExperimentStatusWrong,
  LookNotFound,
  LookUnavailable
} from "./Experiment.ts"
import { ExperimentLook } from "./ExperimentLook.ts"
import { ExperimentMetric } from "./ExperimentMetric.ts"
import * as Analysis from "./internal/analysis.ts"
import * as ExperimentRow from "./internal/experimentRow.ts"
import * as Moments from "./internal/moments.ts"
import * as LookSchedule from "./internal/schedule.ts"

/** The bounds of a hundred looks take a third of a second, and more looks find nothing sooner. */
const looksMax = 100
/** A round ends before the job's deadline, and the next one begins with other tenants. */
const roundLimit = "30 seconds"

const measures: Record<
  (typeof Moments.sums)[number] | (typeof Moments.products)[number],
  typeof Column.Numeric
> = {
  y: Column.Numeric,
  d: Column.Numeric,
  x: Column.Numeric,
  e: Column.Numeric,
  yy: Column.Numeric,
  yd: Column.Numeric,
  yx: Column.Numeric,
  ye: Column.Numeric,
  dd: Column.Numeric,
  dx: Column.Numeric,
  de: Column.Numeric,
  xx: Column.Numeric,
  xe: Column.Numeric,
  ee: Column.Numeric
}

const CellRow = Schema.Struct({
  position: Schema.Int,
  variant: Schema.Int,
  phase: Schema.Int,
  n: Column.Numeric,
  crossed: Column.Numeric,
  other: Column.Numeric,
  ...measures,
  cap: Schema.NullOr(Column.BigInt),
  denominatorCap: Schema.NullOr(Column.BigInt)
})

const decodeCells = Schema.decodeUnknownEffect(Schema.Array(CellRow))
const Stored = Schema.toCodecJson(ExperimentLook)
const encodeLook = Schema.encodeEffect(Schema.fromJsonString(Stored))
const decodeLook = Schema.decodeUnknownEffect(Stored)
const decodeMetrics = Schema.decodeUnknownEffect(Schema.toCodecJson(Schema.Array(ExperimentMetric)))

/** The sums are integers by construction. */
const integer = (value: BigDecimal.BigDecimal | undefined): bigint =>
  value === undefined ? 0n : BigDecimal.scale(value, 0).value

/**
 * @category services
 * @since 0.1.0
 */
export class ExperimentLooks extends Context.Service<
  ExperimentLooks,
  {
    /**
     * Computes and stores the next look, or returns the one with this number when it was taken. Spends the part of alpha that the units
     * since the look before allow.
     */
    readonly look: (
      experimentId: ExperimentId,
      number?: number
    ) => Effect.Effect<
      ExperimentLook,
      ExperimentNotFound | ExperimentStatusWrong | LookNotFound | LookUnavailable | SqlError,
      Tenant
    >
    /**
     * Returns the planned look that is due: takes it, or returns the one that was taken. Without `plan.lookEverySeconds` each call takes
     * the next look.
     */
    readonly planned: (
      experimentId: ExperimentId
    ) => Effect.Effect<
      ExperimentLook,
      ExperimentNotFound | ExperimentStatusWrong | LookNotFound | LookUnavailable | SqlError,
      Tenant
    >
    /** Stores the planned looks that are due, of all tenants. A tenant's failure is logged and does not stop the others. */
    readonly takeDue: Effect.Effect<number, SqlError, AllTenants>
    readonly get: (
      experimentId: ExperimentId,
      number: number
    ) => Effect.Effect<ExperimentLook, LookNotFound | SqlError, Tenant>
    /** Lists all looks, the first one first. */
    readonly list: (
      experimentId: ExperimentId
    ) => Effect.Effect<ReadonlyArray<ExperimentLook>, ExperimentNotFound | SqlError, Tenant>
  }
>()("@hypermarket/experiments/ExperimentLooks") {
  static readonly layer: Layer.Layer<ExperimentLooks, never, SqlClient.SqlClient> = Layer.effect(
    ExperimentLooks,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const moments = Moments.make(sql)
      const schedule = LookSchedule.make(sql)
      const { columns, tables } = ExperimentRow.make(sql)
      // Looks of before a setting existed have its default.
      const stored = sql.literal(
        `jsonb_set(result, '{settings}', '${JSON.stringify(planDefaults)}'::jsonb || (result -> 'settings'))`
      )

      const list = Effect.fn("ExperimentLooks.list")(function* (experimentId: ExperimentId) {
        const tenant = yield* Tenant
        const [experiment] = yield* sql`
          SELECT 1
            FROM hm_experiment
           WHERE tenant_id = ${tenant.id} AND experiment_id = ${experimentId}::uuid
        `
        if (experiment === undefined) return yield* new ExperimentNotFound({ experiment: experimentId })
        const rows = yield* sql<{ readonly result: unknown }>`
          SELECT ${stored} AS result
            FROM hm_experiment_result
           WHERE tenant_id = ${tenant.id} AND experiment_id = ${experimentId}::uuid
           ORDER BY look
        `
        return yield* Effect.forEach(rows, ({ result }) => Effect.orDie(decodeLook(result)))
      })

      const get = Effect.fn("ExperimentLooks.get")(function* (experimentId: ExperimentId, number: number) {
        const tenant = yield* Tenant
        const [row] = yield* sql<{ readonly result: unknown }>`
          SELECT ${stored} AS result
            FROM hm_experiment_result
           WHERE tenant_id = ${tenant.id} AND experiment_id = ${experimentId}::uuid AND look = ${number}::int
        `
        if (row === undefined) return yield* new LookNotFound({ look: number })
        return yield* Effect.orDie(decodeLook(row.result))
      })

      const readMetrics = Effect.fnUntraced(function* (tenantId: string, experimentId: string) {
        const [row] = yield* sql<{ readonly metrics: unknown }>`
          SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'metricId', m.metric_id, 'key', m.key, 'name', m.name, 'kind', m.kind, 'direction', m.direction,
                   'source', m.source, 'denominatorSource', m.denominator_source, 'currency', m.currency,
                   'windowSeconds', m.window_seconds, 'windowStartSeconds', m.window_start_seconds,
                   'prePeriodSeconds', m.pre_period_seconds,
                   'cap', m.cap::text, 'denominatorCap', m.denominator_cap::text,
                   'capPercentile', m.cap_percentile,
                   'recordedAt', to_char(m.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
                   ORDER BY g.position), '[]'::jsonb) AS metrics
            FROM hm_experiment_goal g
            JOIN hm_experiment_metric m ON m.tenant_id = g.tenant_id AND m.metric_id = g.metric_id
           WHERE g.tenant_id = ${tenantId} AND g.experiment_id = ${experimentId}::uuid
        `
        return yield* Effect.orDie(decodeMetrics(row?.metrics))
      })

      const take = Effect.fnUntraced(function* (experimentId: ExperimentId, number: number | undefined) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        // One look at a time: of two that ask for the same number the second gets the first's row.
        const locked = yield* schedule.lock(tenant.id, experimentId, now)
        if (locked.length === 0) return yield* new ExperimentNotFound({ experiment: experimentId })
        const earlier = yield* sql<{ readonly look: number; readonly information: number }>`
          SELECT look, information
            FROM hm_experiment_result
           WHERE tenant_id = ${tenant.id} AND experiment_id = ${experimentId}::uuid
           ORDER BY look
        `
        const next = earlier.length + 1
        if (number !== undefined && number < next) return yield* get(experimentId, number)
        if (number !== undefined && number > next) return yield* new LookUnavailable({ reason: "not-next" })
        if (next > looksMax) return yield* new LookUnavailable({ reason: "too-many-looks" })
        const rows = yield* sql`
          SELECT ${columns}
            FROM ${tables}
           WHERE e.tenant_id = ${tenant.id} AND e.experiment_id = ${experimentId}::uuid
        `
        const experiment = yield* ExperimentRow.decode(rows[0])
        if (experiment.startedAt === null) {
          return yield* new ExperimentStatusWrong({
            current: experiment.status,
            expected: ["running", "paused", "stopped"]
          })
        }
        const phases = yield* sql<{ readonly weights: ReadonlyArray<number> }>`
          SELECT to_jsonb(weights) AS weights
            FROM hm_experiment_phase
           WHERE tenant_id = ${tenant.id} AND experiment_id = ${experimentId}::uuid
           ORDER BY phase
        `
        const metrics = yield* readMetrics(tenant.id, experimentId)
        const percentiles = metrics.flatMap(({ capPercentile }, index) =>
          capPercentile === null ? [] : [{ position: index + 1, percentile: capPercentile }]
        )
        const cells = yield* Effect.orDie(
          decodeCells(
            yield* moments.moments(tenant.id, { experimentId, unitKind: experiment.unitKind }, percentiles)
          )
        )
        if (!cells.some((cell) => cell.position === 0)) {
          return yield* new LookUnavailable({ reason: "no-units" })
        }
        const figures = Analysis.analyse({
          experiment,
          metrics,
          weights: phases.map(({ weights }) => weights),
          cells: cells.map((cell) => ({
            position: cell.position,
            variant: cell.variant,
            phase: cell.phase,
            n: integer(cell.n),
            crossed: integer(cell.crossed),
            other: integer(cell.other),
            sums: Moments.sums.map((name) => integer(cell[name])),
            products: Moments.products.map((name) => integer(cell[name])),
            caps:
              cell.cap === null || cell.denominatorCap === null
                ? undefined
                : { value: Number(cell.cap), denominator: Number(cell.denominatorCap) }
          })),
          informations: earlier.map(({ information }) => information)
        })
        const look = new ExperimentLook({
          ...figures,
          experimentId,
          look: next,
          recordedAt: DateTime.makeUnsafe(now)
        })
        yield* sql`
          INSERT INTO hm_experiment_result (tenant_id, experiment_id, look, information, result, recorded_at)
          VALUES (${tenant.id}, ${experimentId}::uuid, ${next}::int, ${figures.settings.information}::float8,
                  ${yield* Effect.orDie(encodeLook(look))}::text::jsonb, ${now})
        `
        const isOver =
          next >= looksMax ||
          (experiment.plan.method === "group-sequential" && figures.settings.information >= 1)
        yield* schedule.advance(tenant.id, experimentId, now, isOver)
        return look
      })

      const look = Effect.fn("ExperimentLooks.look")(function* (experimentId: ExperimentId, number?: number) {
        return yield* AuditedChange.change(sql, transactionOf(sql)(take(experimentId, number)), {
          action: "experiment.looked",
          target: { type: "experiment", id: experimentId },
          after: ({ look }) => ({ look })
        })
      })

      const newest = Effect.fnUntraced(function* (experimentId: ExperimentId) {
        const tenant = yield* Tenant
        const [row] = yield* sql<{ readonly look: number }>`
          SELECT max(look) AS look
            FROM hm_experiment_result
           WHERE tenant_id = ${tenant.id} AND experiment_id = ${experimentId}::uuid
          HAVING count(*) > 0
        `
        return row?.look
      })

      const planned = Effect.fn("ExperimentLooks.planned")(function* (experimentId: ExperimentId) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const find = Effect.gen(function* () {
          const [experiment] = yield* schedule.lock(tenant.id, experimentId, now)
          if (experiment === undefined) return yield* new ExperimentNotFound({ experiment: experimentId })
          if (!experiment.isPlanned || experiment.isDue) return yield* look(experimentId)
          const number = yield* newest(experimentId)
          if (number === undefined) return yield* new LookUnavailable({ reason: "not-due" })
          return yield* get(experimentId, number)
        })
        return yield* transactionOf(sql)(find)
      })

      /** Stores the planned look of an experiment, if it is still due. One that cannot be taken now is left out. */
      const takePlanned = Effect.fnUntraced(function* (tenantId: string, experimentId: ExperimentId) {
        const now = yield* Now.now
        const write = Effect.gen(function* () {
          const [experiment] = yield* schedule.lock(tenantId, experimentId, now)
          if (experiment?.isDue !== true) return 0
          return yield* look(experimentId).pipe(
            Effect.as(1),
            Effect.catchTag("LookUnavailable", ({ reason }) =>
              Effect.as(schedule.advance(tenantId, experimentId, now, reason === "too-many-looks"), 0)
            )
          )
        })
        return yield* transactionOf(sql)(write)
      })

      const takeDue = Effect.gen(function* () {
        yield* AllTenants
        const now = yield* Now.now
        const round = yield* EachTenant.run({
          loop: "experiments.look.take",
          items: yield* schedule.dueTenants(now),
          limit: roundLimit,
          turn: Effect.fnUntraced(function* ({ tenantId }) {
            const [first, ...others] = yield* schedule.dueExperiments(tenantId, now)
            if (first === undefined) return { count: 0, hasMore: false }
            const count = yield* takePlanned(tenantId, ExperimentId.make(first.experimentId))
            return { count, hasMore: others.length > 0 }
          })
        })
        return round.count
      }).pipe(Effect.provideService(SqlClient.SqlClient, sql), Effect.withSpan("ExperimentLooks.takeDue"))

      return ExperimentLooks.of({
        look,
        planned,
        takeDue,
        get,
        list
      })
    })
  )
}
