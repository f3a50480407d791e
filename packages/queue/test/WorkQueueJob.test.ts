import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import * as Tenant from "@hypermarket/core/Tenant"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import { Deferred, Effect } from "effect"
import {
  acme,
  layerQuiet,
  controlOf,
  queueOf,
  handlerOf,
  worker,
  count,
  untilIdle,
  deadOf,
  millis
} from "./queueFixture.ts"

layer(layerQuiet, { excludeTestServices: true })("A job", (it) => {
  it.effect("is tried as often as its own number allows, or that of its handler", () =>
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

  it.effect("that has expired is dead-lettered with that reason, without an attempt", () =>
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

  it.effect(
    "with a deduplication key is enqueued once per window by any number of callers, and again after it",
    () =>
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

  it.effect(
    "that waits can be found and cancelled, with an ordering key too, and one that runs cannot be cancelled",
    () =>
      Effect.gen(function* () {
        const queue = yield* queueOf
        const control = yield* controlOf
        const started = yield* Deferred.make<void>()
        const release = yield* Deferred.make<void>()
        const ran: Array<string> = []
        const later = new Date(millis() + 3_600_000)
        const make = (type: string, options: Partial<QueueJob.NewJob> = {}) =>
          Effect.map(
            queue.enqueue([{ queue: "cancel", type, payload: null, ...options }]),
            ([id]) => id ?? ""
          )
        const plain = yield* make("plain")
        const delayed = yield* make("delayed", { runAt: later })
        const first = yield* make("first of key", { orderingKey: "k" })
        const second = yield* make("second of key", { orderingKey: "k" })
        const held = yield* make("held", { orderingKey: "far", runAt: later })
        const behind = yield* make("behind", { orderingKey: "far" })
        const stateOf = (id: string) => Effect.map(control.find("cancel", id), ({ job }) => job?.state)
        assert.deepStrictEqual(
          yield* Effect.forEach([plain, delayed, first, second, held, behind], stateOf),
          ["ready", "delayed", "ready", "ready", "delayed", "ready"]
        )
        assert.isTrue(yield* control.cancel("cancel", plain))
        assert.isFalse(yield* control.cancel("cancel", plain))
        assert.isTrue(yield* control.cancel("cancel", delayed))
        assert.isTrue(yield* control.cancel("cancel", first))
        // Only the head of its key blocked it.
        assert.isTrue(yield* control.cancel("cancel", held))
        assert.isFalse(
          yield* control.cancel("cancel", second).pipe(Tenant.provide(Tenant.TenantId.make("globex")))
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
          assert.isFalse(yield* control.cancel("cancel", running))
          yield* Deferred.succeed(release, undefined)
          yield* untilIdle("cancel")
        }).pipe(Effect.scoped)
        assert.deepStrictEqual(ran.toSorted(), ["behind", "running", "second of key"])
        assert.isUndefined(yield* stateOf(second))
      }).pipe(Tenant.provide(acme))
  )

  it.effect("is found while it runs, with its attempts and errors", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const control = yield* controlOf
      const release = yield* Deferred.make<void>()
      const started = yield* Deferred.make<void>()
      const retry = { backoff: "fixed", base: "1 millis" } as const
      const ids = yield* queue.enqueue([
        { queue: "found", type: "plain", payload: { n: 1 }, priority: 2 },
        { queue: "found", type: "again", payload: { n: 2 }, headers: { traceparent: "none" }, retry }
      ])
      const seen: Array<QueueJob.LeasedJob> = []
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf("found", ([job]) =>
            Effect.gen(function* () {
              if (job === undefined) return
              if (job.type === "again" && job.attempt === 0) return yield* Effect.fail("not yet")
              seen.push(job)
              if (seen.length === 2) yield* Deferred.succeed(started, undefined)
              yield* Deferred.await(release)
            })
          )
        ])
        yield* Deferred.await(started)
        const places = yield* Effect.forEach(ids, (id) => control.find("found", id))
        assert.deepStrictEqual(
          places.map(({ job }) => [
            job?.state,
            job?.type,
            job?.priority,
            job?.attempt,
            Array.isArray(job?.errors) ? job.errors.length : 0
          ]),
          [
            ["running", "plain", 2, 0, 0],
            ["running", "again", 0, 1, 1]
          ]
        )
        yield* Deferred.succeed(release, undefined)
        yield* untilIdle("found")
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(
        seen
          .toSorted((a, b) => b.priority - a.priority)
          .map(({ attempt, headers, jobId, payload }) => [jobId, payload, headers, attempt]),
        [
          [ids[0], { n: 1 }, {}, 0],
          [ids[1], { n: 2 }, { traceparent: "none" }, 1]
        ]
      )
    }).pipe(Tenant.provide(acme))
  )

  it.effect("with an ordering key does not run before its time, nor do the jobs behind it", () =>
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

  it.effect("is dead-lettered unchanged when Postgres cannot store its payload and error as text", () =>
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
