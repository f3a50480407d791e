/** Looks at the times of a plan, taken by the job. */
import { assert, layer } from "@effect/vitest"
import { TestNow } from "@hypermarket/core/Now"
import { AllTenants, provide, Tenant, TenantId } from "@hypermarket/core/Tenant"
import type { ExperimentId } from "@hypermarket/experiments/Experiment"
import { ExperimentLooks } from "@hypermarket/experiments/ExperimentLooks"
import { Experiments } from "@hypermarket/experiments/Experiments"
import * as ExperimentsDomain from "@hypermarket/experiments/ExperimentsDomain"
import { ExperimentUnits } from "@hypermarket/experiments/ExperimentUnits"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Laboratory from "./Laboratory.ts"

const everySeconds = 3 * 60 * 60

/** Other tests of this file have due looks too: what it returns counts theirs. */
const take = Effect.flatMap(ExperimentLooks, ({ takeDue }) => takeDue).pipe(
  Effect.provideService(AllTenants, { actor: "test" })
)

const start = (key: string, unitsPlanned = 500) =>
  Laboratory.start(key, [], { plan: { unitsPlanned, lookEverySeconds: everySeconds } })

const expose = Effect.fnUntraced(function* (key: string, from: number, until: number) {
  const units = yield* ExperimentUnits
  yield* units.expose(
    Array.from({ length: until - from }, (_, index) => ({
      experiment: key,
      unit: `unit-${from + index}`,
      variant: index % 2 === 0 ? "old" : "new"
    }))
  )
})

/** The numbers of the stored looks, and how many periods after the start the next one is due. */
const stateOf = Effect.fnUntraced(function* (experimentId: ExperimentId) {
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  const [row] = yield* sql<{ readonly looks: ReadonlyArray<number>; readonly period: number | null }>`
    SELECT ARRAY(
             SELECT r.look
               FROM hm_experiment_result r
              WHERE r.tenant_id = e.tenant_id AND r.experiment_id = e.experiment_id
              ORDER BY r.look
           ) AS looks,
           (extract(epoch FROM e.next_look_at - e.started_at) / ${everySeconds}::int)::float8 AS period
      FROM hm_experiment e
     WHERE e.tenant_id = ${tenant.id} AND e.experiment_id = ${experimentId}::uuid
  `
  return row
})

layer(Laboratory.layer, { excludeTestServices: true })("planned looks", (it) => {
  it.effect("are taken when their time has come, once each, and those that were missed are one", () =>
    Effect.gen(function* () {
      const time = yield* TestNow
      const looks = yield* ExperimentLooks
      const { experimentId } = yield* start("thrice")
      yield* expose("thrice", 0, 40)
      yield* take
      assert.deepStrictEqual(yield* stateOf(experimentId), { looks: [], period: 1 })
      assert.deepInclude(yield* Effect.flip(looks.planned(experimentId)), { reason: "not-due" })

      yield* time.adjust("181 minutes")
      yield* take
      yield* take
      assert.deepStrictEqual(yield* stateOf(experimentId), { looks: [1], period: 2 })
      const first = yield* looks.get(experimentId, 1)
      yield* expose("thrice", 40, 60)
      // A program that asks gets the row that the job made.
      assert.deepStrictEqual(yield* looks.planned(experimentId), first)

      // The worker was away for three periods.
      yield* time.adjust("600 minutes")
      yield* take
      assert.deepStrictEqual(yield* stateOf(experimentId), { looks: [1, 2], period: 5 })
      const second = yield* looks.get(experimentId, 2)
      assert.deepStrictEqual(
        second.units.map(({ units }) => units),
        [30, 30]
      )
      assert.deepStrictEqual(yield* looks.get(experimentId, 1), first)
    }).pipe(provide(TenantId.make("planned")))
  )

  it.effect("are one row each when several workers and a program take them at once", () =>
    Effect.gen(function* () {
      const time = yield* TestNow
      const looks = yield* ExperimentLooks
      const started = yield* Effect.forEach(["a", "b", "c", "d", "e", "f", "g"], (key) =>
        start(`at-once-${key}`)
      )
      yield* Effect.forEach(started, ({ key }) => expose(key, 0, 10))
      yield* time.adjust("185 minutes")
      const programs = [...started, ...started, ...started].map(({ experimentId }) =>
        looks.planned(experimentId)
      )
      const [, answers] = yield* Effect.all(
        [
          Effect.all([take, take, take, take], { concurrency: "unbounded" }),
          Effect.all(programs, { concurrency: "unbounded" })
        ],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        answers.filter(({ look }) => look !== 1),
        []
      )
      for (const { experimentId } of started) {
        assert.deepStrictEqual(yield* stateOf(experimentId), { looks: [1], period: 2 })
      }
    }).pipe(provide(TenantId.make("at-once")))
  )

  it.effect("of one tenant's broken experiment stop no other tenant, and the tenant is named", () =>
    Effect.gen(function* () {
      const time = yield* TestNow
      const sql = yield* SqlClient.SqlClient
      const make = Effect.gen(function* () {
        const { experimentId } = yield* start("shared-key")
        yield* expose("shared-key", 0, 8)
        return experimentId
      })
      const broken = yield* make.pipe(provide(TenantId.make("broken")))
      const sound = yield* make.pipe(provide(TenantId.make("sound")))
      yield* sql`
        UPDATE hm_experiment
           SET plan = jsonb_set(plan, '{alpha}', '"much"')
         WHERE tenant_id = 'broken'
      `
      yield* time.adjust("185 minutes")
      yield* take
      assert.deepStrictEqual(yield* stateOf(sound).pipe(provide(TenantId.make("sound"))), {
        looks: [1],
        period: 2
      })
      assert.deepStrictEqual(yield* stateOf(broken).pipe(provide(TenantId.make("broken"))), {
        looks: [],
        period: 1
      })
      const failures = yield* sql<{ readonly tenantId: string }>`
        SELECT tenant_id AS "tenantId"
          FROM hm_loop_failure
         WHERE loop = 'experiments.look.take'
      `
      assert.deepStrictEqual(failures, [{ tenantId: "broken" }])
    })
  )

  it.effect(
    "wait for units, end with the planned units or the experiment, and take over a look made by hand",
    () =>
      Effect.gen(function* () {
        const time = yield* TestNow
        const experiments = yield* Experiments
        const looks = yield* ExperimentLooks
        const empty = yield* start("empty")
        const full = yield* start("full", 20)
        const ended = yield* start("ended")
        const byHand = yield* start("by-hand")
        yield* expose("full", 0, 20)
        yield* expose("ended", 0, 20)
        yield* expose("by-hand", 0, 20)
        // Before its time: an extra look, which moves no planned one.
        yield* looks.look(byHand.experimentId)
        assert.deepStrictEqual(yield* stateOf(byHand.experimentId), { looks: [1], period: 1 })
        yield* time.adjust("185 minutes")
        yield* experiments.stop(ended.experimentId, ended.version)
        yield* looks.look(byHand.experimentId)
        yield* take
        assert.deepStrictEqual(yield* stateOf(empty.experimentId), { looks: [], period: 2 })
        assert.deepStrictEqual(yield* stateOf(full.experimentId), { looks: [1], period: null })
        assert.deepStrictEqual(yield* stateOf(ended.experimentId), { looks: [], period: null })
        assert.deepStrictEqual(yield* stateOf(byHand.experimentId), { looks: [1, 2], period: 2 })
        // A pause and a resumption move no planned look, and bring none back.
        const paused = yield* experiments.pause(full.experimentId, full.version)
        yield* experiments.start(full.experimentId, paused.version)
        assert.deepStrictEqual(yield* stateOf(full.experimentId), { looks: [1], period: null })
      }).pipe(provide(TenantId.make("ends")))
  )

  it("are work of the domain's worker", () => {
    assert.include(
      ExperimentsDomain.domain.jobs.map(({ name }) => name),
      "experiments.look.take"
    )
  })
})
