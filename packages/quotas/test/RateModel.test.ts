/** Rate limits against models with a clock of their own, and several processes on one bucket. */
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import type { NewRatePolicy } from "@hypermarket/quotas/RatePolicy"
import { TestDatabase, layer as layerTestDatabase } from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Layer, Schema } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { layerClock, patient, TestClock } from "./rateSupport.ts"

const TestLayer = QuotasDomain.layer.pipe(
  Layer.provide(patient),
  Layer.provideMerge(layerClock),
  Layer.provideMerge(layerTestDatabase(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

let tenants = 0
const fresh = () => provide(TenantId.make(`tenant-${++tenants}`))

/**
 * Steps of a run move the clock by multiples of three minutes. A token takes six, so that the milliseconds which a run really
 * takes never decide.
 */
const stepMillis = 180_000
const tokenMillis = 360_000
const quota = 10
const periodMillis = quota * tokenMillis

/** Of 50 or 500 requests: no token comes back while the test runs. */
const longMillis = 360_000_000

const Step = Schema.Struct({
  waits: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4 })),
  cost: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 }))
})
const Steps = Schema.Array(Step).check(Schema.isMinLength(1), Schema.isMaxLength(25))
type Steps = typeof Steps.Type

/** Decides one request at an instant; true when it was admitted. */
type Model = (atMillis: number, cost: number) => boolean

/** The theoretical arrival time of the generic cell rate algorithm (ITU-T I.371). */
const gcraModel = (burst: number): Model => {
  let arrivalMillis = 0
  return (atMillis, cost) => {
    const next = Math.max(arrivalMillis, atMillis) + cost * tokenMillis
    if (next > atMillis + burst * tokenMillis) return false
    arrivalMillis = next
    return true
  }
}

const windowModel = (): Model => {
  let entries: Array<readonly [number, number]> = []
  return (atMillis, cost) => {
    entries = entries.filter(([millis]) => atMillis < millis + periodMillis)
    const used = entries.reduce((sum, [, each]) => sum + each, 0)
    if (used + cost > quota) return false
    entries.push([atMillis, cost])
    return true
  }
}

const follow = (
  policy: Omit<NewRatePolicy, "policy" | "by" | "quota" | "periodMillis">,
  model: Model,
  steps: Steps,
  beside: ReadonlyArray<string> = []
) =>
  Effect.gen(function* () {
    const limits = yield* RateLimits
    yield* limits.createPolicy({ policy: "modelled", quota, periodMillis, by: ["user"], ...policy })
    for (const name of beside) {
      yield* limits.createPolicy({ policy: name, kind: "gcra", quota: 1_000, periodMillis, by: ["user"] })
    }
    let atMillis = 0
    for (const { cost, waits } of steps) {
      yield* TestClock.advance(waits * stepMillis)
      atMillis += waits * stepMillis
      const { allowed } = yield* limits.check({
        policies: ["modelled", ...beside],
        subject: { user: "u" },
        cost
      })
      assert.strictEqual(allowed, model(atMillis, cost), `cost ${cost} after ${atMillis} ms`)
    }
  }).pipe(fresh())

/** A separate process: a pool, a batcher and denials that no other process knows. */
const processLayer = Effect.map(TestDatabase, ({ options }) =>
  RateLimits.layer.pipe(Layer.fresh, Layer.provide([Database.layer(options, "hm-test-process"), patient]))
)

const runs = { runs: 20 }

layer(TestLayer, { excludeTestServices: true })("rate limits against a model clock", (it) => {
  it.effect.prop(
    "gcra decides as the algorithm of cell rates does",
    [Steps],
    ([steps]) => follow({ kind: "gcra", burst: 4 }, gcraModel(4), steps),
    { arbitrary: runs }
  )

  it.effect.prop(
    "gcra decides the same beside another limit, which the general statement charges",
    [Steps],
    ([steps]) => follow({ kind: "gcra", burst: 4 }, gcraModel(4), steps, ["wide"]),
    { arbitrary: runs }
  )

  it.effect.prop(
    "a window decides as a log of its requests does",
    [Steps],
    ([steps]) => follow({ kind: "window" }, windowModel(), steps),
    { arbitrary: runs }
  )

  it.effect.prop(
    "concurrency never holds more leases than slots, and frees them by release and by their end",
    [Schema.Array(Schema.Literals(["take", "release", "wait"])).check(Schema.isMaxLength(30))],
    ([actions]) =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        yield* limits.createPolicy({
          policy: "slots",
          kind: "concurrency",
          quota: 3,
          periodMillis: 600_000,
          by: []
        })
        let atMillis = 0
        let held: Array<{ readonly lease: string; readonly endMillis: number }> = []
        for (const action of actions) {
          if (action === "wait") {
            yield* TestClock.advance(stepMillis)
            atMillis += stepMillis
          }
          held = held.filter(({ endMillis }) => endMillis > atMillis)
          if (action === "take") {
            const { allowed, lease } = yield* limits.check({ policies: ["slots"], subject: {} })
            assert.strictEqual(allowed, held.length < 3)
            if (lease !== null) held.push({ lease, endMillis: atMillis + 600_000 })
          }
          if (action === "release") {
            const first = held.shift()
            if (first !== undefined)
              yield* limits.release({ policies: ["slots"], subject: {}, lease: first.lease })
          }
        }
        const { remaining } = yield* limits.peek({ policy: "slots", subject: {} })
        assert.strictEqual(remaining, 3 - held.length)
      }).pipe(fresh()),
    { arbitrary: runs }
  )

  it.effect(
    "three processes on one key never admit more than burst + rate x time, a policy raised tenfold half-way",
    () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        const build = yield* processLayer
        const processes = yield* Effect.forEach([1, 2, 3], () =>
          Effect.map(Layer.build(build), (context) => Context.get(context, RateLimits))
        )
        const policy = yield* limits.createPolicy({
          policy: "hot",
          kind: "gcra",
          quota: 50,
          burst: 50,
          periodMillis: longMillis,
          by: ["user"]
        })
        const attempt = Effect.forEach(
          processes.flatMap((process) => Array.from({ length: 60 }, () => process)),
          (process) => process.check({ policies: ["hot"], subject: { user: "u" } }),
          { concurrency: 32 }
        ).pipe(Effect.map((decisions) => decisions.filter(({ allowed }) => allowed).length))
        // The whole burst is used, and none of it twice.
        assert.strictEqual(yield* attempt, 50)
        yield* TestClock.advance(longMillis / 10)
        // Each process remembers its denials for its own time, which the test does not move for them.
        yield* Effect.repeat(limits.peek({ policy: "hot", subject: { user: "u" } }), {
          until: ({ remaining }) => remaining === 5
        })
        const second = yield* Effect.repeat(attempt, { until: (admitted) => admitted > 0 })
        assert.isAtMost(second, 5)
        const third = yield* attempt
        assert.isAtMost(second + third, 5)
        yield* limits.updatePolicy("hot", policy.version, { quota: 500, burst: 500 })
        // 450 more slots at once, whichever process sees the change first.
        let admitted = second + third
        yield* Effect.repeat(
          Effect.tap(attempt, (count) => Effect.sync(() => void (admitted += count))),
          { until: () => admitted >= 455 }
        )
        assert.strictEqual(admitted, 455)
        assert.strictEqual(yield* attempt, 0)
      }).pipe(fresh())
  )

  it.effect(
    "a connection that is terminated in a check charges nothing or once, and the next check is exact",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const limits = yield* RateLimits
        const context = yield* Layer.build(yield* processLayer)
        const other = Context.get(context, RateLimits)
        // Too small a burst for leases: a killed one would be burnt.
        yield* limits.createPolicy({ policy: "killed", kind: "gcra", quota: 90, periodMillis, by: ["user"] })
        const check = other.check({ policies: ["killed"], subject: { user: "u" } })
        yield* check
        const kill = sql`
        SELECT pg_terminate_backend(pid)
          FROM pg_stat_activity
         WHERE application_name = 'hm-test-process' AND datname = current_database()
      `
        let exact = 1
        let doubtful = 0
        for (let round = 0; round < 5; round++) {
          const [decisions] = yield* Effect.all(
            [Effect.forEach([1, 2, 3, 4], () => check, { concurrency: "unbounded" }), kill],
            { concurrency: 2 }
          )
          for (const { decidedBy } of decisions) {
            if (decidedBy === "database") exact++
            else doubtful++
          }
        }
        const { remaining } = yield* limits.peek({ policy: "killed", subject: { user: "u" } })
        assert.isAtMost(remaining, 90 - exact)
        assert.isAtLeast(remaining, 90 - exact - doubtful)
      }).pipe(fresh())
  )
})
