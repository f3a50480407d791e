import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as CommitCursor from "@hypermarket/core/CommitCursor"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Row from "@hypermarket/core/Row"
import { provide, Tenant, TenantId } from "@hypermarket/core/Tenant"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Deferred, Effect, Fiber, Layer, Schedule, Schema } from "effect"
import * as Base64Url from "effect/encoding/Base64Url"
import { SqlClient } from "effect/sql"

class Note extends Schema.Class<Note>("Note")({ noteId: Identifier.Uuid, text: Schema.String }) {}

const notes = CommitCursor.make({
  stream: "test.notes",
  table: "test_note",
  key: { column: "note_id", type: "uuid" },
  row: Row.make(Note, { noteId: Identifier.Uuid, text: Schema.String }, { uuid: ["noteId"] }),
  keptFor: "1 day"
})

const TestServices = Layer.effectDiscard(
  Effect.gen(function* () {
    const sql = yield* PgClient.PgClient
    yield* sql`
      CREATE TABLE test_note (
        tenant_id text NOT NULL,
        note_id uuid NOT NULL,
        number bigint GENERATED ALWAYS AS IDENTITY,
        text text NOT NULL,
        xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        PRIMARY KEY (tenant_id, note_id)
      )
    `
    yield* sql`CREATE INDEX test_note_by_commit ON test_note (tenant_id, xid, note_id)`
  })
).pipe(Layer.provideMerge(TestDatabase.layer()), Layer.provideMerge(Now.layerTest))

const write = Effect.fnUntraced(function* (text: string) {
  const sql = yield* SqlClient.SqlClient
  const { id } = yield* Tenant
  const noteId = yield* Identifier.next
  yield* sql`
    INSERT INTO test_note (tenant_id, note_id, text)
    VALUES (${id}, ${noteId}::uuid, ${text})
  `
})

const textsOf = ({ items }: CommitCursor.Batch<Note>) => items.map(({ row }) => row.text)

/** Waits until everything that has committed is complete: tests of other databases have transactions on the same server. */
const settled = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly xid: string }>`SELECT pg_current_xact_id()::text AS xid`
  yield* sql<{ readonly isSettled: boolean }>`
    SELECT pg_snapshot_xmin(pg_current_snapshot()) > ${row?.xid ?? ""}::xid8 AS "isSettled"
  `.pipe(Effect.repeat({ until: ([now]) => now?.isSettled === true, schedule: Schedule.spaced("5 millis") }))
})

const readAfter = (cursor: string) => Effect.andThen(settled, notes.after(cursor, 10))

/** Begins a transaction that writes, and commits when it is told to. */
const holdOpen = Effect.fnUntraced(function* (
  effect: Effect.Effect<void, unknown, SqlClient.SqlClient | Tenant>
) {
  const sql = yield* SqlClient.SqlClient
  const written = yield* Deferred.make<void>()
  const release = yield* Deferred.make<void>()
  const fiber = yield* effect.pipe(
    Effect.andThen(Deferred.succeed(written, undefined)),
    Effect.andThen(Deferred.await(release)),
    sql.withTransaction,
    Effect.forkChild
  )
  yield* Deferred.await(written)
  return Effect.andThen(Deferred.succeed(release, undefined), Fiber.join(fiber))
})

let tenants = 0
const inTenant = <A, E, R>(effect: Effect.Effect<A, E, R>) => provide(TenantId.make(`t${tenants++}`))(effect)

layer(TestServices, { excludeTestServices: true })("CommitCursor", (it) => {
  it.effect(
    "reads no row before one that an earlier transaction may still commit, where a sequence skips it",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const start = yield* notes.end
        const commit = yield* holdOpen(write("begun first"))
        yield* write("committed first")
        const [seen] = yield* sql<{ readonly number: string }>`SELECT max(number) AS number FROM test_note`
        const during = yield* notes.after(start, 10)
        assert.deepStrictEqual(during.items, [])
        yield* commit
        assert.deepStrictEqual(textsOf(yield* readAfter(during.cursor)), ["begun first", "committed first"])
        const skipped = yield* sql`
          SELECT 1
            FROM test_note
           WHERE number > ${seen?.number ?? ""}::bigint
        `
        assert.deepStrictEqual(skipped, [])
      }).pipe(inTenant)
  )

  it.effect("reads every committed row once with eight writers, and none that was rolled back", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const start = yield* notes.end
      const transactions = Array.from({ length: 200 }, (_, n) => n)
      const writing = yield* Effect.forEach(
        transactions,
        (n) =>
          Effect.gen(function* () {
            yield* write(`${n} a`)
            yield* Effect.yieldNow
            // A savepoint has an id of its server, and its rows that of the transaction.
            yield* sql.withTransaction(write(`${n} b`))
            if (n % 5 === 0) return yield* Effect.fail("rolled back" as const)
          }).pipe(sql.withTransaction, Effect.ignore),
        { concurrency: 8 }
      ).pipe(Effect.forkChild)
      const read: Array<string> = []
      const expected = transactions.filter((n) => n % 5 !== 0).flatMap((n) => [`${n} a`, `${n} b`])
      let cursor = start
      while (read.length < expected.length || writing.pollUnsafe() === undefined) {
        const batch = yield* notes.after(cursor, 7)
        read.push(...textsOf(batch))
        cursor = batch.cursor
      }
      assert.lengthOf(read, expected.length)
      assert.sameMembers(read, expected)
      assert.deepStrictEqual(textsOf(yield* notes.after(cursor, 7)), [])
    }).pipe(inTenant)
  )

  it.effect("goes on after any row of a transaction, and reads no other tenant's", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const start = yield* notes.end
      yield* sql.withTransaction(Effect.forEach(["a", "b", "c"], write))
      yield* provide(TenantId.make("stranger"))(write("theirs"))
      const all = yield* readAfter(start)
      assert.sameMembers(textsOf(all), ["a", "b", "c"])
      for (const [index, { cursor }] of all.items.entries()) {
        assert.deepStrictEqual(textsOf(yield* notes.after(cursor, 10)), textsOf(all).slice(index + 1))
      }
    }).pipe(inTenant)
  )

  it.effect("begins at the transactions that are in flight", () =>
    Effect.gen(function* () {
      const commit = yield* holdOpen(write("in flight"))
      const start = yield* notes.end
      yield* commit
      assert.deepStrictEqual(textsOf(yield* readAfter(start)), ["in flight"])
    }).pipe(inTenant)
  )

  it.effect(
    "asks for a resync at a position of another server, stream or future, and at one it cannot read",
    () =>
      Effect.gen(function* () {
        const start = yield* notes.end
        yield* write("before")
        yield* settled
        const position: unknown = JSON.parse(Buffer.from(start, "base64url").toString())
        assert.isTrue(Array.isArray(position))
        const parts: ReadonlyArray<unknown> = Array.isArray(position) ? position : []
        const altered = (index: number, value: unknown) =>
          Base64Url.encode(JSON.stringify(parts.with(index, value)))
        for (const cursor of [
          altered(0, "test.others"),
          altered(1, "7/00000001/1"),
          altered(2, String(2n ** 64n - 1n)),
          altered(2, String(2n ** 64n)),
          altered(2, "-1"),
          altered(3, "\u0000"),
          altered(4, -1),
          "",
          "!",
          "x".repeat(5_000)
        ]) {
          const batch = yield* notes.after(cursor, 10)
          assert.deepStrictEqual([batch.resync, batch.items], [true, []], cursor)
          yield* write("after")
          // The state that the reader reads now has "before"; the stream goes on with what follows.
          assert.deepStrictEqual(textsOf(yield* readAfter(batch.cursor)), ["after"])
        }
      }).pipe(inTenant)
  )

  it.effect("asks for a resync at a position that is older than the rows are kept", () =>
    Effect.gen(function* () {
      const now = yield* Now.TestNow
      const start = yield* notes.end
      yield* now.adjust("23 hours")
      const renewed = yield* notes.after(start, 10)
      yield* now.adjust("2 hours")
      assert.isTrue((yield* notes.after(start, 10)).resync)
      assert.isFalse((yield* notes.after(renewed.cursor, 10)).resync)
    }).pipe(inTenant)
  )
})
