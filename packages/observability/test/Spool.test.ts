import { assert, describe, it } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import * as DatabaseOutage from "@hypermarket/testing/DatabaseOutage"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Exit, Layer, Schedule, Scope } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import {
  envelopeOf,
  eventOf,
  issuesOf,
  layerCredentialsAway,
  layerServerOn,
  newEventId,
  post,
  projectOf
} from "./errorServer.ts"

const folderOf = (mode: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const made = Fs.mkdtempSync(Path.join(Os.tmpdir(), "hm-spool-"))
      Fs.chmodSync(made, mode)
      return made
    }),
    (made) => Effect.sync(() => Fs.rmSync(made, { recursive: true, force: true }))
  )

const spoolFiles = (folder: string) => Fs.readdirSync(folder).filter((name) => name.endsWith(".spool"))

const secret = "Tr0ub4dor-and-3"

/** An event whose header has a secret. */
const envelope = () => {
  const event = eventOf({ event: { request: { headers: { authorization: `Bearer ${secret}` } } } })
  return envelopeOf({ event_id: event["event_id"] ?? newEventId() }, [{ type: "event" }, event])
}

describe("While Postgres is stopped", () => {
  it.live(
    "errors are acknowledged from the spool and stored once, by the process or by another after its end",
    () =>
      Effect.gen(function* () {
        const database = yield* DatabaseOutage.shutDown
        const options = TestDatabase.optionsOf(database.server.url)
        yield* Migrations.run([CoreDomain.migrations, ObservabilityDomain.domain.migrations], "public").pipe(
          Effect.provide(Database.layerDirect(options))
        )
        const folder = yield* folderOf(0o700)
        const connected = Database.layer(options, "hm-test").pipe(Layer.orDie)
        const server = yield* Layer.build(layerServerOn(connected, { spool: folder }))
        const ending = yield* Scope.make()
        const other = yield* Layer.buildWithScope(layerServerOn(connected, { spool: folder }), ending)
        const bare = yield* Layer.build(layerServerOn(connected))
        const unread = yield* Layer.build(layerServerOn(connected, { credentials: layerCredentialsAway }))
        const project = yield* projectOf("acme").pipe(Effect.provide(server))
        const send = post(project, envelope(), { tenant: "acme" })
        const sendNew = Effect.suspend(() => post(project, envelope(), { tenant: "acme" }))
        for (const context of [server, other, bare]) {
          assert.strictEqual((yield* sendNew.pipe(Effect.provide(context))).status, 200)
        }

        yield* database.leave
        for (const context of [server, other]) {
          const answers = yield* Effect.all(
            Array.from({ length: 10 }, () => sendNew),
            { concurrency: 5 }
          ).pipe(Effect.provide(context))
          assert.deepStrictEqual(
            answers.map(({ status }) => status),
            Array.from({ length: 10 }, () => 200)
          )
        }
        // The same event twice, to both processes.
        for (const context of [server, other]) {
          assert.strictEqual((yield* send.pipe(Effect.provide(context))).status, 200)
        }
        for (const context of [bare, unread]) {
          const refused = yield* sendNew.pipe(Effect.provide(context))
          assert.strictEqual(refused.status, 429, refused.text)
          assert.strictEqual(refused.headers["retry-after"], "30")
          assert.match(refused.headers["x-sentry-rate-limits"] ?? "", /^30::project:/)
        }
        for (const name of spoolFiles(folder)) {
          assert.strictEqual(Fs.statSync(`${folder}/${name}`).mode & 0o777, 0o600)
          assert.notInclude(Fs.readFileSync(`${folder}/${name}`, "latin1"), secret)
        }
        yield* Scope.close(ending, Exit.void)
        const left = spoolFiles(folder)
        assert.isAtLeast(left.length, 2)
        // A record that a crash has cut.
        for (const name of left)
          Fs.appendFileSync(`${folder}/${name}`, Buffer.from([200, 0, 0, 0, 1, 2, 3, 4, 123]))

        yield* database.comeBack
        const [issue] = yield* issuesOf("acme").pipe(
          Effect.provide(server),
          Effect.repeat({
            until: ([current]) => current?.eventCount === 24,
            schedule: Schedule.spaced("100 millis").pipe(Schedule.upTo({ duration: "60 seconds" }))
          })
        )
        assert.strictEqual(issue?.eventCount, 24)
        yield* Effect.sync(() => spoolFiles(folder).length).pipe(
          Effect.repeat({
            until: (count) => count === 0,
            schedule: Schedule.spaced("100 millis").pipe(Schedule.upTo({ duration: "60 seconds" }))
          })
        )
        assert.deepStrictEqual(spoolFiles(folder), [])
        assert.strictEqual((yield* sendNew.pipe(Effect.provide(bare))).status, 200)
      }).pipe(Effect.scoped)
  )

  it.live("a folder that others may read is refused at the start", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf(0o755)
      const server = layerServerOn(TestDatabase.layer(CoreDomain.migrations), { spool: folder })
      const exit = yield* Effect.exit(Layer.build(server))
      assert.isTrue(Exit.isFailure(exit))
      assert.include(String(Exit.isFailure(exit) ? exit.cause : ""), "0700")
    }).pipe(Effect.scoped)
  )
})
