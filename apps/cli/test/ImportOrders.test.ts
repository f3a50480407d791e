import { assert, layer } from "@effect/vitest"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Schema } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { gzipSync } from "node:zlib"
import * as Cli from "./Cli.ts"

const Summary = Schema.Struct({
  rows: Schema.Int,
  sent: Schema.Int,
  refused: Schema.Int,
  refusals: Schema.Array(Schema.Struct({ line: Schema.Int, message: Schema.String })),
  resumedAfterLine: Schema.Int,
  outcomes: Schema.Record(Schema.String, Schema.Int)
})

const Issued = Schema.Struct({ secret: Schema.String })

const order = (orderId: string, version: number, change: Readonly<Record<string, Schema.Json>> = {}) => ({
  orderId,
  version,
  status: "placed",
  customerId: "c1",
  channel: "web",
  region: "DE",
  currency: "EUR",
  placedAt: "2026-03-10T12:00:00Z",
  attributes: {},
  lines: [
    {
      lineId: "l1",
      productId: "p1",
      sellerId: "s1",
      quantity: 2,
      unitPrice: "1000",
      discount: "0",
      tax: "0",
      shipping: "0"
    }
  ],
  ...change
})

/** An installation with a tenant and a key for its API. */
const installation = Effect.gen(function* () {
  const { url } = yield* TestDatabase.TestDatabase
  const command = (...args: ReadonlyArray<string>) => Cli.run(args, { DATABASE_URL: url })
  yield* command("migrate")
  yield* command("tenants", "create", "shop", "--name", "Shop")
  const issued = yield* command("keys", "create", "shop", "--scope", "analytics:write", "--json")
  const { secret } = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(Issued))(issued.stdout)
  const port = yield* ServiceProcess.freePort
  const api = yield* Cli.start(["api"], { DATABASE_URL: url, HM_API_PORT: String(port) })
  const apiUrl = `http://127.0.0.1:${port}`
  yield* ServiceProcess.answers(api, `${apiUrl}/health/ready`)
  return { url, env: { HM_API_URL: apiUrl, HM_API_KEY: secret } }
})

layer(Layer.empty, { excludeTestServices: true })("import orders", (it) => {
  it.effect(
    "takes the facts of a file, plain or gzip, names the lines that are wrong, and changes nothing when repeated",
    () =>
      Effect.gen(function* () {
        const { env, url } = yield* installation
        const folder = yield* Cli.folder
        const rows = [
          JSON.stringify({ type: "order.placed", data: order("o1", 1) }),
          JSON.stringify({ type: "com.hypermarket.shop.order.placed.v1", data: order("o2", 1) }),
          "{ not json",
          JSON.stringify({ type: "order.placed", data: order("o3", 1, { currency: "XYW" }) }),
          JSON.stringify({ type: "product.changed", data: {} }),
          JSON.stringify({ type: "order.changed", data: order("o1", 2, { region: "FR" }) }),
          JSON.stringify({ type: "order.changed", data: order("o2", 1, { region: "FR" }) }),
          JSON.stringify({ type: "order.placed", data: order("o4", 1, { surprise: true }) })
        ].join("\n")
        const plain = Path.join(folder, "orders.ndjson")
        const zipped = Path.join(folder, "orders.ndjson.gz")
        Fs.writeFileSync(plain, rows)
        Fs.writeFileSync(zipped, gzipSync(rows))
        const figures = Cli.query(
          url,
          `SELECT sum(orders)::int AS orders, sum(gross)::int AS gross
           FROM (SELECT orders, gross FROM hm_order_summary WHERE grain = 6
                 UNION ALL SELECT orders, gross FROM hm_order_delta) f`
        )
        const refund = { refundId: "r1", version: 1, at: "2026-03-12T12:00:00Z", reason: "late", lines: [] }
        const refunds = Path.join(folder, "refunds.ndjson")
        Fs.writeFileSync(
          refunds,
          [
            { ...refund, orderId: "o2", amount: "150" },
            { ...refund, orderId: "o99", amount: "150" },
            { ...refund, refundId: "cn-1", region: "DE", currency: "EUR", amount: "70" }
          ]
            .map((data) => JSON.stringify({ type: "order.refunded", data }))
            .join("\n")
        )
        for (const [index, file] of [plain, zipped, plain].entries()) {
          const isFirst = index === 0
          const finished = yield* Cli.run(["import", "orders", file, "--json"], env)
          assert.strictEqual(finished.code, 0, finished.stderr)
          const summary = yield* Cli.decode(Summary)(finished)
          assert.deepStrictEqual(
            summary.refusals.map(({ line }) => line),
            [3, 4, 5, 7, 8]
          )
          assert.deepInclude(summary, { rows: 8, sent: 3, refused: 5, resumedAfterLine: 0 })
          assert.match(summary.refusals[1]?.message ?? "", /^data\.currency: /)
          assert.match(finished.stderr, /^line 3: not a JSON object$/m)
          assert.deepStrictEqual(yield* figures, [{ orders: 2, gross: 4_000 }])
          assert.deepStrictEqual(summary.outcomes, {
            applied: isFirst ? 2 : 0,
            waiting: 0,
            late: 0,
            duplicate: isFirst ? 0 : 2,
            superseded: 1
          })
        }
        const finished = yield* Cli.run(["import", "orders", refunds, "--json"], env)
        assert.strictEqual(finished.code, 0, finished.stderr)
        const importedRefunds = yield* Cli.decode(Summary)(finished)
        assert.deepStrictEqual(importedRefunds.outcomes, {
          applied: 2,
          waiting: 1,
          late: 0,
          duplicate: 0,
          superseded: 0
        })
        // A figure that was changed by hand is repaired from the facts.
        yield* Cli.query(url, "UPDATE hm_order_summary SET gross = gross + 1 WHERE grain = 6")
        const rebuilt = yield* Cli.run(["analytics", "rebuild", "shop", "2026-03", "--json"], {
          DATABASE_URL: url
        })
        assert.strictEqual(rebuilt.code, 0, rebuilt.stderr)
        assert.deepStrictEqual(yield* figures, [{ orders: 2, gross: 4_000 }])
      }).pipe(Effect.scoped, Effect.provide(Layer.fresh(TestDatabase.layerDatabase())))
  )

  it.effect("goes on behind what an interrupted import has sent", () =>
    Effect.gen(function* () {
      const { env, url } = yield* installation
      const folder = yield* Cli.folder
      const file = Path.join(folder, "orders.ndjson")
      const lines = Array.from({ length: 30_000 }, (_, n) =>
        JSON.stringify({ type: "order.placed", data: order(`o${n}`, 1) })
      )
      Fs.writeFileSync(file, lines.join("\n"))
      const kept = `${file}.import.json`
      const first = yield* Cli.start(["import", "orders", file], env)
      yield* Cli.until(() => Fs.existsSync(kept))
      yield* first.signal("SIGKILL")
      yield* first.exit
      const second = yield* Cli.run(["import", "orders", file, "--json"], env)
      const summary = yield* Cli.decode(Summary)(second)
      assert.isAbove(summary.resumedAfterLine, 0)
      assert.strictEqual(summary.sent, 30_000 - summary.resumedAfterLine)
      assert.isFalse(Fs.existsSync(kept))
      const [counted] = yield* Cli.query(url, "SELECT count(*)::int AS orders FROM hm_order_head")
      assert.deepStrictEqual(counted, { orders: 30_000 })
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(TestDatabase.layerDatabase())))
  )
})
