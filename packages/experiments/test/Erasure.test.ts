import { assert, layer } from "@effect/vitest"
import { Currency } from "@hypermarket/core/Money"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ExperimentLooks } from "@hypermarket/experiments/ExperimentLooks"
import { subjectData } from "@hypermarket/experiments/ExperimentsSubjectData"
import { ExperimentUnits } from "@hypermarket/experiments/ExperimentUnits"
import * as HeldTransaction from "@hypermarket/testing/HeldTransaction"
import { DateTime, Effect, Fiber, Schedule } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Laboratory from "./Laboratory.ts"

const momentsOf = (experimentId: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    return yield* sql`
      SELECT position, variant, phase, day::text, sum(n) AS n, sum(crossed) AS crossed, sum(other) AS other, sum(y) AS y, sum(d) AS d,
             sum(x) AS x, sum(e) AS e, sum(yy) AS yy, sum(yd) AS yd, sum(yx) AS yx, sum(ye) AS ye, sum(dd) AS dd,
             sum(dx) AS dx, sum(de) AS de, sum(xx) AS xx, sum(xe) AS xe, sum(ee) AS ee
        FROM (
             SELECT tenant_id, experiment_id, position, variant, phase, day, n, crossed, other,
                    y, d, x, e, yy, yd, yx, ye, dd, dx, de, xx, xe, ee
               FROM hm_experiment_moment
              UNION ALL
             SELECT tenant_id, experiment_id, position, variant, phase, day, n, crossed, other,
                    y, d, x, e, yy, yd, yx, ye, dd, dx, de, xx, xe, ee
               FROM hm_experiment_delta
             ) held
       WHERE experiment_id = ${experimentId}::uuid
       GROUP BY position, variant, phase, day
      HAVING (sum(n), sum(crossed), sum(other), sum(yy), sum(dd), sum(xx), sum(ee)) <> (0, 0, 0, 0, 0, 0, 0)
       ORDER BY position, variant, phase, day
    `
  })

const merge = Effect.flatMap(ExperimentUnits, ({ mergeDue }) =>
  Effect.provideService(mergeDue, AllTenants, { actor: "test" })
)

const metrics = (key: string) =>
  [
    {
      key: `${key}-sales`,
      kind: "sum",
      source: "purchase",
      currency: Currency.make("EUR"),
      prePeriodSeconds: 86_400
    },
    { key: `${key}-basket`, kind: "ratio", source: "clicks", denominatorSource: "visit" }
  ] as const

layer(Laboratory.layer, { excludeTestServices: true })("Erasure", (it) => {
  it.effect("an erased unit leaves the moments as if it had never been, and no earlier look changes", () =>
    Effect.gen(function* () {
      const units = yield* ExperimentUnits
      const looks = yield* ExperimentLooks
      const sql = yield* SqlClient.SqlClient
      const experiment = yield* Laboratory.start("erased", metrics("erased"))
      const twin = yield* Laboratory.start("twin", metrics("twin"))
      const start = experiment.startedAt ?? DateTime.makeUnsafe(0)
      yield* Laboratory.pass(6)
      const random = Laboratory.random(Laboratory.seedOf("erasure", 17))
      const people = Array.from({ length: 60 }, (_, index) => `p${index}`)
      // The persons who ask for it: one in each arm, one who saw both, one with money of another currency, one under another name.
      const gone = new Set(["p3", "p4", "p5", "p6", "p7-session"])
      const names = people.map((person) => (person === "p7" ? "p7-session" : person))
      for (const [unit, index] of names.map((name, place) => [name, place] as const)) {
        const variant = index % 2 === 0 ? "old" : "new"
        const exposures = [
          Laboratory.exposure("erased", unit, variant, Laboratory.after(start, random() * 3)),
          ...(unit === "p5" ? [Laboratory.exposure("erased", unit, "old", Laboratory.after(start, 3.5))] : [])
        ]
        const facts = Array.from({ length: 6 }, (_unused, place) => ({
          ...Laboratory.fact(
            ["purchase", "clicks", "visit"][place % 3] ?? "visit",
            `${unit}/${place}`,
            unit,
            Laboratory.after(start, random() * 6 - 1),
            BigInt(Math.floor(random() * 9_000))
          ),
          ...(place % 3 === 0 ? { currency: Currency.make(unit === "p6" ? "USD" : "EUR") } : {})
        }))
        yield* units.record(facts)
        yield* units.expose(exposures)
        // What would be there if they had never come: the same people without them, in another experiment.
        if (!gone.has(unit)) {
          yield* units.expose(exposures.map((exposure) => ({ ...exposure, experiment: "twin" })))
        }
        if (index === 30) yield* merge
      }
      const before = yield* looks.look(experiment.experimentId)
      const erase = (
        id: string,
        identifiers: ReadonlyArray<{ readonly kind: string; readonly value: string }> = []
      ) =>
        Effect.gen(function* () {
          let cursor: string | undefined
          let rows = 0
          do {
            const erased = yield* subjectData.erase({ kind: "customer", id, identifiers }, cursor)
            rows += erased.rows
            cursor = erased.cursor
          } while (cursor !== undefined)
          return rows
        })
      for (const id of ["p3", "p4", "p5", "p6"]) assert.isAbove(yield* erase(id), 6)
      assert.isAbove(yield* erase("p7", [{ kind: "session", value: "p7-session" }]), 6)
      assert.strictEqual(yield* erase("p3"), 0)

      const expected = yield* momentsOf(twin.experimentId)
      assert.isAbove(expected.length, 8)
      assert.deepStrictEqual(yield* momentsOf(experiment.experimentId), expected)
      yield* merge
      assert.deepStrictEqual(yield* momentsOf(experiment.experimentId), expected)
      assert.deepStrictEqual(yield* looks.get(experiment.experimentId, 1), before)
      const [left] = yield* sql<{ readonly rows: number }>`
        SELECT count(*)::int AS rows
          FROM (
               SELECT unit
                 FROM hm_experiment_unit
                UNION ALL
               SELECT unit
                 FROM hm_experiment_fact
                UNION ALL
               SELECT unit
                 FROM hm_experiment_subject
               ) held
         WHERE unit = ANY (${Array.from(gone)}::text[])
      `
      assert.strictEqual(left?.rows, 0)
    }).pipe(provide(TenantId.make("erasure")))
  )

  it.effect("an exposure that waits for an erasure counts as the first of a new unit", () =>
    Effect.gen(function* () {
      const units = yield* ExperimentUnits
      const sql = yield* SqlClient.SqlClient
      const experiment = yield* Laboratory.start("raced", metrics("raced"))
      const start = experiment.startedAt ?? DateTime.makeUnsafe(0)
      yield* units.expose([Laboratory.exposure("raced", "x", "old", start)])
      const commit = yield* HeldTransaction.hold(
        subjectData.erase({ kind: "customer", id: "x", identifiers: [] }),
        Effect.void
      )
      const waiting = yield* Effect.forkChild(
        units.expose([Laboratory.exposure("raced", "x", "new", Laboratory.after(start, 1))])
      )
      yield* sql`
        SELECT count(*)::int AS waiting
          FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'
      `.pipe(
        Effect.repeat({ until: ([row]) => row?.["waiting"] === 1, schedule: Schedule.spaced("10 millis") })
      )
      yield* commit
      const recorded = yield* Fiber.join(waiting)
      assert.strictEqual(recorded.accepted, 1)
      const rows = yield* momentsOf(experiment.experimentId)
      assert.deepStrictEqual(
        rows.filter(({ position }) => position === 0).map(({ variant, n }) => [variant, String(n)]),
        [[1, "1"]]
      )
      const [locks] = yield* sql<{ readonly locks: number }>`
        SELECT count(*)::int AS locks
          FROM hm_experiment_subject
         WHERE unit = 'x'
      `
      assert.strictEqual(locks?.locks, 1)
    }).pipe(provide(TenantId.make("raced")))
  )
})
