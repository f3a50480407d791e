import { assert, layer } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import * as Now from "@hypermarket/core/Now"
import * as Storage from "@hypermarket/core/Storage"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Clock, Deferred, Effect, Exit, Fiber } from "effect"
import { SqlClient } from "effect/sql"

layer(TestDatabase.layer(), { excludeTestServices: true })("Database", (it) => {
  it.effect("joins the caller's transaction without a savepoint", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE joined (n int)`
      const inner = Database.transaction(
        Effect.gen(function* () {
          yield* sql`INSERT INTO joined VALUES (1)`
          const [row] = yield* sql<{ readonly xid: string }>`SELECT pg_current_xact_id()::text AS xid`
          return row?.xid
        })
      )
      const exit = yield* sql
        .withTransaction(
          Effect.gen(function* () {
            const [outer] = yield* sql<{ readonly xid: string }>`SELECT pg_current_xact_id()::text AS xid`
            assert.strictEqual(yield* inner, outer?.xid)
            return yield* Effect.fail("roll back")
          })
        )
        .pipe(Effect.exit)
      assert.isTrue(Exit.isFailure(exit))
      assert.lengthOf(yield* sql`SELECT 1 FROM joined`, 0)
    })
  )

  it.effect("runs its own transaction again after a deadlock, until both have their way", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE crossed (id int PRIMARY KEY, n int NOT NULL)`
      yield* sql`INSERT INTO crossed VALUES (1, 0), (2, 0)`
      const met = [yield* Deferred.make<void>(), yield* Deferred.make<void>()] as const
      let runs = 0
      const cross = (mine: 0 | 1) =>
        Database.transaction(
          Effect.gen(function* () {
            runs++
            yield* sql`
              UPDATE crossed
                 SET n = n + 1
               WHERE id = ${mine + 1}
            `
            yield* Deferred.succeed(met[mine], undefined)
            yield* Deferred.await(met[mine === 0 ? 1 : 0])
            yield* sql`
              UPDATE crossed
                 SET n = n + 1
               WHERE id = ${2 - mine}
            `
          })
        )
      yield* Effect.all([cross(0), cross(1)], { concurrency: 2 })
      assert.deepStrictEqual(
        yield* sql`
        SELECT id, n
          FROM crossed
         ORDER BY id
      `,
        [
          { id: 1, n: 2 },
          { id: 2, n: 2 }
        ]
      )
      assert.isAtLeast(runs, 3)
    })
  )

  it.effect("says that a transaction's connection was lost as a failure that may pass, not as a defect", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const lost = Database.transaction(
        Effect.gen(function* () {
          const [own] = yield* sql<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`
          yield* sql`SELECT pg_terminate_backend(${own?.pid ?? 0})`.pipe(Effect.ignore)
          yield* sql`SELECT 1`
        })
      )
      assert.strictEqual((yield* Effect.flip(Storage.orUnavailable(lost)))._tag, "StorageUnavailable")
    })
  )

  it.effect("sets every session to UTC, with timeouts and without compiling", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { options } = yield* TestDatabase.TestDatabase
      const names = Object.keys(Database.sessionSettings(options))
      const rows = yield* sql<{ readonly name: string; readonly value: string }>`
        SELECT name, current_setting(name) AS value
          FROM unnest(${names}::text[]) AS name
      `
      assert.deepStrictEqual(Object.fromEntries(rows.map(({ name, value }) => [name, value])), {
        TimeZone: "UTC",
        search_path: "public",
        jit: "off",
        statement_timeout: "30s",
        lock_timeout: "5s",
        idle_in_transaction_session_timeout: "30s"
      })
    })
  )

  it.effect(
    "says after a deadline that the storage is unavailable, without waiting for the statement to end",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        let isEnded = false
        const slow = Effect.uninterruptible(sql`SELECT pg_sleep(2)`).pipe(
          Effect.ensuring(Effect.sync(() => (isEnded = true)))
        )
        const error = yield* Effect.flip(slow.pipe(Storage.within("50 millis")))
        assert.instanceOf(error, Storage.StorageUnavailable)
        assert.isFalse(isEnded)
      })
  )

  it.effect("hands a timely result and a timely failure through", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Effect.succeed(1).pipe(Storage.within("1 minute")), 1)
      assert.strictEqual(yield* Effect.flip(Effect.fail("no").pipe(Storage.within("1 minute"))), "no")
      const fiber = yield* Effect.forkChild(Effect.never.pipe(Storage.within("1 minute")))
      assert.isTrue(
        Exit.isFailure(yield* Effect.exit(Effect.andThen(Fiber.interrupt(fiber), Fiber.join(fiber))))
      )
    })
  )

  it.effect("takes an ended session and a server that shuts down for retryable, a wrong statement not", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const ended = yield* Effect.flip(sql`SELECT pg_terminate_backend(pg_backend_pid())`)
      assert.isTrue(Storage.isRetryable(ended))
      const wrong = yield* Effect.flip(sql`SELECT no_such_column`)
      assert.isFalse(Storage.isRetryable(wrong))
    })
  )
})

layer(Now.layerTest, { excludeTestServices: true })("Now", (it) => {
  it.effect("moves in tests while the clock stays", () =>
    Effect.gen(function* () {
      const test = yield* Now.TestNow
      yield* test.set(new Date("2030-01-01T00:00:00Z"))
      yield* test.adjust("1 hour")
      const moved = yield* Now.now
      assert.strictEqual(moved.toISOString().slice(0, 16), "2030-01-01T01:00")
      assert.isBelow(yield* Clock.currentTimeMillis, moved.getTime())
    })
  )
})
