/** Effect's persisted queues in memory and on our store, by one suite; and what ours adds. */
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { transaction } from "@hypermarket/core/Transaction"
import * as EventPersistedQueue from "@hypermarket/events/EventPersistedQueue"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Schedule, Schema } from "effect"
import { PersistedQueue } from "effect/persistence"
import { SqlClient } from "effect/sql"

const Mail = Schema.Struct({ to: Schema.String, count: Schema.Int })
const retrySchedule = Schedule.spaced("20 millis")

const mails = (name: string, maxAttempts = 3) =>
  PersistedQueue.make({ name, schema: Mail, maxAttempts, retrySchedule })

const Ours = PersistedQueue.layer.pipe(
  Layer.provideMerge(EventPersistedQueue.layerStore({ pollInterval: "20 millis" })),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations))
)
const Memory = PersistedQueue.layer.pipe(Layer.provideMerge(PersistedQueue.layerStoreMemory))

const acme = provide(TenantId.make("acme"))
const globex = provide(TenantId.make("globex"))

const suite = <R>(name: string, store: Layer.Layer<R | PersistedQueue.PersistedQueueFactory>) => {
  layer(store, { excludeTestServices: true })(`A persisted queue ${name}`, (it) => {
    it.effect("delivers an element with its id, once, and ignores an id that it has had", () =>
      Effect.gen(function* () {
        const queue = yield* mails("once")
        const value = { to: "ada", count: 2 }
        assert.strictEqual(yield* queue.offer(value, { id: "m-1" }), "m-1")
        const taken = yield* queue.take((mail, metadata) => Effect.succeed({ mail, metadata }))
        assert.deepStrictEqual(taken, { mail: value, metadata: { id: "m-1", attempts: 1 } })
        yield* queue.offer({ to: "bob", count: 9 }, { id: "m-1" })
        yield* queue.offer({ to: "eve", count: 1 }, { id: "m-2" })
        assert.strictEqual(yield* queue.take((mail) => Effect.succeed(mail.to)), "eve")
      }).pipe(acme)
    )

    it.effect("tries a failed element again with its attempts counted, and gives up after the last", () =>
      Effect.gen(function* () {
        const queue = yield* mails("retries")
        yield* queue.offer({ to: "ada", count: 1 }, { id: "bad" })
        const attempts: Array<number> = []
        const attempt = queue.take((_, metadata) =>
          Effect.andThen(
            Effect.sync(() => attempts.push(metadata.attempts)),
            Effect.fail("smtp")
          )
        )
        for (const _ of [1, 2, 3]) assert.strictEqual(yield* Effect.flip(attempt), "smtp")
        yield* queue.offer({ to: "eve", count: 1 }, { id: "good" })
        assert.strictEqual(yield* queue.take((mail) => Effect.succeed(mail.to)), "eve")
        assert.deepStrictEqual(attempts, [1, 2, 3])
      }).pipe(acme)
    )

    it.effect("does not count an interrupted take, and delivers the element again", () =>
      Effect.gen(function* () {
        const queue = yield* mails("interrupted", 1)
        yield* queue.offer({ to: "ada", count: 1 })
        const begun = yield* Deferred.make<void>()
        const fiber = yield* Effect.forkChild(
          queue.take(() => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
        )
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(fiber)
        const attempts = yield* queue.take((_, metadata) => Effect.succeed(metadata.attempts))
        assert.strictEqual(attempts, 1)
      }).pipe(acme)
    )

    it.effect("wakes a take that waits, and hands elements that are offered together to many", () =>
      Effect.gen(function* () {
        const queue = yield* mails("many")
        const takes = yield* Effect.forkChild(
          Effect.forEach(Array.from({ length: 20 }), () => queue.take((mail) => Effect.succeed(mail.count)), {
            concurrency: 5
          })
        )
        yield* Effect.forEach(
          Array.from({ length: 20 }, (_, count) => count),
          (count) => queue.offer({ to: "ada", count })
        )
        const counts = yield* Fiber.join(takes)
        assert.sameMembers(
          counts,
          Array.from({ length: 20 }, (_, count) => count)
        )
      }).pipe(acme)
    )

    it.effect("delivers a delayed element behind one without a delay", () =>
      Effect.gen(function* () {
        const queue = yield* mails("delayed")
        yield* queue.offer({ to: "later", count: 1 }, { delay: "150 millis" })
        yield* queue.offer({ to: "sooner", count: 1 })
        const take = queue.take((mail) => Effect.succeed(mail.to))
        assert.deepStrictEqual([yield* take, yield* take], ["sooner", "later"])
      }).pipe(acme)
    )
  })
}

suite("in memory", Memory)
suite("on the database", Ours)

layer(Ours, { excludeTestServices: true })("The store on the database", (it) => {
  const rowsOf = (queue: string) =>
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql<{ readonly state: string; readonly attempts: number; readonly error: string | null }>`
        SELECT state, attempts, last_error AS error
          FROM hm_event_element
         WHERE queue = ${queue}
         ORDER BY tenant_id, element_id
      `
    )

  /** As after the end of a process and of its lease. */
  const expire = (queue: string) =>
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql`
        UPDATE hm_event_element
           SET visible_at = clock_timestamp() - interval '1 second'
         WHERE queue = ${queue}
      `
    )

  it.effect("shows no tenant an element of another, with the same queue and id", () =>
    Effect.gen(function* () {
      const queue = yield* mails("shared")
      yield* globex(queue.offer({ to: "theirs", count: 1 }, { id: "same" }))
      yield* acme(queue.offer({ to: "ours", count: 1 }, { id: "same" }))
      const take = queue.take((mail) => Effect.succeed(mail.to))
      assert.strictEqual(yield* acme(take), "ours")
      const waits = yield* Effect.forkChild(acme(take))
      assert.strictEqual(yield* globex(take), "theirs")
      yield* acme(queue.offer({ to: "second", count: 1 }))
      assert.strictEqual(yield* Fiber.join(waits), "second")
    })
  )

  it.effect("is a defect without a tenant", () =>
    Effect.gen(function* () {
      const queue = yield* mails("nobody")
      const exit = yield* Effect.exit(queue.offer({ to: "ada", count: 1 }))
      assert.isTrue(Exit.hasDies(exit))
    })
  )

  it.effect("has an element if and only if the transaction that offers it commits", () =>
    Effect.gen(function* () {
      const queue = yield* mails("commits")
      const offer = (to: string) => queue.offer({ to, count: 1 })
      yield* Effect.exit(transaction(Effect.andThen(offer("rolled back"), Effect.fail("no"))))
      yield* transaction(offer("committed"))
      assert.strictEqual(yield* queue.take((mail) => Effect.succeed(mail.to)), "committed")
      assert.lengthOf(yield* rowsOf("commits"), 1)
    }).pipe(acme)
  )

  it.effect("lets a take that has lost its lease change nothing", () =>
    Effect.gen(function* () {
      const queue = yield* mails("fenced")
      yield* queue.offer({ to: "ada", count: 1 })
      const lost = yield* Deferred.make<void>()
      const begun = yield* Deferred.make<void>()
      const first = yield* Effect.forkChild(
        queue.take(() => Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(lost)))
      )
      yield* Deferred.await(begun)
      yield* expire("fenced")
      const second = yield* queue.take((_, metadata) =>
        Effect.gen(function* () {
          yield* Deferred.succeed(lost, undefined)
          yield* Fiber.join(first)
          return { attempts: metadata.attempts, rows: yield* rowsOf("fenced") }
        })
      )
      assert.strictEqual(second.attempts, 2)
      assert.deepStrictEqual(second.rows, [{ state: "pending", attempts: 2, error: null }])
      assert.deepStrictEqual(yield* rowsOf("fenced"), [{ state: "completed", attempts: 2, error: null }])
    }).pipe(acme)
  )

  it.effect("gives up an element whose takes end with their processes", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const queue = yield* mails("killed", 2)
      yield* queue.offer({ to: "ada", count: 1 })
      yield* sql`
        UPDATE hm_event_element
           SET attempts = 2
         WHERE queue = 'killed'
      `
      yield* queue.offer({ to: "eve", count: 1 })
      assert.strictEqual(yield* queue.take((mail) => Effect.succeed(mail.to)), "eve")
      const rows = yield* rowsOf("killed")
      assert.sameDeepMembers(Array.from(rows), [
        { state: "failed", attempts: 2, error: "The process ended" },
        { state: "completed", attempts: 1, error: null }
      ])
    }).pipe(acme)
  )

  it.effect("fails at once an element that does not decode, and takes the next one", () =>
    Effect.gen(function* () {
      const queue = yield* mails("odd")
      const texts = yield* PersistedQueue.make({ name: "odd", schema: Schema.String })
      yield* texts.offer("no mail")
      yield* queue.offer({ to: "ada", count: 1 })
      assert.strictEqual(yield* queue.take((mail) => Effect.succeed(mail.to)), "ada")
      const states = (yield* rowsOf("odd")).map(({ state }) => state)
      assert.sameMembers(states, ["failed", "completed"])
    }).pipe(acme)
  )

  it.effect("refuses an element of more than 256 KiB", () =>
    Effect.gen(function* () {
      const queue = yield* mails("large")
      const error = yield* Effect.flip(queue.offer({ to: "é".repeat(140_000), count: 1 }))
      assert.include(error.message, "at most 262144")
      assert.lengthOf(yield* rowsOf("large"), 0)
    }).pipe(acme)
  )

  it.effect("refuses a name and an id that are too long or cannot be stored, and names the field", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const offer = (name: string, id: string) =>
        Effect.flatMap(mails(name), (queue) => queue.offer({ to: "ada", count: 1 }, { id }))
      const refused: ReadonlyArray<readonly [field: string, name: string, id: string]> = [
        ["name", "n".repeat(201), "a"],
        ["name", "", "a"],
        ["name", "a\u0000b", "a"],
        ["id", "bounds", "\u{1F600}".repeat(256)],
        ["id", "bounds", ""],
        ["id", "bounds", "\ud800"]
      ]
      for (const [field, name, id] of refused) {
        const error = yield* Effect.flip(offer(name, id))
        assert.match(error.message, new RegExp(`^${field}: Expected `))
      }
      // An offer in the caller's transaction leaves it usable.
      const name = "\u{1F600}".repeat(200)
      yield* transaction(
        Effect.gen(function* () {
          yield* Effect.flip(offer("n".repeat(201), "a"))
          yield* offer(name, "i".repeat(255))
        })
      )
      const rows = yield* sql`
        SELECT queue = ${name} AS "isNamed"
          FROM hm_event_element
         WHERE length(element_id) = 255
            OR queue = 'bounds'
      `
      assert.deepStrictEqual(rows, [{ isNamed: true }])
    }).pipe(acme)
  )

  it.effect("deletes completed elements after 30 days, and of a cleanup those of its tenant", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const store = yield* PersistedQueue.PersistedQueueStore
      yield* sql`
        INSERT INTO hm_event_element (tenant_id, queue, element_id, state, element, visible_at, recorded_at, updated_at)
        SELECT tenant, 'old', state || days, state, '1', now(), now(), now() - days * interval '1 day'
          FROM unnest(ARRAY['acme', 'globex']) AS tenant,
               unnest(ARRAY['completed', 'failed', 'pending']) AS state,
               unnest(ARRAY[28, 32]) AS days
      `
      yield* Effect.provideService(EventPersistedQueue.prune.run(null), AllTenants, { actor: "test" })
      const left = Effect.map(
        sql<{ readonly id: string }>`
          SELECT tenant_id || ' ' || element_id AS id
            FROM hm_event_element
           WHERE queue = 'old'
        `,
        (rows) => rows.map(({ id }) => id)
      )
      const kept = ["completed28", "failed28", "failed32", "pending28", "pending32"]
      const idsOf = (tenant: string, ids: ReadonlyArray<string>) => ids.map((id) => `${tenant} ${id}`)
      assert.sameMembers(yield* left, [...idsOf("acme", kept), ...idsOf("globex", kept)])
      const days = Duration.days(30)
      yield* acme(store.cleanup({ timeToLive: days, failedTimeToLive: days }))
      assert.sameMembers(yield* left, [
        ...idsOf(
          "acme",
          kept.filter((id) => id !== "failed32")
        ),
        ...idsOf("globex", kept)
      ])
    })
  )
})
