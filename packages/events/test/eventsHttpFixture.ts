/** The server of the tests over HTTP. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as RequestChain from "@hypermarket/core/RequestChain"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import * as Problems from "@hypermarket/core/Problems"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import { EventsApi } from "@hypermarket/events/EventsApi"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventsHttp from "@hypermarket/events/EventsHttp"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { SqlClient } from "effect/sql"
import * as TestCredentials from "./testCredentials.ts"

export const acme = TenantId.make("acme")

export const TestServer = ApiServer.layer(
  HttpApiBuilder.layer(EventsApi).pipe(
    Layer.provide(EventsHttp.layer),
    Layer.provide([RequestChain.layer, Problems.layerInput])
  )
).pipe(
  Layer.provide([AccessLog.layerDiscard, Shutdown.layer, TestCredentials.layer]),
  Layer.provideMerge(EventsDomain.layer),
  Layer.provideMerge(Layer.mergeAll(Wakeup.layerSilent, Now.layerTest)),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations)),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

export interface Sent {
  readonly body?: Schema.Json
  readonly headers?: Record<string, string>
}

export const send = Effect.fnUntraced(function* (
  method: "GET" | "POST" | "PATCH" | "DELETE",
  path: string,
  tenant: string,
  options: Sent = {}
) {
  const request = HttpClientRequest.make(method)(path).pipe(HttpClientRequest.bearerToken(tenant))
  const withBody =
    options.body === undefined
      ? request
      : HttpClientRequest.bodyText(request, JSON.stringify(options.body), "application/json")
  const response = yield* HttpClient.execute(HttpClientRequest.setHeaders(withBody, options.headers ?? {}))
  const text = yield* response.text
  const body =
    text === ""
      ? {}
      : yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))(text)
  return { status: response.status, headers: response.headers, body }
})

export const event = (id: string, rest: Record<string, Schema.Json> = {}) => ({
  specversion: "1.0",
  id,
  source: "/shop",
  type: "com.example.thing.happened",
  ...rest
})

/** A queue with a job that waits and a dead one. */
export const fill = Effect.fnUntraced(function* (queue: string) {
  const sql = yield* SqlClient.SqlClient
  const jobs = yield* WorkQueue.make({ prefix: "hm_event" })
  const [jobId = ""] = yield* jobs.enqueue([{ queue, type: "waits", payload: null }])
  yield* sql`
    INSERT INTO hm_event_dead (tenant_id, queue, job_id, type, attempt, errors, died_at)
    SELECT 'acme', ${queue}, gen_random_uuid(), 'dead ' || n % 2, 3, '[{"error":"no"}]', now() + n * interval '1 minute'
      FROM generate_series(1, 6) n
  `
  return jobId
})
