import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Risk } from "@hypermarket/risk/Risk"
import { DateTime, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { samplesBefore } from "@hypermarket/risk/internal/sampleStatements"
import * as Scene from "./Scene.ts"

const at = Date.UTC(2026, 0, 10)
const request = {
  kind: "payment",
  from: DateTime.makeUnsafe(at),
  to: DateTime.makeUnsafe(at + 3_600_000)
} as const

/** Decisions of one tenant and kind, `microsApart` after each other from a place within the hour; equal times by fours. */
const insert = Effect.fnUntraced(function* (
  tenantId: string,
  kind: string,
  name: string,
  { count, microsApart, microsFrom }: { count: number; microsApart: number; microsFrom: number }
) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO hm_risk_decision (
             tenant_id, decision_id, signal_id, occurred_at, kind, subject, number, outcome, score, reasons, observed, version,
             verdict, frozen, shadow, latency_micros, recorded_at
           )
    SELECT ${tenantId}, gen_random_uuid(), gen_random_uuid(), ${new Date(at)}::timestamptz, ${kind}, ${name} || n, 1, 'allow', 0,
           '[]', false, NULL, '{}', jsonb_build_object('amount', ${name} || n, 'features', '{}'::jsonb), '[]', 1,
           ${new Date(at)}::timestamptz + (${microsFrom}::bigint + n / 4 * ${microsApart}::bigint) * interval '1 microsecond'
      FROM generate_series(0, ${count}::integer - 1) AS n
  `
})

layer(Scene.layer, { excludeTestServices: true })("samples", (it) => {
  it.effect(
    "are found by the index, among many decisions about other kinds, with and without statistics",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* insert("many", "order", "o", { count: 30_000, microsApart: 100_000, microsFrom: 0 })
        yield* insert("many", "payment", "p", { count: 40, microsApart: 100_000_000, microsFrom: 0 })
        yield* insert("another", "payment", "p", { count: 4_000, microsApart: 100_000, microsFrom: 0 })
        const planOf = Effect.gen(function* () {
          const plan = yield* sql<{ readonly "QUERY PLAN": string }>`
          EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF) ${samplesBefore(
            sql,
            "many",
            request,
            [(at + 3_000_000) * 1_000, "80000000-0000-7000-8000-000000000000"],
            51
          )}
        `
          return plan.map((row) => row["QUERY PLAN"]).join("\n")
        })
        const planned = [yield* planOf]
        yield* sql`ANALYZE hm_risk_decision`
        planned.push(yield* planOf)
        for (const plan of planned) {
          assert.include(plan, "Index Scan Backward using hm_risk_decision_sample")
          assert.notInclude(plan, "Sort Key: d.")
          assert.notInclude(plan, "Seq Scan on hm_risk_decision")
          // The place is in the range that is scanned, and no row of it is thrown away.
          assert.match(plan, /Index Cond: .*ROW\(d?\.?recorded_at, d?\.?decision_id\) </)
          assert.notInclude(plan, "Rows Removed by Filter")
        }
      })
  )

  it.effect("are neither skipped nor repeated on pages, while decisions are added", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      // Pages of 7 end within the four of one microsecond, and within the decisions of one millisecond.
      yield* insert("paged", "payment", "p", { count: 400, microsApart: 137, microsFrom: 1_000_000 })
      yield* insert("paged", "login", "l", { count: 400, microsApart: 137, microsFrom: 1_000_000 })
      const existing = new Set(Array.from({ length: 400 }, (_, n) => `p${n}`))
      const seen: Array<string> = []
      const times: Array<number> = []
      let cursor: string | null = null
      let round = 0
      do {
        const page: Effect.Success<ReturnType<typeof risk.samples>> = yield* risk.samples({
          ...request,
          limit: 7,
          ...(cursor === null ? {} : { cursor })
        })
        assert.isAtMost(page.items.length, 7)
        seen.push(...page.items.map(({ amount }) => amount ?? ""))
        times.push(...page.items.map(({ recordedAt }) => DateTime.toEpochMillis(recordedAt)))
        cursor = page.nextCursor
        // Newer than all, between those that were returned, and between those to come.
        yield* insert("paged", "payment", `newer-${round}-`, {
          count: 3,
          microsApart: 1,
          microsFrom: 2_000_000
        })
        yield* insert("paged", "payment", `among-${round}-`, {
          count: 2,
          microsApart: 1,
          microsFrom: 1_000_000 + round * 100
        })
        yield* insert("paged", "login", `other-${round}-`, {
          count: 2,
          microsApart: 1,
          microsFrom: 1_000_000
        })
        round++
      } while (cursor !== null)
      assert.lengthOf(new Set(seen), seen.length)
      assert.deepStrictEqual(
        times,
        times.toSorted((left, right) => right - left)
      )
      const returned = new Set(seen)
      assert.deepStrictEqual(
        Array.from(existing).filter((name) => !returned.has(name)),
        []
      )
      // Those of places that a page had passed stay out, as do other kinds.
      assert.isFalse(seen.some((name) => name.startsWith("newer") || name.startsWith("other")))
      assert.isTrue(seen.some((name) => name.startsWith("among")))
    }).pipe(provide(TenantId.make("paged")))
  )

  it.effect("end at the time asked for, with its first microsecond in and its last one out", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      yield* insert("bounds", "payment", "before", { count: 1, microsApart: 1, microsFrom: -1 })
      yield* insert("bounds", "payment", "first", { count: 1, microsApart: 1, microsFrom: 0 })
      yield* insert("bounds", "payment", "last", { count: 1, microsApart: 1, microsFrom: 3_599_999_999 })
      yield* insert("bounds", "payment", "after", { count: 1, microsApart: 1, microsFrom: 3_600_000_000 })
      const { items, nextCursor } = yield* risk.samples(request)
      assert.deepStrictEqual(
        items.map(({ amount }) => amount),
        ["last0", "first0"]
      )
      assert.isNull(nextCursor)
    }).pipe(provide(TenantId.make("bounds")))
  )
})
