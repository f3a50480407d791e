import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Exit, Layer } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = Layer.mergeAll(TestDatabase.layer(CoreDomain.migrations), Now.layerTest)

const itemsOf = (...tenants: ReadonlyArray<string>) => tenants.map((tenantId) => ({ tenantId }))

const once = { count: 1, hasMore: false }

interface Row {
  readonly tenantId: string
  readonly failures: number
  readonly reason: string
  readonly lastError: string
}

const recorded = (loop: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<Row>`
      SELECT tenant_id AS "tenantId", failures, reason, last_error AS "lastError"
        FROM hm_loop_failure
       WHERE loop = ${loop}
       ORDER BY tenant_id
    `
  )

layer(TestLayer, { excludeTestServices: true })("A loop over all tenants", (it) => {
  it.effect("serves the others when a statement of one tenant fails, and records the failure", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const served: Array<string> = []
      const round = yield* EachTenant.run({
        loop: "test.sum",
        items: itemsOf("ann", "bad", "cleo"),
        limit: "10 seconds",
        turn: ({ tenantId }) =>
          Effect.gen(function* () {
            served.push((yield* Tenant).id)
            if (tenantId === "bad") yield* sql`SELECT 9223372036854775001 + 4000::bigint`
            return once
          })
      })
      assert.deepStrictEqual(round, { count: 2, failed: 1, left: 0 })
      assert.deepStrictEqual(served.toSorted(), ["ann", "bad", "cleo"])
      const [row, ...others] = yield* recorded("test.sum")
      assert.deepStrictEqual(others, [])
      assert.strictEqual(row?.tenantId, "bad")
      assert.strictEqual(row?.failures, 1)
      assert.strictEqual(row?.reason, "22003")
      assert.strictEqual(row?.lastError, "bigint out of range (SQLSTATE 22003)")
    })
  )

  it.effect("serves the others when one tenant's turn is a defect or does not end", () =>
    Effect.gen(function* () {
      const round = yield* EachTenant.run({
        loop: "test.defect",
        items: itemsOf("ann", "die", "hang", "zoe"),
        limit: "300 millis",
        turn: ({ tenantId }) =>
          tenantId === "die"
            ? Effect.die(new TypeError("not a list"))
            : tenantId === "hang"
              ? Effect.never
              : Effect.succeed(once)
      })
      // The turn that does not end uses up the round: what is left comes with the next one.
      const next = yield* EachTenant.run({
        loop: "test.defect",
        items: itemsOf("ann", "zoe"),
        limit: "10 seconds",
        turn: () => Effect.succeed(once)
      })
      assert.isAtLeast(round.failed, 1)
      assert.deepStrictEqual(next, { count: 2, failed: 0, left: 0 })
      const rows = yield* recorded("test.defect")
      assert.include(
        rows.map(({ tenantId }) => tenantId),
        "hang"
      )
    })
  )

  it.effect("gives a tenant with much work its turns between those of the others", () =>
    Effect.gen(function* () {
      const turns: Array<string> = []
      yield* EachTenant.run({
        loop: "test.fair",
        items: itemsOf("big", "small", "tiny"),
        limit: "10 seconds",
        turn: ({ tenantId }) =>
          Effect.sync(() => {
            turns.push(tenantId)
            return { count: 1, hasMore: tenantId === "big" && turns.length < 40 }
          })
      })
      assert.deepStrictEqual(turns.slice(0, 3).toSorted(), ["big", "small", "tiny"])
      assert.isAbove(turns.length, 30)
    })
  )

  it.effect("lets a turn with a limit of its own end after the round's, and starts no other", () =>
    Effect.gen(function* () {
      const round = yield* EachTenant.run({
        loop: "test.long",
        items: itemsOf("ann", "bert"),
        limit: "20 millis",
        turnLimit: "10 minutes",
        turn: () => Effect.as(Effect.sleep("100 millis"), once)
      })
      assert.deepStrictEqual(round, { count: 1, failed: 0, left: 1 })
    })
  )

  it.effect("leaves what its time limit does not allow, and says how much", () =>
    Effect.gen(function* () {
      const round = yield* EachTenant.run({
        loop: "test.bounded",
        items: itemsOf("ann", "bert"),
        limit: "50 millis",
        turn: () => Effect.as(Effect.sleep("5 millis"), { count: 1, hasMore: true })
      })
      assert.strictEqual(round.left, 2)
      assert.strictEqual(round.failed, 0)
    })
  )

  it.effect(
    "leaves a failing tenant out until it is due again, and forgets the failure after a success",
    () =>
      Effect.gen(function* () {
        const time = yield* Now.TestNow
        yield* time.set(new Date("2027-03-04T05:06:07Z"))
        let isBroken = true
        let tried = 0
        const round = EachTenant.run({
          loop: "test.retry",
          items: itemsOf("ann", "late"),
          limit: "10 seconds",
          turn: ({ tenantId }) =>
            Effect.suspend(() => {
              if (tenantId === "late") tried++
              return tenantId === "late" && isBroken
                ? Effect.fail(new Error("no such zone"))
                : Effect.succeed(once)
            })
        })
        yield* round
        yield* round
        assert.strictEqual(tried, 1)
        yield* time.adjust("2 seconds")
        yield* round
        assert.strictEqual(tried, 2)
        assert.deepStrictEqual(
          (yield* recorded("test.retry")).map(({ failures, lastError }) => [failures, lastError]),
          [[2, "no such zone"]]
        )
        isBroken = false
        yield* time.adjust("1 minute")
        assert.deepStrictEqual(yield* round, { count: 2, failed: 0, left: 0 })
        assert.deepStrictEqual(yield* recorded("test.retry"), [])
      })
  )

  it.effect("keeps a savepoint for each tenant inside the caller's transaction", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE written (tenant_id text PRIMARY KEY)`
      yield* sql.withTransaction(
        EachTenant.run({
          loop: "test.savepoint",
          items: itemsOf("ann", "bad", "cleo"),
          limit: "10 seconds",
          turn: ({ tenantId }) =>
            Effect.gen(function* () {
              yield* sql`INSERT INTO written (tenant_id) VALUES (${tenantId})`
              if (tenantId === "bad") yield* sql`INSERT INTO written (tenant_id) VALUES (${tenantId})`
              return once
            })
        })
      )
      const rows = yield* sql<{ readonly tenantId: string }>`
        SELECT tenant_id AS "tenantId"
          FROM written
         ORDER BY 1
      `
      assert.deepStrictEqual(
        rows.map(({ tenantId }) => tenantId),
        ["ann", "cleo"]
      )
    })
  )

  it.effect("finds the tenants at fault of a statement for many, and the statement acts for the others", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE counted (tenant_id text NOT NULL, n integer NOT NULL CHECK (n < 1000))`
      const tenants = Array.from({ length: 37 }, (_, index) => `t${index}`)
      const results = yield* EachTenant.statement({
        loop: "test.statement",
        tenants,
        run: (part) => sql`
          INSERT INTO counted (tenant_id, n)
          SELECT x.tenant_id, CASE WHEN x.tenant_id IN ('t5', 't36') THEN 4711 ELSE 1 END
            FROM unnest(${part}::text[]) AS x (tenant_id)
          RETURNING tenant_id
        `
      })
      assert.strictEqual(results.flat().length, 35)
      const rows = yield* recorded("test.statement")
      assert.deepStrictEqual(
        rows.map(({ reason, tenantId }) => [tenantId, reason]),
        [
          ["t36", "23514"],
          ["t5", "23514"]
        ]
      )
      assert.include(rows[0]?.lastError, "(SQLSTATE 23514, constraint counted_n_check)")
    })
  )

  it.effect("ends its round when the server fails, and blames no tenant", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const exit = yield* Effect.exit(
        EachTenant.run({
          loop: "test.server",
          items: itemsOf("ann", "bert"),
          limit: "10 seconds",
          turn: () => Effect.as(sql`DO $$ BEGIN RAISE EXCEPTION 'gone' USING ERRCODE = '57P03'; END $$`, once)
        })
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(yield* recorded("test.server"), [])
    })
  )

  it.effect("is named by doctor with the tenant after three failures in a row", () =>
    Effect.gen(function* () {
      const time = yield* Now.TestNow
      yield* time.set(new Date("2027-06-01T00:00:00Z"))
      const round = EachTenant.run({
        loop: "test.doctor",
        items: itemsOf("ann", "sick"),
        limit: "10 seconds",
        turn: ({ tenantId }) =>
          tenantId === "sick" ? Effect.fail(new Error("no such currency")) : Effect.succeed(once)
      })
      for (let times = 0; times < 2; times++) {
        yield* round
        yield* time.adjust("1 minute")
      }
      const before = yield* EachTenant.check.run
      assert.isFalse(before.some(({ message }) => message.includes("test.doctor")))
      yield* round
      const after = yield* EachTenant.check.run
      const finding = after.find(({ message }) => message.includes("test.doctor"))
      assert.strictEqual(finding?.status, "fail")
      assert.include(finding?.message, "failed 3 times in a row for sick")
      assert.include(finding?.message, "no such currency")
      yield* time.adjust("8 days")
      yield* EachTenant.prune
      assert.deepStrictEqual(yield* recorded("test.doctor"), [])
    })
  )
})
