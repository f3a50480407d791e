/**
 * `hypermarket quickstart`: the whole installation on this machine, with a separate Postgres, and a first real call.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Server from "@hypermarket/api/Server"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { AllTenants } from "@hypermarket/core/Tenant"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as Startup from "@hypermarket/installation/Startup"
import type { ApiKeyId } from "@hypermarket/platform/ApiKey"
import { ConsoleSessions } from "@hypermarket/platform/ConsoleSessions"
import * as KeyCredentials from "@hypermarket/platform/KeyCredentials"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as Clock from "effect/Clock"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpServer from "effect/http/HttpServer"
import { ServeError } from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as References from "effect/References"
import * as SqlClient from "effect/sql/SqlClient"
import { failed, fromKnown } from "../CommandFailed.ts"
import * as ConsoleLink from "../ConsoleLink.ts"
import * as Output from "../Output.ts"
import * as ConsoleBuild from "../quickstart/ConsoleBuild.ts"
import * as CustomerOrders from "../quickstart/CustomerOrders.ts"
import * as Demo from "../quickstart/Demo.ts"
import * as MailCatcher from "../quickstart/MailCatcher.ts"
import * as Journal from "../quickstart/Journal.ts"
import type { Installation } from "../quickstart/Part.ts"
import { parts } from "../quickstart/parts.ts"
import * as PlantedSignals from "../quickstart/PlantedSignals.ts"
import * as Progress from "../quickstart/Progress.ts"
import * as Replay from "../quickstart/Replay.ts"
import * as Roles from "../quickstart/Roles.ts"
import * as Screen from "../quickstart/Screen.ts"
import * as SecretsKeys from "../quickstart/SecretsKeys.ts"
import * as Summary from "../quickstart/Summary.ts"
import * as Try from "../quickstart/Try.ts"
import * as WebhookReceiver from "../quickstart/WebhookReceiver.ts"
import * as WorkerProcess from "../quickstart/WorkerProcess.ts"
import * as Superstore from "../superstore/Superstore.ts"

const host = "127.0.0.1"
const portDefault = 8_080
const dataDirectoryDefault = ".hypermarket"
/** A seed is part of names that have 200 characters at most. */
const seedMax = 1_000_000_000
const databaseName = "hypermarket"

const databaseUrl = (serverUrl: string): string => {
  const url = new URL(serverUrl)
  url.pathname = `/${databaseName}`
  return url.toString()
}

const ensureDatabase = Effect.fnUntraced(function* (serverUrl: string) {
  const sql = yield* SqlClient.SqlClient
  const found = yield* sql`
    SELECT 1
      FROM pg_database
     WHERE datname = ${databaseName}
  `
  if (found.length === 0) yield* sql`CREATE DATABASE ${sql(databaseName)}`
  return yield* Roles.ensure(databaseUrl(serverUrl))
})

/** Builds a listening service and tells its port; the default port gives way to a free one when it is taken. */
const listening = Effect.fnUntraced(function* <E, R>(
  make: (listen: {
    readonly host: string
    readonly port: number
  }) => Layer.Layer<HttpServer.HttpServer, E | ServeError, R>,
  port: Option.Option<number>
) {
  const at = (port: number) =>
    Effect.map(Layer.build(make({ host, port })), (context) => {
      const { address } = Context.get(context, HttpServer.HttpServer)
      return "port" in address ? address.port : port
    })
  return yield* Option.isSome(port)
    ? at(port.value)
    : Effect.catchIf(
        at(portDefault),
        (error) => error instanceof ServeError,
        () => at(0)
      )
})

interface Running extends Installation {
  readonly apiKeyId: ApiKeyId
  readonly workerUrl: string
  readonly dataDirectory: string
  /** The file with the replayed visits. */
  readonly journalFile: string
}

const start = Effect.fn("quickstart.start")(function* (
  dataDirectory: string,
  port: Option.Option<number>,
  given: Pick<Installation, "receiver" | "seed">
) {
  const path = yield* Path.Path
  const progress = yield* Progress.Progress
  yield* progress.step("Starting Postgres")
  const server = yield* EmbeddedPostgres.start({ directory: path.join(dataDirectory, "postgres") })
  const urls = yield* ensureDatabase(server.url).pipe(
    Effect.provide(
      Database.layer(
        { ...(yield* databaseOptions({ api: server.url, owner: server.url })), poolMax: 1 },
        "hypermarket-quickstart"
      )
    )
  )
  const options = yield* databaseOptions(urls)
  yield* progress.step("Migrating")
  const database = yield* Layer.build(Startup.layerDatabase(options, "hypermarket-quickstart"))
  yield* Migrations.run([CustomerOrders.domain.migrations], options.schema).pipe(
    Effect.provide(Database.layerOwner(options, "hypermarket-migrate"))
  )
  yield* Startup.grant(options, Roles.names)
  yield* progress.step("Starting API and worker")
  const api = yield* listening(
    (listen) =>
      Server.layer(listen).pipe(
        Layer.provide(Wakeup.layer(Database.listen(options))),
        Layer.provide(Layer.succeedContext(database))
      ),
    port
  )
  const worker = yield* WorkerProcess.start(urls)
  const ensure = (account: typeof Demo.demo) =>
    Demo.ensure(path.join(dataDirectory, account.file), account).pipe(
      Effect.provide(Layer.mergeAll(PlatformDomain.layer, KeyCredentials.layer)),
      Effect.provideService(AllTenants, { actor: "quickstart" }),
      Effect.provideContext(database)
    )
  const demo = yield* ensure(Demo.demo)
  const running: Running = {
    apiUrl: `http://${host}:${api}`,
    workerUrl: `http://${host}:${worker}`,
    databaseUrl: urls.api,
    dataDirectory: server.dataDirectory,
    journalFile: path.join(dataDirectory, "replay.ndjson"),
    receiver: given.receiver,
    seed: given.seed,
    importer: yield* ensure(Demo.importer),
    ...demo
  }
  return { running, database, roles: urls }
})

const databaseOptions = ({ api, owner }: Pick<Roles.Urls, "api" | "owner">) =>
  Effect.gen(function* () {
    const environment = yield* ConfigProvider.ConfigProvider
    return yield* Database.options.parse(
      ConfigProvider.orElse(
        ConfigProvider.fromUnknown({
          DATABASE_URL: api,
          DATABASE_DIRECT_URL: api,
          DATABASE_OWNER_URL: owner
        }),
        environment
      )
    )
  })

/** Quiet by default: what the processes log is for operators; the quickstart's own output is for people. */
const quietly = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const environment = yield* ConfigProvider.ConfigProvider
    const isLevelSet = Option.isSome(yield* Config.option(Config.String("HM_LOG_LEVEL")))
    const defaults = ConfigProvider.fromUnknown({ HM_API_ACCESS_LOG: "false" })
    const quiet = Effect.provideService(
      self,
      ConfigProvider.ConfigProvider,
      ConfigProvider.orElse(environment, defaults)
    )
    return yield* isLevelSet ? quiet : Effect.provideService(quiet, References.MinimumLogLevel, "Warn")
  })

/** The sample shop through the API, and what each domain shows of it. */
const replay = Effect.fn("quickstart.replay")(function* (running: Running, orders: Option.Option<number>) {
  const progress = yield* Progress.Progress
  yield* progress.step("Reading the sample shop; the whole takes one to two minutes on two cores")
  const whole = yield* Superstore.read
  const shop = Option.match(orders, {
    onNone: () => whole,
    onSome: (count) => Superstore.take(whole, count)
  })
  yield* Replay.catalogue(running, shop)
  for (const { before } of parts) if (before !== undefined) yield* before(running, shop)
  const journal = yield* Journal.open(running.journalFile)
  const replayed = yield* Replay.history(running, shop, journal)
  const results: Array<Screen.Result> = []
  for (const part of parts) {
    yield* progress.step(part.title)
    results.push({ part, shown: yield* part.run(running, replayed) })
  }
  return results
})

/** It names keys of the installation. */
const reportMode = 0o600

const writeReport = Effect.fnUntraced(function* (directory: string, text: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* fs
    .writeFileString(path.join(directory, "report.txt"), text, { mode: reportMode })
    .pipe(Effect.mapError((error) => failed(`Cannot write the report: ${error.message}`)))
})

const run = Effect.fn("quickstart")(function* (options: {
  readonly dataDirectory: string
  readonly port: Option.Option<number>
  readonly json: boolean
  readonly exit: boolean
  readonly orders: Option.Option<number>
  readonly secretsFile: string | undefined
  readonly mailFolder: string | undefined
  readonly receiver: WebhookReceiver.WebhookReceiver
  readonly seed: number
}) {
  const progress = yield* Progress.Progress
  const shutdown = yield* Shutdown
  const before = yield* Clock.currentTimeMillis
  // A document is kept in logs and pipes, and after --exit there is no console to open.
  const opensConsole = !options.json && !options.exit
  if (opensConsole) yield* ConsoleBuild.start(ConsoleBuild.folderDefault)
  const { database, roles, running } = yield* start(options.dataDirectory, options.port, options)
  const results = yield* replay(running, options.orders).pipe(Effect.provideContext(database))
  const tables = yield* Summary.tables.pipe(Effect.provideContext(database))
  const millis = (yield* Clock.currentTimeMillis) - before
  const consoleLink = !opensConsole
    ? undefined
    : yield* ConsoleLink.make(running.apiUrl, running.tenantId, running.apiKeyId).pipe(
        Effect.provide(ConsoleSessions.layer),
        Effect.provideContext(database)
      )
  const facts: Screen.Facts = {
    installation: running,
    results,
    tables,
    consoleLink,
    commands: yield* Try.write(options.dataDirectory, running),
    secretsFile: options.secretsFile,
    mailFolder: options.mailFolder,
    roles,
    millis
  }
  yield* writeReport(options.dataDirectory, Screen.report(facts))
  yield* progress.done
  yield* options.json
    ? Output.json({
        apiUrl: running.apiUrl,
        databaseUrl: running.databaseUrl,
        tenantId: running.tenantId,
        apiKey: running.apiKey,
        durationMillis: millis,
        tables,
        domains: Object.fromEntries(results.map(({ part, shown }) => [part.domain, shown.figures]))
      })
    : Console.log(Screen.text(facts))
  if (options.exit) return yield* shutdown.begin
  if (!options.json) {
    const path = yield* Path.Path
    const shown = path.join(yield* Try.shownFolder(options.dataDirectory), "report.txt")
    yield* Console.log(
      `\nCtrl-C stops everything; the data stays for next time. All figures and commands: ${shown}`
    )
  }
  return yield* Effect.onInterrupt(Effect.never, () => shutdown.begin)
})

export const command = Command.make(
  "quickstart",
  {
    orders: Flag.Int("orders").pipe(
      Flag.withDescription("Replay only so many of the sample's 5,009 orders, the earliest first"),
      Flag.filter(
        (orders) => orders >= 1,
        () => "Expected at least 1"
      ),
      Flag.optional
    ),
    seed: Flag.Int("seed").pipe(
      Flag.withDescription(
        `Seed of the simulated payments and attacks; by default ${PlantedSignals.seedDefault}`
      ),
      Flag.filter(
        (seed) => seed >= 0 && seed <= seedMax,
        () => `Expected 0 to ${seedMax}`
      ),
      Flag.withDefault(PlantedSignals.seedDefault)
    ),
    exit: Flag.Boolean("exit").pipe(
      Flag.withDescription("Stop after printing, instead of running until Ctrl-C"),
      Flag.withDefault(false)
    ),
    json: Output.jsonFlag,
    dataDirectory: Flag.String("data-dir").pipe(
      Flag.withDescription(`Where data and the demo key are kept; by default ${dataDirectoryDefault}`),
      Flag.withDefault(dataDirectoryDefault)
    ),
    port: Flag.Int("port").pipe(
      Flag.withDescription(`The API's port; by default ${portDefault}, or a free one when it is taken`),
      Flag.filter(
        (port) => port >= 0 && port <= 65_535,
        (port) => `${port} is not a port`
      ),
      Flag.optional
    )
  },
  Effect.fn(
    function* (options) {
      const withKeys = SecretsKeys.provide(options.dataDirectory)
      const withMail = MailCatcher.provide(
        options.dataDirectory,
        Option.getOrElse(options.port, () => portDefault)
      )
      return yield* WebhookReceiver.provide((receiver) =>
        withMail((mailFolder) =>
          withKeys((secretsFile) => run({ ...options, secretsFile, mailFolder, receiver }))
        )
      ).pipe(quietly)
    },
    Effect.scoped,
    Effect.provide([Progress.layer, NodeHttpClient.layerUndici]),
    Effect.mapError((error) =>
      error._tag === "HttpClientError" || error._tag === "SchemaError"
        ? failed(error.message)
        : fromKnown(error)
    )
  )
).pipe(
  Command.withDescription(
    "Run API, worker and a separate Postgres on this machine, make a demo tenant and key, and a first call"
  )
)
