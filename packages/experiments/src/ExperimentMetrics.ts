/**
 * The metrics of a tenant: created, read and listed.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Column from "@hypermarket/core/Column"
import * as Identifier from "@hypermarket/core/Identifier"
import { Currency } from "@hypermarket/core/Money"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import * as Row from "@hypermarket/core/Row"
import { Tenant } from "@hypermarket/core/Tenant"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import {
  defaults,
  ExperimentMetric,
  Kind,
  MetricExists,
  MetricId,
  MetricLimit,
  MetricNotFound,
  type NewExperimentMetric
} from "./ExperimentMetric.ts"
import * as Settings from "./ExperimentsSettings.ts"

const metricRow = Row.make(
  ExperimentMetric,
  {
    metricId: MetricId,
    key: Schema.String,
    name: Schema.String,
    kind: Kind,
    direction: ExperimentMetric.fields.direction,
    source: Schema.String,
    denominatorSource: Schema.NullOr(Schema.String),
    currency: Schema.NullOr(Currency),
    windowSeconds: Schema.Int,
    windowStartSeconds: Schema.Int,
    prePeriodSeconds: Schema.Int,
    cap: Schema.NullOr(Column.BigInt),
    denominatorCap: Schema.NullOr(Column.BigInt),
    capPercentile: ExperimentMetric.fields.capPercentile,
    recordedAt: Column.Timestamp
  },
  { uuid: ["metricId"] }
)

const pages = Page.make({
  list: "experiments.metrics",
  key: Schema.Tuple([MetricId]),
  keyOf: (metric: ExperimentMetric) => [metric.metricId] as const
})

/**
 * @category services
 * @since 0.1.0
 */
export class ExperimentMetrics extends Context.Service<
  ExperimentMetrics,
  {
    /** Creates a metric. Facts of its source are kept from then on. */
    readonly create: (
      metric: NewExperimentMetric
    ) => Effect.Effect<ExperimentMetric, MetricExists | MetricLimit | SqlError, Tenant>
    readonly get: (metricId: MetricId) => Effect.Effect<ExperimentMetric, MetricNotFound | SqlError, Tenant>
    readonly getByKey: (key: string) => Effect.Effect<ExperimentMetric, MetricNotFound | SqlError, Tenant>
    /** Lists the newest first. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<ExperimentMetric>, Page.CursorInvalid | SqlError, Tenant>
  }
>()("@hypermarket/experiments/ExperimentMetrics") {
  static readonly layer: Layer.Layer<ExperimentMetrics, Config.ConfigError, SqlClient.SqlClient> =
    Layer.effect(
      ExperimentMetrics,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const metricsMax = yield* Settings.experimentsMax.config
        const columns = sql.literal(metricRow.columns)

        const create = Effect.fn("ExperimentMetrics.create")(function* (metric: NewExperimentMetric) {
          const tenant = yield* Tenant
          const now = yield* Now.now
          const [existing] = yield* sql<{ readonly count: number; readonly taken: boolean }>`
            SELECT count(*)::int AS count,
                   coalesce(bool_or(key = ${metric.key}), false) AS taken
              FROM hm_experiment_metric
             WHERE tenant_id = ${tenant.id}
          `
          if (existing?.taken === true) return yield* new MetricExists({ key: metric.key })
          if ((existing?.count ?? 0) >= metricsMax) return yield* new MetricLimit({ metricsMax })
          const [row] = yield* sql`
            INSERT INTO hm_experiment_metric (tenant_id, metric_id, key, name, kind, direction, source,
                                              denominator_source, currency, window_seconds, window_start_seconds,
                                              pre_period_seconds, cap, denominator_cap, cap_percentile, recorded_at)
            VALUES (${tenant.id}, ${yield* Identifier.next}::uuid, ${metric.key}, ${metric.name ?? metric.key},
                    ${metric.kind}, ${metric.direction ?? "up"}, ${metric.source},
                    ${metric.denominatorSource ?? null}, ${metric.currency ?? null},
                    ${metric.windowSeconds ?? defaults.windowSeconds}::int,
                    ${metric.windowStartSeconds ?? 0}::int,
                    ${metric.prePeriodSeconds ?? defaults.prePeriodSeconds}::int,
                    ${metric.cap?.toString() ?? null}::bigint, ${metric.denominatorCap?.toString() ?? null}::bigint,
                    ${metric.capPercentile ?? null}::float8, ${now})
                ON CONFLICT (tenant_id, key) DO NOTHING
            RETURNING ${columns}
          `
          if (row === undefined) return yield* new MetricExists({ key: metric.key })
          return yield* metricRow.decode(row)
        })

        const get = Effect.fn("ExperimentMetrics.get")(function* (metricId: MetricId) {
          const tenant = yield* Tenant
          const [row] = yield* sql`
            SELECT ${columns}
              FROM hm_experiment_metric
             WHERE tenant_id = ${tenant.id} AND metric_id = ${metricId}::uuid
          `
          if (row === undefined) return yield* new MetricNotFound({ metric: metricId })
          return yield* metricRow.decode(row)
        })

        const getByKey = Effect.fn("ExperimentMetrics.getByKey")(function* (key: string) {
          const tenant = yield* Tenant
          const [row] = yield* sql`
            SELECT ${columns}
              FROM hm_experiment_metric
             WHERE tenant_id = ${tenant.id} AND key = ${key}
          `
          if (row === undefined) return yield* new MetricNotFound({ metric: key })
          return yield* metricRow.decode(row)
        })

        const list = Effect.fn("ExperimentMetrics.list")(function* (request: Page.Request) {
          const tenant = yield* Tenant
          const [before] = Option.getOrElse(yield* pages.after(request), () => [Page.lastUuid] as const)
          const rows = yield* sql`
            SELECT ${columns}
              FROM hm_experiment_metric
             WHERE tenant_id = ${tenant.id} AND metric_id < ${before}::uuid
             ORDER BY metric_id DESC
             LIMIT ${Page.limitOf(request) + 1}
          `
          return yield* pages.page(yield* metricRow.decodeAll(rows), request)
        })

        return ExperimentMetrics.of({
          create: (metric) =>
            AuditedChange.change(sql, create(metric), {
              action: "experiment-metric.created",
              target: ({ metricId }) => ({ type: "experiment-metric", id: metricId }),
              after: (created) => created
            }),
          get,
          getByKey,
          list
        })
      })
    )
}
