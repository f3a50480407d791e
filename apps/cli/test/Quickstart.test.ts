import { assert, describe, it } from "@effect/vitest"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import { Effect, Schema } from "effect"
import { execFile, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { createServer } from "node:net"
import { getPriority } from "node:os"
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

const run = (orders: number, directory: string, ...args: ReadonlyArray<string>) =>
  Cli.run(["quickstart", "--exit", "--json", "--orders", String(orders), "--data-dir", directory, ...args])

const quickstart = (directory: string) => run(50, directory)
/** Where the figures do not matter. */
const short = (directory: string, ...args: ReadonlyArray<string>) => run(10, directory, ...args)

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

/** Holds a port; one that another process holds already is as good. */
const hold = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer()
      server.once("error", () => resume(Effect.succeed(server)))
      server.listen(port, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => void server.close())
  )

/**
 * Without the tables of the queue at work: scheduled jobs come and go in them all the time. Counts of denials are written by the
 * minute, uses of keys and moments of experiments in batches. Entries of the activity log are sealed each minute. Each run
 * delivers the webhook again, and asks the policy again.
 */
const settled = (tables: typeof Document.Type.tables) => {
  const atWork = ["queue", "lease", "delayed", "key", "keyed", "body", "history"].map(
    (name) => `hm_event_${name}`
  )
  const later = [
    // The activity log publishes each checkpoint.
    "hm_event_dedupe",
    "hm_order_month",
    "hm_order_proof",
    "hm_rate_denial",
    "hm_api_key_use",
    "hm_experiment_delta",
    "hm_experiment_moment",
    "hm_webhook_attempt",
    "hm_platform_policy_decision"
  ]
  const audit = ["log", "checkpoint", "key"].map((name) => `hm_platform_activity_${name}`)
  return tables.filter(({ name }) => !atWork.includes(name) && !later.includes(name) && !audit.includes(name))
}

/** Files of keys that only their owner can read. */
const keyFiles = ["quickstart.json", "quickstart-import.json", "secrets-keys", "order.json"]

/** A quickstart that stays, and has said that it is ready. */
const staying = Effect.fnUntraced(function* (directory: string, ...args: ReadonlyArray<string>) {
  const service = yield* Cli.start(["quickstart", "--orders", "10", "--data-dir", directory, ...args])
  yield* Cli.until(() => service.output().includes("Ctrl-C"))
  return service
})

/** The processes that a process has started (Linux). */
const childrenOf = (pid: number): ReadonlyArray<number> =>
  Fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .split(" ")
    .map(Number)
    .filter((child) => child > 0)

/** All rows of all tables of the domains, bytes as the text that they hold. The shop's own tables are not theirs. */
const dump = Effect.fnUntraced(function* (url: string) {
  const tables = yield* Cli.query(
    url,
    `SELECT format('SELECT concat_ws('' '', %s) AS line FROM %I', string_agg(format(
              CASE WHEN atttypid = 'bytea'::regtype THEN 'encode(%I, ''escape'')' ELSE '%I::text' END, attname), ', '), relname)
              AS query
       FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
      WHERE relkind IN ('r', 'p') AND NOT relispartition AND relname LIKE 'hm\\_%' AND relname NOT LIKE 'hm\\_quickstart\\_%'
      GROUP BY relname`
  )
  const texts = yield* Effect.forEach(tables, ({ query }) => Cli.query(url, String(query)))
  return texts.flatMap((rows) => rows.map(({ line }) => String(line))).join("\n")
})

const Answer = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))

/** A stranger who tries a command sees something: a list that it returns has an item. */
const isFilled = (answer: Readonly<Record<string, unknown>>): boolean => {
  const [list] = ["items", "hits", "rows"].flatMap((name) => (name in answer ? [answer[name]] : []))
  return Array.isArray(list) ? list.length > 0 : Object.keys(answer).length > 0
}

/** The indented lines below one. */
const linesAfter = (lines: ReadonlyArray<string>, head: RegExp): ReadonlyArray<string> => {
  const rest = lines.slice(lines.findIndex((line) => head.test(line)) + 1)
  const end = rest.findIndex((line) => !line.startsWith("  "))
  return end === -1 ? rest : rest.slice(0, end)
}

/** The steps that the quickstart prints on standard error, in this order. */
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

describe("quickstart", () => {
  it.live("prints one JSON document, and with the same folder the same tenant, keys and figures", () =>
    Effect.gen(function* () {
      const directory = yield* Cli.folder
      const first = yield* quickstart(directory)
      assert.strictEqual(first.code, 0, first.stderr)
      const one = yield* Cli.decode(Document)(first)
      for (const file of keyFiles) {
        assert.strictEqual(Fs.statSync(`${directory}/${file}`).mode & 0o777, 0o600, file)
      }
      const keys = keyFiles.map((file) => Fs.readFileSync(`${directory}/${file}`, "utf8"))
      const two = yield* Cli.decode(Document)(yield* quickstart(directory))
      assert.strictEqual(one.tenantId, "demo")
      assert.deepInclude(one.domains.platform, { tenant: "demo", withoutKey: 401 })
      assert.deepInclude(one.tables, { name: "hm_tenant", rows: 2 })
      for (const field of ["tenantId", "apiKey"] as const) assert.deepStrictEqual(two[field], one[field])
      assert.deepStrictEqual(figuresOf(two), figuresOf(one))
      assert.deepStrictEqual(settled(two.tables), settled(one.tables))
      assert.deepStrictEqual(
        keyFiles.map((file) => Fs.readFileSync(`${directory}/${file}`, "utf8")),
        keys
      )
      assert.deepStrictEqual(Cli.processesIn(directory), [])
    })
  )

  it.live("names the port that is taken, exits with 1 and leaves no Postgres", () =>
    Effect.gen(function* () {
      const directory = yield* Cli.folder
      const port = yield* ServiceProcess.freePort
      yield* hold(port)
      const refused = yield* short(directory, "--port", String(port))
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
      const { apiUrl } = yield* Cli.decode(Document)(yield* short(directory))
      assert.notStrictEqual(apiUrl, "http://127.0.0.1:8080")
    })
  )

  it.live("refuses a second one its port and its folder, and is not disturbed by it", () =>
    Effect.gen(function* () {
      const directory = yield* Cli.folder
      const port = String(yield* ServiceProcess.freePort)
      const first = yield* staying(directory, "--port", port)
      const samePort = yield* short(yield* Cli.folder, "--port", port)
      assert.strictEqual(samePort.code, 1)
      assert.include(samePort.stderr, "address already in use")
      const sameFolder = yield* short(directory)
      assert.strictEqual(sameFolder.code, 1)
      assert.include(sameFolder.stderr, `process ${first.pid} runs`)
      yield* first.signal("SIGINT")
      assert.deepStrictEqual(yield* first.exit, { code: 0, signal: null }, first.log())
      assert.deepStrictEqual(Cli.processesIn(directory), [])
    })
  )

  it.live(
    "shows commands to try that work, erases two persons from a dump, and leaves no Postgres after SIGTERM",
    () =>
      Effect.gen(function* () {
        const directory = yield* Cli.folder
        const service = yield* staying(directory, "--port", "0")
        assert.isNotEmpty(Cli.processesIn(directory))
        const workers = childrenOf(service.pid).filter((pid) =>
          Fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("workerMain")
        )
        assert.lengthOf(workers, 1)
        for (const pid of workers) assert.isAbove(getPriority(pid), getPriority(service.pid))
        const screen = service.output().trimEnd().split("\n")
        assert.isAtMost(screen.length, 40)
        for (const line of screen) assert.isAtMost(line.length, 120, line)
        const commands = linesAfter(screen, /^Try, in another terminal/)
        assert.isAtLeast(commands.length, 5)
        const [sourced = "", ...calls] = commands
        // The machine that has only Node, npm and git has no curl.
        const answers = new Map<string, Record<string, unknown>>()
        for (const command of hasCurl ? calls : []) {
          const answer = yield* shell(`${sourced}\n${command}`)
          assert.strictEqual(answer.code, 0, `${command}: ${answer.stdout}${answer.stderr}`)
          answers.set(command, yield* Schema.decodeEffect(Answer)(answer.stdout))
        }
        const answerOf = (word: string) =>
          Array.from(answers).find(([command]) => command.includes(word))?.[1] ?? {}
        if (hasCurl) {
          for (const [command, answer] of answers) assert.isTrue(isFilled(answer), `nothing in ${command}`)
          assert.deepInclude(answerOf("order.json"), { items: [{ id: "try-1:placed", state: "accepted" }] })
          assert.deepInclude(answerOf("/v1/analytics/query"), { rows: [{ orders: 1 }] })
          assert.property((answerOf("explain")["hits"] as ReadonlyArray<object>)[0], "explanation")
          assert.isNotEmpty(answerOf("facets")["facets"])
        }
        const report = Fs.readFileSync(`${directory}/report.txt`, "utf8").split("\n")
        const further = report.filter((line) => line.startsWith("  curl "))
        assert.isAtLeast(further.length, 10)
        for (const command of hasCurl ? further : []) {
          const answer = yield* shell(`${sourced}\n${command} --silent --show-error --fail-with-body`)
          assert.strictEqual(answer.code, 0, `${command}: ${answer.stdout}${answer.stderr}`)
          assert.isTrue(isFilled(yield* Schema.decodeEffect(Answer)(answer.stdout)), `nothing in ${command}`)
        }
        const url = /^ *Postgres +(postgres:\S+)$/m.exec(service.output())?.[1] ?? ""
        const [buyer] = yield* Cli.query(
          url,
          "SELECT customer_id AS id FROM hm_order_line ORDER BY order_id LIMIT 1"
        )
        const persons = ["demo-ann", String(buyer?.["id"])]
        const derived = `${String(buyer?.["id"]).toLowerCase()}@derived.example`
        const names = [...persons, "ann@customers.example", derived]
        const before = yield* dump(url)
        for (const name of names) assert.isTrue(before.includes(name), `${name} is in no table`)
        // The second tenant has imported orders of the same customers.
        for (const id of persons) {
          for (const tenant of ["demo", "demo-import"]) {
            const erased = yield* Cli.run(["subjects", "erase", tenant, "--id", id], { DATABASE_URL: url })
            assert.strictEqual(erased.code, 0, erased.stderr)
          }
        }
        const after = yield* dump(url)
        for (const name of names) assert.isFalse(after.includes(name), `${name} is in a table`)
        yield* service.signal("SIGTERM")
        assert.deepStrictEqual(yield* service.exit, { code: 0, signal: null }, service.log())
        assert.deepStrictEqual(Cli.processesIn(directory), [])
      })
  )

  it.live("ends with the figures of an undisturbed run after a kill -9 at any of its steps", () =>
    Effect.gen(function* () {
      const undisturbed = figuresOf(yield* Cli.decode(Document)(yield* quickstart(yield* Cli.folder)))
      const directory = yield* Cli.folder
      const args = ["quickstart", "--orders", "50", "--data-dir", directory, "--port", "0"]
      // Every other step, which takes half the time: which half is drawn for each run.
      const half = Math.random() < 0.5 ? 0 : 1
      for (const step of steps.filter((_, place) => place % 2 === half)) {
        const killed = yield* Cli.start(args)
        // What a run before has done is not done again, and its step may not come.
        yield* Cli.until(() => killed.log().includes(step) || killed.output().includes("Ctrl-C"))
        yield* killed.signal("SIGKILL")
        assert.propertyVal(yield* killed.exit, "signal", "SIGKILL", step)
      }
      const last = yield* quickstart(directory)
      assert.strictEqual(last.code, 0, last.stderr)
      assert.deepStrictEqual(figuresOf(yield* Cli.decode(Document)(last)), undisturbed, `half ${half}`)
      yield* Cli.until(() => Cli.processesIn(directory).length === 0)
    })
  )
})
