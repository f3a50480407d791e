import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Now from "@hypermarket/core/Now"
import * as Tenant from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as WorkQueue from "@hypermarket/core/WorkQueue"
import * as WorkQueueWorker from "@hypermarket/core/WorkQueueWorker"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Deferred, Effect, Fiber, Layer, Metric, Result, Schedule, Tracer } from "effect"
import { SqlClient } from "effect/sql"

const prefix = "hm_test"
const migrations = Migrations.make("test", {
  "0001_queue": Migrations.migration(WorkQueue.createStatements(prefix))
})
const acme = Tenant.TenantId.make("acme")

const TestLayer = Layer.mergeAll(
  Layer.effect(
    WorkQueue.ClaimClient,
    Effect.map(PgClient.PgClient, (client): SqlClient.SqlClient => client)
  ),
  Wakeup.layerSilent,
  Now.layerTest
).pipe(Layer.provideMerge(TestDatabase.layer(migrations)))

const queueOf = WorkQueue.make({ prefix })

const handlerOf = <R>(
  queue: string,
  run: WorkQueue.Handler<R>["run"],
  options: Partial<WorkQueue.Handler<R>> = {}
): WorkQueue.Handler<R> => ({
  queue,
  batchMax: 1,
  concurrency: 16,
  transactional: false,
  retry: { attempts: 3, base: "10 millis", max: "20 millis" },
  deadline: "30 seconds",
  run,
  ...options
})

const worker = <R>(
  handlers: ReadonlyArray<WorkQueue.Handler<R>>,
  options: Partial<WorkQueueWorker.Options<R>> = {}
) => WorkQueueWorker.run({ prefix, handlers, poll: "20 millis", ...options })

const count = (table: "queue" | "delayed" | "keyed" | "lease" | "dead", queue: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly n: number }>`
      SELECT count(*)::int AS n FROM ${sql(`hm_test_${table}`)} WHERE ltrim(queue, '!') = ${queue}
    `
  ).pipe(Effect.map(([row]) => row?.n ?? 0))

/** One statement, one snapshot: a job on its way from table to table is in one of them. */
const untilIdle = (queue: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly n: number }>`
      SELECT (SELECT count(*)::int FROM hm_test_queue WHERE ltrim(queue, '!') = ${queue})
           + (SELECT count(*)::int FROM hm_test_delayed WHERE queue = ${queue})
           + (SELECT count(*)::int FROM hm_test_keyed WHERE queue = ${queue})
           + (SELECT count(*)::int FROM hm_test_lease WHERE ltrim(queue, '!') = ${queue}) AS n
    `
  ).pipe(Effect.repeat({ until: ([row]) => row?.n === 0, schedule: Schedule.spaced("20 millis") }))

const until = <A, E, R>(self: Effect.Effect<A, E, R>, holds: (a: A) => boolean) =>
  self.pipe(Effect.repeat({ until: holds, schedule: Schedule.spaced("10 millis") }))

const deadOf = (queue: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{
      readonly type: string
      readonly attempt: number
      readonly payload: string
      readonly errors: ReadonlyArray<{ readonly error: string }>
    }>`
      SELECT type, attempt, errors, payload::text FROM hm_test_dead WHERE queue = ${queue} ORDER BY type
    `
  )

const jobs = (queue: string, many: number, options: Partial<WorkQueue.NewJob> = {}) =>
  Array.from({ length: many }, (_, n) => ({ queue, type: "test", payload: { n }, ...options }))

const millis = () => performance.timeOrigin + performance.now()

layer(TestLayer, { excludeTestServices: true })("A job", (it) => {
  it.effect("is tried as often as it says, or as its handler does", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const runs = new Map<string, number>()
      yield* queue.enqueue([
        { queue: "retry", type: "handler's", payload: null },
        { queue: "retry", type: "five", payload: null, attemptsMax: 5 },
        { queue: "retry", type: "none", payload: null, retry: { backoff: "none" } },
        {
          queue: "retry",
          type: "fixed",
          payload: null,
          attemptsMax: 4,
          retry: { backoff: "fixed", base: "1 millis" }
        }
      ])
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf("retry", ([job]) =>
            Effect.suspend(() => {
              const type = job?.type ?? ""
              runs.set(type, (runs.get(type) ?? 0) + 1)
              return Effect.fail("no")
            })
          )
        ])
        yield* untilIdle("retry")
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(Object.fromEntries(runs), { "handler's": 3, five: 5, none: 1, fixed: 4 })
      assert.lengthOf(yield* deadOf("retry"), 4)
    }).pipe(Tenant.provide(acme))
  )

  it.effect("is not run any more when it has expired, and says so among the dead", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const ran: Array<string> = []
      const past = new Date(millis() - 1_000)
      const future = new Date(millis() + 3_600_000)
      yield* queue.enqueue([
        { queue: "expiry", type: "late", payload: null, expiresAt: past },
        { queue: "expiry", type: "in time", payload: null, expiresAt: future },
        { queue: "expiry", type: "late in a key", payload: null, expiresAt: past, orderingKey: "k" },
        { queue: "expiry", type: "behind it", payload: null, orderingKey: "k" }
      ])
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf("expiry", (batch) => Effect.sync(() => ran.push(...batch.map((job) => job.type))))
        ])
        yield* untilIdle("expiry")
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(ran.toSorted(), ["behind it", "in time"])
      const dead = yield* deadOf("expiry")
      assert.deepStrictEqual(
        dead.map((job) => [job.type, job.attempt, job.errors[0]?.error]),
        [
          ["late", 0, "it expired before it ran"],
          ["late in a key", 0, "it expired before it ran"]
        ]
      )
    }).pipe(Tenant.provide(acme))
  )

  it.effect("with a key is enqueued once in its window, by however many callers, and again after it", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const time = yield* Now.TestNow
      const once = {
        queue: "dedupe",
        type: "t",
        payload: null,
        dedupe: { key: "a", window: "1 hour" }
      } as const
      const ids = yield* Effect.forEach(Array.from({ length: 30 }), () => queue.enqueue([once, once]), {
        concurrency: 30
      })
      assert.lengthOf(new Set(ids.flat()), 1)
      assert.strictEqual(yield* count("queue", "dedupe"), 1)
      yield* time.adjust("59 minutes")
      assert.deepStrictEqual(yield* queue.enqueue([once]), [ids[0]?.[0] ?? ""])
      yield* time.adjust("2 minutes")
      const [again] = yield* queue.enqueue([once])
      assert.notStrictEqual(again, ids[0]?.[0])
      assert.strictEqual(yield* count("queue", "dedupe"), 2)
      // The same key in another queue, or of another tenant, is another key.
      yield* queue.enqueue([{ ...once, queue: "dedupe-other" }])
      yield* queue.enqueue([once]).pipe(Tenant.provide(Tenant.TenantId.make("globex")))
      assert.strictEqual(yield* count("queue", "dedupe"), 3)
      yield* time.set(new Date(millis()))
    }).pipe(Tenant.provide(acme))
  )

  it.effect("that waits can be found and taken back, in a key too; one that runs cannot", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const started = yield* Deferred.make<void>()
      const release = yield* Deferred.make<void>()
      const ran: Array<string> = []
      const later = new Date(millis() + 3_600_000)
      const make = (type: string, options: Partial<WorkQueue.NewJob> = {}) =>
        Effect.map(queue.enqueue([{ queue: "cancel", type, payload: null, ...options }]), ([id]) => id ?? "")
      const plain = yield* make("plain")
      const delayed = yield* make("delayed", { runAt: later })
      const first = yield* make("first of key", { orderingKey: "k" })
      const second = yield* make("second of key", { orderingKey: "k" })
      const held = yield* make("held", { orderingKey: "far", runAt: later })
      const behind = yield* make("behind", { orderingKey: "far" })
      const stateOf = (id: string) => Effect.map(queue.find("cancel", id), (place) => place?.state)
      assert.deepStrictEqual(yield* Effect.forEach([plain, delayed, first, second, held, behind], stateOf), [
        "ready",
        "delayed",
        "ready",
        "ready",
        "delayed",
        "ready"
      ])
      assert.isTrue(yield* queue.cancel("cancel", plain))
      assert.isFalse(yield* queue.cancel("cancel", plain))
      assert.isTrue(yield* queue.cancel("cancel", delayed))
      assert.isTrue(yield* queue.cancel("cancel", first))
      // The head of the key was what held it back.
      assert.isTrue(yield* queue.cancel("cancel", held))
      assert.isFalse(
        yield* queue.cancel("cancel", second).pipe(Tenant.provide(Tenant.TenantId.make("globex")))
      )
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf("cancel", ([job]) =>
            Effect.gen(function* () {
              ran.push(job?.type ?? "")
              if (ran.length === 2) yield* Deferred.succeed(started, undefined)
              yield* Deferred.await(release)
            })
          )
        ])
        yield* Deferred.await(started)
        const running = yield* make("running", { orderingKey: "k" })
        assert.isFalse(yield* queue.cancel("cancel", running))
        yield* Deferred.succeed(release, undefined)
        yield* untilIdle("cancel")
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(ran.toSorted(), ["behind", "running", "second of key"])
      assert.isUndefined(yield* stateOf(second))
    }).pipe(Tenant.provide(acme))
  )

  it.effect("in a key is not run before its time, nor are those behind it", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const ran: Array<readonly [type: string, at: number]> = []
      const runAt = new Date(millis() + 500)
      yield* queue.enqueue([
        { queue: "held", type: "1", payload: null, orderingKey: "k" },
        { queue: "held", type: "2", payload: null, orderingKey: "k", runAt },
        { queue: "held", type: "3", payload: null, orderingKey: "k" },
        { queue: "held", type: "4", payload: null, orderingKey: "other", runAt },
        { queue: "held", type: "5", payload: null, orderingKey: "other" }
      ])
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf("held", ([job]) => Effect.sync(() => ran.push([job?.type ?? "", millis()])))
        ])
        yield* untilIdle("held")
      }).pipe(Effect.scoped)
      const orderOf = (types: ReadonlyArray<string>) =>
        ran.map(([type]) => type).filter((type) => types.includes(type))
      assert.deepStrictEqual(orderOf(["1", "2", "3"]), ["1", "2", "3"])
      assert.deepStrictEqual(orderOf(["4", "5"]), ["4", "5"])
      for (const [type, at] of ran) if (type !== "1") assert.isAtLeast(at + 5, runAt.getTime(), type)
    }).pipe(Tenant.provide(acme))
  )

  it.effect("fails and is buried whole when its payload and its error are no text for Postgres", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const payload = { nul: "\u0000", half: "\ud800" }
      yield* queue.enqueue([
        { queue: "nul", type: "plain", payload },
        { queue: "nul", type: "keyed", payload, orderingKey: "k" },
        { queue: "nul", type: "neighbour", payload: null }
      ])
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf("nul", ([job]) =>
            job?.type === "neighbour"
              ? Effect.void
              : Effect.fail(new Error(`${JSON.stringify(job?.payload)} \u0000 \udc00`))
          )
        ])
        yield* untilIdle("nul")
      }).pipe(Effect.scoped)
      const dead = yield* deadOf("nul")
      assert.deepStrictEqual(
        dead.map((job) => [job.type, job.payload, job.attempt]),
        [
          ["keyed", JSON.stringify(payload), 3],
          ["plain", JSON.stringify(payload), 3]
        ]
      )
    }).pipe(Tenant.provide(acme))
  )

  it.effect("that does not end is interrupted at its deadline and counts as failed", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      let interrupted = 0
      yield* queue.enqueue([
        { queue: "endless", type: "plain", payload: null },
        { queue: "endless", type: "keyed", payload: null, orderingKey: "k" }
      ])
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf(
            "endless",
            () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++)),
            {
              deadline: "50 millis",
              retry: { attempts: 1, base: 0, max: 0 }
            }
          )
        ])
        yield* untilIdle("endless")
      }).pipe(Effect.scoped)
      assert.strictEqual(interrupted, 2)
      for (const job of yield* deadOf("endless"))
        assert.include(job.errors[0]?.error ?? "", "no end within 50 ms")
    }).pipe(Tenant.provide(acme))
  )
})

layer(TestLayer, { excludeTestServices: true })("A worker", (it) => {
  it.effect("never leases more of a queue than its limit, with two workers, retries and keys", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO hm_test_definition (tenant_id, queue, concurrency_max, updated_at) VALUES ('acme', 'limited', 3, now())
      `
      let running = 0
      let most = 0
      let failures = 0
      const handler = handlerOf("limited", () =>
        Effect.gen(function* () {
          running++
          most = Math.max(most, running)
          yield* Effect.sleep("2 millis")
          running--
          if (failures++ % 7 === 0) return yield* Effect.fail("sometimes")
        })
      )
      yield* queue.enqueue(jobs("limited", 40))
      yield* queue.enqueue(jobs("limited", 10, { orderingKey: "k" }))
      // Jobs that took workers down before, which run by themselves, count too.
      yield* sql`
        INSERT INTO hm_test_queue (tenant_id, queue, job_id, type, lost)
        SELECT 'acme', '!limited', gen_random_uuid(), 't', 2 FROM generate_series(1, 10)
      `
      yield* Effect.gen(function* () {
        yield* worker([handler])
        yield* worker([handler])
        yield* untilIdle("limited")
      }).pipe(Effect.scoped)
      assert.isAtMost(most, 3)
      assert.isAtLeast(most, 2)
      assert.isAtLeast(failures, 60)
    }).pipe(Tenant.provide(acme))
  )

  it.effect("starts no more than a queue's rate allows, and does not stop others", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO hm_test_definition (tenant_id, queue, rate_max, rate_period_millis, updated_at)
        VALUES ('acme', 'rated', 10, 400, now())
      `
      const starts: Array<number> = []
      let others = 0
      yield* queue.enqueue(jobs("rated", 30))
      yield* queue.enqueue(jobs("rated", 10, { orderingKey: "k" }))
      yield* queue.enqueue(jobs("unrated", 500))
      yield* Effect.gen(function* () {
        const handlers = [
          handlerOf("rated", () => Effect.sync(() => starts.push(millis()))),
          handlerOf("unrated", () => Effect.sync(() => others++))
        ]
        yield* worker(handlers)
        yield* worker(handlers)
        yield* until(
          Effect.sync(() => others),
          (n) => n === 500
        )
        assert.isBelow(starts.length, 40)
        yield* untilIdle("rated")
      }).pipe(Effect.scoped)
      assert.lengthOf(starts, 40)
      // A burst of ten, and then one each 40 ms.
      assert.isAtLeast((starts.at(-1) ?? 0) - (starts[0] ?? 0), 30 * 40 - 60)
    }).pipe(Tenant.provide(acme))
  )

  it.effect("goes on with other queues while a slow handler holds all it may", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const release = yield* Deferred.make<void>()
      let fast = 0
      let slow = 0
      yield* queue.enqueue(jobs("slow", 400))
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf(
            "slow",
            () =>
              Effect.andThen(
                Deferred.await(release),
                Effect.sync(() => slow++)
              ),
            { concurrency: 4 }
          ),
          handlerOf("fast", () => Effect.sync(() => fast++))
        ])
        yield* until(count("lease", "slow"), (n) => n > 0)
        for (let round = 0; round < 5; round++) {
          yield* queue.enqueue(jobs("fast", 200))
          yield* until(
            Effect.sync(() => fast),
            (n) => n === (round + 1) * 200
          )
        }
        assert.strictEqual(slow, 0)
        // It holds some, and leaves the rest to others.
        assert.isAbove(yield* count("queue", "slow"), 200)
        yield* Deferred.succeed(release, undefined)
        yield* untilIdle("slow")
      }).pipe(Effect.scoped)
      assert.strictEqual(slow, 400)
    }).pipe(Tenant.provide(acme))
  )

  it.effect(
    "writes down what is done of a batch that is still worked on, so that a crash repeats only the rest",
    () =>
      Effect.gen(function* () {
        const queue = yield* queueOf
        const sql = yield* SqlClient.SqlClient
        const release = yield* Deferred.make<void>()
        const runs = new Map<number, number>()
        yield* queue.enqueue(jobs("partly", 20))
        yield* Effect.gen(function* () {
          yield* worker([
            handlerOf("partly", ([job]) =>
              Effect.gen(function* () {
                runs.set(job?.seq ?? 0, (runs.get(job?.seq ?? 0) ?? 0) + 1)
                if (JSON.stringify(job?.payload) === '{"n":0}') yield* Deferred.await(release)
              })
            )
          ])
          yield* until(
            sql<{
              readonly done: number
            }>`SELECT cardinality(done) AS done FROM hm_test_lease WHERE queue = 'partly'`,
            ([row]) => row?.done === 19
          )
          // The worker is thought dead.
          yield* sql`UPDATE hm_test_lease SET lease_until = now() - interval '1 second' WHERE queue = 'partly'`
          yield* queue.statements.reap(10, yield* Now.now)
          assert.strictEqual(yield* count("queue", "partly"), 1)
          yield* Deferred.succeed(release, undefined)
          yield* untilIdle("partly")
        }).pipe(Effect.scoped)
        // The one that was lost got a new number: each old one ran once.
        assert.strictEqual(runs.size, 21)
        assert.isTrue(Array.from(runs.values()).every((n) => n === 1))
      }).pipe(Tenant.provide(acme))
  )

  it.effect("hands back what it could not finish when it stops, as if it had not been tried", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      const started = yield* Deferred.make<void>()
      let done = 0
      yield* queue.enqueue(jobs("stopped", 10))
      yield* queue.enqueue(jobs("stopped", 3, { orderingKey: "k" }))
      yield* Effect.gen(function* () {
        yield* worker(
          [
            handlerOf("stopped", ([job]) =>
              Effect.gen(function* () {
                const text = JSON.stringify(job?.payload)
                if (text === '{"n":1}' || text === '{"n":2}') {
                  yield* Deferred.succeed(started, undefined)
                  return yield* Effect.never
                }
                done++
              })
            )
          ],
          { stopPatience: "100 millis" }
        )
        yield* Deferred.await(started)
        yield* until(
          Effect.sync(() => done),
          (n) => n === 9
        )
      }).pipe(Effect.scoped)
      assert.strictEqual(yield* count("lease", "stopped"), 0)
      const left = yield* sql<{ readonly attempt: number; readonly lost: number; readonly n: number }>`
        SELECT attempt, lost, (payload ->> 'n')::int AS n FROM hm_test_delayed WHERE queue = 'stopped' ORDER BY n
      `
      assert.deepStrictEqual(left, [
        { attempt: 0, lost: 0, n: 1 },
        { attempt: 0, lost: 0, n: 2 }
      ])
      assert.strictEqual(yield* count("keyed", "stopped"), 2)
      assert.strictEqual(yield* count("queue", "stopped"), 1)
    }).pipe(Tenant.provide(acme))
  )

  it.effect("commits the good jobs of a batch whose transaction fails at its commit, each once", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE parent (n int PRIMARY KEY)`
      yield* sql`CREATE TABLE child (n int CONSTRAINT has_parent REFERENCES parent DEFERRABLE INITIALLY DEFERRED)`
      yield* sql`INSERT INTO parent SELECT n FROM generate_series(0, 19) n WHERE n <> 13`
      yield* queue.enqueue(jobs("deferred", 20))
      yield* queue.enqueue(jobs("deferred", 3, { orderingKey: "k" }))
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf(
            "deferred",
            (batch) =>
              sql`
              INSERT INTO child
              SELECT (j ->> 'n')::int FROM json_array_elements(${JSON.stringify(batch.map((job) => job.payload))}::text::json) j
            `.pipe(Effect.asVoid),
            { transactional: true, batchMax: 50 }
          )
        ])
        yield* untilIdle("deferred")
      }).pipe(Effect.scoped)
      const [row] = yield* sql<{ readonly rows: number; readonly numbers: number }>`
        SELECT count(*)::int AS rows, count(DISTINCT n)::int AS numbers FROM child
      `
      assert.deepStrictEqual(row, { rows: 22, numbers: 19 })
      const dead = yield* deadOf("deferred")
      assert.deepStrictEqual(
        dead.map((job) => [job.payload, job.attempt]),
        [['{"n":13}', 3]]
      )
    }).pipe(Tenant.provide(acme))
  )

  it.effect("finds the job of a key that takes its workers down, and runs all others", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      const done: Array<string> = []
      const poison = '{"n":4}'
      yield* queue.enqueue(jobs("poisoned", 8, { orderingKey: "k" }))
      yield* queue.enqueue(jobs("poisoned", 5))
      let deaths = 0
      // A death: the process stops where it stands, and its leases run out.
      while ((yield* count("keyed", "poisoned")) > 0 || (yield* count("queue", "poisoned")) > 0) {
        const died = yield* Deferred.make<void>()
        const fiber = yield* Effect.forkChild(
          Effect.scoped(
            Effect.andThen(
              worker(
                [
                  handlerOf("poisoned", ([job]) =>
                    job?.orderingKey !== undefined && JSON.stringify(job.payload) === poison
                      ? Effect.andThen(Deferred.succeed(died, undefined), Effect.never)
                      : Effect.sync(() => done.push(job?.jobId ?? ""))
                  )
                ],
                { stopPatience: 0 }
              ),
              Effect.never
            )
          )
        )
        const ended = yield* Effect.raceFirst(
          Effect.as(Deferred.await(died), "died"),
          Effect.as(untilIdle("poisoned"), "idle")
        )
        if (ended === "died") {
          deaths++
          // Before it can hand anything back.
          yield* sql`UPDATE hm_test_lease SET lease_until = now() - interval '1 second' WHERE ltrim(queue, '!') = 'poisoned'`
          yield* queue.statements.reap(10, yield* Now.now)
        }
        yield* Fiber.interrupt(fiber)
      }
      assert.strictEqual(deaths, 4)
      const dead = yield* deadOf("poisoned")
      assert.deepStrictEqual(
        dead.map((job) => job.payload),
        [poison]
      )
      assert.include(JSON.stringify(dead[0]?.errors), "the worker was lost")
      assert.strictEqual(new Set(done).size, 12)
    }).pipe(Tenant.provide(acme))
  )

  it.effect(
    "counts by queue and outcome, and traces an attempt where its publisher's trace is recorded",
    () =>
      Effect.gen(function* () {
        const queue = yield* queueOf
        const spans: Array<Tracer.NativeSpan> = []
        const tracer = Tracer.make({
          span: (options) => {
            const span = new Tracer.NativeSpan(options)
            spans.push(span)
            return span
          }
        })
        const traceId = "0af7651916cd43dd8448eb211c80319c"
        const traceparent = (sampled: boolean) => `00-${traceId}-b7ad6b7169203331-0${sampled ? 1 : 0}`
        yield* queue.enqueue([
          { queue: "seen", type: "recorded", payload: null, headers: { traceparent: traceparent(true) } },
          {
            queue: "seen",
            type: "not recorded",
            payload: null,
            headers: { traceparent: traceparent(false) }
          },
          { queue: "seen", type: "untraced", payload: null },
          { queue: "seen", type: "fails", payload: null, attemptsMax: 1 }
        ])
        yield* Effect.gen(function* () {
          yield* worker([
            handlerOf("seen", ([job]) => (job?.type === "fails" ? Effect.fail("no") : Effect.void))
          ])
          yield* untilIdle("seen")
        }).pipe(Effect.scoped, Effect.withTracer(tracer))
        const attempts = spans.filter((span) => span.name === "WorkQueue.run seen")
        assert.lengthOf(attempts, 1)
        const [link] = attempts[0]?.links ?? []
        assert.strictEqual(link?.span.traceId, traceId)
        assert.notStrictEqual(attempts[0]?.traceId, traceId)
        const counted = (yield* Metric.snapshot)
          .filter((metric) => metric.id === "hm_queue_jobs_total" && metric.attributes?.queue === "seen")
          .map((metric) => [
            metric.attributes?.outcome,
            metric.type === "Counter" ? Number(metric.state.count) : 0
          ])
        assert.deepStrictEqual(counted.toSorted(), [
          ["done", 3],
          ["failed", 1]
        ])
      }).pipe(Tenant.provide(acme))
  )
})

layer(TestLayer, { excludeTestServices: true })("Enqueueing", (it) => {
  it.effect("gathers what many callers enqueue one by one, and each is in the database when it returns", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      const tenants = ["acme", "globex", "initech"].map((id) => Tenant.TenantId.make(id))
      yield* Effect.forEach(
        Array.from({ length: 600 }, (_, n) => n),
        (n) =>
          Effect.gen(function* () {
            const [id = ""] = yield* queue.enqueue([{ queue: "gathered", type: "t", payload: { n } }])
            const found =
              yield* sql`SELECT 1 FROM hm_test_queue WHERE queue = 'gathered' AND job_id = ${id}::uuid`
            assert.lengthOf(found, 1)
          }).pipe(Tenant.provide(tenants[n % 3] ?? acme)),
        { concurrency: 100 }
      )
      const rows = yield* sql<{
        readonly tenantId: string
        readonly n: number
        readonly transactions: number
      }>`
        SELECT tenant_id AS "tenantId", (payload ->> 'n')::int % 3 AS n, count(*)::int AS jobs,
               (SELECT count(DISTINCT xmin::text)::int FROM hm_test_queue WHERE queue = 'gathered') AS transactions
          FROM hm_test_queue WHERE queue = 'gathered' GROUP BY 1, 2 ORDER BY 2
      `
      assert.deepStrictEqual(
        rows.map((row) => [row.tenantId, row.n]),
        [
          ["acme", 0],
          ["globex", 1],
          ["initech", 2]
        ]
      )
      assert.isBelow(rows[0]?.transactions ?? 0, 300)
    })
  )

  it.effect("sheds what may not wait with a typed error, and loses nothing of what it took", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      const locked = yield* Deferred.make<void>()
      const release = yield* Deferred.make<void>()
      const holder = yield* Effect.forkChild(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`LOCK TABLE hm_test_queue IN SHARE MODE`
            yield* Deferred.succeed(locked, undefined)
            yield* Deferred.await(release)
          })
        )
      )
      yield* Deferred.await(locked)
      const callers = yield* Effect.forEach(
        Array.from({ length: 14_000 }, (_, n) => n),
        (n) => Effect.forkChild(Effect.result(queue.enqueue([{ queue: "shed", type: "t", payload: { n } }])))
      )
      yield* Effect.yieldNow
      yield* Deferred.succeed(release, undefined)
      yield* Fiber.join(holder)
      const results = yield* Effect.forEach(callers, Fiber.join)
      const taken = results.filter(Result.isSuccess).length
      for (const result of results) {
        if (Result.isFailure(result)) assert.strictEqual(result.failure._tag, "QueueOverloaded")
      }
      assert.isBelow(taken, 14_000)
      assert.isAtLeast(taken, 10_000)
      assert.strictEqual(yield* count("queue", "shed"), taken)
    }).pipe(Tenant.provide(acme))
  )

  it.effect("leaves out the job of a caller that gave up before it was on its way", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      const locked = yield* Deferred.make<void>()
      const release = yield* Deferred.make<void>()
      const holder = yield* Effect.forkChild(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`LOCK TABLE hm_test_queue IN SHARE MODE`
            yield* Deferred.succeed(locked, undefined)
            yield* Deferred.await(release)
          })
        )
      )
      yield* Deferred.await(locked)
      const waitingForLock = sql<{ readonly n: number }>`
        SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted AND relation = 'hm_test_queue'::regclass
      `
      const caller = (type: string) =>
        Effect.forkChild(queue.enqueue([{ queue: "given-up", type, payload: null }]), {
          startImmediately: true
        })
      // Two statements at a time are on their way; the third caller waits for one of them.
      const first = yield* caller("first")
      yield* until(waitingForLock, ([row]) => row?.n === 1)
      const second = yield* caller("second")
      yield* until(waitingForLock, ([row]) => row?.n === 2)
      const third = yield* caller("third")
      yield* Fiber.interrupt(third)
      yield* Deferred.succeed(release, undefined)
      yield* Fiber.join(holder)
      yield* Effect.forEach([first, second], Fiber.join)
      const types = yield* sql<{ readonly type: string }>`
        SELECT type FROM hm_test_queue WHERE queue = 'given-up' ORDER BY type
      `
      assert.deepStrictEqual(
        types.map((row) => row.type),
        ["first", "second"]
      )
    }).pipe(Tenant.provide(acme))
  )
})
