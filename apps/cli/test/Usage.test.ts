import { assert, describe, it } from "@effect/vitest"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Cli from "./Cli.ts"

const commands = [
  "quickstart",
  "api",
  "worker",
  "migrate",
  "doctor",
  "tenants",
  "keys",
  "console",
  "analytics"
]

/** The modules of files that a run loads, as V8 reports them. */
const loadedBy = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const folder = yield* Cli.folder
  const finished = yield* Cli.run(args, { NODE_V8_COVERAGE: folder })
  const reports = Fs.readdirSync(folder).map((name) => Fs.readFileSync(Path.join(folder, name), "utf8"))
  const modules = reports.flatMap((report) =>
    Array.from(report.matchAll(/"url":"(file:[^"]+)"/g), ([, url = ""]) => url)
  )
  return { finished, modules }
}, Effect.scoped)

describe("hypermarket", () => {
  it.live("shows its commands with --help, without colours when nobody watches a terminal", () =>
    Effect.gen(function* () {
      const help = yield* Cli.run(["--help"])
      assert.strictEqual(help.code, 0, help.stderr)
      for (const command of commands) assert.match(help.stdout, new RegExp(`^  ${command} +\\S`, "m"))
      assert.notInclude(help.stdout, "\u001b")
      const wrong = yield* Cli.run(["nonsense"])
      assert.notInclude(wrong.stdout + wrong.stderr, "\u001b")
    })
  )

  it.live("describes every flag and argument of a command", () =>
    Effect.gen(function* () {
      for (const path of [["quickstart"], ["keys", "create"]]) {
        const { code, stderr, stdout } = yield* Cli.run([...path, "--help"])
        assert.strictEqual(code, 0, stderr)
        const own = stdout.slice(stdout.search(/^(ARGUMENTS|FLAGS)$/m), stdout.indexOf("GLOBAL FLAGS"))
        const lines = own.split("\n").filter((line) => line.startsWith("  "))
        assert.isAbove(lines.length, 3)
        for (const line of lines) assert.match(line, /^ {2}\S.* {4}\S/)
      }
    })
  )

  const misused: ReadonlyArray<readonly [string, ReadonlyArray<string>, string]> = [
    ["an unknown command", ["nonsense"], 'Unknown subcommand "nonsense"'],
    ["an unknown flag", ["migrate", "--nonsense"], "--nonsense"],
    ["a missing argument", ["tenants", "create"], "Missing required argument: tenant"],
    ["a malformed tenant", ["tenants", "create", "A B"], "1 to 63 of a-z"],
    ["a malformed scope", ["keys", "create", "acme", "--scope", "all"], "<domain>:read"],
    [
      "a scope of no domain",
      ["keys", "create", "acme", "--scope", "event:write"],
      "Expected: one of analytics, audit, events,"
    ],
    [
      "a mistyped scope, with those that exist",
      ["keys", "create", "acme", "--scope", "searches:read"],
      "risk, search, each with :read, :write or :admin"
    ],
    ["a malformed month", ["analytics", "rebuild", "acme", "2026-13"], "Expected a month"],
    ["a port out of range", ["quickstart", "--exit", "--port", "99999"], "99999 is not a port"],
    ["a key for nobody", ["keys", "create", "--scope", "events:read"], "Name a tenant, or give --system"],
    ["a system key for a tenant", ["keys", "create", "acme", "--system"], "--system takes no tenant"],
    [
      "a system console of a tenant",
      ["console", "--system", "--tenant", "acme"],
      "--system takes no --tenant"
    ],
    ["a key without a scope", ["keys", "create", "acme"], "Give at least one --scope"]
  ]
  for (const [what, args, said] of misused) {
    it.live(`exits with 2 on ${what}, and says so`, () =>
      Effect.gen(function* () {
        // No database is asked: none is there.
        const { code, stderr } = yield* Cli.run(args, { DATABASE_URL: "postgres://127.0.0.1:1/none" })
        assert.strictEqual(code, 2, stderr)
        assert.include(stderr, said)
      })
    )
  }

  for (const args of [["migrate"], ["doctor"], ["keys", "list", "acme"], ["worker"]]) {
    it.live(`exits with 3 from ${args.join(" ")} when the database cannot be reached`, () =>
      Effect.gen(function* () {
        const port = yield* ServiceProcess.freePort
        const { code, stderr, stdout } = yield* Cli.run(args, {
          DATABASE_URL: `postgres://u:hunter2@127.0.0.1:${port}/d`
        })
        assert.strictEqual(code, 3, stderr)
        assert.include(stderr, "The database cannot be reached")
        assert.notInclude(stdout + stderr, "hunter2")
        assert.notInclude(stderr, "    at ")
      })
    )
  }

  it.live("names the setting that is missing or wrong, its form and an example", () =>
    Effect.gen(function* () {
      const missing = yield* Cli.run(["migrate"])
      assert.strictEqual(missing.code, 1)
      assert.include(missing.stderr, "DATABASE_URL is not set: for example DATABASE_URL=")
      const wrong = yield* Cli.run(["migrate"], {
        DATABASE_URL: "postgres://shop@127.0.0.1:1/shop",
        HM_DATABASE_LOCK_TIMEOUT: "7s"
      })
      assert.strictEqual(wrong.code, 1)
      assert.include(wrong.stderr, "HM_DATABASE_LOCK_TIMEOUT is wrong. Expected a valid Duration string")
      assert.include(wrong.stderr, `HM_DATABASE_LOCK_TIMEOUT="5 seconds"`)
      assert.notInclude(missing.stderr + wrong.stderr, "SchemaError")
    })
  )

  it.live("loads the modules of the command that it runs, and none to show its version", () =>
    Effect.gen(function* () {
      const version = yield* loadedBy(["--version"])
      assert.match(version.finished.stdout, /^hypermarket v\d+\.\d+\.\d+\n$/)
      assert.deepStrictEqual(
        version.modules.filter((module) => !module.endsWith("apps/cli/src/main.ts")),
        []
      )
      const keys = yield* loadedBy(["keys", "--help"])
      assert.strictEqual(keys.finished.code, 0, keys.finished.stderr)
      assert.include(keys.modules.join("\n"), "apps/cli/src/command/Keys.ts")
      for (const other of ["command/Quickstart.ts", "command/Services.ts", "apps/api/src/Server.ts"]) {
        assert.notInclude(keys.modules.join("\n"), other)
      }
    })
  )
})
