/**
 * Notifications: confirmations of three orders and requests for reviews, in two languages and three zones, sent over SMTP to
 * the quickstart's own mail server. One customer has no address, one wants no requests, and for one it is night. These
 * customers are invented: the sample has no addresses. Then the newest orders of the sample, by a mapping.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { outcome, post, publish } from "../NotificationCalls.ts"
import * as OrderMails from "../OrderMails.ts"
import type { Part } from "../Part.ts"

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

/** The page around each confirmation, with the shop's branding. */
const layoutContents = [
  {
    subject: "{{ content }}",
    text: "{{ content }}\n-- \n{{ brand.name }}, {{ brand.postalAddress }}\n",
    mjml: '<mjml><mj-body><mj-section><mj-column><mj-text font-size="20px" color="{{ brand.primaryColor }}">{{ brand.name }}</mj-text><mj-text>{{ content }}</mj-text><mj-text>{{ brand.name }}, {{ brand.postalAddress }}</mj-text></mj-column></mj-section></mj-body></mjml>'
  }
]

const branding = {
  name: "Demo Shop",
  primaryColor: "#1f4e79",
  postalAddress: "1 Market Square, Springfield",
  supportEmail: "help@shop.example"
}

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

export const notifications: Part = {
  domain: "notifications",
  title: "Notifications",
  before: OrderMails.prepare,
  run: Effect.fnUntraced(function* (installation, replayed) {
    const now = yield* Clock.currentTimeMillis
    yield* post(installation, "categories", { category: "orders", name: "Orders", kind: "required" })
    yield* post(installation, "categories", { category: "reviews", name: "Reviews", kind: "service" })
    yield* post(installation, "branding", branding)
    yield* publish(installation, "shop", layoutContents, { kind: "layout" })
    yield* publish(installation, template, contents, { layout: "shop" })
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
    const explained = yield* Effect.forEach(messages, ({ key, order }) =>
      Effect.map(outcome(installation, key, order.customer), (found) => ({ message: key, ...found }))
    )
    const byMapping = yield* OrderMails.outcomes(installation, replayed.shop)
    return {
      figures: { explained, ...byMapping.figures },
      screen: [
        `${explained.length} messages (invented customers): ${Array.from(
          Map.groupBy(explained, ({ reason, state }) => reason ?? state),
          ([outcome, list]) => `${list.length} ${outcome}`
        ).join(", ")}`,
        byMapping.screen
      ],
      lines: [
        ...explained.map(
          ({ message, reason, state }) => `${message}: ${state}${reason === null ? "" : ` (${reason})`}`
        ),
        ...byMapping.lines,
        `hypermarket mail list shows what was sent, and hypermarket mail links ID where it leads`
      ],
      next: [
        `curl -H "Authorization: Bearer $HM_API_KEY" $HM_API_URL/v1/notifications/messages`,
        `curl -H "Authorization: Bearer $HM_API_KEY" -H "content-type: application/json" $HM_API_URL/v1/notifications/templates/order-confirmation/versions/1/preview -d '{"payload":{"order":{"id":"o-1","currency":"EUR","total":"4200","lines":[]}},"locale":"de"}'`
      ]
    }
  })
}
