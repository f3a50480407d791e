/**
 * The promises of the client inside another driver's transaction: values, rows, errors, savepoints, wake-ups.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as Column from "@hypermarket/core/Column"
import * as Database from "@hypermarket/core/Database"
import * as Storage from "@hypermarket/core/Storage"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as Events from "@hypermarket/events/Events"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import { BigDecimal, DateTime, Deferred, Effect, Fiber, Queue, Result, Schema, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { asTenant, committed, type Connect, Driven, failed, inTransaction } from "./driven.ts"
import { layerShop, moment, trickyJson, trickyTexts } from "./shop.ts"

const Columns = Schema.Struct({ at: Column.Timestamp, big: Column.BigInt, exact: Column.Numeric })

export const clientSuite = (name: string, connect: Connect): void =>
  layer(layerShop(connect), { excludeTestServices: true })(`a client in a transaction of ${name}`, (it) => {
    it.effect("sends values of every kind unchanged, with a cast and without", () =>
      Effect.gen(function* () {
        const bigint = 9_223_372_036_854_775_807n
        const numeric = "12345678901234567890.123456789"
        const bytes = new Uint8Array([0, 255, 34, 92])
        const json = JSON.stringify(trickyJson)
        const [row] = yield* committed(
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            yield* sql`
              INSERT INTO uncast (label, is_on, is_off, at, big, small, bytes, exact, missing)
              VALUES (${trickyTexts[6]}, ${true}, ${false}, ${moment}, ${bigint}, ${-7}, ${bytes}, ${numeric}, ${null})
            `
            return yield* sql<{ readonly sent: string }>`
              SELECT json_build_object(
                       'texts', ${trickyTexts}::text[], 'empty', ${[]}::text[], 'nulls', ${[null, null]}::text[],
                       'nullTimes', ${[null, null]}::timestamptz[], 'nested', ${[
                         [1, 2],
                         [3, 4]
                       ]}::int[],
                       'times', ARRAY (
                         SELECT extract(epoch FROM t) * 1000
                           FROM unnest(${[moment, null]}::timestamptz[]) t
                       ),
                       'json', ${json}::json, 'jsonb', ${json}::jsonb, 'jsonThroughText', ${json}::text::jsonb,
                       'jsons', ${[json, null, "1"]}::text[]::json[], 'jsonbs', ${[json, null, "1"]}::jsonb[],
                       'bigint', ${bigint}::bigint::text, 'bigints', ${[bigint, null, -bigint]}::bigint[]::text[],
                       'numeric', ${numeric}::numeric::text, 'number', ${-1.5}::float8, 'int', ${42}::int,
                       'flags', ${[true, false, null]}::boolean[], 'on', ${true}::boolean, 'off', ${false}::boolean,
                       'bytes', encode(${bytes}::bytea, 'hex'), 'manyBytes', encode((${[bytes]}::bytea[])[1], 'hex'),
                       'time', extract(epoch FROM ${moment}::timestamptz) * 1000,
                       'micros', extract(microseconds FROM ${"2026-11-24T13:59:25.123456Z"}::timestamptz),
                       'null', ${null}::text, 'undefined', ${undefined}::jsonb)::text AS sent
                FROM generate_series(1, 3)
               LIMIT ${1}
            `
          })
        )
        assert.deepStrictEqual(JSON.parse(row?.sent ?? ""), {
          texts: trickyTexts,
          empty: [],
          nulls: [null, null],
          nullTimes: [null, null],
          nested: [
            [1, 2],
            [3, 4]
          ],
          times: [moment.getTime(), null],
          json: trickyJson,
          jsonb: trickyJson,
          jsonThroughText: trickyJson,
          jsons: [trickyJson, null, 1],
          jsonbs: [trickyJson, null, 1],
          bigint: String(bigint),
          bigints: [String(bigint), null, String(-bigint)],
          numeric,
          number: -1.5,
          int: 42,
          flags: [true, false, null],
          on: true,
          off: false,
          bytes: "00ff225c",
          manyBytes: "00ff225c",
          time: moment.getTime(),
          micros: 25_123_456,
          null: null,
          undefined: null
        })
        const sql = yield* SqlClient.SqlClient
        const [uncast] = yield* sql`
          SELECT label, is_on, is_off, at, big::text AS big, small, encode(bytes, 'hex') AS bytes, exact::text AS exact, missing
            FROM uncast
        `
        assert.deepStrictEqual(uncast, {
          label: trickyTexts[6],
          is_on: true,
          is_off: false,
          at: moment,
          big: String(bigint),
          small: -7,
          bytes: "00ff225c",
          exact: numeric,
          missing: null
        })
      })
    )

    it.effect("reads timestamps, bigints and numerics in whatever form the driver gives them", () =>
      Effect.gen(function* () {
        const rows = yield* committed(
          Effect.flatMap(
            SqlClient.SqlClient,
            (sql) => sql`
              SELECT t AS at, i AS big, n AS exact
                FROM unnest(ARRAY['2026-11-24 13:59:25.1239+00', '1969-12-31 23:59:59-05:30', '2000-02-29 00:00+14']::timestamptz[],
                            ARRAY[9223372036854775807, -1, 0], ARRAY[1.50, -0.000000000000001, 12345678901234567890]::numeric[])
                     AS x (t, i, n)
            `
          )
        )
        const decoded = rows.map((row) => Schema.decodeUnknownSync(Columns)(row))
        assert.deepStrictEqual(
          decoded.map(({ at, big, exact }) => [DateTime.formatIso(at), big, BigDecimal.format(exact)]),
          [
            ["2026-11-24T13:59:25.123Z", 9_223_372_036_854_775_807n, "1.5"],
            ["1970-01-01T05:29:59.000Z", -1n, "-0.000000000000001"],
            ["2000-02-28T10:00:00.000Z", 0n, "12345678901234567890"]
          ]
        )
      })
    )

    it.effect("fails with the reason that the server gave", () =>
      Effect.gen(function* () {
        const reasonOf = (
          statements: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, SqlError.SqlError>
        ) =>
          Effect.map(
            failed(Effect.flatMap(SqlClient.SqlClient, statements)),
            (error) => [error.reason._tag, Storage.isRetryable(error)] as const
          )
        const unique = yield* failed(
          Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO counted VALUES (1, 1)`)
        )
        const { namesConstraints } = yield* Driven
        assert.deepInclude(unique.reason, {
          _tag: "UniqueViolation",
          constraint: namesConstraints ? "counted_id_is_unique" : "unknown"
        })
        const admin = yield* SqlClient.SqlClient
        const serialisation = yield* reasonOf((sql) =>
          Effect.gen(function* () {
            yield* sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`
            yield* sql`SELECT n FROM counted`
            yield* admin`UPDATE counted SET n = n + 1`
            yield* sql`UPDATE counted SET n = n + 1`
          })
        )
        assert.deepStrictEqual(serialisation, ["SerializationError", true])
        const locked = yield* reasonOf((sql) =>
          admin.withTransaction(
            Effect.andThen(
              admin`SELECT 1 FROM counted FOR UPDATE`,
              sql`
                SELECT 1
                  FROM counted
                   FOR UPDATE NOWAIT
              `
            )
          )
        )
        assert.deepStrictEqual(locked, ["LockTimeoutError", true])
        assert.deepStrictEqual(
          yield* reasonOf((sql) =>
            Effect.andThen(
              sql`SELECT set_config('statement_timeout', '1', true)`,
              sql`SELECT pg_sleep(60)::text`
            )
          ),
          ["StatementTimeoutError", true]
        )
        assert.deepStrictEqual(yield* reasonOf((sql) => sql`INSERT INTO counted VALUES (2, -1)`), [
          "ConstraintError",
          false
        ])
        assert.deepStrictEqual(yield* reasonOf((sql) => sql`SELECT no_such_column`), [
          "SqlSyntaxError",
          false
        ])
        const refused = yield* reasonOf(
          (sql) => sql`
          SELECT 1 / (${"0"}::int)
        `
        )
        assert.deepStrictEqual(refused, ["UnknownError", false])
      })
    )

    it.effect(
      "keeps a nested transaction a savepoint, and forgets what was to follow it when it rolls back",
      () =>
        Effect.gen(function* () {
          const driver = yield* Driven
          const followed: Array<string> = []
          const note = (text: string) => Effect.sync(() => void followed.push(text))
          const nested = inTransaction(
            Effect.gen(function* () {
              const sql = yield* SqlClient.SqlClient
              const [before] = yield* sql<{ readonly xid: string }>`SELECT pg_current_xact_id()::text AS xid`
              const insert = (orderId: string) => sql`INSERT INTO shop_order VALUES (${orderId}, ${moment})`
              yield* sql.afterCommit(note("outer"))
              yield* Database.transaction(Effect.andThen(insert("joined"), sql.afterCommit(note("joined"))))
              const inner = Effect.gen(function* () {
                yield* insert("lost")
                yield* sql.afterCommit(note("lost"))
                yield* sql.withTransaction(
                  Effect.andThen(insert("lost too"), sql.afterCommit(note("lost too")))
                )
                return yield* insert("joined")
              })
              assert.strictEqual((yield* Effect.flip(sql.withTransaction(inner)))._tag, "SqlError")
              yield* Effect.all(
                ["a", "b", "c"].map((id) =>
                  sql.withTransaction(Effect.andThen(insert(id), sql.afterCommit(note(id))))
                ),
                { concurrency: "unbounded" }
              )
              const [after] = yield* sql<{ readonly xid: string }>`SELECT pg_current_xact_id()::text AS xid`
              assert.strictEqual(after?.xid, before?.xid)
            })
          )
          const sql = yield* SqlClient.SqlClient
          const orders = sql`
            SELECT order_id
              FROM shop_order
             WHERE order_id !~ '-'
             ORDER BY 1
          `
          if (!driver.forgivesBySavepoint) {
            assert.include(String(yield* Effect.exit(nested)), "shop_order_pkey")
            assert.deepStrictEqual(yield* orders, [])
            return
          }
          const { flush, result } = yield* nested
          assert.isTrue(Result.isSuccess(result))
          assert.deepStrictEqual(followed, [])
          yield* flush()
          assert.deepStrictEqual(followed.toSorted(), ["a", "b", "c", "joined", "outer"])
          yield* flush()
          assert.lengthOf(followed, 5)
          assert.deepStrictEqual(
            yield* orders,
            ["a", "b", "c", "joined"].map((order_id) => ({ order_id }))
          )
        })
    )

    it.effect("wakes the workers by `flush`, over another connection, and not before", () =>
      Effect.gen(function* () {
        const pg = yield* PgClient.PgClient
        const driver = yield* Driven
        const heard = yield* pg.listen(Wakeup.channelOf("public"))
        const { flush, result } = yield* inTransaction(
          Effect.flatMap(WorkQueue.make({ prefix: Events.prefix }), (queue) =>
            queue.enqueue([{ queue: "wake", type: "t", payload: null }])
          ).pipe(asTenant)
        )
        assert.isTrue(Result.isSuccess(result))
        yield* pg.notify(Wakeup.channelOf("public"), "nothing was sent before")
        yield* flush(driver.outside)
        assert.strictEqual((yield* Queue.take(heard)).payload, "nothing was sent before")
        assert.include((yield* Queue.take(heard)).payload, "wake")
      }).pipe(Effect.scoped)
    )

    it.effect("needs no more than the layer, and gives rows as a stream", () =>
      Effect.gen(function* () {
        const { transaction } = yield* Driven
        const streamed: Array<unknown> = []
        const program = Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* Stream.runForEach(
            sql<{ readonly n: number }>`SELECT n FROM generate_series(1, 3) n`.stream,
            ({ n }) => Effect.sync(() => streamed.push(n))
          )
        })
        yield* Effect.promise(() =>
          transaction((query) =>
            Effect.runPromise(program.pipe(Effect.provide(Database.layerFromQuery(query))))
          )
        )
        assert.deepStrictEqual(streamed, [1, 2, 3])
      })
    )

    it.effect("refuses an isolation of its own, and rows as arrays", () =>
      Effect.gen(function* () {
        const [isolated, arrays] = yield* committed(
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            const serializable = sql
              .withTransaction(sql`SELECT 1`)
              .pipe(Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL SERIALIZABLE"))
            return [yield* Effect.exit(serializable), yield* Effect.exit(sql`SELECT 1`.values)] as const
          })
        )
        assert.include(String(isolated), "isolation is the caller's choice")
        assert.include(String(arrays), "Rows as arrays")
      })
    )

    it.effect("refuses statements after the end, and values that have no text", () =>
      Effect.gen(function* () {
        const { flush, result } = yield* inTransaction(Effect.service(SqlClient.SqlClient))
        yield* flush()
        const sql = yield* Effect.fromResult(result)
        const late = yield* Effect.exit(sql`SELECT 1`)
        assert.include(String(late), "has ended")
        const strange = yield* committed(
          Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.exit(sql`SELECT ${new Map()}::text`))
        )
        assert.include(String(strange), "cannot be sent")
      })
    )

    it.effect("runs one statement at a time, however many a service starts", () =>
      Effect.gen(function* () {
        const ns = Array.from({ length: 50 }, (_, n) => n)
        const { atOnce, result } = yield* inTransaction(
          Effect.flatMap(SqlClient.SqlClient, (sql) =>
            Effect.forEach(ns, (n) => sql<{ readonly n: number }>`SELECT ${n}::int AS n`, {
              concurrency: "unbounded"
            })
          )
        )
        const answers = yield* Effect.fromResult(result)
        assert.deepStrictEqual(
          answers.map(([row]) => row?.n),
          ns
        )
        assert.strictEqual(atOnce, 1)
      })
    )

    it.effect("leaves no statement running when it is interrupted", () =>
      Effect.gen(function* () {
        const admin = yield* SqlClient.SqlClient
        const [state] = yield* committed(
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            const [self] = yield* sql<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`
            const pid = self?.pid ?? 0
            const isWaiting = admin<{ readonly n: number }>`
              SELECT 1 AS n FROM pg_stat_activity WHERE pid = ${pid} AND wait_event_type = 'Lock'
            `
            const released = yield* Deferred.make<void>()
            const isHeld = yield* Deferred.make<void>()
            const holder = yield* Effect.forkChild(
              admin.withTransaction(
                Effect.gen(function* () {
                  yield* admin`SELECT 1 FROM counted FOR UPDATE`
                  yield* Deferred.succeed(isHeld, undefined)
                  yield* Deferred.await(released)
                })
              )
            )
            yield* Deferred.await(isHeld)
            const blocked = yield* Effect.forkChild(sql`
              SELECT 1
                FROM counted
                 FOR UPDATE
            `)
            yield* isWaiting.pipe(Effect.repeat({ until: (rows) => rows.length > 0 }))
            const interrupting = yield* Effect.forkChild(Fiber.interrupt(blocked))
            // As long as the row is locked the statement runs, and the interruption waits for it.
            assert.lengthOf(yield* isWaiting, 1)
            assert.isUndefined(interrupting.pollUnsafe())
            yield* Deferred.succeed(released, undefined)
            yield* Fiber.join(holder)
            yield* Fiber.join(interrupting)
            return yield* admin<{
              readonly state: string
            }>`SELECT state FROM pg_stat_activity WHERE pid = ${pid}`
          })
        )
        assert.strictEqual(state?.state, "idle in transaction")
      })
    )
  })
