import { assert, describe, it, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import * as DatabaseOutage from "@hypermarket/testing/DatabaseOutage"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Deferred, Effect, Fiber, Layer, Metric, Schedule } from "effect"
import type { SqlClient } from "effect/sql"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import {
  capture,
  envelopeOf,
  eventOf,
  issuesOf,
  layerServerOn,
  newEventId,
  newTenant,
  post,
  projectOf,
  readiness
} from "./errorServer.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => {
    const made = Fs.mkdtempSync(Path.join(Os.tmpdir(), "hm-spool-"))
    Fs.chmodSync(made, 0o700)
    return made
  }),
  (made) => Effect.sync(() => Fs.rmSync(made, { recursive: true, force: true }))
)

/** The reasons for which the metric says that intake fails. */
const failing = Effect.map(Metric.snapshot, (metrics) =>
  metrics.flatMap(({ attributes, id, state }) =>
    id === "hm_observability_intake_failing" && "value" in state && state.value === 1
      ? [attributes?.["reason"] ?? ""]
      : []
  )
)

/** Intake of one process: two that set the metric of one registry would each undo what the other has set. */
const intakeOf = <A, E>(database: Layer.Layer<A | SqlClient.SqlClient, E>, spool: string) =>
  layerServerOn(database, { spool }).pipe(Layer.provideMerge(Layer.succeed(Metric.MetricRegistry, new Map())))

const waitFor = <A, E, R>(self: Effect.Effect<A, E, R>, holds: (value: A) => boolean) =>
  Effect.repeat(self, { until: holds, schedule: Schedule.spaced("100 millis") })

describe("Disk full, spool full, a dead writer", () => {
  it.live("readiness fails and a metric shows it while the spool is full or cannot be written", () =>
    Effect.gen(function* () {
      const database = yield* DatabaseOutage.shutDown
      const options = TestDatabase.optionsOf(database.server.url)
      yield* Migrations.run([CoreDomain.migrations, ObservabilityDomain.domain.migrations], "public").pipe(
        Effect.provide(Database.layerDirect(options))
      )
      const connected = Database.layer(options, "hm-test").pipe(Layer.orDie)
      const gone = yield* folder
      const full = yield* folder
      // A file of another process, which is alive for a day. It has no bytes on disk.
      const owner = "00000000-0000-4000-8000-000000000000"
      const file = Path.join(full, `000000000000001_${owner}_000000.spool`)
      Fs.writeFileSync(file, "")
      Fs.truncateSync(file, 256 * 1024 * 1024)
      Fs.writeFileSync(Path.join(full, `${owner}.alive`), "")
      const tomorrow = new Date(yield* Now.now)
      tomorrow.setUTCDate(tomorrow.getUTCDate() + 1)
      Fs.utimesSync(Path.join(full, `${owner}.alive`), tomorrow, tomorrow)
      const servers = [
        {
          reason: "spool-broken",
          text: "the spool of errors cannot be written",
          context: yield* Layer.build(intakeOf(connected, gone))
        },
        {
          reason: "spool-full",
          text: "the spool of errors is full",
          context: yield* Layer.build(intakeOf(connected, full))
        }
      ]
      const [first = servers[0]] = servers
      if (first === undefined) return
      const project = yield* projectOf("acme").pipe(Effect.provide(first.context))
      const send = Effect.suspend(() =>
        post(project, envelopeOf({ event_id: newEventId() }, [{ type: "event" }, eventOf({})]), {
          tenant: "acme"
        })
      )
      for (const { context } of servers) {
        yield* waitFor(send, ({ status }) => status === 200).pipe(Effect.provide(context))
        assert.match(yield* readiness.pipe(Effect.provide(context)), /^200/)
      }
      Fs.rmSync(gone, { recursive: true, force: true })
      yield* database.leave
      for (const { context, reason, text } of servers) {
        yield* Effect.gen(function* () {
          yield* waitFor(send, ({ status }) => status === 429)
          assert.include(yield* readiness, text)
          yield* waitFor(failing, (reasons) => reasons.includes(reason))
        }).pipe(Effect.provide(context))
      }
      yield* database.comeBack
      for (const { context } of servers) {
        yield* waitFor(send, ({ status }) => status === 200).pipe(Effect.provide(context))
        yield* waitFor(readiness, (answer) => answer.startsWith("200")).pipe(Effect.provide(context))
        yield* waitFor(failing, (reasons) => reasons.length === 0).pipe(Effect.provide(context))
      }
    }).pipe(Effect.scoped)
  )
})

const gate = Deferred.makeUnsafe<void>()
let isHanging = false
let isReached = false

/** Publishes nothing, and hangs when it should. */
const layerHanging = Layer.effectContext(
  Effect.sync(() =>
    Context.make(Outbox.Outbox, {
      publish: () =>
        Effect.suspend(() => {
          if (!isHanging) return Effect.void
          isReached = true
          return Effect.uninterruptible(Deferred.await(gate))
        })
    })
  )
)

const layerServer = layerServerOn(
  TestDatabase.layer(CoreDomain.migrations, ObservabilityDomain.domain.migrations),
  { contracts: layerHanging }
)

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("A dead writer", (it) => {
  it.effect("fails readiness and shows in a metric, and what the other writer takes is stored", () =>
    Effect.gen(function* () {
      const clock = yield* Now.TestNow
      const tenant = newTenant("hanging")
      const project = yield* projectOf(tenant)
      const other = newTenant("other")
      const otherProject = yield* projectOf(other)
      assert.match(yield* readiness, /^200/)
      isHanging = true
      const stuck = yield* Effect.forkChild(capture(tenant, project, eventOf({})))
      yield* waitFor(
        Effect.sync(() => isReached),
        (reached) => reached
      )
      isHanging = false
      yield* clock.adjust("2 minutes")
      yield* waitFor(readiness, (answer) => answer.startsWith("503"))
      assert.include(yield* readiness, "a writer of errors has ended or hangs")
      yield* waitFor(failing, (reasons) => reasons.includes("writer-dead"))
      yield* capture(other, otherProject, eventOf({}))
      assert.lengthOf(yield* issuesOf(other), 1)
      yield* Deferred.succeed(gate, undefined)
      yield* waitFor(readiness, (answer) => answer.startsWith("200"))
      yield* Fiber.join(stuck)
    })
  )
})
