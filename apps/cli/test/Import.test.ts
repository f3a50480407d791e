import { assert, layer } from "@effect/vitest"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Layer, Schema } from "effect"
import * as Fs from "node:fs"
import { gzipSync } from "node:zlib"
import * as Cli from "./Cli.ts"

/** The environment of a command that is a client of a running API. */
class Client extends Context.Service<Client, Readonly<Record<string, string>>>()("test/Client") {}

const layerClient = Layer.effect(
  Client,
  Effect.gen(function* () {
    const { url } = yield* TestDatabase.TestDatabase
    const port = yield* ServiceProcess.freePort
    const database = { DATABASE_URL: url }
    const api = yield* Cli.start(["api"], {
      ...database,
      HM_API_PORT: String(port),
      HM_API_ACCESS_LOG: "false"
    })
    const apiUrl = `http://127.0.0.1:${port}`
    yield* ServiceProcess.answers(api, `${apiUrl}/health/ready`)
    yield* Cli.run(["tenants", "create", "acme", "--name", "Acme"], database)
    const issued = yield* Cli.run(["keys", "create", "acme", "--scope", "search:admin", "--json"], database)
    const { secret } = yield* Schema.decodeEffect(
      Schema.fromJsonString(Schema.Struct({ secret: Schema.String }))
    )(issued.stdout)
    return { HM_API_URL: apiUrl, HM_API_KEY: secret }
  })
)

const Summary = Schema.Struct({
  rows: Schema.Int,
  sent: Schema.Int,
  refused: Schema.Int,
  refusals: Schema.Array(Schema.Struct({ line: Schema.Int, message: Schema.String })),
  resumedAfterLine: Schema.Int
})

const importFile = Effect.fnUntraced(function* (file: string, ...args: ReadonlyArray<string>) {
  const env = yield* Client
  const finished = yield* Cli.run(["import", "products", file, "--json", ...args], env)
  assert.strictEqual(finished.code, 0, finished.stderr)
  return { ...(yield* Cli.decode(Summary)(finished)), stderr: finished.stderr }
})

/** The first hits of queries, as `search evaluate` reports them. */
const firstOf = Effect.fnUntraced(function* (
  directory: string,
  index: string,
  wanted: Record<string, string>
) {
  const env = yield* Client
  const file = `${directory}/judgments-${index}.csv`
  // Nothing is rated as well as what is not there: every query is a loser, and is listed.
  const lines = Object.keys(wanted).map((query) => `${query},absent,3`)
  Fs.writeFileSync(file, ["query,docid,rating", ...lines].join("\n"))
  const finished = yield* Cli.run(["search", "evaluate", file, "--index", index, "--json"], env)
  assert.strictEqual(finished.code, 0, finished.stderr)
  const { losers } = yield* Schema.decodeEffect(
    Schema.fromJsonString(
      Schema.Struct({
        losers: Schema.Array(
          Schema.Struct({
            query: Schema.String,
            first: Schema.NullOr(Schema.Struct({ id: Schema.String, rating: Schema.NullOr(Schema.Finite) }))
          })
        )
      })
    )
  )(finished.stdout)
  return Object.fromEntries(losers.map(({ first, query }) => [query, first?.id ?? ""]))
})

const product = (n: number) => JSON.stringify({ id: `p${n}`, title: `Product number${n}`, price: n })

layer(Layer.provideMerge(layerClient, TestDatabase.layerDatabase()), { excludeTestServices: true })(
  "import products",
  (it) => {
    it.effect("keeps the good rows of a gzip file and names the lines of the others", () =>
      Effect.gen(function* () {
        const directory = yield* Cli.folder
        const file = `${directory}/products.ndjson.gz`
        const lines = Array.from({ length: 1_200 }, (_, n) => product(n))
        lines[10] = "{"
        lines[20] = JSON.stringify({ title: "without an id" })
        lines[30] = JSON.stringify({ id: "large", title: "x".repeat(100_001) })
        lines[40] = JSON.stringify({ id: "line\u2028separator", title: "A line\u2028separator is text" })
        lines[50] = ""
        Fs.writeFileSync(file, gzipSync(lines.join("\n")))
        const summary = yield* importFile(file, "--index", "gzip")
        assert.deepInclude(summary, { rows: 1_199, sent: 1_196, refused: 3, resumedAfterLine: 0 })
        assert.deepStrictEqual(
          summary.refusals.map(({ line }) => line),
          [11, 21, 31]
        )
        assert.include(summary.stderr, "line 11: not a JSON object")
        assert.isFalse(Fs.existsSync(`${file}.import.json`))
        const wanted = { number1199: "p1199", separator: "line\u2028separator", number10: "" }
        assert.deepStrictEqual(yield* firstOf(directory, "gzip", wanted), wanted)
      }).pipe(Effect.scoped)
    )

    it.effect("reads CSV with quoted line breaks, numbers and lists", () =>
      Effect.gen(function* () {
        const directory = yield* Cli.folder
        const file = `${directory}/products.csv`
        Fs.writeFileSync(
          file,
          [
            "sku,title,price,categories,gtin",
            '1,"Desk ""lamp"", brass\nwith a shade",4900,Home/Lamps|Home,0012345678905',
            "2,too,many,cells,in,here",
            '3,"an open quote,1,a,b',
            "4,Chair,9900,Home,1",
            ""
          ].join("\r\n")
        )
        const summary = yield* importFile(file, "--index", "table")
        assert.deepInclude(summary, { sent: 1, refused: 2 })
        assert.deepStrictEqual(
          summary.refusals.map(({ line }) => line),
          [4, 5]
        )
        assert.deepStrictEqual(yield* firstOf(directory, "table", { shade: "1" }), { shade: "1" })
      }).pipe(Effect.scoped)
    )

    it.effect(
      "goes on where an interrupted import was, and begins again when it is told to or the file is another",
      () =>
        Effect.gen(function* () {
          const directory = yield* Cli.folder
          const file = `${directory}/products.ndjson`
          Fs.writeFileSync(file, Array.from({ length: 1_000 }, (_, n) => product(n)).join("\n"))
          const { mtimeMs, size } = Fs.statSync(file)
          const env = yield* Client
          const progress = {
            target: `${env.HM_API_URL} resumed`,
            bytes: size,
            modifiedMillis: Math.round(mtimeMs),
            line: 600
          }
          const keep = () => Fs.writeFileSync(`${file}.import.json`, JSON.stringify(progress))
          keep()
          assert.deepInclude(yield* importFile(file, "--index", "resumed"), {
            sent: 400,
            resumedAfterLine: 600
          })
          keep()
          assert.deepInclude(yield* importFile(file, "--index", "resumed", "--restart"), { sent: 1_000 })
          keep()
          Fs.appendFileSync(file, `\n${product(1_000)}`)
          assert.deepInclude(yield* importFile(file, "--index", "resumed"), {
            sent: 1_001,
            resumedAfterLine: 0
          })
        }).pipe(Effect.scoped)
    )

    it.effect("says what is missing: the file, the address, a judgment", () =>
      Effect.gen(function* () {
        const directory = yield* Cli.folder
        const env = yield* Client
        const file = yield* Cli.run(["import", "products", `${directory}/none`], env)
        assert.strictEqual(file.code, 1)
        assert.match(file.stderr, /Cannot read .*none/)
        const address = yield* Cli.run(["import", "products", `${directory}/none`])
        assert.match(address.stderr, /Set HM_API_URL and HM_API_KEY/)
        Fs.writeFileSync(`${directory}/bad.csv`, "query,docid,rating\nlamp,p1,good\n")
        const judgment = yield* Cli.run(["search", "evaluate", `${directory}/bad.csv`], env)
        assert.strictEqual(judgment.code, 1)
        assert.match(judgment.stderr, /bad.csv, line 2/)
      }).pipe(Effect.scoped)
    )
  }
)
