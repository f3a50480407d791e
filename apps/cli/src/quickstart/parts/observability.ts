/**
 * Errors: simulated failures of the demo shop in two releases, sent as Sentry's SDKs send them. One is resolved in the next
 * release: the old release changes nothing, and the new one is a regression.
 */
import { ErrorProject } from "@hypermarket/observability/ErrorProject"
import { Issue } from "@hypermarket/observability/Issue"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Schema from "effect/Schema"
import { failed } from "../../CommandFailed.ts"
import * as CustomerOrders from "../CustomerOrders.ts"
import type { Installation, Part } from "../Part.ts"

const slug = "demo-shop"

/** Customers who meet the failures. */
const customersMax = 12

interface Failure {
  readonly type: string
  readonly value: string
  readonly function: string
  readonly file: string
}

const emptyCart: Failure = {
  type: "TypeError",
  value: "cart is undefined (simulated)",
  function: "checkout",
  file: "checkout.js"
}
const declined: Failure = {
  type: "PaymentError",
  value: "Card declined (simulated)",
  function: "pay",
  file: "payment.js"
}

const Projects = Schema.Struct({ items: Schema.Array(ErrorProject) })
const Issues = Schema.Struct({ items: Schema.Array(Issue) })

const call = Effect.fnUntraced(function* (
  { apiKey, apiUrl }: Installation,
  request: HttpClientRequest.HttpClientRequest
) {
  const client = yield* HttpClient
  const answer = yield* client.execute(
    request.pipe(HttpClientRequest.prependUrl(apiUrl), HttpClientRequest.bearerToken(apiKey))
  )
  if (answer.status >= 300 && answer.status !== 409) {
    return yield* failed(`${request.method} ${request.url} answered ${answer.status}: ${yield* answer.text}`)
  }
  return answer
})

/** The envelope of one event per customer. The ids are the same in every run. */
const envelopeOf = (
  failure: Failure,
  release: string,
  customers: ReadonlyArray<string>,
  firstId: number
): string =>
  [
    JSON.stringify({ sdk: { name: "quickstart" } }),
    ...customers.flatMap((customer, index) => {
      const frames = [
        { function: "handle", filename: "/app/node_modules/server/index.js", lineno: 40, in_app: false },
        { function: failure.function, filename: `/app/src/${failure.file}`, lineno: 12, in_app: true }
      ]
      const event = {
        event_id: (firstId + index).toString(16).padStart(32, "0"),
        level: "error",
        platform: "node",
        release,
        environment: "live",
        user: { id: customer },
        tags: { simulated: "true" },
        exception: { values: [{ type: failure.type, value: failure.value, stacktrace: { frames } }] }
      }
      return ['{"type":"event"}', JSON.stringify(event)]
    })
  ].join("\n")

const send = (installation: Installation, projectId: number, envelope: string) =>
  call(
    installation,
    HttpClientRequest.post(`/sentry/api/${projectId}/envelope/`).pipe(HttpClientRequest.bodyText(envelope))
  )

const listIssues = (installation: Installation, projectId: number) =>
  call(
    installation,
    HttpClientRequest.get("/v1/observability/issues").pipe(
      HttpClientRequest.setUrlParams({ projectId: String(projectId), sort: "events" })
    )
  ).pipe(Effect.flatMap(HttpClientResponse.schemaBodyJson(Issues)))

const fail = Effect.fnUntraced(function* (installation: Installation, projectId: number) {
  const customers = yield* CustomerOrders.firstIds(installation.tenantId, customersMax)
  const half = customers.slice(0, customersMax / 2)
  yield* send(installation, projectId, envelopeOf(emptyCart, "demo-shop@1.0.0", customers, 0x1000))
  yield* send(installation, projectId, envelopeOf(declined, "demo-shop@1.0.0", half, 0x2000))
  const { items } = yield* listIssues(installation, projectId)
  const issue = items.find(({ title }) => title.startsWith(emptyCart.type))
  if (issue === undefined) return yield* failed("The simulated failures made no issue")
  yield* call(
    installation,
    HttpClientRequest.post(`/v1/observability/issues/${issue.issueId}/resolve`).pipe(
      HttpClientRequest.bodyJsonUnsafe({ in: "next release" })
    )
  )
  yield* send(installation, projectId, envelopeOf(emptyCart, "demo-shop@1.0.0", half, 0x3000))
  const before = yield* listIssues(installation, projectId)
  if (before.items.find(({ issueId }) => issueId === issue.issueId)?.status !== "resolved") {
    return yield* failed("An event of the old release reopened the issue")
  }
  yield* send(installation, projectId, envelopeOf(emptyCart, "demo-shop@1.1.0", half.slice(0, 1), 0x4000))
})

export const observability: Part = {
  domain: "observability",
  title: "Errors from Sentry's SDKs (simulated failures)",
  run: Effect.fnUntraced(function* (installation) {
    yield* call(
      installation,
      HttpClientRequest.post("/v1/observability/projects").pipe(
        HttpClientRequest.setHeader("idempotency-key", "quickstart-errors"),
        HttpClientRequest.bodyJsonUnsafe({ slug, name: "Demo shop" })
      )
    )
    const projects = yield* call(installation, HttpClientRequest.get("/v1/observability/projects")).pipe(
      Effect.flatMap(HttpClientResponse.schemaBodyJson(Projects))
    )
    const project = projects.items.find((item) => item.slug === slug)
    if (project === undefined) return yield* failed(`The project ${slug} is not there`)
    const existing = yield* listIssues(installation, project.projectId)
    // One that was killed halfway begins again: events that are sent twice count once.
    if (!existing.items.some(({ regressedAt }) => regressedAt !== null)) {
      yield* fail(installation, project.projectId)
    }
    const { items } = yield* listIssues(installation, project.projectId)
    const issues = items.map(({ eventCount, regressedAt, status, title, userCount }) => ({
      title,
      status,
      events: eventCount,
      users: userCount,
      regressed: regressedAt !== null
    }))
    return {
      figures: {
        events: issues.reduce((sum, { events }) => sum + events, 0),
        users: Math.max(...issues.map(({ users }) => users)),
        issues
      },
      screen: issues
        .slice(0, 1)
        .map(
          ({ events, status, title, users }) =>
            `${title.split(":", 1)[0]}: ${events} events of ${users} customers, ${status} again by the next release (simulated)`
        ),
      lines: [
        ...issues.map(
          ({ events, regressed, status, title, users }) =>
            `${title}: ${events} events of ${users} customers, ${status}${regressed ? " again: a regression" : ""}`
        ),
        "Resolved in the next release: events of demo-shop@1.0.0 changed nothing, one of demo-shop@1.1.0 reopened it",
        `The DSN of an SDK is https://<client key>@<host>/sentry/${project.projectId}`
      ],
      next: [
        `curl -H "Authorization: Bearer $HM_API_KEY" "$HM_API_URL/v1/observability/issues?status=unresolved&sort=users"`
      ]
    }
  })
}
