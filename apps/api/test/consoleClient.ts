/** A server with sessions of the console, and what a browser and its enemies send to it. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert } from "@effect/vitest"
import * as Session from "@hypermarket/api/console/Session"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import * as Problems from "@hypermarket/core/Problems"
import * as ProtocolRoute from "@hypermarket/core/ProtocolRoute"
import * as RequestChain from "@hypermarket/core/RequestChain"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import * as KeyCredentials from "@hypermarket/platform/KeyCredentials"
import { PlatformApi } from "@hypermarket/platform/PlatformApi"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as PlatformHttp from "@hypermarket/platform/PlatformHttp"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Schema } from "effect"
import { HttpServer, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { SqlClient } from "effect/sql"
import { connect, head, type RawAnswer } from "./rawClient.ts"

export const acme = TenantId.make("acme")
export const globex = TenantId.make("globex")
export const publicHost = "console.example"

/** A protocol route below /v1, which must not look at the cookie. */
const protocol = ProtocolRoute.layer([
  ProtocolRoute.make(
    {
      method: "GET",
      path: "/v1/of-another-protocol",
      key: ["bearer"],
      scope: "platform:read",
      clientKeys: false,
      body: { max: 0, inflatedMax: 0 },
      guard: "database",
      refuse: (reason) => HttpServerResponse.text(reason, { status: 401 })
    },
    () => Effect.succeed(HttpServerResponse.text("done"))
  )
])

export const serving = <E, R>(console: Layer.Layer<never, E, R>) =>
  ApiServer.layer(
    HttpApiBuilder.layer(PlatformApi).pipe(
      Layer.provide(PlatformHttp.layer),
      Layer.merge(protocol),
      Layer.merge(console),
      Layer.provide([RequestChain.layer, Problems.layerInput])
    )
  ).pipe(
    Layer.provide([AccessLog.layerDiscard, Shutdown.layer, KeyCredentials.layer]),
    Layer.provideMerge(NodeHttpServer.layerTest)
  )

const served = (options: { readonly writes: boolean; readonly publicUrl: string }) =>
  serving(Session.layer({ writes: options.writes, publicUrl: new URL(options.publicUrl), folder: undefined }))

/** A second server over the same database. */
export const another = (options: Parameters<typeof served>[0]) => Layer.fresh(served(options))

export const TestServer = served({ writes: true, publicUrl: `https://${publicHost}` }).pipe(
  Layer.provideMerge(PlatformDomain.layer),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

interface Sent {
  readonly body?: Schema.Json | string
  readonly headers?: Readonly<Record<string, string>>
  readonly cookie?: string | undefined
  /** False leaves out the headers of the console's own script. */
  readonly ours?: boolean
}

export const send = Effect.fnUntraced(function* (
  method: "GET" | "POST" | "DELETE" | "PATCH",
  path: string,
  { body, cookie, headers = {}, ours = true }: Sent = {}
) {
  const { address } = yield* HttpServer.HttpServer
  const connection = yield* connect(`http://127.0.0.1:${"port" in address ? address.port : 0}`)
  const text = body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body)
  yield* connection.write(
    head(method, path, {
      host: "localhost:8080",
      ...(ours ? { "x-hypermarket-console": "1", "sec-fetch-site": "same-origin" } : {}),
      ...(text === "" ? {} : { "content-type": "application/json", "content-length": text.length }),
      ...(cookie === undefined ? {} : { cookie }),
      ...headers
    }) + text
  )
  return yield* connection.answer
}, Effect.scoped)

const Body = Schema.fromJsonString(
  Schema.Struct({
    signedIn: Schema.Boolean,
    label: Schema.optionalKey(Schema.NullOr(Schema.String)),
    tenants: Schema.optionalKey(
      Schema.Array(
        Schema.Struct({ tenantId: Schema.String, state: Schema.String, scopes: Schema.Array(Schema.String) })
      )
    ),
    system: Schema.optionalKey(Schema.Unknown)
  })
)
export const decodeBody = (answer: RawAnswer) => Schema.decodeEffect(Body)(answer.body)

/** The cookie of an answer as a browser sends it back. */
export const cookieOf = (answer: RawAnswer): string =>
  (answer.headers.get("set-cookie") ?? "").split(";")[0] ?? ""

export const asOperator = Effect.provideService(AllTenants, { actor: "test" })

export const keyOf = Effect.fnUntraced(function* (
  tenantId: TenantId,
  scopes: ReadonlyArray<string>,
  kind: "server" | "client" = "server"
) {
  const accounts = yield* TenantAccounts
  const keys = yield* ApiKeys
  yield* accounts.create({ tenantId, name: tenantId }).pipe(asOperator, Effect.ignore)
  const issued = yield* keys.create({ name: "test", scopes, kind }, "operator").pipe(provide(tenantId))
  return { apiKeyId: issued.apiKey.apiKeyId, secret: issued.secret ?? "" }
})

export const signIn = Effect.fnUntraced(function* (
  secret: string,
  sent: { readonly cookie?: string; readonly add?: boolean } = {}
) {
  const answer = yield* send("POST", "/console/session", {
    body: { key: secret, label: "Ann", ...(sent.add === undefined ? {} : { add: sent.add }) },
    cookie: sent.cookie
  })
  assert.strictEqual(answer.status, 200, answer.body)
  return cookieOf(answer)
})

/** A new session with a new key. */
export const session = Effect.fnUntraced(function* (tenantId: TenantId, scopes: ReadonlyArray<string>) {
  const key = yield* keyOf(tenantId, scopes)
  return { ...key, cookie: yield* signIn(key.secret) }
})

export const tenant = (id: string) => ({ "x-hypermarket-tenant": id })
export const ownAccount = "/v1/platform/tenant"

export const statusWith = Effect.fnUntraced(function* (cookie: string, id: string = acme) {
  return (yield* send("GET", ownAccount, { cookie, headers: tenant(id) })).status
})

export const isSignedIn = (cookie: string) =>
  send("GET", "/console/session", { cookie }).pipe(
    Effect.flatMap(decodeBody),
    Effect.map((body) => body.signedIn)
  )

export const rowsWith = Effect.fnUntraced(function* (text: string) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly count: number }>`
    SELECT count(*)::int AS count
      FROM (
            SELECT s::text AS line
              FROM hm_console_session AS s
             UNION ALL
            SELECT k::text
              FROM hm_console_session_key AS k
             UNION ALL
            SELECT c::text
              FROM hm_console_code AS c) AS lines
     WHERE strpos(line, ${text}) > 0
  `
  return row?.count
})
