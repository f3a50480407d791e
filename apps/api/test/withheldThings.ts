/** One thing of each kind that has data of customers, and keys that may read it. */
import { assert } from "@effect/vitest"
import { Api } from "@hypermarket/api/endpoints"
import * as AccessScope from "@hypermarket/core/AccessScope"
import { RequiredScope } from "@hypermarket/core/Authorization"
import { AllTenants, provide } from "@hypermarket/core/Tenant"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import { ConsoleSessions } from "@hypermarket/platform/ConsoleSessions"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import { Context, Effect, Layer, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpServer } from "effect/http"
import { HttpApi } from "effect/http-api"
import {
  acme,
  body,
  deliveryId,
  endpointId,
  errorEvent,
  eventId,
  executionId,
  jobId,
  makeRows,
  person
} from "./customerData.ts"

export const endpoints = (() => {
  const walked: Array<{ readonly method: string; readonly path: string; readonly scope: string }> = []
  HttpApi.reflect(Api, {
    onGroup: () => undefined,
    onEndpoint: ({ endpoint, mergedAnnotations }) => {
      const scope = Context.get(mergedAnnotations, RequiredScope)
      walked.push({ method: endpoint.method, path: endpoint.path, scope })
    }
  })
  return walked
})()

/** Every scope of the composed API but those of data. */
export const operatorScopes = Array.from(
  new Set(
    endpoints.flatMap(({ scope }) =>
      scope.startsWith("system:") || scope === AccessScope.everyKey || scope === AccessScope.payload
        ? []
        : [scope.replace(/:.*/, ":admin")]
    )
  )
)

export const send = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest) {
  const response = yield* HttpClient.execute(request)
  return { status: response.status, text: yield* response.text }
})

export const get = (key: string, path: string) =>
  send(HttpClientRequest.bearerToken(HttpClientRequest.get(path), key))

export const post = Effect.fnUntraced(function* (key: string, path: string, payload: unknown) {
  const answer = yield* send(
    HttpClientRequest.post(path).pipe(
      HttpClientRequest.bearerToken(key),
      HttpClientRequest.setHeader("idempotency-key", path),
      HttpClientRequest.bodyJsonUnsafe(payload)
    )
  )
  assert.isBelow(answer.status, 300, answer.text)
  return answer.text
})

export const decodeSchedule = Schema.decodeEffect(
  Schema.fromJsonString(Schema.Struct({ scheduleId: Schema.String }))
)
export const decodeDecision = Schema.decodeEffect(
  Schema.fromJsonString(Schema.Struct({ decisionId: Schema.String }))
)
export const decodeProject = Schema.decodeEffect(
  Schema.fromJsonString(Schema.Struct({ projectId: Schema.Number }))
)
export const decodeIssues = Schema.decodeEffect(
  Schema.fromJsonString(Schema.Struct({ items: Schema.Array(Schema.Struct({ issueId: Schema.String })) }))
)

/** The places at which the data is, by the name of the parameter. */
export class Things extends Context.Service<
  Things,
  {
    readonly params: Readonly<Record<string, string>>
    readonly open: string
    readonly bare: string
    /** Returns a key with the operator's scopes and one more. */
    readonly with: (scope: string) => Effect.Effect<string>
    readonly cookie: string
  }
>()("@hypermarket/api/test/Withheld/Things") {
  static readonly layer = Layer.effect(
    Things,
    Effect.gen(function* () {
      const accounts = yield* TenantAccounts
      const keys = yield* ApiKeys
      const sessions = yield* ConsoleSessions
      const { address } = yield* HttpServer.HttpServer
      yield* accounts
        .create({ tenantId: acme, name: "Acme" })
        .pipe(Effect.provideService(AllTenants, { actor: "test" }))
      const issue = (scopes: ReadonlyArray<string>) =>
        keys.create({ name: "test", scopes }, "operator").pipe(provide(acme), Effect.orDie)
      const everything = yield* issue([...operatorScopes, ...AccessScope.ofData])
      const open = everything.secret ?? ""
      const bare = (yield* issue(operatorScopes)).secret ?? ""
      yield* makeRows
      const schedule = yield* post(open, "/v1/events/schedules", {
        name: "nightly",
        queue: "exports",
        type: "com.acme.export",
        payload: { note: body },
        everySeconds: 86_400
      })
      yield* post(open, "/v1/notifications/profiles", {
        to: { customer: "c-9" },
        email: `${person}@example.org`,
        name: person,
        locale: "fr"
      })
      const { projectId } = yield* Effect.flatMap(
        post(open, "/v1/observability/projects", { slug: "shop" }),
        decodeProject
      )
      const sent = yield* send(
        HttpClientRequest.post(`/sentry/api/${projectId}/envelope/?sentry_key=${open}`).pipe(
          HttpClientRequest.bodyText(
            `{"event_id":"${eventId}"}\n{"type":"event"}\n${JSON.stringify(errorEvent)}\n`
          )
        )
      )
      assert.strictEqual(sent.status, 200, sent.text)
      const { items } = yield* Effect.flatMap(get(open, "/v1/observability/issues"), ({ text }) =>
        decodeIssues(text)
      )
      const { decisionId } = yield* Effect.flatMap(
        post(open, "/v1/risk/decisions", {
          kind: "payment",
          subject: "try-9",
          deadlineMillis: 10_000,
          entities: { account: "c-9" },
          attributes: { cardholder: person }
        }),
        decodeDecision
      )
      const { token } = yield* sessions.open({
        apiKeyId: everything.apiKey.apiKeyId,
        label: "Ann",
        userAgent: undefined,
        address: "127.0.0.1",
        replaces: undefined
      })
      return {
        params: {
          queue: "exports",
          decisionId,
          jobId,
          endpointId,
          deliveryId,
          executionId,
          scheduleId: (yield* decodeSchedule(schedule)).scheduleId,
          kind: "customer",
          recipientId: "c-9",
          id: "c-9",
          projectId: String(projectId),
          eventId: eventId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
          issueId: items[0]?.issueId ?? ""
        },
        open,
        bare,
        with: (scope) => Effect.map(issue([...operatorScopes, scope]), ({ secret }) => secret ?? ""),
        cookie: `hm_console_${"port" in address ? address.port : 0}=${Redacted.value(token)}`
      }
    })
  )
}

/** Parameters whose names mean something else elsewhere. */
export const ownParams: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "/v1/risk/signals/:kind/:subject": { kind: "payment", subject: "try-9" }
}

/** The paths of reading endpoints whose parameters are all known here. */
export const pathsOf = (shared: Readonly<Record<string, string>>) =>
  endpoints.flatMap(({ method, path, scope }) => {
    const params = { ...shared, ...ownParams[path] }
    const names = Array.from(path.matchAll(/:(\w+)/g), ([, name = ""]) => name)
    const isRead = method === "GET" && !scope.startsWith("system:") && !path.endsWith("/live")
    return isRead && names.every((name) => name in params)
      ? [{ template: path, path: path.replaceAll(/:(\w+)/g, (_, name: string) => params[name] ?? "") }]
      : []
  })

export const decodeAnswer = Schema.decodeEffect(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json))
)
