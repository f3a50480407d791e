/** Callers who reserve and settle at the same time share transactions: what each of them is told, and who waits for whom. */
import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import { TenantQuotas } from "@hypermarket/quotas/TenantQuotas"
import { Deferred, Effect, Exit, Fiber } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { fresh, setUp, TestLayer } from "./tenantQuotas.ts"

const together = <A, E, R>(effects: ReadonlyArray<Effect.Effect<A, E, R>>) =>
  Effect.all(effects.map(Effect.exit), { concurrency: "unbounded" })

const tagOf = (exit: Exit.Exit<unknown, { readonly _tag: string }>): string =>
  Exit.match(exit, {
    onSuccess: () => "done",
    onFailure: (cause) =>
      cause.reasons.map((reason) => (reason._tag === "Fail" ? reason.error._tag : "")).join()
  })

/** A transaction that has used a key, until it is told to end. */
const holding = Effect.fnUntraced(function* <A, E, R>(self: Effect.Effect<A, E, R>) {
  const sql = yield* SqlClient.SqlClient
  const done = yield* Deferred.make<void>()
  const finish = yield* Deferred.make<void>()
  const fiber = yield* Effect.forkChild(
    sql.withTransaction(
      Effect.gen(function* () {
        yield* self
        yield* Deferred.succeed(done, undefined)
        yield* Deferred.await(finish)
      })
    )
  )
  yield* Deferred.await(done)
  return Effect.andThen(Deferred.succeed(finish, undefined), Fiber.join(fiber))
})

/** True once a session waits for a transaction of another. */
const someoneWaits = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql`
      SELECT 1
        FROM pg_locks
       WHERE NOT granted
         AND locktype IN ('transactionid', 'tuple')
    `,
    (rows) => rows.length > 0
  )
)

layer(TestLayer, { excludeTestServices: true })("shared reservations", (it) => {
  it.effect("callers of one balance share a transaction, and so do those who commit", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      const sql = yield* SqlClient.SqlClient
      yield* setUp({}, { amount: 1_000 })
      const exits = yield* together(
        Array.from({ length: 40 }, (_, index) =>
          quotas
            .reserve({ key: `k${index}`, feature: "calls", amount: 2 })
            .pipe(Effect.flatMap(({ reservationId }) => quotas.commit(reservationId, 1)))
        )
      )
      assert.isTrue(exits.every(Exit.isSuccess))
      const [transactions] = yield* sql<{ readonly reserves: number; readonly commits: number }>`
        SELECT count(DISTINCT xmin::text) FILTER (WHERE kind = 'reserve')::int AS reserves,
               count(DISTINCT xmin::text) FILTER (WHERE kind = 'commit')::int AS commits
          FROM hm_quota_ledger
         WHERE tenant_id = ${(yield* Tenant).id}
      `
      assert.isAtMost(transactions?.reserves ?? 40, 4)
      assert.isAtMost(transactions?.commits ?? 40, 8)
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { used: 40, held: 0, remaining: 960 })
    }).pipe(fresh())
  )

  it.effect(
    "each caller is answered as if alone: what fits in their order, and a refusal with the rest",
    () =>
      Effect.gen(function* () {
        const quotas = yield* TenantQuotas
        yield* setUp({}, { amount: 20 })
        const reserve = (key: string, amount: number) => quotas.reserve({ key, feature: "calls", amount })
        const exits = yield* together([
          reserve("a", 9),
          reserve("b", 12),
          reserve("a", 9),
          reserve("c", 11),
          reserve("a", 1),
          reserve("d", 1)
        ])
        assert.deepStrictEqual(exits.map(tagOf), [
          "done",
          "QuotaExceeded",
          "done",
          "done",
          "QuotaKeyReused",
          "QuotaExceeded"
        ])
        const [first, , again] = exits
        assert.deepStrictEqual(again, first)
        assert.deepInclude(yield* Effect.flip(reserve("e", 3)), { requested: 3, remaining: 0, quota: 20 })
        assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { held: 20 })
      }).pipe(fresh())
  )

  it.effect("a reservation is read as it was returned, and expires by the time of its caller", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setUp()
      const now = yield* Now.TestNow
      const made = yield* quotas.reserve({ key: "k", feature: "calls", amount: 3, expiresInSeconds: 70 })
      assert.deepStrictEqual(yield* quotas.getReservation(made.reservationId), made)
      yield* now.adjust("71 seconds")
      assert.deepInclude(yield* Effect.flip(quotas.commit(made.reservationId)), { reason: "expired" })
    }).pipe(fresh())
  )

  it.effect("a transaction that rolls back takes no reservation of another caller with it", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      const sql = yield* SqlClient.SqlClient
      yield* setUp()
      const reserve = (key: string, amount: number) => quotas.reserve({ key, feature: "calls", amount })
      const begun = yield* Deferred.make<void>()
      const rolledBack = sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`SELECT 1`
          yield* Deferred.succeed(begun, undefined)
          yield* reserve("lost", 50)
          return yield* Effect.fail({ _tag: "RolledBack" })
        })
      )
      const outside = (key: string, amount: number) =>
        Effect.andThen(Deferred.await(begun), reserve(key, amount))
      const exits = yield* together([rolledBack, outside("kept", 8), outside("too", 9)])
      assert.deepStrictEqual(exits.map(tagOf), ["RolledBack", "done", "done"])
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { held: 17 })
    }).pipe(fresh())
  )

  it.effect("a request that no column takes fails alone", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setUp()
      const keys = ["a", "b", "k".repeat(300), "c"]
      const exits = yield* together(keys.map((key) => quotas.reserve({ key, feature: "calls", amount: 5 })))
      assert.deepStrictEqual(exits.map(tagOf), ["done", "done", "SqlError", "done"])
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { held: 15 })
    }).pipe(fresh())
  )

  it.effect(
    "what a key kept that another transaction has used meanwhile is there for the other callers",
    () =>
      Effect.gen(function* () {
        const quotas = yield* TenantQuotas
        yield* setUp({}, { amount: 8 })
        yield* quotas.createFeature({ feature: "other", kind: "metered" })
        const release = yield* holding(quotas.record({ key: "taken", feature: "other", amount: 1 }))
        const reserving = yield* Effect.forkChild(
          together([
            quotas.reserve({ key: "taken", feature: "calls", amount: 6 }),
            quotas.reserve({ key: "free", feature: "calls", amount: 7 })
          ])
        )
        yield* Effect.repeat(someoneWaits, { until: (waits) => waits })
        yield* release
        assert.deepStrictEqual((yield* Fiber.join(reserving)).map(tagOf), ["QuotaKeyReused", "done"])
        assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { held: 7, remaining: 1 })
      }).pipe(fresh())
  )

  it.effect("a reservation that a long transaction commits delays no commit of another", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setUp()
      const reserve = (key: string) => quotas.reserve({ key, feature: "calls", amount: 4 })
      const [held, free] = [yield* reserve("held"), yield* reserve("free")]
      const release = yield* holding(quotas.commit(held.reservationId, 3))
      const waiting = yield* Effect.forkChild(
        together([quotas.commit(held.reservationId, 2), quotas.commit(free.reservationId, 1)])
      )
      // It would not be settled before the other transaction ends if it waited for its row.
      yield* Effect.repeat(quotas.getReservation(free.reservationId), {
        until: ({ status }) => status === "committed"
      })
      yield* release
      assert.deepStrictEqual((yield* Fiber.join(waiting)).map(tagOf), ["QuotaReservationSettled", "done"])
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { used: 4, held: 0 })
    }).pipe(fresh())
  )

  it.effect("callers who settle one reservation at the same time settle it once", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setUp()
      const { reservationId } = yield* quotas.reserve({ key: "k", feature: "calls", amount: 9 })
      const exits = yield* together([
        quotas.commit(reservationId, 5),
        quotas.commit(reservationId, 5),
        quotas.release(reservationId),
        quotas.commit(reservationId, 6)
      ])
      assert.deepStrictEqual(exits.map(tagOf), [
        "done",
        "done",
        "QuotaReservationSettled",
        "QuotaReservationSettled"
      ])
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { used: 5, held: 0, remaining: 95 })
    }).pipe(fresh())
  )

  it.effect("a caller who has gone leaves the others their answers", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setUp()
      const reserve = (key: string) => quotas.reserve({ key, feature: "calls", amount: 10 })
      const first = yield* Effect.forkChild(reserve("a"))
      const others = yield* Effect.forkChild(together([reserve("b"), reserve("c")]))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(first)
      assert.isTrue((yield* Fiber.join(others)).every(Exit.isSuccess))
      // Whether or not it had begun, its key finds the same reservation or makes it.
      yield* reserve("a")
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { held: 30 })
    }).pipe(fresh())
  )
})
