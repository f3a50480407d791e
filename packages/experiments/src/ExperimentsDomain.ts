/**
 * Experiments as a domain.
 *
 * @since 0.1.0
 */
import { Version } from "@hypermarket/core/Precondition"
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Check from "@hypermarket/core/Check"
import * as Domain from "@hypermarket/core/Domain"
import * as Job from "@hypermarket/core/Job"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import * as Partitions from "@hypermarket/core/Partitions"
import * as Service from "@hypermarket/core/Service"
import * as Subscription from "@hypermarket/core/Subscription"
import type { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import manifest from "../package.json" with { type: "json" }
import { ExperimentChange, ExperimentId, NewDecision, NewExperiment } from "./Experiment.ts"
import * as ExperimentHandle from "./ExperimentHandle.ts"
import { ExperimentLooks } from "./ExperimentLooks.ts"
import { Key, MetricId, NewExperimentMetric } from "./ExperimentMetric.ts"
import { ExperimentMetrics } from "./ExperimentMetrics.ts"
import { Experiments } from "./Experiments.ts"
import { AssignmentRequest } from "./ExperimentsApi.ts"
import * as Settings from "./ExperimentsSettings.ts"
import { batchMax, Deletion, Exposures, Fact, Facts, Refund } from "./ExperimentUnit.ts"
import { ExperimentUnits } from "./ExperimentUnits.ts"
import * as Commerce from "./internal/commerce.ts"
import * as Retention from "./internal/retention.ts"
import nextLook from "./migrations/0005_experiment_next_look.ts"
import retention from "./migrations/0006_experiment_retention.ts"
import experiment from "./migrations/0001_experiment.ts"
import unit from "./migrations/0002_experiment_unit.ts"
import margin from "./migrations/0003_experiment_margin.ts"
import exclusion from "./migrations/0004_experiment_exclusion.ts"
import * as ExperimentsSubjectData from "./ExperimentsSubjectData.ts"

/**
 * The services of this package.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(
  ExperimentMetrics.layer,
  Experiments.layer,
  ExperimentUnits.layer,
  ExperimentLooks.layer
)

const facts = Subscription.make<ExperimentUnits | Tenant>({
  name: "experiments.fact",
  types: Commerce.types,
  handler: Effect.fnUntraced(function* (events) {
    const units = yield* ExperimentUnits
    const { read, rejections } = yield* Commerce.fromEvents(events)
    yield* units.recordShop(read)
    return rejections
  })
})

const merge = Job.scheduled<ExperimentUnits | AllTenants>({
  name: "experiments.moment.merge",
  every: "5 seconds",
  run: Effect.flatMap(ExperimentUnits, ({ mergeDue }) => Effect.asVoid(mergeDue))
})

const takeLooks = Job.scheduled<ExperimentLooks | AllTenants>({
  name: "experiments.look.take",
  every: "1 minute",
  run: Effect.flatMap(ExperimentLooks, ({ takeDue }) => Effect.asVoid(takeDue))
})

const prune = Job.scheduled<ExperimentUnits | AllTenants>({
  name: "experiments.fact.prune",
  every: "1 hour",
  deadline: "5 minutes",
  run: Effect.flatMap(ExperimentUnits, (units) => Effect.asVoid(units.prune))
})

const oldestInUse = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Now.now
  const keepDays = yield* Effect.orDie(Settings.factsKeepDays.config)
  const [row] = yield* Retention.make(sql).oldestNeeded(undefined, keepDays, now)
  return row?.oldest
})

const factPartitions = Partitions.make({
  table: "hm_experiment_fact",
  by: "at",
  every: "day",
  // What is older than this goes, unless it is still in use: the setting and running experiments are in oldestInUse.
  keep: "1 day",
  ahead: 7,
  oldestInUse
})

/** A merge runs every five seconds: more rows than this mean that none runs. */
const waitingMax = 200_000

const backlog = Check.make(
  "experiment delta",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly waiting: number }>`
      SELECT count(*)::int AS waiting
        FROM (SELECT FROM hm_experiment_delta LIMIT ${waitingMax + 1}) w
    `
    const waiting = row?.waiting ?? 0
    return [
      waiting > waitingMax
        ? {
            status: "warn" as const,
            message: `more than ${waitingMax} changes wait for a merge`,
            hint: "start a worker: looks stay exact, and are slower until it has merged them"
          }
        : { status: "ok" as const, message: `${waiting} changes wait for a merge` }
    ]
  })
)

const Attributes = Schema.Struct({
  ...AssignmentRequest.fields,
  unitKind: Schema.String,
  environment: Schema.String,
  attributes: Schema.Record(Schema.String, Schema.Json)
})

const ShopFacts = Schema.Struct({
  facts: Schema.Array(Fact).check(Schema.isMaxLength(batchMax)),
  refunds: Schema.Array(Refund).check(Schema.isMaxLength(batchMax)),
  deletions: Schema.Array(Deletion).check(Schema.isMaxLength(batchMax))
})

/**
 * @category domains
 * @since 0.1.0
 */
export const domain = Domain.make({
  name: "experiments",
  tables: ["hm_experiment", "hm_experiment_"],
  migrations: Migrations.make(
    "experiments",
    {
      "0001_experiment": experiment,
      "0002_experiment_unit": unit,
      "0003_experiment_margin": margin,
      "0004_experiment_exclusion": exclusion,
      "0005_experiment_next_look": nextLook,
      "0006_experiment_retention": retention
    },
    { release: manifest.version }
  ),
  layer,
  contracts: Experiments.layerFeatures,
  services: {
    experiments: Service.opening(
      Service.make(Experiments, {
        create: [NewExperiment],
        get: [ExperimentId],
        getByKey: [Key],
        list: [Page.Request],
        change: [ExperimentId, Schema.Int, ExperimentChange],
        start: [ExperimentId, Version],
        pause: [ExperimentId, Version],
        stop: [ExperimentId, Version],
        decide: [ExperimentId, Schema.Int, NewDecision],
        setHoldout: [Key, BoundedInt.Int4],
        definitions: [Schema.String],
        assign: [Attributes]
      }),
      Service.local(ExperimentHandle.Options, ExperimentHandle.open)
    ),
    experimentMetrics: Service.make(ExperimentMetrics, {
      create: [NewExperimentMetric],
      get: [MetricId],
      getByKey: [Key],
      list: [Page.Request]
    }),
    experimentUnits: Service.make(
      ExperimentUnits,
      { expose: [Exposures], record: [Facts], recordShop: [ShopFacts] },
      { internal: ["mergeDue", "prune"] }
    ),
    experimentLooks: Service.make(
      ExperimentLooks,
      {
        look: [ExperimentId, Service.optional(Schema.Int)],
        planned: [ExperimentId],
        get: [ExperimentId, BoundedInt.Int4],
        list: [ExperimentId]
      },
      { internal: ["takeDue"] }
    )
  },
  jobs: [merge, takeLooks, prune],
  subscriptions: [facts],
  partitions: [factPartitions],
  checks: [backlog],
  settings: Settings.settings,
  subjectData: ExperimentsSubjectData.subjectData
})
