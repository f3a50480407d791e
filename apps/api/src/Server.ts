/**
 * The API as a layer: the composed groups, the operators' routes and the docs, on one listening server.
 */
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import * as AnalyticsHttp from "@hypermarket/analytics/AnalyticsHttp"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as Authorization from "@hypermarket/core/Authorization"
import * as Database from "@hypermarket/core/Database"
import * as Main from "@hypermarket/core/Main"
import * as Setting from "@hypermarket/core/Setting"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventsHttp from "@hypermarket/events/EventsHttp"
import * as Operations from "@hypermarket/installation/Operations"
import * as Startup from "@hypermarket/installation/Startup"
import * as KeyCredentials from "@hypermarket/platform/KeyCredentials"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as PlatformHttp from "@hypermarket/platform/PlatformHttp"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import * as SearchHttp from "@hypermarket/search/SearchHttp"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as Layer from "effect/Layer"
import { Api } from "./Api.ts"
import * as Docs from "./Docs.ts"

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

export const settings: ReadonlyArray<Setting.Any> = [port, host, accessLog]

/** Where the API listens. */
export const options = Config.all({ port: port.config, host: host.config })

const layerAccessLog = Layer.unwrap(
  Effect.map(accessLog.config, (isOn) => (isOn ? AccessLog.layer : AccessLog.layerDiscard))
)

const layerDomains = Layer.mergeAll(
  PlatformDomain.layer,
  AnalyticsDomain.layer,
  EventsDomain.layer.pipe(Layer.provide(Wakeup.layerSend)),
  SearchDomain.layer
)

const layerApi = HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(
  Layer.provide([PlatformHttp.layer, EventsHttp.layer, AnalyticsHttp.layer, SearchHttp.layer]),
  Layer.provide(layerDomains),
  Layer.provide([Authorization.layer, HttpApiMiddleware.layerProblemDetails({ includeDetails: true })]),
  Layer.provide(KeyCredentials.layer)
)

/**
 * Serves the API, and what else is given, on a listening server.
 */
export const layerRoutes = <A, E, R>(further: Layer.Layer<A, E, R>) =>
  ApiServer.layer(Layer.mergeAll(layerApi, Operations.layer, Docs.layer, further)).pipe(
    Layer.provide(layerAccessLog)
  )

/** The whole API on its port. Requires the database. */
export const layer = (listen: { readonly port: number; readonly host: string }) =>
  layerRoutes(Layer.empty).pipe(Layer.provideMerge(Operations.layerServer(listen)))

/** The process: settings and database from the environment. */
export const service = Layer.unwrap(
  Effect.gen(function* () {
    // With 1,000 clients in an outage the space for young objects is what brings the process over its promised memory.
    yield* Main.boundYoungGeneration
    const listen = yield* options
    const database = yield* Database.options
    return layer(listen).pipe(Layer.provide(Startup.layerDatabase(database, "hypermarket-api")))
  })
)
