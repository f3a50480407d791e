import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import type { EventHandling } from "@hypermarket/events/EventState"
import { EventQueues } from "@hypermarket/events/EventQueues"
import { Events } from "@hypermarket/events/Events"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { EventSubscriptions } from "@hypermarket/events/EventSubscriptions"
import * as EventWorker from "@hypermarket/events/EventWorker"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Deferred, Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = EventsDomain.layer.pipe(
  Layer.provideMerge(Wakeup.layerSilent),
  Layer.provideMerge(
    Layer.effect(
      ClaimClient,
      Effect.map(PgClient.PgClient, (client): SqlClient.SqlClient => client)
    )
  ),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

const type = "com.example.followed"
const as = (tenant: string) => provide(TenantId.make(tenant))

const publish = (id: string, subject?: string) =>
  Effect.flatMap(Events, (events) =>
    events.publish([{ id, type, data: { id }, ...(subject === undefined ? {} : { subject }) }])
  )

const subscribe = (queue: string, ordered = false) =>
  Effect.flatMap(EventSubscriptions, (subscriptions) =>
    subscriptions.create({ name: queue, queue, filters: [{ exact: { type } }], ordered })
  )

const state = (id: string) => Effect.flatMap(Events, (events) => events.state({ id }))

const states = (id: string) =>
  Effect.map(state(id), ({ handlers }) => handlers.map((handling) => [handling.queue, handling.state]))

const until = (id: string, holds: (handlers: ReadonlyArray<EventHandling>) => boolean) =>
  state(id).pipe(
    Effect.map(({ handlers }) => handlers),
    Effect.repeat({ until: holds, schedule: Schedule.spaced("10 millis") })
  )

const handler = (
  queue: string,
  run: QueueJob.Handler<never>["run"],
  attempts = 2,
  base: "1 millis" | "1 hour" = "1 millis"
): QueueJob.Handler<never> => ({
  queue,
  batchMax: 1,
  concurrency: 4,
  transactional: false,
  retry: { attempts, base, max: base },
  deadline: "30 seconds",
  run
})

const working = <A, E, R>(handlers: ReadonlyArray<QueueJob.Handler<never>>, self: Effect.Effect<A, E, R>) =>
  Effect.scoped(
    Effect.andThen(EventWorker.run({ domains: [], handlers, queue: { poll: "20 millis" } }), self)
  )

layer(TestLayer, { excludeTestServices: true })("The state of an event", (it) => {
  it.effect("is told for each queue: waiting, running, retrying, dead and done", () =>
    Effect.gen(function* () {
      yield* Effect.forEach(["a.waits", "b.runs", "c.retries", "d.dies", "e.ends"], (queue) =>
        subscribe(queue)
      )
      yield* publish("each")
      assert.deepStrictEqual(
        yield* states("each"),
        ["a.waits", "b.runs", "c.retries", "d.dies", "e.ends"].map((queue) => [queue, "waiting"])
      )
      const release = yield* Deferred.make<void>()
      yield* working(
        [
          handler("b.runs", () => Deferred.await(release)),
          handler("c.retries", () => Effect.fail(new Error("not yet")), 3, "1 hour"),
          handler("d.dies", () => Effect.fail(new Error("never"))),
          handler("e.ends", () => Effect.void)
        ],
        Effect.gen(function* () {
          const found = yield* until(
            "each",
            ([, , retries, dies, ends]) =>
              retries?.state === "retrying" && dies?.state === "dead" && ends?.state === "done"
          )
          const seen = found.map(({ attempt, error, queue, state }) => [queue, state, attempt, error ?? ""])
          assert.deepStrictEqual(
            seen.map(([queue, each, attempt]) => [queue, each, attempt]),
            [
              ["a.waits", "waiting", 0],
              ["b.runs", "running", 0],
              ["c.retries", "retrying", 1],
              ["d.dies", "dead", 2],
              ["e.ends", "done", null]
            ]
          )
          assert.include(String(seen[2]?.[3]), "not yet")
          assert.include(String(seen[3]?.[3]), "never")
          assert.isNotNull(found[2]?.nextAt)
          yield* Deferred.succeed(release, undefined)
          yield* until("each", ([, runs]) => runs?.state === "done")
        })
      )
      // The job is the one that the queue has: redriven, it waits again.
      const queues = yield* EventQueues
      const [, , , dead] = (yield* state("each")).handlers
      const jobIds = [dead?.jobId ?? ""]
      assert.strictEqual(yield* queues.redrive("d.dies", { jobIds }), 1)
      assert.deepStrictEqual((yield* states("each"))[3], ["d.dies", "waiting"])
    }).pipe(as("each"))
  )

  it.effect("costs no row per completed job, and is the same for the event published again", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* subscribe("once")
      yield* publish("again")
      const before = yield* state("again")
      yield* publish("again")
      assert.deepStrictEqual(yield* state("again"), before)
      yield* working(
        [handler("once", () => Effect.void)],
        until("again", ([first]) => first?.state === "done")
      )
      const left = yield* sql<{ readonly rows: number }>`
        SELECT count(*)::int AS rows
          FROM (
                SELECT tenant_id
                  FROM hm_event_queue
                UNION ALL
                SELECT tenant_id
                  FROM hm_event_delayed
                UNION ALL
                SELECT tenant_id
                  FROM hm_event_lease
                UNION ALL
                SELECT tenant_id
                  FROM hm_event_dead
                UNION ALL
                SELECT tenant_id
                  FROM hm_event_keyed
                UNION ALL
                SELECT tenant_id
                  FROM hm_event_job_dedupe) kept
         WHERE tenant_id = 'once'
      `
      assert.deepStrictEqual(left, [{ rows: 0 }])
    }).pipe(as("once"))
  )

  it.effect("follows an ordered event behind its subject, whatever else waits in the queue", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* subscribe("ordered", true)
      yield* publish("first", "o-1")
      yield* publish("second", "o-1")
      yield* publish("other", "o-2")
      // More than a look-up reads, before all others.
      yield* sql`
        INSERT INTO hm_event_queue (tenant_id, queue, priority, job_id, type, payload)
        SELECT 'ordered', 'ordered', 9, gen_random_uuid(), 'fill', 'null'
          FROM generate_series(1, 10001)
      `
      yield* sql`
        INSERT INTO hm_event_keyed (tenant_id, queue, ordering_key, job_id, type, payload)
        SELECT 'ordered', 'ordered', 'a', gen_random_uuid(), 'fill', 'null'
          FROM generate_series(1, 10001)
      `
      yield* Effect.forEach(["first", "second", "other"], (id) =>
        Effect.map(states(id), (found) => assert.deepStrictEqual(found, [["ordered", "waiting"]]))
      )
      yield* sql`DELETE FROM hm_event_queue WHERE tenant_id = 'ordered' AND type = 'fill'`
      yield* sql`DELETE FROM hm_event_keyed WHERE tenant_id = 'ordered' AND type = 'fill'`
      const release = yield* Deferred.make<void>()
      yield* working(
        [handler("ordered", () => Deferred.await(release))],
        Effect.gen(function* () {
          yield* until("first", ([first]) => first?.state === "running")
          assert.deepStrictEqual(yield* states("second"), [["ordered", "waiting"]])
          yield* Deferred.succeed(release, undefined)
          yield* until("second", ([second]) => second?.state === "done")
        })
      )
    }).pipe(as("ordered"))
  )

  it.effect("is waiting or done in a queue with more jobs than a look-up reads, and says how many more", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const queues = yield* EventQueues
      yield* subscribe("deep")
      yield* sql`
        INSERT INTO hm_event_queue (tenant_id, queue, priority, job_id, type, payload)
        SELECT 'deep', 'deep', n % 3, gen_random_uuid(), 'fill', 'null'
          FROM generate_series(1, 10004) n
      `
      yield* publish("deep")
      const [handling] = (yield* state("deep")).handlers
      assert.deepInclude(handling, { state: "waiting-or-done", unsearched: 5, attempt: null })
      const missing = yield* Effect.flip(queues.job("deep", handling?.jobId ?? ""))
      assert.deepInclude(missing, { _tag: "JobNotFound", unsearched: 5 })
      // A job that runs first is among those that are read.
      const [urgent] = yield* sql<{ readonly jobId: string }>`
        SELECT job_id::text AS "jobId"
          FROM hm_event_queue
         WHERE tenant_id = 'deep' AND priority = 2
         ORDER BY seq DESC
         LIMIT 1
      `
      assert.deepInclude(yield* queues.job("deep", urgent?.jobId ?? ""), { state: "ready", priority: 2 })
      // Cancelling reads the whole queue.
      yield* queues.cancel("deep", handling?.jobId ?? "")
      const gone = yield* Effect.flip(queues.cancel("deep", handling?.jobId ?? ""))
      assert.deepInclude(gone, { _tag: "JobNotFound", unsearched: 0 })
      yield* sql`DELETE FROM hm_event_queue WHERE tenant_id = 'deep' AND priority = 2`
      assert.deepStrictEqual(yield* states("deep"), [["deep", "done"]])
    }).pipe(as("deep"))
  )

  it.effect("has an entry per subscription, also of one queue, and none for an event that nobody wants", () =>
    Effect.gen(function* () {
      yield* publish("unwanted")
      assert.deepStrictEqual(yield* states("unwanted"), [])
      const subscriptions = yield* EventSubscriptions
      yield* subscribe("shared")
      yield* subscriptions.create({ name: "second", queue: "shared", filters: [] })
      yield* publish("wanted")
      const { handlers, source } = yield* state("wanted")
      assert.strictEqual(source, "/")
      assert.deepStrictEqual(
        handlers.map(({ queue }) => queue),
        ["shared", "shared"]
      )
      assert.strictEqual(new Set(handlers.map(({ jobId }) => jobId)).size, 2)
    }).pipe(as("entries"))
  )

  it.effect("is known to its tenant alone, for 30 days", () =>
    Effect.gen(function* () {
      const clock = yield* Now.TestNow
      const before = yield* Now.now
      yield* subscribe("kept").pipe(as("kept"))
      yield* publish("kept").pipe(as("kept"))
      const stranger = yield* Effect.flip(state("kept").pipe(as("stranger")))
      assert.deepInclude(stranger, { _tag: "PublicationNotFound", source: "/", id: "kept" })
      const { publishedAt } = yield* state("kept").pipe(as("kept"))
      assert.isAtLeast(publishedAt.epochMilliseconds, before.getTime())
      assert.isAtMost(publishedAt.epochMilliseconds, (yield* Now.now).getTime())
      yield* clock.adjust("719 hours")
      yield* Effect.gen(function* () {
        assert.lengthOf((yield* state("kept").pipe(as("kept"))).handlers, 1)
        yield* clock.adjust("2 hours")
        assert.deepInclude(yield* Effect.flip(state("kept").pipe(as("kept"))), {
          _tag: "PublicationNotFound"
        })
        yield* clock.adjust("-2 hours")
      }).pipe(Effect.ensuring(clock.adjust("-719 hours")))
    })
  )
})
