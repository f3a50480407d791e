import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import * as Tenant from "@hypermarket/core/Tenant"
import * as QueueChecks from "@hypermarket/queue/QueueChecks"
import * as QueueJob from "@hypermarket/queue/QueueJob"
import { Deferred, Effect, Logger, Schedule } from "effect"
import * as PoisonSuite from "@hypermarket/testing/PoisonSuite"
import { SqlClient } from "effect/sql"
import {
  acme,
  controlOf,
  count,
  deadOf,
  handlerOf,
  layerQuiet,
  prefix,
  queueOf,
  statementsOf,
  until,
  untilIdle,
  worker
} from "./queueFixture.ts"

const findings = (name: string) =>
  Effect.forEach(
    QueueChecks.make(prefix).filter((check) => check.name === name),
    (check) => check.run
  ).pipe(Effect.map((lists) => lists.flat()))

const numbered = (queue: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({ queue, type: "t", payload: index }))

/** Rejects the jobs whose payload is a multiple of seven. */
const rejectSevens = (jobs: ReadonlyArray<QueueJob.LeasedJob>) =>
  Effect.succeed(
    new QueueJob.JobRejections(
      jobs.flatMap((job) =>
        typeof job.payload === "number" && job.payload % 7 === 0
          ? [
              {
                job,
                rejected: new QueueJob.JobRejected({ message: `${job.payload} is odd`, reason: "of-seven" })
              }
            ]
          : []
      )
    )
  )

layer(layerQuiet, { excludeTestServices: true })("A job that its handler rejects", (it) => {
  for (const transactional of [false, true]) {
    const queueName = transactional ? "sevens-together" : "sevens"
    it.effect(
      `is dead-lettered with its reason, and the others of its call complete (transactional: ${transactional})`,
      () =>
        Effect.gen(function* () {
          const queue = yield* queueOf
          const control = yield* controlOf
          yield* queue.enqueue(numbered(queueName, 20))
          yield* Effect.gen(function* () {
            yield* worker([handlerOf(queueName, rejectSevens, { batchMax: 50, transactional })])
            yield* untilIdle(queueName)
          }).pipe(Effect.scoped)
          const dead = yield* control.deadLetters(queueName, "0", 100)
          assert.lengthOf(dead, 3)
          for (const job of dead) {
            assert.strictEqual(job.rejected, "of-seven")
            assert.strictEqual(job.attempt, 1)
            assert.include(JSON.stringify(job.errors), "is odd")
          }
          assert.strictEqual(yield* control.redrive(queueName, { limit: 2 }), 2)
          assert.strictEqual(yield* control.discard(queueName, { limit: 10 }), 1)
        }).pipe(Tenant.provide(acme))
    )
  }

  it.effect(
    "is kept past the retention of the dead-letter queue until it is discarded, and counted by doctor",
    () =>
      Effect.gen(function* () {
        const queue = yield* queueOf
        const control = yield* controlOf
        const statements = yield* statementsOf
        yield* queue.enqueue(numbered("kept", 1))
        yield* queue.enqueue(numbered("pruned", 1))
        yield* Effect.gen(function* () {
          yield* worker([
            handlerOf("kept", rejectSevens),
            handlerOf("pruned", () => Effect.fail(new QueueJob.JobRejected({ message: "for good" })))
          ])
          yield* untilIdle("kept")
          yield* untilIdle("pruned")
        }).pipe(Effect.scoped)
        const now = yield* Now.now
        yield* statements.prune(new Date(now.getTime() + 400 * 24 * 3_600_000), 100)
        assert.lengthOf(yield* control.deadLetters("pruned", "0", 10), 0)
        assert.lengthOf(yield* control.deadLetters("kept", "0", 10), 1)
        const found = (yield* findings("rejected jobs")).filter(({ message }) => message.startsWith("kept "))
        assert.deepStrictEqual(
          found.map(({ message, status }) => [status, message]),
          [["warn", "kept holds 1 rejected jobs of 1 tenants: of-seven"]]
        )
        yield* control.discard("kept", { limit: 10 })
        assert.lengthOf(yield* control.deadLetters("kept", "0", 10), 0)
      }).pipe(Tenant.provide(acme))
  )
})

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

/** Runs a worker until the loop has recorded its poisoned tenants and the rows of the others are gone. */
const roundUntil = (loop: string, table: "delayed" | "lease" | "job_dedupe") =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.TestNow
    yield* now.adjust("2 hours")
    yield* worker([handlerOf("none", () => Effect.void)])
    yield* sql<{ readonly isOver: boolean }>`
      SELECT count(*) = 3 AND NOT EXISTS (SELECT 1 FROM ${sql(`hm_test_${table}`)} WHERE tenant_id ~ '-[ac]$') AS "isOver"
        FROM hm_loop_failure
       WHERE loop = ${loop}
    `.pipe(Effect.repeat({ until: ([row]) => row?.isOver === true, schedule: Schedule.spaced("20 millis") }))
  }).pipe(Effect.scoped)

const asTenant = (tenantId: string) => Tenant.provide(Tenant.TenantId.make(tenantId))

/** No row of a poisoned tenant becomes runnable, as after a migration that this release does not know. */
const refuseRunnable = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.ignore(sql`ALTER TABLE hm_test_queue ADD CONSTRAINT poison CHECK (tenant_id !~ '-[0bz]$') NOT VALID`)
)
const allowRunnable = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`ALTER TABLE hm_test_queue DROP CONSTRAINT IF EXISTS poison`
)

const hasRow = (table: "queue" | "job_dedupe", queue: string) => (tenantId: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      SELECT 1
        FROM ${sql(`hm_test_${table}`)}
       WHERE tenant_id = ${tenantId} AND queue = ${queue}
    `
  ).pipe(Effect.map((rows) => rows.length > 0))

layer(layerQuiet, { excludeTestServices: true })("The queue's housekeeping", (it) => {
  PoisonSuite.suite(it, [
    {
      name: "the mover beside due jobs that no queue takes",
      work: Effect.fnUntraced(function* (tenantId: string) {
        const queue = yield* queueOf
        const now = yield* Now.now
        yield* allowRunnable
        yield* queue
          .enqueue([{ queue: "later", type: "t", payload: 0, runAt: new Date(now.getTime() + 3_600_000) }])
          .pipe(asTenant(tenantId))
      }),
      plant: () => refuseRunnable,
      round: roundUntil("queue.hm_test.moveDue", "delayed"),
      isDone: hasRow("queue", "later"),
      recorded: PoisonSuite.loopFailure("queue.hm_test.moveDue"),
      expected: /poison/
    },
    {
      name: "the reaper beside an expired lease whose jobs no queue takes",
      work: Effect.fnUntraced(function* (tenantId: string) {
        const queue = yield* queueOf
        const statements = yield* statementsOf
        yield* allowRunnable
        yield* queue.enqueue([{ queue: "lost", type: "t", payload: 0 }]).pipe(asTenant(tenantId))
        yield* statements.claim({
          previous: undefined,
          flows: [{ tenantId, queue: "lost", priority: 0, hint: 0, limit: 100 }],
          batchId: crypto.randomUUID(),
          workerId: crypto.randomUUID(),
          leaseMillis: 1,
          keyedMax: 100,
          flowBytesMax: 1_000_000,
          now: yield* Now.now
        })
      }),
      plant: () => refuseRunnable,
      round: roundUntil("queue.hm_test.reap", "lease"),
      isDone: hasRow("queue", "lost"),
      recorded: PoisonSuite.loopFailure("queue.hm_test.reap"),
      expected: /poison/
    },
    {
      name: "the prune beside an expired name that another table holds",
      work: (tenantId: string) =>
        Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`
            INSERT INTO hm_test_job_dedupe (tenant_id, queue, dedupe_key, job_id, expires_at)
            VALUES (${tenantId}, 'named', 'k', gen_random_uuid(), now() - interval '1 hour')
          `
        ),
      plant: Effect.fnUntraced(function* (tenantId: string) {
        const sql = yield* SqlClient.SqlClient
        yield* sql`
          CREATE TABLE IF NOT EXISTS test_held (
            tenant_id text,
            queue text,
            dedupe_key text,
            CONSTRAINT holds FOREIGN KEY (tenant_id, queue, dedupe_key) REFERENCES hm_test_job_dedupe
          )
        `
        yield* sql`INSERT INTO test_held VALUES (${tenantId}, 'named', 'k')`
      }),
      round: roundUntil("queue.hm_test.prune", "job_dedupe"),
      isDone: (tenantId: string) =>
        Effect.map(hasRow("job_dedupe", "named")(tenantId), (isThere) => !isThere),
      recorded: PoisonSuite.loopFailure("queue.hm_test.prune"),
      expected: /holds/
    }
  ])
})
