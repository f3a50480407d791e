/**
 * Notifications: confirmations of three orders in two languages, caught and not sent. One customer has no address. The
 * customers are invented: the sample has no addresses.
 */
import { Explanation } from "@hypermarket/notifications/Notification"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { failed } from "../../CommandFailed.ts"
import type { Installation, Part } from "../Part.ts"

const send = Effect.fnUntraced(function* (
  { apiKey, apiUrl }: Installation,
  method: "GET" | "POST",
  path: string,
  body?: Schema.Json
) {
  const client = yield* HttpClient
  const request = HttpClientRequest.make(method)(`${apiUrl}/v1/notifications/${path}`).pipe(
    HttpClientRequest.bearerToken(apiKey)
  )
  return yield* client.execute(body === undefined ? request : HttpClientRequest.bodyJsonUnsafe(request, body))
})

const post = Effect.fnUntraced(function* (installation: Installation, path: string, body: Schema.Json) {
  const answer = yield* send(installation, "POST", path, body)
  return answer.status < 300
    ? answer
    : yield* failed(`POST /v1/notifications/${path} answered ${answer.status}: ${yield* answer.text}`)
})

const template = "order-confirmation"

const lines = (each: string) => `{% for line in order.lines %}${each}{% endfor %}`

const contents = [
  {
    subject: "Your order {{ order.id }}",
    text: `Hello {{ recipient.name }},\n\n${lines("{{ line.quantity }} x {{ line.title }}: {{ line.price | money: order.currency }}\n")}\nTotal: {{ order.total | money: order.currency }}\n`,
    html: `<p>Hello {{ recipient.name }},</p><ul>${lines("<li>{{ line.quantity }} x {{ line.title }}: {{ line.price | money: order.currency }}</li>")}</ul><p>Total: {{ order.total | money: order.currency }}</p>`
  },
  {
    locale: "de",
    subject: "Ihre Bestellung {{ order.id }}",
    text: `Guten Tag {{ recipient.name }},\n\n${lines("{{ line.quantity }} x {{ line.title }}: {{ line.price | money: order.currency }}\n")}\nSumme: {{ order.total | money: order.currency }}\n`
  }
]

const customers: ReadonlyArray<{ readonly [name: string]: Schema.Json }> = [
  {
    to: { customer: "demo-ann" },
    name: "Ann",
    email: "ann@customers.example",
    locale: "en-US",
    timeZone: "America/New_York"
  },
  {
    to: { customer: "demo-bea" },
    name: "Bea",
    email: "bea@customers.example",
    locale: "de-AT",
    timeZone: "Europe/Vienna"
  },
  { to: { customer: "demo-cho" }, name: "Cho" }
]

const orders = [
  { id: "demo-1", customer: "demo-ann", currency: "USD", total: "26196" },
  { id: "demo-2", customer: "demo-bea", currency: "EUR", total: "73194" },
  { id: "demo-3", customer: "demo-cho", currency: "JPY", total: "1462" }
]

const Explained = Schema.Struct({ items: Schema.Array(Explanation) })

/** The worker expands and sends within some tens of milliseconds; a slow machine needs seconds. */
const patience = "30 seconds"

const explain = Effect.fnUntraced(function* (installation: Installation, order: (typeof orders)[number]) {
  const answer = yield* post(installation, "triggers/explain", {
    key: `${order.id}/placed`,
    to: { customer: order.customer }
  })
  const { items } = yield* HttpClientResponse.schemaBodyJson(Explained)(answer)
  return items[0]
})

const open: ReadonlyArray<string> = ["pending", "leased", "sending"]

export const notifications: Part = {
  domain: "notifications",
  title: "Notifications",
  run: Effect.fnUntraced(function* (installation) {
    yield* post(installation, "categories", { category: "orders", name: "Orders", kind: "required" })
    const existing = yield* send(installation, "GET", `templates/${template}/versions/1`)
    if (existing.status === 404) yield* post(installation, "templates", { template, contents })
    yield* post(installation, `templates/${template}/versions/1/publish`, {})
    for (const customer of customers) yield* post(installation, "profiles", customer)
    for (const { currency, customer, id, total } of orders) {
      yield* post(installation, "triggers", {
        key: `${id}/placed`,
        category: "orders",
        template,
        to: { customer },
        payload: {
          order: { id, currency, total, lines: [{ title: "Bookcase <large>", quantity: 2, price: total }] }
        }
      })
    }
    const explained = yield* Effect.forEach(orders, (order) =>
      explain(installation, order).pipe(
        Effect.repeat({
          until: (explanation) => explanation !== undefined && !open.includes(explanation.state),
          schedule: Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: patience }))
        }),
        Effect.andThen(explain(installation, order)),
        Effect.map((explanation) => ({
          order: order.id,
          state: explanation?.state ?? "none",
          reason: explanation?.reason ?? null
        }))
      )
    )
    return {
      figures: { explained },
      lines: [
        ...explained.map(
          ({ order, reason, state }) => `order ${order}: ${state}${reason === null ? "" : ` (${reason})`}`
        ),
        `hypermarket mail list ${installation.tenantId} shows what was caught`
      ],
      next: [
        `curl -H "Authorization: Bearer $HM_API_KEY" $HM_API_URL/v1/notifications/messages`,
        `curl -H "Authorization: Bearer $HM_API_KEY" -H "content-type: application/json" $HM_API_URL/v1/notifications/templates/order-confirmation/versions/1/preview -d '{"payload":{"order":{"id":"o-1","currency":"EUR","total":"4200","lines":[]}},"locale":"de"}'`
      ]
    }
  })
}
