/** The groups and the Sentry routes on a listening server. A key `acme` is a server key, `acme_client_1` one for project 1,
 * `_system` the tenant-less one. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as AccessScope from "@hypermarket/core/AccessScope"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { Credentials } from "@hypermarket/core/Credentials"
import * as Health from "@hypermarket/core/Health"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import * as Problems from "@hypermarket/core/Problems"
import * as RequestChain from "@hypermarket/core/RequestChain"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { provide, system, Tenant, TenantId } from "@hypermarket/core/Tenant"
import type { ErrorProject } from "@hypermarket/observability/ErrorProject"
import { ErrorProjects } from "@hypermarket/observability/ErrorProjects"
import { Issues } from "@hypermarket/observability/Issues"
import { ObservabilityApi } from "@hypermarket/observability/ObservabilityApi"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import * as ObservabilityHttp from "@hypermarket/observability/ObservabilityHttp"
import * as SentryCliProtocol from "@hypermarket/observability/SentryCliProtocol"
import * as SentryProtocol from "@hypermarket/observability/SentryProtocol"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Context, Effect, Layer, Option, Redacted, Schedule, type Schema } from "effect"
import { FetchHttpClient, HttpBody, HttpClient, HttpClientRequest, HttpServer } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import type * as SqlClient from "effect/sql/SqlClient"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import { createServer } from "node:http"

const keyPattern = /^([a-z0-9]+)(?:_client_(\d+))?$/

const layerCredentials = Layer.succeed(Credentials, {
  authenticate: (secret) => {
    const text = Redacted.value(secret)
    if (text === system) {
      return Effect.succeedSome({
        keyId: "key of the installation",
        kind: "server" as const,
        tenantId: Option.none(),
        environment: "live",
        plan: Option.none(),
        resource: Option.none(),
        isTenantActive: true,
        scopes: new Set([AccessScope.systemAdmin])
      })
    }
    const [, tenant, project] = keyPattern.exec(text) ?? []
    if (tenant === undefined || tenant === "unknown") return Effect.succeedNone
    return Effect.succeedSome({
      keyId: `key of ${text}`,
      kind: project === undefined ? ("server" as const) : ("client" as const),
      tenantId: Option.some(TenantId.make(tenant)),
      environment: "live",
      plan: Option.some("standard"),
      resource:
        project === undefined ? Option.none() : Option.some({ kind: "project" as const, id: project }),
      isTenantActive: true,
      scopes: new Set(["observability:write", "events:payload", "customers:contact"])
    })
  }
})

/** The events that were published, of all tenants, when their transaction commits or not. */
export class Published extends Context.Service<
  Published,
  { readonly list: Array<Outbox.Event & { readonly tenantId: string }> }
>()("@hypermarket/observability/test/Published") {}

const layerOutbox = Layer.effectContext(
  Effect.sync(() => {
    const list: Array<Outbox.Event & { readonly tenantId: string }> = []
    return Context.make(Published, { list }).pipe(
      Context.add(Outbox.Outbox, {
        publish: (events) =>
          Effect.map(Tenant, ({ id }) => {
            for (const event of events) list.push({ ...event, tenantId: id })
          })
      })
    )
  })
)

const layerRoutes = HttpApiBuilder.layer(ObservabilityApi).pipe(
  Layer.provide(ObservabilityHttp.layer),
  Layer.merge(SentryProtocol.layer),
  Layer.merge(SentryCliProtocol.layer),
  Layer.merge(Health.layer),
  Layer.provide([RequestChain.layer, Problems.layerInput])
)

const layerDatabase = TestDatabase.layer(CoreDomain.migrations, ObservabilityDomain.domain.migrations)

/**
 * Keeps idle connections as the API does: with Node's 5 seconds the server closes one just as a slow test sends over it.
 */
const layerListening = HttpServer.layerTestClient.pipe(
  Layer.provide(Layer.fresh(FetchHttpClient.layer)),
  Layer.provideMerge(NodeHttpServer.layer(() => createServer({ keepAliveTimeout: 65_000 }), { port: 0 }))
)

/** A server over a database. Its credentials may be those of a process that has read none. */
export const layerServerOn = <A, E>(
  database: Layer.Layer<A | SqlClient.SqlClient, E>,
  options: {
    readonly spool?: string
    readonly credentials?: Layer.Layer<Credentials>
    /** Contracts of core that a test fills over the database. */
    readonly contracts?: Layer.Layer<never, SqlError, SqlClient.SqlClient>
  } = {}
) =>
  ApiServer.layer(layerRoutes).pipe(
    Layer.provide([AccessLog.layerDiscard, Shutdown.layer, options.credentials ?? layerCredentials]),
    Layer.provideMerge(Layer.mergeAll(ObservabilityDomain.layer, ObservabilityDomain.layerIntake)),
    Layer.provide(
      ConfigProvider.layer(ConfigProvider.fromUnknown({ HM_OBSERVABILITY_SPOOL: options.spool ?? "" }))
    ),
    Layer.provideMerge(options.contracts ?? Layer.empty),
    Layer.provideMerge(Layer.mergeAll(database, layerOutbox, Now.layerTest)),
    Layer.provideMerge(layerListening),
    Layer.provideMerge(Layer.effectContext(Effect.sync(() => Context.make(Health.Conditions, new Set()))))
  )

export const layerServer = layerServerOn(layerDatabase)

/** The credentials of a process that cannot read a key. */
export const layerCredentialsAway = Layer.succeed(Credentials, {
  authenticate: () =>
    Effect.fail(
      new SqlError({ reason: new ConnectionError({ cause: undefined, message: "away", operation: "query" }) })
    )
})

/** The answer of the readiness probe. */
export const readiness = Effect.gen(function* () {
  const response = yield* HttpClient.get("/health/ready")
  return `${response.status} ${yield* response.text}`
})

export const baseUrl = Effect.map(HttpServer.HttpServer, ({ address }) =>
  HttpServer.formatAddress(address).replace("0.0.0.0", "127.0.0.1")
)

let tenants = 0

/** A tenant that no other test has, nor another run of the same test in one process. */
export const newTenant = (name: string): string => `${name}${++tenants}`

/** A project of a tenant of the given name. */
export const projectOf = Effect.fnUntraced(function* (tenant: string, slug = "shop") {
  const projects = yield* ErrorProjects
  return yield* projects.create({ slug }).pipe(provide(TenantId.make(tenant)))
})

export interface Sent {
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly route?: "envelope" | "store" | "security"
}

/** Sends bytes or a text to a project's intake, with the key in the query as SDKs do. */
export const post = Effect.fnUntraced(function* (
  project: Pick<ErrorProject, "projectId"> | string,
  body: Uint8Array | string,
  options: Sent & { readonly tenant: string }
) {
  const id = typeof project === "string" ? project : String(project.projectId)
  const key = options.key ?? `${options.tenant}_client_${id}`
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body
  const response = yield* HttpClient.execute(
    HttpClientRequest.post(
      `/sentry/api/${id}/${options.route ?? "envelope"}/?sentry_version=7&sentry_key=${key}`
    ).pipe(
      HttpClientRequest.setBody(HttpBody.uint8Array(bytes, "text/plain")),
      HttpClientRequest.setHeaders(options.headers ?? {})
    )
  )
  return { status: response.status, headers: response.headers, text: yield* response.text }
})

type Json = Readonly<Record<string, Schema.Json>>

let ids = 0

/** A new event id in the form of the SDKs. */
export const newEventId = (): string => (++ids).toString(16).padStart(32, "0")

/** The text of an envelope. */
export const envelopeOf = (header: Json, ...items: ReadonlyArray<readonly [Json, Json | string]>): string =>
  [
    JSON.stringify(header),
    ...items.flatMap(([itemHeader, payload]) => [
      JSON.stringify(itemHeader),
      typeof payload === "string" ? payload : JSON.stringify(payload)
    ])
  ].join("\n")

/** An event with one exception whose stack has the named functions, the crash last. `library...` is not in the application. */
export const eventOf = (options: {
  readonly type?: string
  readonly value?: string
  readonly functions?: ReadonlyArray<string>
  readonly event?: Json
}): Json => ({
  event_id: newEventId(),
  platform: "node",
  level: "error",
  exception: {
    values: [
      {
        type: options.type ?? "TypeError",
        value: options.value ?? "x is undefined",
        stacktrace: {
          frames: (options.functions ?? ["main", "checkout"]).map((name, index) => ({
            function: name,
            filename: "/app/src/checkout.js",
            lineno: 10 + index,
            in_app: !name.startsWith("library")
          }))
        }
      }
    ]
  },
  ...options.event
})

/** Sends one event in an envelope until it is acknowledged: on a busy machine it may be refused, and it counts once. */
export const capture = Effect.fnUntraced(function* (
  tenant: string,
  project: Pick<ErrorProject, "projectId">,
  event: Json,
  header: Json = {}
) {
  const body = envelopeOf({ event_id: event["event_id"] ?? newEventId(), ...header }, [
    { type: "event" },
    event
  ])
  const answer = yield* post(project, body, { tenant }).pipe(
    Effect.repeat({ while: ({ status }) => status === 429, schedule: Schedule.spaced("200 millis") })
  )
  if (answer.status !== 200) return yield* Effect.die(new Error(`${answer.status} ${answer.text}`))
  return answer
})

/** Sets the clock to five minutes past an hour: what follows is of one hour. */
export const beginHour = Effect.gen(function* () {
  const clock = yield* Now.TestNow
  const today = new Date(yield* Now.now)
  yield* clock.set(new Date(today.setUTCHours(today.getUTCHours(), 5, 0, 0)))
})

/** The issues of a tenant by title. */
export const issuesOf = Effect.fnUntraced(function* (tenant: string) {
  const issues = yield* Issues
  const { items } = yield* issues.list({}).pipe(provide(TenantId.make(tenant)))
  return items
})
