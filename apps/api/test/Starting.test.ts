import { assert, describe, it } from "@effect/vitest"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Schedule } from "effect"
import { apiScript, startApi, workerScript } from "./apiProcess.ts"

const unreachable = "postgres://shop:hunter2@127.0.0.1:1/shop"

const scripts = [
  ["api", apiScript],
  ["worker", workerScript]
] as const

const linesOf = (text: string): ReadonlyArray<Record<string, unknown>> =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>)

interface Wrong {
  readonly claim: string
  readonly env: Readonly<Record<string, string>>
  readonly said: ReadonlyArray<string>
}

const wrongs: ReadonlyArray<Wrong> = [
  {
    claim: "DATABASE_URL is missing",
    env: { DATABASE_URL: "" },
    said: ['DATABASE_URL is not set: for example DATABASE_URL="postgres://']
  },
  {
    claim: "a port is a word",
    env: { HM_API_PORT: "ninety", HM_WORKER_PORT: "ninety" },
    said: ["_PORT is wrong.", '_PORT="8080"']
  },
  {
    claim: "a duration has no unit that is known",
    env: { HM_DATABASE_LOCK_TIMEOUT: "9s" },
    said: ["HM_DATABASE_LOCK_TIMEOUT is wrong.", 'HM_DATABASE_LOCK_TIMEOUT="5 seconds"']
  },
  {
    claim: "a choice is none of those that exist",
    env: { HM_LOG_FORMAT: "xml" },
    said: ["HM_LOG_FORMAT is wrong.", '"json" | "pretty"']
  },
  {
    claim: "the database is not there",
    env: {},
    said: ["The database cannot be reached", "ECONNREFUSED"]
  },
  {
    claim: "the database's address is of another kind",
    env: { DATABASE_URL: "mysql://shop:hunter2@127.0.0.1/shop" },
    said: ['protocol: "mysql:"']
  }
]

describe("a process that cannot start", () => {
  for (const [name, script] of scripts) {
    // Both read their settings in one way; each is a process that takes seconds.
    for (const { claim, env, said } of name === "api" ? wrongs : wrongs.slice(0, 2)) {
      it.live(`names the reason in one line when ${claim}: ${name}`, () =>
        Effect.gen(function* () {
          const service = yield* ServiceProcess.start(script, [], { DATABASE_URL: unreachable, ...env })
          assert.deepStrictEqual(yield* service.exit, { code: 1, signal: null }, service.log())
          const lines = linesOf(service.log())
          assert.lengthOf(lines, 1, service.log())
          assert.strictEqual(lines[0]?.["level"], "FATAL")
          for (const text of said) assert.include(String(lines[0]?.["message"]), text)
          for (const text of ["hunter2", "SchemaError", "    at "]) assert.notInclude(service.log(), text)
          assert.strictEqual(service.output(), "")
        }).pipe(Effect.scoped)
      )
    }
  }
})

const running = (script: string, env: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const { url } = yield* TestDatabase.TestDatabase
    const port = yield* ServiceProcess.freePort
    const api = yield* startApi(url, { script, port, env: { HM_WORKER_PORT: String(port), ...env } })
    yield* Effect.sync(() => api.service.log().includes("Started")).pipe(
      Effect.repeat({ until: (started) => started, schedule: Schedule.spaced("20 millis") })
    )
    return { ...api, port, databaseUrl: url }
  })

describe("a process that starts", () => {
  for (const [name, script] of scripts) {
    it.live(`says where, on which release and database, and that it stops: ${name}`, () =>
      Effect.gen(function* () {
        const { databaseUrl, port, service, url } = yield* running(script)
        for (const path of ["/health/live", "/metrics", "/health/ready"]) {
          yield* ServiceProcess.answers(service, `${url}${path}`)
        }
        yield* service.signal("SIGTERM")
        assert.deepStrictEqual(yield* service.exit, { code: 0, signal: null }, service.log())
        const lines = linesOf(service.log())
        const started = lines.find(({ message }) => message === "Started")
        const place = new URL(databaseUrl)
        assert.deepInclude(started, {
          level: "INFO",
          process: name,
          address: `127.0.0.1:${port}`,
          node: process.versions.node,
          database: `${place.hostname}:${place.port}${place.pathname}`,
          schema: "public"
        })
        assert.match(String(started?.["version"]), /^\d+\.\d+\.\d+/)
        assert.match(String(started?.["migrations"]), /\bevents \d+\b/)
        if (name === "worker") assert.isAbove(Number(started?.["queues"]), 20)
        assert.notInclude(service.log(), place.password === "" ? "\u0000" : `:${place.password}@`)
        assert.deepStrictEqual(
          lines.slice(-2).map(({ message }) => message),
          ["Stopping", "Stopped"]
        )
        // One shape: every line is flat and has these.
        for (const line of lines) {
          assert.containsAllKeys(line, ["timestamp", "level", "message"])
          assert.isString(line["message"])
          assert.doesNotHaveAnyKeys(line, ["fiberId", "annotations"])
        }
        assert.notInclude(service.log(), "/health/")
        assert.notInclude(service.log(), "/metrics")
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layerDatabase()))
    )
  }

  it.live("writes text for a person with HM_LOG_FORMAT=pretty, requests too", () =>
    Effect.gen(function* () {
      const { service, url } = yield* running(apiScript, { HM_LOG_FORMAT: "pretty" })
      yield* ServiceProcess.answers(service, `${url}/v1/platform/tenant`, 401)
      yield* service.signal("SIGTERM")
      yield* service.exit
      assert.match(service.log(), /^[\d:.]{12} INFO {2}Started process=api address=127\.0\.0\.1:\d+ /m)
      assert.match(
        service.log(),
        /^[\d:.]{12} INFO {2}request request_id=\S+ method=GET path=\/v1\/platform\/tenant .*status=401 /m
      )
      assert.notInclude(service.log(), '{"')
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layerDatabase()))
  )
})
