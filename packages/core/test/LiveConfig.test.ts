import { assert, describe, it, layer } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import * as LiveConfig from "@hypermarket/core/LiveConfig"
import { Tenant, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Deferred, Effect, Fiber, Layer, PubSub, Schedule, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { fileURLToPath } from "node:url"

const acme = TenantId.make("acme")
const zeta = TenantId.make("zeta")
const poison = TenantId.make("poison")

/** Rows in memory that a test changes, breaks and counts the reads of. */
const makeSource = Effect.fnUntraced(function* (tenantsMax: number) {
  const heard = yield* PubSub.sliding<Wakeup.Signal | undefined>(1_024)
  const wakeup: Wakeup.Wakeup["Service"] = {
    signal: (channel, payload) => Effect.asVoid(PubSub.publish(heard, { channel, payload })),
    signals: PubSub.subscribe(heard)
  }
  const revisions = new Map<string, bigint>()
  const state = { isAway: false, hanging: new Set<string>(), reads: 0, questions: 0 }
  const revision = Effect.flatMap(Tenant, ({ id }) =>
    Effect.suspend(() => {
      state.questions++
      if (state.hanging.has(id)) return Effect.never
      return state.isAway ? Effect.fail("away" as const) : Effect.succeed(revisions.get(id) ?? 0n)
    })
  )
  const read = (tenant: TenantId, revision: bigint) =>
    Effect.sync(() => {
      state.reads++
      return `${tenant} ${revision}`
    })
  const config = yield* LiveConfig.make({
    channel: "test",
    revision,
    read,
    poll: "5 seconds",
    tenantsMax
  }).pipe(Effect.provideService(Wakeup.Wakeup, wakeup))
  const change = (tenant: TenantId, isSignalled = true) =>
    Effect.suspend(() => {
      revisions.set(tenant, (revisions.get(tenant) ?? 0n) + 1n)
      return isSignalled ? wakeup.signal("test", tenant) : Effect.void
    })
  return { config, change, state, lost: PubSub.publish(heard, undefined) }
})

/** Completes when the tenant is at the revision. */
const reached = <A, E>(config: LiveConfig.LiveConfig<A, E>, tenant: TenantId, revision: bigint) =>
  config.changes(tenant).pipe(
    Stream.takeUntil((current) => current === revision),
    Stream.runDrain
  )

describe("LiveConfig", () => {
  it.effect("has nothing before the first read, which callers at the same time share", () =>
    Effect.gen(function* () {
      const { config, state } = yield* makeSource(2)
      assert.isUndefined(config.current(acme))
      assert.isUndefined(yield* config.ageMillis(acme))
      const values = yield* Effect.all(
        Array.from({ length: 100 }, () => config.ready(acme)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(new Set(values), new Set(["acme 0"]))
      assert.strictEqual(state.reads, 1)
      assert.strictEqual(config.current(acme), "acme 0")
    }).pipe(Effect.scoped)
  )

  it.effect("follows a wake-up at once, a lost one by polling, and a lost connection when it is back", () =>
    Effect.gen(function* () {
      const { change, config, lost } = yield* makeSource(2)
      yield* config.ready(acme)
      yield* change(acme)
      yield* reached(config, acme, 1n)
      assert.strictEqual(config.current(acme), "acme 1")
      yield* change(acme, false)
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(config.current(acme), "acme 1")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(config.current(acme), "acme 2")
      yield* change(acme, false)
      yield* lost
      yield* reached(config, acme, 3n)
      assert.strictEqual(config.current(acme), "acme 3")
    }).pipe(Effect.scoped)
  )

  it.effect("reads nothing while the revision stays", () =>
    Effect.gen(function* () {
      const { config, state } = yield* makeSource(2)
      yield* config.ready(acme)
      const questions = state.questions
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(state.questions, questions + 12)
      assert.strictEqual(state.reads, 1)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "keeps the last good value in an outage of 60 seconds, shows its age, and catches up after it",
    () =>
      Effect.gen(function* () {
        const { change, config, state } = yield* makeSource(2)
        yield* config.ready(acme)
        state.isAway = true
        yield* change(acme)
        yield* TestClock.adjust("60 seconds")
        assert.strictEqual(config.current(acme), "acme 0")
        assert.strictEqual(yield* config.ready(acme), "acme 0")
        assert.strictEqual(yield* config.ageMillis(acme), 60_000)
        assert.strictEqual(yield* Effect.flip(config.ready(zeta)), "away")
        state.isAway = false
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(config.current(acme), "acme 1")
        assert.strictEqual(yield* config.ageMillis(acme), 0)
        assert.strictEqual(yield* config.ready(zeta), "zeta 0")
      }).pipe(Effect.scoped)
  )

  it.effect("lets a tenant that hangs delay no other, and fails its first read at the deadline", () =>
    Effect.gen(function* () {
      const { change, config, state } = yield* makeSource(2)
      state.hanging.add(poison)
      const waiting = yield* Effect.forkChild(Effect.flip(config.ready(poison)))
      yield* config.ready(acme)
      for (let revision = 1n; revision <= 20n; revision++) {
        yield* change(poison)
        yield* change(acme)
        yield* reached(config, acme, revision)
      }
      yield* TestClock.adjust("10 seconds")
      assert.deepInclude(yield* Fiber.join(waiting), { _tag: "TimeoutError" })
      state.hanging.clear()
      assert.strictEqual(yield* config.ready(poison), "poison 20")
    }).pipe(Effect.scoped)
  )

  it.effect("lets any number of tenants that hang again delay no other", () =>
    Effect.gen(function* () {
      const { change, config, state } = yield* makeSource(21)
      const many = Array.from({ length: 20 }, (_, index) => TenantId.make(`poison-${index}`))
      for (const tenant of [acme, ...many]) yield* config.ready(tenant)
      for (const tenant of many) state.hanging.add(tenant)
      // The reads of the first poll end at their deadline, 15 seconds on; those behind them begin then.
      yield* TestClock.adjust("60 seconds")
      yield* change(acme)
      yield* reached(config, acme, 1n)
      assert.strictEqual(yield* config.ready(many[7] ?? poison), "poison-7 0")
    }).pipe(Effect.scoped)
  )

  it.effect("drops the least recently used tenant, and none whose changes are being read", () =>
    Effect.gen(function* () {
      const { config } = yield* makeSource(2)
      const [a, b, c] = [TenantId.make("a"), TenantId.make("b"), TenantId.make("c")]
      const following = yield* Deferred.make<void>()
      const follower = yield* config.changes(a).pipe(
        Stream.runForEach(() => Deferred.succeed(following, undefined)),
        Effect.forkChild
      )
      yield* Deferred.await(following)
      yield* config.ready(b)
      yield* config.ready(c)
      assert.strictEqual(config.current(a), "a 0")
      assert.isUndefined(config.current(b))
      assert.strictEqual(config.current(c), "c 0")
      yield* Fiber.interrupt(follower)
      assert.strictEqual(config.current(a), "a 0")
      yield* config.ready(b)
      assert.isUndefined(config.current(c))
      assert.strictEqual(config.current(a), "a 0")
    }).pipe(Effect.scoped)
  )

  it.effect(
    "brings a slow reader the newest revision, and a reader of a tenant that fails the first good one",
    () =>
      Effect.gen(function* () {
        const { change, config, state } = yield* makeSource(2)
        const release = yield* Deferred.make<void>()
        const started = yield* Deferred.make<void>()
        const slow = yield* config.changes(acme).pipe(
          Stream.tap(() => Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(release))),
          Stream.takeUntil((revision) => revision === 50n),
          Stream.runCollect,
          Effect.forkChild
        )
        yield* Deferred.await(started)
        for (let revision = 1n; revision <= 50n; revision++) {
          yield* change(acme)
          yield* reached(config, acme, revision)
        }
        yield* Deferred.succeed(release, undefined)
        assert.deepStrictEqual(yield* Fiber.join(slow), [0n, 50n])
        state.isAway = true
        const early = yield* Effect.forkChild(reached(config, zeta, 0n))
        yield* TestClock.adjust("5 seconds")
        assert.isUndefined(early.pollUnsafe())
        state.isAway = false
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(early)
      }).pipe(Effect.scoped)
  )
})

const changes = 200
const processes = 4
const processScript = fileURLToPath(new URL("liveConfigProcess.ts", import.meta.url))

const TestLayer = Layer.unwrap(
  Effect.map(TestDatabase.TestDatabase, ({ options }) => Wakeup.layer(Database.listen(options)))
).pipe(Layer.provideMerge(TestDatabase.layer()))

layer(TestLayer, { excludeTestServices: true })("LiveConfig over Postgres", (it) => {
  it.effect("ends alike in four processes after 200 changes a millisecond apart, by wake-ups alone", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const wakeup = yield* Wakeup.Wakeup
      const { url } = yield* TestDatabase.TestDatabase
      yield* sql`CREATE TABLE live (tenant_id text PRIMARY KEY, revision bigint NOT NULL, value text NOT NULL)`
      yield* sql`INSERT INTO live (tenant_id, revision, value) VALUES ('acme', 0, 'value 0')`
      yield* sql`CREATE TABLE live_process (process_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)`
      const started = yield* Effect.forEach(Array.from({ length: processes }), () =>
        ServiceProcess.start(processScript, [String(changes)], { DATABASE_URL: url })
      )
      const ended = yield* Effect.forkChild(Effect.forEach(started, ({ exit }) => exit))
      yield* sql`SELECT process_id FROM live_process`.pipe(
        Effect.repeat({
          // A process that has failed is not waited for.
          until: (rows) => rows.length === processes || ended.pollUnsafe() !== undefined,
          schedule: Schedule.spaced("50 millis")
        })
      )
      for (let change = 1; change <= changes; change++) {
        yield* sql.withTransaction(
          Effect.andThen(
            sql`
              UPDATE live
                 SET revision = revision + 1, value = ${`value ${change}`}
               WHERE tenant_id = 'acme'
            `,
            wakeup.signal("test", "acme")
          )
        )
        yield* Effect.sleep("1 millis")
      }
      yield* Fiber.join(ended)
      assert.deepStrictEqual(
        started.map((process) => process.output()),
        Array.from({ length: processes }, () => `value ${changes}`),
        started.map((process) => process.log()).join("\n")
      )
    }).pipe(Effect.scoped)
  )
})
