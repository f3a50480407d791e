/**
 * The worker as a layer: the domains' background work, and the operators' routes on a separate port.
 */
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Database from "@hypermarket/core/Database"
import type * as Domain from "@hypermarket/core/Domain"
import * as Main from "@hypermarket/core/Main"
import * as Setting from "@hypermarket/core/Setting"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventWorker from "@hypermarket/events/EventWorker"
import { domains } from "@hypermarket/installation/domains"
import * as Listener from "@hypermarket/installation/Listener"
import * as Operations from "@hypermarket/installation/Operations"
import * as Startup from "@hypermarket/installation/Startup"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Os from "node:os"

const port = Setting.make({
  name: "HM_WORKER_PORT",
  doc: "The port of the worker's /health/* and /metrics.",
  read: (name) => Config.Port(name),
  defaultValue: 8_081
})

const host = Setting.make({
  name: "HM_WORKER_HOST",
  doc: "The address the worker listens on; 0.0.0.0 in a container.",
  read: (name) => Config.String(name),
  defaultValue: "127.0.0.1"
})

const lease = Setting.make({
  name: "HM_WORKER_LEASE",
  doc: "How long a claimed batch is kept from others without a sign of life: a worker that was killed holds its jobs up so long. Shorter than a handler blocks the event loop, it runs jobs twice.",
  read: (name) => Config.Duration(name),
  defaultValue: Duration.seconds(30),
  defaultText: "30 seconds"
})

/** The lowest priority that Linux has. */
const niceMax = 19

const nice = Setting.make({
  name: "HM_WORKER_NICE",
  doc: "How far the worker stands back behind other processes of its session or container when cores are short, from 0 to 19, as of nice(1).",
  read: (name) => Config.schema(BoundedInt.fromText({ minimum: 0, maximum: niceMax }), name),
  defaultValue: 5
})

export const settings: ReadonlyArray<Setting.Any> = [port, host, lease, nice]

/**
 * Lowers the priority of this process: requests are answered before background work when cores are short. Keeps a lower one that
 * it was started with. A system that refuses changes nothing else.
 */
export const standBack = Effect.flatMap(nice.config, (wanted) =>
  Effect.sync(() => {
    if (Os.getPriority() < wanted) Os.setPriority(wanted)
  }).pipe(Effect.catchCause((cause) => Effect.logWarning("The priority of the worker stays as it is", cause)))
)

/** Where the worker listens. */
export const options = Config.all({ port: port.config, host: host.config })

/** The domains' subscriptions, jobs and handlers. */
const layerWork = (
  database: Database.Options,
  run: ReadonlyArray<Domain.Any>,
  leaseDuration: Duration.Duration
) =>
  Layer.effectDiscard(EventWorker.run({ domains: run, queue: { lease: leaseDuration } })).pipe(
    Layer.provide(Startup.layerDdl(database)),
    Layer.provide([Wakeup.layer(Database.listen(database)), ClaimClient.layer(database)])
  )

/** The whole worker, for the domains given. Requires the database. */
export const layer = (
  listen: { readonly port: number; readonly host: string },
  database: Database.Options,
  run: ReadonlyArray<Domain.Any>,
  leaseDuration: Duration.Duration
) =>
  Layer.merge(
    layerWork(database, run, leaseDuration),
    // Probes and scrapes are not worth a line each.
    ApiServer.layer(Operations.layer).pipe(Layer.provide(AccessLog.layerDiscard))
  ).pipe(Layer.provideMerge(Listener.layer(listen)))

/** The process: settings and database from the environment. */
export const service = Layer.unwrap(
  Effect.gen(function* () {
    yield* Main.boundYoungGeneration
    yield* standBack
    const listen = yield* options
    // A worker's statements are long and write: each has its connection.
    const database = { ...(yield* Database.options), multiplex: false }
    return Startup.layerAnnounced("worker", listen, database).pipe(
      Layer.provideMerge(layer(listen, database, domains, yield* lease.config)),
      Layer.provide(Startup.layerErrorReports("worker")),
      Layer.provide(Wakeup.layerSend),
      Layer.provide(Startup.layerFaults(database)),
      Layer.provide(Startup.layerDatabase(database, "hypermarket-worker"))
    )
  })
)
