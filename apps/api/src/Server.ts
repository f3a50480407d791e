/**
 * The API as a layer: the composed groups, the operators' routes and the docs, on one listening server.
 */
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as RequestChain from "@hypermarket/core/RequestChain"
import * as ClientAddress from "@hypermarket/core/ClientAddress"
import * as Cors from "@hypermarket/core/Cors"
import * as Database from "@hypermarket/core/Database"
import * as DatabaseSchema from "@hypermarket/core/DatabaseSchema"
import * as Main from "@hypermarket/core/Main"
import * as Problems from "@hypermarket/core/Problems"
import * as Setting from "@hypermarket/core/Setting"
import * as SystemHttp from "@hypermarket/core/SystemHttp"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { domains, layerContracts } from "@hypermarket/installation/domains"
import * as Listener from "@hypermarket/installation/Listener"
import * as Operations from "@hypermarket/installation/Operations"
import * as Startup from "@hypermarket/installation/Startup"
import * as KeyCredentials from "@hypermarket/platform/KeyCredentials"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as RateLimitClient from "@hypermarket/quotas/RateLimitClient"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Console from "./console/Console.ts"
import * as ConsoleSettings from "./console/Settings.ts"
import * as Docs from "./Docs.ts"
import * as Endpoints from "./endpoints.ts"

const port = Setting.make({
  name: "HM_API_PORT",
  doc: "The port of the API.",
  read: (name) => Config.Port(name),
  defaultValue: 8_080
})

const host = Setting.make({
  name: "HM_API_HOST",
  doc: "The address the API listens on; 0.0.0.0 in a container.",
  read: (name) => Config.String(name),
  defaultValue: "127.0.0.1"
})

const accessLog = Setting.make({
  name: "HM_API_ACCESS_LOG",
  doc: "Whether each request leaves a line of JSON on standard error.",
  read: (name) => Config.Boolean(name),
  defaultValue: true
})

export const settings: ReadonlyArray<Setting.Any> = [
  port,
  host,
  accessLog,
  ...ClientAddress.settings,
  ...ConsoleSettings.settings
]

/** Read from the environment where a process has a database, and absent in a server over another's. */
const databaseChecks = Effect.map(Effect.option(Database.options), (options) =>
  Option.match(options, {
    onNone: () => [],
    onSome: (database) => [DatabaseSchema.check(database.schema), Database.sessionCheck(database)]
  })
)

const layerInstallation = Layer.effect(
  SystemHttp.Installation,
  Effect.map(databaseChecks, (checks) => ({
    domains,
    settings: [...Startup.settings, ...Operations.settings, ...settings],
    checks
  }))
)

/** Where the API listens. */
export const options = Config.all({ port: port.config, host: host.config })

const layerAccessLog = Layer.unwrap(
  Effect.map(accessLog.config, (isOn) => (isOn ? AccessLog.layer : AccessLog.layerDiscard))
)

const layerApi = HttpApiBuilder.layer(Endpoints.Api, { openapiPath: "/openapi.json" }).pipe(
  Layer.provide(Endpoints.layer),
  Layer.provide(layerInstallation),
  Layer.merge(Endpoints.layerProtocols),
  Layer.merge(Console.layer.pipe(Layer.provide(PlatformDomain.layer))),
  Layer.provide(layerContracts),
  Layer.provide([RequestChain.layer, Problems.layerInput]),
  Layer.provide([KeyCredentials.layer, ClientAddress.layer])
)

/**
 * Serves the API, and what else is given, on a listening server.
 */
export const layerRoutes = <A, E, R>(further: Layer.Layer<A, E, R>) =>
  ApiServer.layer(
    Layer.mergeAll(layerApi, Cors.layer(Endpoints.Api), Operations.layer, Docs.layer, further)
  ).pipe(
    Layer.provide(layerAccessLog),
    // What no route answers is limited by address too.
    Layer.provide(layerContracts),
    Layer.provide(ClientAddress.layer)
  )

/** The whole API on its port. Requires the database, and a `Wakeup` that listens. */
export const layer = (listen: { readonly port: number; readonly host: string }) =>
  layerRoutes(Layer.empty).pipe(Layer.provideMerge(Listener.layer(listen)))

/** The process: settings and database from the environment. */
export const service = Layer.unwrap(
  Effect.gen(function* () {
    // With 1,000 clients in an outage the space for young objects is what brings the process over its promised memory.
    yield* Main.boundYoungGeneration
    const listen = yield* options
    const database = yield* Database.options
    return Startup.layerAnnounced("api", listen, database).pipe(
      Layer.provideMerge(layer(listen)),
      Layer.provide(Startup.layerErrorReports("api")),
      Layer.provide(Wakeup.layer(Database.listen(database))),
      Layer.provide(Startup.layerFaults(database)),
      // A check of a rate limit does not wait behind slow statements of requests.
      Layer.provide(RateLimitClient.layer(database)),
      Layer.provide(Startup.layerDatabase(database, "hypermarket-api"))
    )
  })
)
