/**
 * Notifications: confirmations of three orders and requests for reviews, in two languages and three zones, sent over SMTP to
 * the quickstart's own mail server. One customer has no address, one wants no requests, and for one it is night. The
 * customers are invented: the sample has no addresses.
 */
import { Explanation } from "@hypermarket/notifications/Notification"
import * as Clock from "effect/Clock"
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

const reviewContents = [
  {
    subject: "How was your order {{ order.id }}?",
    text: "Hello {{ recipient.name }},\n\nplease write a review of order {{ order.id }}.\n\nNo more of these: {{ unsubscribeUrl }}\n"
  },
  {
    locale: "de",
    subject: "Wie war Ihre Bestellung {{ order.id }}?",
    text: "Guten Tag {{ recipient.name }},\n\nbitte bewerten Sie die Bestellung {{ order.id }}.\n\nAbbestellen: {{ unsubscribeUrl }}\n"
  }
]

const hourMillis = 3_600_000
const timeOf = (millis: number): string => new Date(millis).toISOString().slice(11, 16)

/** It is night for the last one, whenever the quickstart runs. */
const customersAt = (now: number): ReadonlyArray<{ readonly [name: string]: Schema.Json }> => [
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
  { to: { customer: "demo-cho" }, name: "Cho" },
  {
    to: { customer: "demo-dan" },
    name: "Dan",
    email: "dan@customers.example",
    locale: "en-GB",
    timeZone: "UTC",
    quiet: { from: timeOf(now - hourMillis), until: timeOf(now + 8 * hourMillis) }
  }
]

const orders = [
  { id: "demo-1", customer: "demo-ann", currency: "USD", total: "26196" },
  { id: "demo-2", customer: "demo-bea", currency: "EUR", total: "73194" },
  { id: "demo-3", customer: "demo-cho", currency: "JPY", total: "1462" },
  { id: "demo-4", customer: "demo-dan", currency: "GBP", total: "9900" }
]

/** Confirmations are owed and always sent; requests for reviews heed preferences and quiet hours. */
const kinds = [
  { suffix: "placed", category: "orders", template },
  { suffix: "review", category: "reviews", template: "review-request" }
]

const messages = orders.flatMap((order) =>
  kinds.map(({ category, suffix, template }) => ({ order, category, template, key: `${order.id}/${suffix}` }))
)

const Explained = Schema.Struct({ items: Schema.Array(Explanation) })

/** The worker expands and sends within some tens of milliseconds; a slow machine needs seconds. */
const patience = "30 seconds"

const explain = Effect.fnUntraced(function* (
  installation: Installation,
  { key, order }: (typeof messages)[number]
) {
  const answer = yield* post(installation, "triggers/explain", { key, to: { customer: order.customer } })
  const { items } = yield* HttpClientResponse.schemaBodyJson(Explained)(answer)
  return items[0]
})

const open: ReadonlyArray<string> = ["pending", "leased", "sending"]

const publish = Effect.fnUntraced(function* (
  installation: Installation,
  template: string,
  contents: Schema.Json
) {
  const existing = yield* send(installation, "GET", `templates/${template}/versions/1`)
  if (existing.status === 404) yield* post(installation, "templates", { template, contents })
  yield* post(installation, `templates/${template}/versions/1/publish`, {})
})

export const notifications: Part = {
  domain: "notifications",
  title: "Notifications",
  run: Effect.fnUntraced(function* (installation) {
    const now = yield* Clock.currentTimeMillis
    yield* post(installation, "categories", { category: "orders", name: "Orders", kind: "required" })
    yield* post(installation, "categories", { category: "reviews", name: "Reviews", kind: "service" })
    yield* publish(installation, template, contents)
    yield* publish(installation, "review-request", reviewContents)
    for (const customer of customersAt(now)) yield* post(installation, "profiles", customer)
    yield* post(installation, "preferences", {
      to: { customer: "demo-bea" },
      category: "reviews",
      channel: "email",
      enabled: false,
      source: "account page"
    })
    for (const { category, key, order, template } of messages) {
      const { currency, customer, id, total } = order
      const lines = [{ title: "Bookcase <large>", quantity: 2, price: total }]
      yield* post(installation, "triggers", {
        key,
        category,
        template,
        to: { customer },
        payload: { order: { id, currency, total, lines } }
      })
    }
    const explained = yield* Effect.forEach(messages, (message) =>
      explain(installation, message).pipe(
        Effect.repeat({
          until: (explanation) => explanation !== undefined && !open.includes(explanation.state),
          schedule: Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: patience }))
        }),
        Effect.andThen(explain(installation, message)),
        Effect.map((explanation) => ({
          message: message.key,
          state: explanation?.state ?? "none",
          reason: explanation?.reason ?? null
        }))
      )
    )
    return {
      figures: { explained },
      screen: [
        `${explained.length} messages (invented customers): ${Array.from(
          Map.groupBy(explained, ({ reason, state }) => reason ?? state),
          ([outcome, list]) => `${list.length} ${outcome}`
        ).join(", ")}`
      ],
      lines: [
        ...explained.map(
          ({ message, reason, state }) => `${message}: ${state}${reason === null ? "" : ` (${reason})`}`
        ),
        `hypermarket mail list shows what was sent, and hypermarket mail links ID where it leads`
      ],
      next: [
        `curl -H "Authorization: Bearer $HM_API_KEY" $HM_API_URL/v1/notifications/messages`,
        `curl -H "Authorization: Bearer $HM_API_KEY" -H "content-type: application/json" $HM_API_URL/v1/notifications/templates/order-confirmation/versions/1/preview -d '{"payload":{"order":{"id":"o-1","currency":"EUR","total":"4200","lines":[]}},"locale":"de"}'`
      ]
    }
  })
}
