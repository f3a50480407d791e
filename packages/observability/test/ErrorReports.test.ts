import { assert, describe, it, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { ErrorIntake, IntakeRefused } from "@hypermarket/observability/ErrorIntake"
import * as ErrorReports from "@hypermarket/observability/ErrorReports"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import * as DatabaseOutage from "@hypermarket/testing/DatabaseOutage"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Cause, ConfigProvider, Context, Effect, Exit, Layer, Logger, Schedule, Schema, Scope } from "effect"
import * as ErrorReporter from "effect/ErrorReporter"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { HttpApiError } from "effect/http-api"
import * as SqlClient from "effect/sql/SqlClient"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { zstdDecompressSync } from "node:zlib"
import { baseUrl, issuesOf, layerServer, projectOf } from "./errorServer.ts"

class Declined extends Schema.TaggedError<Declined>()("Declined", { card: Schema.String }) {
  override get message() {
    return `The card ${this.card} is declined`
  }
}

class NotThere extends HttpApiError.Problem<NotThere>()("NotThere", {
  type: "urn:example:not-there",
  status: 404,
  title: "Not there"
}) {}

const titlesOf = Effect.fnUntraced(function* (tenant: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly title: string; readonly events: number }>`
    SELECT title, event_count::int AS events
      FROM hm_error_issue
     WHERE tenant_id = ${tenant}
     ORDER BY title
  `
  return rows.map(({ events, title }) => `${title} (${events})`)
})

const checkout = (card: string) =>
  Effect.fail(new Declined({ card })).pipe(
    Effect.withSpan("checkout"),
    Effect.withErrorReporting,
    Effect.exit
  )

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("ErrorReports over a DSN", (it) => {
  it.effect(
    "failures with error reporting, defects and lines of the log at Error become issues; refusals and interruptions do not",
    () =>
      Effect.gen(function* () {
        const project = yield* projectOf("reports")
        const url = new URL(yield* baseUrl)
        const dsn = `http://reports_client_${project.projectId}@${url.host}/sentry/${project.projectId}`
        const reporting = ErrorReports.layerReporting.pipe(
          Layer.provideMerge(ErrorReports.layerDsn({ dsn, release: "till@4.2.0", tags: { till: "3" } })),
          Layer.provide(FetchHttpClient.layer)
        )
        yield* Effect.gen(function* () {
          yield* checkout("visa")
          yield* Effect.exit(Effect.withErrorReporting(Effect.die(new RangeError("No such line"))))
          yield* Effect.logError("The printer is out of paper", { printer: "p-9" })
          yield* Effect.logError("The drawer is stuck", Cause.fail(new TypeError("motor is undefined")))
          yield* Effect.logWarning("The paper is low")
          yield* Effect.exit(Effect.withErrorReporting(new NotThere()))
          yield* Effect.exit(Effect.withErrorReporting(Effect.interrupt))
          const ignored = Object.assign(new Error("expected"), { [ErrorReporter.ignore]: true })
          yield* Effect.exit(Effect.withErrorReporting(Effect.fail(ignored)))
        }).pipe(Effect.provide(reporting), Effect.scoped)
        const issues = yield* issuesOf("reports")
        assert.sameMembers(
          issues.map(({ title }) => title),
          [
            "Declined: The card visa is declined",
            "RangeError: No such line",
            "The printer is out of paper",
            "TypeError: motor is undefined"
          ]
        )
        const declined = issues.find(({ title }) => title.startsWith("Declined"))
        assert.strictEqual(declined?.lastRelease, "till@4.2.0")
        assert.match(declined?.culprit ?? "", /ErrorReports\.test\.ts/)
      })
  )

  it.effect("a plain Node application reports with captureException, and close sends what waits", () =>
    Effect.gen(function* () {
      const project = yield* projectOf("plain")
      const url = new URL(yield* baseUrl)
      const dsn = `http://plain_client_${project.projectId}@${url.host}/sentry/${project.projectId}`
      const { captureException, close } = ErrorReports.connect({ dsn, release: "till@4.2.0" })
      const hostile = {
        get stack(): string {
          throw new Error("no stack")
        }
      }
      for (const error of [new Error("Out of stock"), "a text", undefined, hostile]) captureException(error)
      yield* Effect.promise(close)
      const titles = (yield* issuesOf("plain")).map(({ title }) => title)
      assert.include(titles, "Error: Out of stock")
      assert.include(titles, "Error: a text")
    })
  )
})

const throwing = (name: string): object =>
  Object.defineProperty({}, name, {
    enumerable: true,
    get: () => {
      throw new Error(`no ${name}`)
    }
  })

const refusing = (): object =>
  new Proxy(new Error("behind a proxy"), {
    get: () => {
      throw new Error("no get")
    },
    getPrototypeOf: () => {
      throw new Error("no prototype")
    },
    has: () => {
      throw new Error("no has")
    },
    ownKeys: () => {
      throw new Error("no keys")
    }
  })

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** Errors that fail, never end, or fill the memory when they are read. */
const hostile = (): Readonly<Record<string, unknown>> => {
  const loop: Error & { cause?: unknown } = new Error("first of a loop")
  loop.cause = new Error("second of a loop", { cause: loop })
  let chain: unknown = "the end"
  for (let index = 0; index < 20_000; index++) chain = new Error(`link ${index}`, { cause: chain })
  const endless: object = new Proxy({}, { get: (_, name) => (name === "cause" ? { ...endless } : undefined) })
  return {
    "a getter of the stack": throwing("stack"),
    "a getter of the message": throwing("message"),
    "a getter of the cause": throwing("cause"),
    "a getter of the status": throwing("status"),
    "a text that throws": {
      toString: () => {
        throw new Error("no text")
      }
    },
    "a proxy that refuses all": refusing(),
    "a revoked proxy": revoked(),
    "an object without a prototype": Object.create(null),
    "a symbol": Symbol("an error"),
    "a message of 64 MiB": new Error("m".repeat(64 * 1024 * 1024)),
    "a stack of a million lines": Object.assign(new Error("deep"), {
      stack: "    at f (/app/x.js:1:1)\n".repeat(1_000_000)
    }),
    "a line that a pattern goes over again and again": Object.assign(new Error("slow"), {
      stack: `    at ${" (".repeat(200_000)}${":1".repeat(200_000)}`
    }),
    "causes in a loop": loop,
    "20,000 causes": chain,
    "causes without an end": endless
  }
}

const detailed = (): ReadonlyArray<Readonly<Record<string, unknown>>> => {
  const own: Record<string, unknown> = { own: 1 }
  own["self"] = own
  return [
    own,
    Object.fromEntries(Array.from({ length: 1_000_000 }, (_, index) => [`field${index}`, index])),
    { list: Array.from({ length: 1_000_000 }, () => "item") },
    { throws: throwing("field"), proxy: refusing(), revoked: revoked(), late: 10n, at: new Date(0) },
    { toJSON: () => ({ toJSON: () => "twice" }) },
    { json: throwing("toJSON"), text: "\ud800", bytes: new Uint8Array(1_000_000) }
  ]
}

describe("ErrorReports.capture", () => {
  const collecting = () => {
    const list: Array<Parameters<ErrorIntake["Service"]["submit"]>[0]> = []
    const reports = ErrorReports.layerReporting.pipe(
      Layer.provideMerge(ErrorReports.layerSystem({ release: "till@4.2.0" })),
      Layer.provide(
        Layer.succeed(ErrorIntake, {
          project: () => Effect.succeed(undefined),
          read: () => Effect.undefined,
          submit: (submission) => Effect.sync(() => void list.push(submission)),
          isShedding: () => false,
          noteRefused: () => undefined
        })
      )
    )
    return { list, reports }
  }

  for (const [name, error] of Object.entries(hostile())) {
    it.live(`never throws and reports within bounds: ${name}`, () =>
      Effect.gen(function* () {
        const { list, reports } = collecting()
        yield* Effect.gen(function* () {
          const { capture } = yield* ErrorReports.ErrorReports
          capture(error)
          yield* Effect.exit(Effect.withErrorReporting(Effect.fail(error)))
          yield* Effect.exit(Effect.withErrorReporting(Effect.die({ error })))
        }).pipe(Effect.provide(reports), Effect.scoped)
        assert.isNotEmpty(list)
        for (const { events } of list) {
          assert.lengthOf(events, 1)
          assert.isAtMost(zstdDecompressSync(events[0]?.data ?? new Uint8Array()).byteLength, 512 * 1024)
        }
      })
    )
  }

  it.live("never throws for details that cannot be read, and reports the error without them", () =>
    Effect.gen(function* () {
      const { list, reports } = collecting()
      const details = detailed()
      yield* Effect.gen(function* () {
        const { capture } = yield* ErrorReports.ErrorReports
        for (const extra of details) {
          capture(new Error("Out of stock"), { extra })
          yield* Effect.logError("The shelf is empty", extra)
        }
        const unreadable: object = refusing()
        capture(new Error("Lost with its details"), unreadable)
        // The loggers that print would print a million fields.
      }).pipe(Effect.provide(reports), Effect.scoped, Effect.provide(Logger.layer([])))
      assert.lengthOf(list, 2 * details.length)
      const texts = list.map(({ events }) =>
        zstdDecompressSync(events[0]?.data ?? new Uint8Array()).toString("utf8")
      )
      for (const text of texts) assert.isAtMost(text.length, 512 * 1024)
      assert.include(texts[0] ?? "", '"self":"[repeated]"')
      assert.include(texts[6] ?? "", '"at":"1970-01-01T00:00:00.000Z"')
      assert.include(texts[6] ?? "", '"late":"10"')
    })
  )

  it.live("a long message hides no frame", () =>
    Effect.gen(function* () {
      const { list, reports } = collecting()
      yield* Effect.gen(function* () {
        const { capture } = yield* ErrorReports.ErrorReports
        capture(new RangeError("long ".repeat(100_000)))
      }).pipe(Effect.provide(reports), Effect.scoped)
      assert.match(list[0]?.events[0]?.culprit ?? "", /ErrorReports\.test\.ts/)
    })
  )
})

describe("ErrorReports of the installation", () => {
  it.live("works while Postgres is stopped, and stores each error once afterwards", () =>
    Effect.gen(function* () {
      const database = yield* DatabaseOutage.shutDown
      const options = TestDatabase.optionsOf(database.server.url)
      yield* Migrations.run([CoreDomain.migrations, ObservabilityDomain.domain.migrations], "public").pipe(
        Effect.provide(Database.layerDirect(options))
      )
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "hm-reports-"))),
        (made) => Effect.sync(() => Fs.rmSync(made, { recursive: true, force: true }))
      )
      const system = ErrorReports.layerReporting.pipe(
        Layer.provideMerge(ErrorReports.layerSystem({ release: "hypermarket@0.0.0" })),
        Layer.provide(ErrorIntake.layer),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ HM_OBSERVABILITY_SPOOL: folder }))),
        Layer.provideMerge(Database.layer(options, "hm-test"))
      )
      const context = yield* Layer.build(system.pipe(Layer.orDie))
      yield* database.leave
      yield* Effect.exit(Effect.withErrorReporting(Effect.die(new Error("Sealing failed")))).pipe(
        Effect.provide(context)
      )
      yield* Effect.sync(() => Fs.readdirSync(folder).filter((name) => name.endsWith(".spool")).length).pipe(
        Effect.repeat({ until: (files) => files > 0, schedule: Schedule.spaced("50 millis") })
      )
      yield* database.comeBack
      const titles = yield* titlesOf("_system").pipe(
        Effect.provide(context),
        Effect.orElseSucceed(() => []),
        Effect.repeat({ until: (found) => found.length > 0, schedule: Schedule.spaced("100 millis") })
      )
      assert.deepStrictEqual(titles, ["Error: Sealing failed (1)"])
    }).pipe(Effect.scoped)
  )

  it.live("an intake that fails and logs its failures is not reported: no loop", () =>
    Effect.gen(function* () {
      let submitted = 0
      const failing = Layer.succeed(ErrorIntake, {
        project: () => Effect.succeed(undefined),
        read: () => Effect.undefined,
        submit: () =>
          Effect.sync(() => {
            submitted++
          }).pipe(
            Effect.andThen(Effect.logError("The intake has failed", Cause.die(new Error("disk")))),
            Effect.andThen(Effect.withErrorReporting(new IntakeRefused({ reason: "spool-full" })))
          ),
        isShedding: () => false,
        noteRefused: () => undefined
      })
      const scope = yield* Scope.make()
      // The sender runs under the reporters that it serves.
      let capture: ErrorReports.ErrorReports["Service"]["capture"] = () => undefined
      const forwarding = ErrorReports.ErrorReports.of({
        capture: (error, details) => capture(error, details)
      })
      const context = yield* Layer.buildWithScope(
        ErrorReports.layerReporting.pipe(Layer.provide(Layer.succeed(ErrorReports.ErrorReports, forwarding))),
        scope
      )
      const reports = yield* Layer.buildWithScope(
        ErrorReports.layerSystem({}).pipe(Layer.provide(failing)),
        scope
      ).pipe(Effect.provide(context))
      capture = Context.get(reports, ErrorReports.ErrorReports).capture
      yield* Effect.logError("One error").pipe(Effect.provide(context))
      yield* Effect.sync(() => submitted).pipe(
        Effect.repeat({ until: (count) => count > 0, schedule: Schedule.spaced("10 millis") })
      )
      yield* Scope.close(scope, Exit.void)
      // One event, at most as often as it is tried.
      assert.isAtMost(submitted, 3)
    })
  )
})
