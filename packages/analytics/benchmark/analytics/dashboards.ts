/** Dashboards: ours, raw SQL and DuckDB over the same lines. */
import * as OrderFacts from "@hypermarket/analytics/OrderFacts"
import { SalesQueries } from "@hypermarket/analytics/SalesQueries"
import type { SalesQuery } from "@hypermarket/analytics/SalesQuery"
import * as Bench from "@hypermarket/bench/Bench"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import type * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import * as Dataset from "./dataset.ts"
import * as DuckDb from "./duckDb.ts"
import { figure, database, timed } from "./shared.ts"
const ninetyDays = { from: "2026-04-02", until: "2026-07-01" } as const

export const dashboard: SalesQuery = {
  measures: ["orders", "units", "gross", "net"],
  dimensions: ["currency"],
  timeDimension: { ...ninetyDays, granularity: "day" }
}

/** Every day, region and currency of 110 days: some 5,000 cells. */
const wide: SalesQuery = {
  measures: ["orders", "units", "gross", "net"],
  dimensions: ["currency", "region"],
  timeDimension: { from: "2026-03-20", until: "2026-07-01", granularity: "day" },
  limit: 10_000
}

const seller: SalesQuery = {
  measures: ["sellerOrders", "units", "gross", "net"],
  dimensions: ["currency"],
  timeDimension: { ...ninetyDays, granularity: "day" },
  filters: [{ dimension: "seller", operator: "equals", values: ["s7"] }]
}

export const reads = 200
const rawReads = 9

export const read = Effect.fnUntraced(function* (query: SalesQuery, times: number) {
  const queries = yield* SalesQueries
  const all: Array<number> = []
  let cells = 0
  for (let n = 0; n < times; n++) {
    const { millis, value } = yield* timed(queries.run(query))
    all.push(millis)
    cells = value.rows.length
  }
  return { p50: Bench.median(all), p99: Bench.quantile(all, 0.99), cells }
})

const rawText = `SELECT tenant_day::text AS day, currency, sum(is_first::int)::bigint AS orders, sum(units)::bigint AS units,
    sum(gross)::bigint AS gross, sum(gross - discount)::bigint AS net
  FROM hm_order_line
 WHERE tenant_id = 'bench' AND tenant_day >= DATE '2026-04-02' AND tenant_day < DATE '2026-07-01'
   AND ordered_at >= DATE '2026-03-31' AND ordered_at < DATE '2026-07-03'
 GROUP BY 1, 2 ORDER BY 1, 2`

const duckText = `SELECT tenant_day::text AS day, currency, sum(is_first::int) AS orders, sum(units) AS units, sum(gross) AS gross,
    sum(gross - discount) AS net
  FROM line
 WHERE tenant_id = 'bench' AND tenant_day >= DATE '2026-04-02' AND tenant_day < DATE '2026-07-01'
 GROUP BY 1, 2 ORDER BY 1, 2`

const undrainedRows = 1_000

export const dashboards = Effect.fnUntraced(function* (
  server: EmbeddedPostgres.Server,
  millions: number,
  scale: number
) {
  const context = yield* database(server, `dashboards_${millions}`)
  const file = Path.join(tmpdir(), `hm-bench-lines-${process.pid}-${millions}.csv`)
  const run = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const facts = yield* OrderFacts.OrderFacts
    yield* Bench.say(`loading ${millions}M lines`)
    const refreshSeconds = yield* Dataset.load(Math.round(millions * 500_000 * scale) * 2)
    yield* sql`SET statement_timeout = 0`
    yield* sql.unsafe(`COPY (SELECT tenant_id, tenant_day, currency, is_first, units, gross, discount
                                FROM hm_order_line)
                        TO '${file}' WITH (FORMAT csv, HEADER)`)
    const merged = yield* read(dashboard, reads)
    const dice = OrderMix.random(9)
    let rows = 0
    for (let n = 0; rows < undrainedRows; n++) {
      const data = Dataset.order(dice, `undrained-${n}`, 1)
      rows += data.lines.length
      yield* facts.place(data)
    }
    yield* Bench.say("reading")
    const live = yield* read(dashboard, reads)
    const cells = yield* read(wide, reads / 4)
    const ofSeller = yield* read(seller, reads)
    const raw: Array<number> = []
    for (let n = 0; n < rawReads; n++) raw.push((yield* timed(sql.unsafe(rawText))).millis)
    const [duck] = yield* DuckDb.ask(
      [`CREATE TABLE line AS SELECT * FROM read_csv('${file}', header = true)`],
      [duckText],
      31
    )
    const peers = { "raw SQL": Bench.median(raw), "DuckDB in memory": Bench.median(duck?.millis ?? []) }
    const size = `${millions}M`
    return [
      figure(`dashboard ${size}: p50`, "ms", live.p50, peers),
      figure(`dashboard ${size}: p99`, "ms", live.p99),
      figure(`dashboard ${size}, all merged: p50`, "ms", merged.p50),
      figure(`5,000 cells ${size}: p50`, "ms", cells.p50),
      figure(`5,000 cells ${size}: cells`, "rows", cells.cells),
      figure(`one seller by day ${size}: p50`, "ms", ofSeller.p50),
      figure(`full refresh ${size}`, "s", refreshSeconds)
    ]
  })
  return yield* run.pipe(
    provide(TenantId.make(Dataset.largest)),
    Effect.provideContext(context),
    Effect.ensuring(Effect.sync(() => rmSync(file, { force: true })))
  )
})
