import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import * as Partitions from "@hypermarket/core/Partitions"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ExperimentLooks } from "@hypermarket/experiments/ExperimentLooks"
import * as ExperimentsDomain from "@hypermarket/experiments/ExperimentsDomain"
import { ExperimentUnits } from "@hypermarket/experiments/ExperimentUnits"
import * as PoisonSuite from "@hypermarket/testing/PoisonSuite"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Laboratory from "./Laboratory.ts"

const { count, update } = PoisonSuite

const everySeconds = 7_200

const as = (tenantId: string) => provide(TenantId.make(tenantId))
const overAll = Effect.provideService(AllTenants, { actor: "test" })

const take = Effect.flatMap(ExperimentLooks, ({ takeDue }) => takeDue).pipe(overAll)
const merge = Effect.flatMap(ExperimentUnits, ({ mergeDue }) => mergeDue).pipe(overAll)
const prune = Effect.flatMap(ExperimentUnits, (units) => units.prune).pipe(overAll)

const start = Laboratory.start("banner", [], { plan: { unitsPlanned: 700, lookEverySeconds: everySeconds } })

const expose = (from: number) =>
  Effect.flatMap(ExperimentUnits, (units) =>
    units.expose(
      Array.from({ length: 6 }, (_, index) => ({
        experiment: "banner",
        unit: `unit-${from + index}`,
        variant: index % 2 === 0 ? "old" : "new"
      }))
    )
  )

/** A running experiment whose first look is due, with units that were seen. */
const work = (tenantId: string) =>
  Effect.gen(function* () {
    yield* start
    yield* expose(0)
    yield* update("hm_experiment", tenantId, "next_look_at = now() - interval '5 minutes'")
  }).pipe(as(tenantId))

const hasLook = (tenantId: string) =>
  Effect.map(count("hm_experiment_result", tenantId), (looks) => looks === 1)

const looking = (kind: string, change: string, expected: RegExp, table = "hm_experiment") => ({
  name: `looks beside an experiment with ${kind}`,
  work,
  plant: (tenantId: string) => update(table, tenantId, change),
  round: take,
  isDone: hasLook,
  recorded: PoisonSuite.loopFailure("experiments.look.take"),
  expected
})

layer(Laboratory.layer, { excludeTestServices: true })("Loops of experiments", (it) => {
  PoisonSuite.suite(it, [
    looking("a plan of a newer release", `plan = plan || '{"method": "bandit"}'`, /method/),
    looking(
      "a time between looks in words",
      `plan = plan || '{"lookEverySeconds": "hourly"}'`,
      /lookEverySeconds|22P02/
    ),
    looking("weights that are none", "weights = '{}'", /weight/, "hm_experiment_phase"),
    {
      name: "merging beside a moment that overflows",
      work,
      plant: (tenantId) =>
        Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`
            INSERT INTO hm_experiment_moment
            SELECT DISTINCT ON (experiment_id, position, variant, phase, day) filled.*
              FROM hm_experiment_delta delta
             CROSS JOIN LATERAL jsonb_populate_record(
                     NULL::hm_experiment_moment, to_jsonb(delta) || '{"n": 9223372036854775807}') filled
             WHERE delta.tenant_id = ${tenantId}
          `
        ),
      round: merge,
      isDone: (tenantId) => Effect.map(count("hm_experiment_delta", tenantId), (rows) => rows === 0),
      recorded: PoisonSuite.loopFailure("experiments.moment.merge"),
      expected: /bigint out of range.*SQLSTATE 22003/
    }
  ])
})

layer(Laboratory.layer, { excludeTestServices: true })(
  "An experiment that has begun before every instant",
  (it) => {
    it.effect("stops neither the retention of facts nor the making of partitions", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const now = yield* Now.now
        yield* start.pipe(as("poison"))
        yield* update("hm_experiment", "poison", "started_at = '-infinity'")
        yield* sql`
        INSERT INTO hm_experiment_fact_key (tenant_id, source, fact_id, version, unit_kind, unit, at, quantity, value)
        VALUES ('other', 'order', 'o1', 0, 'user', 'mia', ${new Date(now.getTime() - 4_000 * 86_400_000)}, 1, 350)
      `
        assert.strictEqual(yield* prune, 1)
        yield* Effect.forEach(ExperimentsDomain.domain.partitions, Partitions.maintain)
        const partitions = yield* sql`
        SELECT
          FROM pg_inherits
         WHERE inhparent = 'hm_experiment_fact'::regclass
      `
        assert.isAbove(partitions.length, 7)
      })
    )
  }
)
