import { assert, layer } from "@effect/vitest"
import * as Tenant from "@hypermarket/core/Tenant"
import { Deferred, Effect, Logger } from "effect"
import { SqlClient } from "effect/sql"
import {
  acme,
  controlOf,
  count,
  deadOf,
  handlerOf,
  layerQuiet,
  queueOf,
  until,
  untilIdle,
  worker
} from "./queueFixture.ts"
import { findings, numbered } from "./failuresFixture.ts"

class Unprintable extends Error {
  override get message(): string {
    throw new TypeError("this message cannot be read")
  }
}

const hostile = (): ReadonlyArray<unknown> => {
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  let nested: unknown = "innermost"
  for (let level = 0; level < 30_000; level++) nested = { cause: nested, message: `level ${level}` }
  return [
    revoked.proxy,
    nested,
    {
      get _tag() {
        throw new RangeError("no tag")
      }
    },
    { _tag: "JobRejected", reason: Symbol("reason") },
    {
      toJSON: () => {
        throw new RangeError("no JSON")
      },
      [Symbol.toPrimitive]: () => {
        throw new RangeError("no primitive")
      }
    },
    Object.assign(new Error("named"), { name: Symbol("name") }),
    Array.from({ length: 300_000 }, (_, index) => index)
  ]
}

layer(layerQuiet, { excludeTestServices: true })("A job that fails", (it) => {
  for (const transactional of [false, true]) {
    const name = transactional ? "hostile-together" : "hostile"
    it.effect(
      `with a value that no program can read harms no neighbour, whatever the value (transactional: ${transactional})`,
      () =>
        Effect.gen(function* () {
          const queue = yield* queueOf
          const control = yield* controlOf
          const values = hostile()
          const done: Array<unknown> = []
          yield* queue.enqueue(numbered(name, values.length + 5))
          yield* Effect.gen(function* () {
            yield* worker([
              handlerOf(
                name,
                ([job]) =>
                  Effect.suspend(() => {
                    const value = typeof job?.payload === "number" ? values[job.payload] : undefined
                    if (value !== undefined) return Effect.andThen(Effect.yieldNow, Effect.fail(value))
                    done.push(job?.payload)
                    return Effect.void
                  }),
                { transactional, retry: { attempts: 2, base: "1 millis", max: "1 millis" } }
              )
            ])
            yield* untilIdle(name)
          }).pipe(Effect.scoped)
          const dead = yield* control.deadLetters(name, "0", 20)
          // A rejection is not tried again.
          assert.deepStrictEqual(dead.map(({ attempt }) => attempt).toSorted(), [1, 2, 2, 2, 2, 2, 2])
          assert.isTrue(dead.every(({ errors }) => JSON.stringify(errors).length < 1_500))
          assert.lengthOf(new Set(done), 5)
        }).pipe(Tenant.provide(acme))
    )
  }

  it.effect("is tried again while a slower job of its claim runs, and so is the job of a key", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      const release = yield* Deferred.make<void>()
      const attempts: Array<number> = []
      const keyed: Array<unknown> = []
      yield* queue.enqueue([
        { queue: "mixed", type: "slow", payload: null },
        ...Array.from({ length: 4 }, () => ({ queue: "mixed", type: "bad", payload: null })),
        ...[1, 2, 3].map((payload) => ({ queue: "mixed", type: "key", payload, orderingKey: "k" }))
      ])
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf("mixed", ([job]) => {
            if (job?.type === "slow") return Deferred.await(release)
            if (job?.type === "bad") attempts.push(job.attempt)
            else keyed.push(job?.payload)
            return job?.type === "key" && job.payload === 1 && job.attempt > 0
              ? Effect.void
              : Effect.fail("not now")
          })
        ])
        // Each has used up its three attempts, and the slow job has never been acknowledged.
        yield* until(
          sql<{ readonly n: number }>`
            SELECT count(*)::int AS n
              FROM hm_test_dead
             WHERE queue = 'mixed'
          `,
          ([row]) => row?.n === 6
        )
        assert.strictEqual(yield* count("lease", "mixed"), 1)
        yield* Deferred.succeed(release, undefined)
        yield* untilIdle("mixed")
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(attempts.toSorted(), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
      assert.deepStrictEqual(keyed, [1, 1, 2, 2, 2, 3, 3, 3])
      // Each failure is counted once in the history, also those that were written while their batch ran.
      const [history] = yield* sql<{ readonly failed: number }>`
        SELECT sum(failed_count)::int AS failed
          FROM hm_test_history
         WHERE queue = 'mixed'
      `
      assert.strictEqual(history?.failed, 4 * 3 + 1 + 3 + 3)
    }).pipe(Tenant.provide(acme))
  )

  const stubborn = (
    deadline: "40 millis",
    options: { readonly batchMax: number; readonly transactional: boolean }
  ) => ({
    ...options,
    deadline,
    concurrency: 1,
    retry: { attempts: 1, base: 0, max: 0 }
  })

  for (const [kind, options, orderingKey] of [
    ["alone", { batchMax: 1, transactional: false }, undefined],
    ["in a batch", { batchMax: 4, transactional: false }, undefined],
    ["of a key", { batchMax: 1, transactional: false }, "k"],
    ["in a transaction", { batchMax: 1, transactional: true }, undefined]
  ] as const) {
    it.effect(
      `and ignores its interruption gives back its slot, and is dead-lettered with that reason: ${kind}`,
      () =>
        Effect.gen(function* () {
          const queue = yield* queueOf
          const name = `stubborn-${kind.replaceAll(" ", "-")}`
          const release = yield* Deferred.make<void>()
          const good: Array<unknown> = []
          yield* queue.enqueue([
            {
              queue: name,
              type: "stubborn",
              payload: null,
              ...(orderingKey === undefined ? {} : { orderingKey })
            },
            ...numbered(name, 5)
          ])
          yield* Effect.gen(function* () {
            yield* worker([
              handlerOf(
                name,
                (jobs) =>
                  jobs.some(({ type }) => type === "stubborn")
                    ? Effect.uninterruptible(Deferred.await(release))
                    : Effect.sync(() => good.push(...jobs.map(({ payload }) => payload))),
                stubborn("40 millis", options)
              )
            ])
            yield* untilIdle(name)
            yield* Deferred.succeed(release, undefined)
          }).pipe(Effect.scoped)
          // Its slot was the only one.
          assert.deepStrictEqual(new Set(good), new Set([0, 1, 2, 3, 4]))
          const dead = yield* deadOf(name)
          assert.lengthOf(dead, 1)
          assert.include(
            dead[0]?.errors.at(-1)?.error,
            "no end within 40 ms, nor 2000 ms after its interruption"
          )
        }).pipe(Tenant.provide(acme))
    )
  }

  it.effect("and never ends holds up no worker that stops: its job is released without an attempt", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const release = yield* Deferred.make<void>()
      yield* queue.enqueue(numbered("unstoppable", 1))
      yield* Effect.gen(function* () {
        yield* worker([handlerOf("unstoppable", () => Effect.uninterruptible(Deferred.await(release)))], {
          stopTimeout: "10 millis"
        })
        yield* until(count("lease", "unstoppable"), (leases) => leases === 1)
      }).pipe(Effect.scoped)
      assert.strictEqual(yield* count("lease", "unstoppable"), 0)
      yield* Deferred.succeed(release, undefined)
      const attempts: Array<number | undefined> = []
      yield* Effect.gen(function* () {
        yield* worker([handlerOf("unstoppable", ([job]) => Effect.sync(() => attempts.push(job?.attempt)))])
        yield* untilIdle("unstoppable")
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(attempts, [0])
    }).pipe(Tenant.provide(acme))
  )

  it.effect(
    "for a reason that a worker's loop meets again and again is logged once, without stack frames",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const lines: Array<string> = []
        const logger = Logger.make<unknown, void>(({ message }) => {
          lines.push(JSON.stringify(message))
        })
        yield* sql`ALTER TABLE hm_test_definition RENAME TO hm_test_definition_away`
        const calls = { count: 0 }
        yield* Effect.gen(function* () {
          yield* worker([handlerOf("quiet", () => Effect.sync(() => calls.count++))])
          const queue = yield* queueOf
          yield* queue.enqueue(numbered("quiet", 3))
          yield* until(
            Effect.sync(() => calls.count),
            (seen) => seen === 3
          )
          yield* Effect.sleep("50 millis")
        }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
        yield* sql`ALTER TABLE hm_test_definition_away RENAME TO hm_test_definition`
        const own = lines.filter((line) => line.includes("Queue hm_test"))
        // The settings are read when the worker starts, and then in a loop.
        assert.lengthOf(own, 1)
        assert.include(own[0], "SQLSTATE 42P01")
        assert.notInclude(own[0], "node_modules")
        assert.isBelow(own[0]?.length ?? 0, 500)
      }).pipe(Tenant.provide(acme))
  )

  it.effect("stores message, SQLSTATE and constraint first, without stack frames", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const queue = yield* queueOf
      const control = yield* controlOf
      yield* sql`CREATE TABLE stock (units integer CONSTRAINT units_not_negative CHECK (units >= 0))`
      yield* queue.enqueue(numbered("stock", 1))
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf("stock", () => sql`INSERT INTO stock (units) VALUES (-12)`, {
            retry: { attempts: 1, base: "1 millis", max: "1 millis" }
          })
        ])
        yield* untilIdle("stock")
      }).pipe(Effect.scoped)
      const [job] = yield* control.deadLetters("stock", "0", 10)
      const text = JSON.stringify(job?.errors)
      assert.include(text, "violates check constraint")
      assert.include(text, "(SQLSTATE 23514, constraint units_not_negative)")
      assert.notInclude(text, "at ")
      assert.isNull(job?.rejected)
    }).pipe(Tenant.provide(acme))
  )

  it.effect("with an error that cannot be printed harms no neighbour of its claim", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const control = yield* controlOf
      yield* queue.enqueue(numbered("unprintable", 9))
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf(
            "unprintable",
            ([job]) =>
              job?.payload === 4
                ? Effect.andThen(Effect.sleep("3 millis"), Effect.fail(new Unprintable()))
                : Effect.void,
            { retry: { attempts: 2, base: "1 millis", max: "1 millis" } }
          )
        ])
        yield* untilIdle("unprintable")
      }).pipe(Effect.scoped)
      const dead = yield* control.deadLetters("unprintable", "0", 10)
      assert.deepStrictEqual(
        dead.map(({ attempt }) => attempt),
        [2]
      )
    }).pipe(Tenant.provide(acme))
  )

  it.effect(
    "is logged at its first failure and each tenth, with queue and job, and named by doctor after three",
    () =>
      Effect.gen(function* () {
        const queue = yield* queueOf
        const sql = yield* SqlClient.SqlClient
        const lines: Array<string> = []
        const logger = Logger.make<unknown, void>(({ message }) => {
          lines.push(JSON.stringify(message))
        })
        const jobIds = yield* queue.enqueue(numbered("logged", 1))
        yield* Effect.gen(function* () {
          yield* worker([
            handlerOf("logged", () => Effect.fail(new Error("smtp answers 550")), {
              retry: { attempts: 21, base: "1 millis", max: "1 millis" }
            })
          ])
          yield* untilIdle("logged")
        }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
        const own = lines.filter((line) => line.includes(jobIds[0] ?? "none"))
        assert.deepStrictEqual(
          own.map((line) => /"attempt":(\d+)/.exec(line)?.[1]),
          ["1", "10", "20"]
        )
        assert.isTrue(
          own.every((line) => line.includes("smtp answers 550") && line.includes('"queue":"logged"'))
        )
        // The job as it is while it waits for its next attempt.
        yield* sql`
        INSERT INTO hm_test_delayed (tenant_id, queue, run_at, job_id, type, attempt, attempts_max, recorded_at, errors, payload)
        SELECT tenant_id, queue, now() + interval '1 hour', job_id, type, 3, attempts_max, recorded_at, errors, payload
          FROM hm_test_dead
         WHERE queue = 'logged'
      `
        const named = (yield* findings("failing jobs")).filter(({ message }) =>
          message.includes(jobIds[0] ?? "none")
        )
        assert.lengthOf(named, 1)
        assert.include(named[0]?.message, "in logged failed 3 times in a row: smtp answers 550")
      }).pipe(Tenant.provide(acme))
  )
})
