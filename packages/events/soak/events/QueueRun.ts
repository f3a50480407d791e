/**
 * Parts that the runs of the event queue share: a cluster, a crew, a client that outlives the server, incidents, waiting for the
 * jobs.
 */
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as Cluster from "@hypermarket/soak/Cluster"
import * as Crew from "@hypermarket/soak/Crew"
import * as Run from "@hypermarket/soak/Run"
import { stallMillis } from "@hypermarket/soak/Settings"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Path from "node:path"
import * as Ledger from "./Ledger.ts"
import type { Incident } from "./Plan.ts"
import { batchMax, claimConcurrency, environment, type Mode } from "./settings.ts"

/** Asynchronous commits reach the disk within three times wal_writer_delay (200 ms). */
const asyncCommitMillis = 600
/** A run that gets no further for this long has lost a wake or a job. */
const stuckMillis = 30_000

/** Everything that a publisher needs. It survives the server. */
const clientLayer = (url: string) => {
  const options = TestDatabase.optionsOf(url)
  return EventsDomain.layer.pipe(
    Layer.provideMerge(Wakeup.layerSend),
    Layer.provideMerge(Database.layer(options, "hm-soak"))
  )
}

export const setUp = Effect.fn("QueueRun.setUp")(function* (mode: Mode, workers: number) {
  const cluster = yield* Cluster.make()
  const options = TestDatabase.optionsOf(cluster.url)
  const client = yield* Layer.build(clientLayer(cluster.url))
  yield* Migrations.run([CoreDomain.migrations, EventsDomain.domain.migrations], "public").pipe(
    Effect.provide(Database.layerDirect(options))
  )
  yield* Ledger.create.pipe(Effect.provideContext(client))
  const marks = yield* Cluster.temporaryFolder("soak-marks")
  const crew = yield* Crew.make({
    workers,
    url: cluster.url,
    script: Path.join(import.meta.dirname, "worker.ts"),
    env: { [environment.mode]: mode, [environment.marks]: marks }
  })
  return { cluster, crew, client, marks }
})

const capacity = claimConcurrency * batchMax

/** Makes an incident happen, and returns what it may repeat. */
export const happen = Effect.fnUntraced(function* (
  incident: Incident,
  cluster: Cluster.Cluster,
  crew: Crew.Crew,
  workers: number
) {
  yield* Effect.sleep(incident.afterMillis)
  const atMillis = yield* Clock.currentTimeMillis
  switch (incident._tag) {
    case "KillWorker":
      // Its death is noted by the crew.
      yield* crew.kill(incident.worker)
      return []
    case "FreezeWorker": {
      yield* crew.freeze(incident.worker, stallMillis)
      return [{ atMillis, lastedMillis: stallMillis, repeatsMax: capacity }]
    }
    case "KillPostgres": {
      yield* cluster.killAndStart
      const lastedMillis = (yield* Clock.currentTimeMillis) - atMillis
      const unsettled = yield* Run.persist(Ledger.effectsSince(atMillis - asyncCommitMillis, atMillis))
      return [
        { atMillis: atMillis - asyncCommitMillis, lastedMillis, repeatsMax: workers * capacity + unsettled }
      ]
    }
  }
})

export const causesOfDeaths = (crew: Crew.Crew): ReadonlyArray<Ledger.Cause> =>
  crew.deaths.map((atMillis) => ({ atMillis, lastedMillis: 0, repeatsMax: capacity }))

/** Waits until the jobs of a run of events have ended. */
export const untilJobsDone = Run.untilDone({ look: Ledger.standing, stuckMillis })
