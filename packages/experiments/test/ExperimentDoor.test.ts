/** The handle of experiments at the Promise door: assign, expose, record and look. */
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { connect } from "@hypermarket/core/Promises"
import * as ExperimentsDomain from "@hypermarket/experiments/ExperimentsDomain"
import { TestDatabase, layer as layerTestDatabase } from "@hypermarket/testing/TestDatabase"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("it resolved"),
    (error: unknown) => error
  )

const open = Effect.flatMap(TestDatabase, ({ url }) =>
  Effect.acquireRelease(
    Effect.promise(() => connect({ connectionString: url, domains: [ExperimentsDomain], pool: { max: 4 } })),
    (hm) => Effect.promise(() => hm.close())
  )
)

type Shop = ReturnType<Effect.Success<typeof open>["tenant"]>

const startWith = async (shop: Shop, key: string, metrics: ReadonlyArray<string>) => {
  const draft = await shop.experiments.create({
    key,
    variants: [
      { key: "margin", weight: 5_000 },
      { key: "clicks", weight: 5_000 }
    ],
    metrics: metrics.map((metric) => ({ metric, role: "goal" })),
    plan: { unitsPlanned: 64 }
  })
  return shop.experiments.start(draft.experimentId, draft.version)
}

const mean = (values: ReadonlyArray<number>): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

layer(layerTestDatabase(CoreDomain.migrations, ExperimentsDomain.domain.migrations), {
  excludeTestServices: true
})("experiments.open", (it) => {
  it.effect(
    "assigns, exposes, records and looks: the look has the recorded money by metric, and never changes",
    () =>
      Effect.gen(function* () {
        const hm = yield* open
        const sql = yield* SqlClient.SqlClient
        const shop = hm.tenant("whole")
        const total = yield* Effect.promise(async () => {
          await shop.experimentMetrics.create({
            key: "takings",
            kind: "sum",
            source: "till.paid",
            currency: "DKK"
          })
          await shop.experimentMetrics.create({ key: "basket", kind: "conversion", source: "till.paid" })
          await startWith(shop, "shelf-order", ["takings", "basket"])
          const experiments = await shop.experiments.open({ environment: "live" })
          const paid: Record<string, Array<number>> = { margin: [], clicks: [] }
          // As many of each variant, with as many that pay nothing: else one run in forty finds fewer paying by chance.
          for (let index = 0; (paid["margin"]?.length ?? 0) + (paid["clicks"]?.length ?? 0) < 64; index++) {
            const unit = `guest-${index}`
            const { exposed, variant } = experiments.assign("shelf-order", unit, { country: "DK" })
            const ofVariant = paid[variant ?? ""]
            if (ofVariant === undefined || ofVariant.length === 32) continue
            exposed()
            exposed()
            const place = ofVariant.length
            const amount = place % 4 === 0 ? 0 : 1_000 + 274 * place + (variant === "clicks" ? 9_001 : 0)
            ofVariant.push(amount)
            if (amount === 0) continue
            const value = { amount: place % 2 === 0 ? String(amount) : BigInt(amount), currency: "DKK" }
            const recorded = await experiments.record("takings", unit, value, { key: `till-${index}` })
            assert.deepStrictEqual(recorded, { accepted: 1, repeated: 0, rejected: [] })
          }
          const look = await experiments.look<"takings" | "basket">("shelf-order")
          assert.strictEqual(look.look, 1)
          assert.strictEqual(
            look.units.reduce((sum, { units }) => sum + units, 0),
            64
          )
          const [control, treatment] = [mean(paid["margin"] ?? []), mean(paid["clicks"] ?? [])]
          const { takings, basket } = look.metrics
          assert.closeTo(takings.relative.estimate ?? NaN, treatment / control - 1, 1e-12)
          assert.isTrue((takings.relative.low ?? NaN) < treatment / control - 1)
          assert.isTrue((takings.relative.high ?? NaN) > treatment / control - 1)
          assert.strictEqual(takings.relative.method, "fieller")
          assert.deepStrictEqual(takings.relative.flags, [])
          assert.strictEqual(takings.variant, "clicks")
          assert.deepStrictEqual(takings.treatments["clicks"]?.relative, takings.relative)
          assert.strictEqual(basket.relative.method, "log-ratio")
          assert.strictEqual(look.decision, look.recommendation.outcome)
          assert.strictEqual(look.decision, "ship")

          await experiments.record(
            "takings",
            "guest-1",
            { amount: "999999", currency: "DKK" },
            { key: "late" }
          )
          assert.deepStrictEqual(await experiments.look("shelf-order", 1), look)
          const next = await experiments.look("shelf-order")
          assert.strictEqual(next.look, 2)
          assert.notDeepEqual(next.metrics["takings"]?.relative, takings.relative)
          await experiments.close()
          return Object.values(paid)
            .flat()
            .reduce((sum, amount) => sum + amount, 999_999)
        })
        const [stored] = yield* sql<{
          readonly looks: number
          readonly units: number
          readonly total: string
        }>`
        SELECT (SELECT count(*) FROM hm_experiment_result WHERE tenant_id = 'whole')::int AS looks,
               (SELECT count(*) FROM hm_experiment_unit WHERE tenant_id = 'whole')::int AS units,
               (SELECT sum(value) FROM hm_experiment_fact WHERE tenant_id = 'whole')::text AS total
      `
        assert.deepStrictEqual(stored, { looks: 2, units: 64, total: String(total) })
      })
  )

  it.effect("a fact counts once by its key, however often it is recorded; a higher version replaces it", () =>
    Effect.gen(function* () {
      const hm = yield* open
      const sql = yield* SqlClient.SqlClient
      const shop = hm.tenant("repeats")
      const read = sql<{ readonly factId: string; readonly value: string; readonly currency: string }>`
        SELECT fact_id AS "factId", value::text AS value, currency
          FROM hm_experiment_fact
         WHERE tenant_id = 'repeats'
         ORDER BY fact_id
      `
      const experiments = yield* Effect.promise(async () => {
        await shop.experimentMetrics.create({ key: "spend", kind: "sum", source: "order", currency: "NOK" })
        await startWith(shop, "repeats", ["spend"])
        return shop.experiments.open({ environment: "live" })
      })
      const money = (amount: string) => ({ amount, currency: "NOK" })
      yield* Effect.promise(async () => {
        const twice = await Promise.all(
          Array.from({ length: 6 }, () => experiments.record("spend", "ola", money("4100"), { key: "o-17" }))
        )
        assert.deepStrictEqual(twice.map(({ accepted }) => accepted).toSorted(), [0, 0, 0, 0, 0, 1])
        // The same order by the shop's own facts.
        const order = { source: "order", factId: "o-17", unit: "ola", value: "4100", currency: "NOK" }
        const { repeated } = await shop.experimentUnits.record([{ ...order, at: new Date() }])
        assert.strictEqual(repeated, 1)
      })
      assert.deepStrictEqual(yield* read, [{ factId: "o-17", value: "4100", currency: "NOK" }])
      yield* Effect.promise(() =>
        experiments.record("spend", "ola", money("3900"), { key: "o-17", version: 2, at: new Date() })
      )
      assert.deepStrictEqual(yield* read, [{ factId: "o-17", value: "3900", currency: "NOK" }])
      const old = yield* Effect.promise(() =>
        experiments.record("spend", "ola", money("1"), { key: "ancient", at: "1999-04-01T00:00:00Z" })
      )
      assert.deepStrictEqual(old, { accepted: 0, repeated: 0, rejected: [{ index: 0, reason: "too-old" }] })
    })
  )

  it.effect("exposures and facts up to a day ahead of the clock are recorded, and no later ones", () =>
    Effect.gen(function* () {
      const hm = yield* open
      const shop = hm.tenant("ahead")
      const experiments = yield* Effect.promise(async () => {
        await shop.experimentMetrics.create({ key: "spend", kind: "sum", source: "order", currency: "NOK" })
        await startWith(shop, "ahead", ["spend"])
        return shop.experiments.open({ environment: "live" })
      })
      const now = yield* Now.now
      const ahead = (hours: number) => new Date(now.getTime() + hours * 3_600_000)
      const fact = (hours: number) => ({
        source: "order",
        factId: `o-${hours}`,
        unit: "kari",
        value: "5",
        currency: "NOK",
        at: ahead(hours)
      })
      const facts = yield* Effect.promise(() => shop.experimentUnits.record([fact(25), fact(23)]))
      assert.deepStrictEqual(facts, {
        accepted: 1,
        repeated: 0,
        rejected: [{ index: 0, reason: "too-far-ahead" }]
      })
      const paid = (hours: number) =>
        experiments.record(
          "spend",
          "kari",
          { amount: "7", currency: "NOK" },
          { key: `p-${hours}`, at: ahead(hours) }
        )
      const nearby = yield* Effect.promise(() => paid(23))
      assert.deepInclude(nearby, { accepted: 1, rejected: [] })
      const beyond = yield* Effect.promise(() => paid(25))
      assert.deepStrictEqual(beyond.rejected, [{ index: 0, reason: "too-far-ahead" }])
      const exposures = yield* Effect.promise(() =>
        shop.experimentUnits.expose(
          [23, 25].map((hours) => ({
            experiment: "ahead",
            unit: `kari-${hours}`,
            variant: "margin",
            at: ahead(hours)
          }))
        )
      )
      assert.deepStrictEqual(exposures, {
        accepted: 1,
        repeated: 0,
        rejected: [{ index: 1, reason: "too-far-ahead" }]
      })
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(
        yield* sql`
          SELECT fact_id AS "factId"
            FROM hm_experiment_fact
           WHERE tenant_id = 'ahead'
           ORDER BY fact_id
        `,
        [{ factId: "o-23" }, { factId: "p-23" }]
      )
    })
  )

  it.effect(
    "refuses wrong arguments by their names, unknown metrics and experiments, and writes nothing",
    () =>
      Effect.gen(function* () {
        const hm = yield* open
        const sql = yield* SqlClient.SqlClient
        yield* Effect.promise(async () => {
          const shop = hm.tenant("wrong")
          await shop.experimentMetrics.create({ key: "visits", kind: "count", source: "door.visit" })
          const experiments = await shop.experiments.open({ environment: "live" })
          const record: (...values: ReadonlyArray<unknown>) => Promise<unknown> = (...values) =>
            Reflect.apply(experiments.record, undefined, values)
          for (const [values, path] of [
            [["Visits!", "u", 1, { key: "a" }], [0]],
            [["visits", "", 1, { key: "a" }], [1]],
            [["visits", "u".repeat(10_000), 1, { key: "a" }], [1]],
            [["visits", "u", 1.5, { key: "a" }], [2]],
            [["visits", "u", 1e16, { key: "a" }], [2]],
            [
              ["visits", "u", { amount: "12.50", currency: "EUR" }, { key: "a" }],
              [2, "amount"]
            ],
            [
              ["visits", "u", { amount: "1", currency: "EURO" }, { key: "a" }],
              [2, "currency"]
            ],
            [["visits", "u", 1], [3]],
            [
              ["visits", "u", 1, {}],
              [3, "key"]
            ],
            [
              ["visits", "u", 1, { key: "a", at: "yesterday" }],
              [3, "at"]
            ],
            [
              ["visits", "u", 1, { key: "a", version: 0 }],
              [3, "version"]
            ],
            [
              ["visits", "u", 1, { key: "a", sent: true }],
              [3, "sent"]
            ]
          ] as const) {
            const error = await rejection(record(...values))
            assert.deepInclude(error, { _tag: "InvalidArgument", method: "experiments.record" })
            const { errors } = error as { readonly errors: ReadonlyArray<{ readonly path: unknown }> }
            assert.deepInclude(
              errors.map((entry) => entry.path),
              path,
              JSON.stringify(errors)
            )
          }
          assert.deepInclude(await rejection(experiments.record("visit", "u", 1, { key: "a" })), {
            _tag: "MetricNotFound",
            metric: "visit"
          })
          assert.deepInclude(await rejection(experiments.look("nowhere")), {
            _tag: "ExperimentNotFound",
            experiment: "nowhere"
          })
          assert.deepInclude(await rejection(experiments.look("visits", 0)), {
            _tag: "InvalidArgument",
            method: "experiments.look"
          })
          await startWith(shop, "empty", ["visits"])
          assert.deepInclude(await rejection(experiments.look("empty")), {
            _tag: "LookUnavailable",
            reason: "no-units"
          })
        })
        const [facts] = yield* sql<{ readonly count: number }>`
        SELECT count(*)::int AS count
          FROM hm_experiment_fact
         WHERE tenant_id = 'wrong'
      `
        assert.strictEqual(facts?.count, 0)
      })
  )

  it.effect(
    "leaves out money of another currency, counts it in the look, and shows a lift that it cannot have",
    () =>
      Effect.gen(function* () {
        const hm = yield* open
        yield* Effect.promise(async () => {
          const shop = hm.tenant("currencies")
          await shop.experimentMetrics.create({
            key: "takings",
            kind: "sum",
            source: "till.paid",
            currency: "DKK"
          })
          await startWith(shop, "abroad", ["takings"])
          const experiments = await shop.experiments.open({ environment: "live" })
          for (let index = 0; index < 12; index++) {
            experiments.assign("abroad", `t-${index}`).exposed()
            await experiments.record(
              "takings",
              `t-${index}`,
              { amount: "700", currency: "SEK" },
              { key: `k-${index}` }
            )
          }
          const look = await experiments.look<"takings">("abroad")
          const { otherCurrency, relative } = look.metrics.takings
          assert.strictEqual(otherCurrency, 12)
          assert.deepInclude(relative, { estimate: null, low: null, high: null, method: null })
          assert.includeMembers([...relative.flags], ["no-variance", "other-currency"])
          assert.strictEqual(look.decision, "keep-going")
        })
      })
  )
})
