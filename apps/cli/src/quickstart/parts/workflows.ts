/** Workflows: an order whose worker is killed while it waits for its payment, and one that is cancelled. */
import * as Page from "@hypermarket/core/Page"
import { WorkflowExecution, WorkflowInspection, WorkflowTask } from "@hypermarket/events/WorkflowExecution"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { failed } from "../../CommandFailed.ts"
import { layerWorker, name, paid } from "../OrderWorkflow.ts"
import type { Installation, Part } from "../Part.ts"
import * as Subscriptions from "../Subscriptions.ts"

const send = Effect.fnUntraced(function* (
  { apiKey, apiUrl }: Installation,
  method: "GET" | "POST",
  path: string,
  body?: Schema.Json,
  headers: Readonly<Record<string, string>> = {}
) {
  const client = yield* HttpClient
  const request = HttpClientRequest.make(method)(`${apiUrl}/v1/events${path}`).pipe(
    HttpClientRequest.bearerToken(apiKey)
  )
  const withBody = body === undefined ? request : HttpClientRequest.bodyJsonUnsafe(request, body)
  // After the body, which brings a content type.
  const answer = yield* client.execute(HttpClientRequest.setHeaders(withBody, headers))
  return answer.status < 300
    ? answer
    : yield* failed(`${method} /v1/events${path} answered ${answer.status}: ${yield* answer.text}`)
})

const settled = "com.example.payment.settled"

/** A payment is an event of the shop's payment provider, and the signal that its order waits for. */
const payments = {
  name: "Payments of orders",
  filters: [{ exact: { type: settled } }],
  workflow: { name, key: "subject", signal: paid.name }
}

/** The script of the worker: a bundle has it in a folder beside this code. */
const script = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".ts") ? "../orderWorkerMain.ts" : "./quickstart/orderWorkerMain.js",
    import.meta.url
  )
)

/** Runs a worker in its own process until the scope ends, and kills it without notice. */
const workerToKill = (databaseUrl: string) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [script], {
        env: { ...process.env, DATABASE_URL: databaseUrl },
        stdio: ["pipe", "ignore", "ignore"]
      })
    ),
    (child) =>
      Effect.callback<void>((resume) => {
        child.once("close", () => resume(Effect.void))
        if (!child.kill("SIGKILL")) resume(Effect.void)
      })
  )

/** A process starts in a second, and in half a minute on a machine that is very busy. */
const wait = "2 minutes"

export const workflows: Part = {
  domain: "workflows",
  title: "Durable workflows",
  run: Effect.fnUntraced(function* (installation) {
    const { databaseUrl } = installation
    const start = (orderId: string) =>
      send(installation, "POST", "/workflows", { name, key: orderId, payload: { orderId } }).pipe(
        Effect.flatMap(HttpClientResponse.schemaBodyJson(WorkflowExecution))
      )
    const current = (id: string) =>
      send(installation, "GET", `/workflows/${id}`).pipe(
        Effect.flatMap(HttpClientResponse.schemaBodyJson(WorkflowInspection)),
        Effect.map(({ execution }) => execution)
      )
    const until = (id: string, ...states: ReadonlyArray<WorkflowExecution["state"]>) =>
      current(id).pipe(
        Effect.repeat({
          until: ({ state }) => states.includes(state),
          schedule: Schedule.spaced("20 millis")
        }),
        Effect.timeoutOrElse({
          duration: wait,
          orElse: () => failed(`The workflow was not ${states.join(" or ")} within ${wait}`)
        })
      )
    const tasks = (id: string) =>
      send(installation, "GET", `/workflows/${id}/tasks`).pipe(
        Effect.flatMap(HttpClientResponse.schemaBodyJson(Page.schema(WorkflowTask))),
        Effect.map(({ items }) => items)
      )

    const paidOrder = yield* start("order-1")
    // A quickstart that has run before has finished both.
    if (paidOrder.finishedAt === null) {
      yield* Effect.scoped(
        Effect.andThen(workerToKill(databaseUrl), until(paidOrder.executionId, "suspended"))
      )
      yield* Subscriptions.ensure(installation, payments)
      yield* send(
        installation,
        "POST",
        "",
        {
          specversion: "1.0",
          id: "payment-1",
          source: "/quickstart/payments",
          type: settled,
          subject: "order-1",
          data: { paymentId: "payment-1" }
        },
        { "content-type": "application/cloudevents+json" }
      )
    }
    const cancelledOrder = yield* start("order-2")
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* Layer.build(layerWorker(databaseUrl))
        yield* until(paidOrder.executionId, "succeeded")
        const { state } = yield* until(cancelledOrder.executionId, "suspended", "cancelled")
        if (state === "suspended") {
          yield* send(installation, "POST", `/workflows/${cancelledOrder.executionId}/cancel`)
          yield* until(cancelledOrder.executionId, "cancelled")
        }
      })
    )

    const steps = yield* tasks(paidOrder.executionId)
    const undone = yield* tasks(cancelledOrder.executionId)
    const activities = steps.filter(({ kind }) => kind === "activity")
    const workers = new Set(activities.map(({ result }) => result)).size
    return {
      figures: {
        steps: steps.map((task) => task.name),
        workers,
        undone: undone.map((task) => task.name)
      },
      screen: [
        `An order went on after its worker was killed: ${steps.map((task) => task.name).join(", ")}; no step ran again`
      ],
      lines: [
        `An order in ${steps.length} steps: ${steps.map((task) => task.name).join(", ")}`,
        `Its worker was killed while it waited for the payment, which came as an event; another one shipped it, and no step ran again`,
        `An order that was cancelled: ${undone.map((task) => task.name).join(", ")}`
      ],
      next: [
        `curl -H "Authorization: Bearer $HM_API_KEY" $HM_API_URL/v1/events/workflows/${paidOrder.executionId}/tasks`
      ]
    }
  })
}
