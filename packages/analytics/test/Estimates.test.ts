import { assert, layer } from "@effect/vitest"
import { layerOf } from "@hypermarket/analytics/SalesQueries"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { ask, TestLayer } from "./Questions.ts"

const seeds = [3, 8, 21, 34] as const
const sizes = [1_200, 5_000, 14_000] as const
const shares = [0.06, 0.25] as const

/** Customers of five regions of unequal size over three years; every second one orders twice, a fifth of orders are of guests. */
const load = (tenant: string, customers: number) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.andThen(
      sql`
        INSERT INTO hm_order_line (tenant_id, order_id, line_id, seller_id, product_id, category, region, channel,
                                   currency, customer_id, cancelled, is_first, is_seller_first, ordered_at, tenant_day,
                                   seller_day, units, gross, discount, tax, shipping)
        SELECT ${tenant}, 'o-' || c || '-' || n, '1', 's1', 'p1', '', region, 'web', 'EUR',
               CASE WHEN (c + n) % 5 > 0 THEN ${tenant} || '/' || c END, false, true, true, day, day, day, 1, 500, 0, 0, 0
          FROM (
               SELECT c, n, (ARRAY['AT', 'BE', 'CH', 'DE', 'DE', 'DE', 'FR', 'FR'])[1 + (c * 7 + n) % 8] AS region,
                      DATE '2023-01-05' + (c * 31 + n * 400) % 1090 AS day
                 FROM generate_series(1, ${customers}::int) c
                CROSS JOIN LATERAL generate_series(0, c % 2) n) o
      `,
      sql`
        INSERT INTO hm_order_summary (tenant_id, grain, seller_id, bucket, category, region, channel, currency, orders,
                                      seller_orders, lines, units, gross, discount, tax, shipping, cancelled_orders,
                                      cancelled_units, cancelled_amount, refund_units, refund_amount,
                                      booked_refund_units, booked_refund_amount, shipped_units, merged_at)
        SELECT ${tenant}, 6, '', tenant_day, '', '', '', 'EUR', count(*), count(*), count(*), count(*), 0, 0, 0, 0, 0, 0,
               0, 0, 0, 0, 0, 0, now()
          FROM hm_order_line
         WHERE tenant_id = ${tenant}
         GROUP BY tenant_day
      `
    )
  )

const query = {
  measures: ["customers"],
  dimensions: ["region"],
  timeDimension: { from: "2023-01-01", until: "2026-01-01", granularity: "year" }
} as const

/** The true numbers, in the order of the rows. */
const counted = (tenant: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly customers: number }>`
      SELECT count(DISTINCT customer_id)::int AS customers
        FROM hm_order_line
       WHERE tenant_id = ${tenant} AND customer_id IS NOT NULL
       GROUP BY date_trunc('year', tenant_day), region
       ORDER BY date_trunc('year', tenant_day), region
    `
  ).pipe(Effect.map((rows) => rows.map(({ customers }) => customers)))

/** Errors of the rows of an estimate, in standard errors: those of each row, and the one that the answer states. */
const errorsOf = Effect.fnUntraced(function* (tenant: string, orders: number, share: number) {
  const truth = yield* counted(tenant)
  const answer = yield* ask(query).pipe(
    Effect.provide(layerOf({ linesMax: 1, sampledOrdersMax: Math.round(orders * share) })),
    provide(TenantId.make(tenant))
  )
  const { relativeError = 0, share: read = 1 } = answer.estimate ?? {}
  assert.closeTo(read, share, 0.002)
  assert.lengthOf(answer.rows, truth.length)
  return truth.map((customers, index) => {
    const error = (Number(answer.rows[index]?.["customers"]) - customers) / customers
    return {
      own: error / Math.sqrt((1 - read) / (read * customers)),
      stated: Math.abs(error) / relativeError
    }
  })
})

layer(TestLayer, { excludeTestServices: true })("An estimate of customers", (it) => {
  for (const size of sizes) {
    it.effect(`of ${size} has the standard error that it states, whoever the customers are`, () =>
      Effect.gen(function* () {
        const errors: Array<{ readonly own: number; readonly stated: number }> = []
        for (const seed of seeds) {
          const tenant = `shop-${size}-${seed}`
          yield* load(tenant, size)
          for (const share of shares) errors.push(...(yield* errorsOf(tenant, size * 1.5, share)))
        }
        const within = (bound: number) =>
          errors.filter(({ stated }) => stated <= bound).length / errors.length
        const mean = errors.reduce((sum, { own }) => sum + own, 0) / errors.length
        const deviation = Math.sqrt(errors.reduce((sum, { own }) => sum + own * own, 0) / errors.length)
        // 120 rows: neither too high nor too low on average, and spread as a standard error says.
        assert.closeTo(mean, 0, 0.35)
        assert.closeTo(deviation, 1, 0.3)
        assert.isAtLeast(within(2), 0.95)
        assert.isAtMost(Math.max(...errors.map(({ stated }) => stated)), 4)
      })
    )
  }
})
