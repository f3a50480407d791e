/**
 * `pnpm bench notifications [--only fanout,drain,render,claims]`: the expansion of a trigger to its messages, a drain over SMTP
 * beside nodemailer's pool alone, rendering, and the claim of messages. One process, no worker.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Setup from "@hypermarket/bench/Setup"
import * as Database from "@hypermarket/core/Database"
import * as Identifier from "@hypermarket/core/Identifier"
import { provide, Tenant } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as Statements from "@hypermarket/notifications/internal/deliveryStatements"
import * as Message from "@hypermarket/notifications/internal/template/message"
import { NotificationDelivery } from "@hypermarket/notifications/NotificationDelivery"
import { NotificationPreferences } from "@hypermarket/notifications/NotificationPreferences"
import { Notifications } from "@hypermarket/notifications/Notifications"
import * as NotificationsDomain from "@hypermarket/notifications/NotificationsDomain"
import { NotificationTemplates } from "@hypermarket/notifications/NotificationTemplates"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as SqlClient from "effect/sql/SqlClient"
import { createTransport } from "nodemailer"
import { SMTPServer } from "smtp-server"

const recipientsMax = 100_000
const mailsMax = 5_000
const rendersMax = 100_000
const chunk = 100
/** As a worker: four chunks of five messages. */
const chunks = 4
const connections = 20

const contents = [
  {
    subject: "Your order {{ order.id }}",
    text: "Hello {{ recipient.name }},\n{% for line in order.lines %}{{ line.quantity }} x {{ line.title }}: {{ line.price | money: order.currency }}\n{% endfor %}",
    html: "<p>Hello {{ recipient.name }},</p><ul>{% for line in order.lines %}<li>{{ line.quantity }} x {{ line.title }}: {{ line.price | money: order.currency }}</li>{% endfor %}</ul>"
  }
]

const order = {
  id: "o-1",
  currency: "EUR",
  lines: [
    { title: "Bookcase <large>", quantity: 2, price: "12900" },
    { title: "Lamp", quantity: 1, price: "4200" },
    { title: "Chair", quantity: 4, price: "8900" }
  ]
}

/** A mail server that takes everything and keeps nothing. */
const sink = Effect.gen(function* () {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS", "AUTH"],
    disableReverseLookup: true,
    maxClients: 1_000,
    onData: (stream, _session, callback) => {
      stream.resume()
      stream.on("end", () => callback(null))
    }
  })
  server.on("error", () => undefined)
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.callback<void>((resume) => server.close(() => resume(Effect.void)))
  )
  const address = server.server.address()
  return `smtp://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`
})

const secondsOf = Effect.fnUntraced(function* <A, E, R>(self: Effect.Effect<A, E, R>) {
  const before = yield* Clock.currentTimeMillis
  yield* self
  return ((yield* Clock.currentTimeMillis) - before) / 1_000
})

const seed = Effect.fnUntraced(function* (recipients: number) {
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  const preferences = yield* NotificationPreferences
  const templates = yield* NotificationTemplates
  yield* preferences.setCategory({ category: "orders", name: "Orders", kind: "required" })
  yield* preferences.setCategory({ category: "reviews", name: "Reviews", kind: "service" })
  const { templateVersion } = yield* templates.draft({ template: "order", contents })
  yield* templates.publish("order", templateVersion)
  yield* sql`
    INSERT INTO hm_notification_profile (tenant_id, recipient_kind, recipient_id, email, name, updated_at)
    SELECT ${tenant.id}, 'customer', 'c-' || n, 'c-' || n || '@mail.example', 'Customer ' || n, now()
      FROM generate_series(1, ${recipients}::int) AS n
  `
  // A tenth has switched the category off.
  yield* sql`
    INSERT INTO hm_user_preference (tenant_id, recipient_kind, recipient_id, category, channel, enabled, source, changed_at)
    SELECT ${tenant.id}, 'customer', 'c-' || n, 'reviews', 'email', false, 'bench', now()
      FROM generate_series(1, ${recipients}::int, 10) AS n
  `
})

/** Expands a trigger for everyone, and returns the ids of its messages that are to be sent. */
const expanded = Effect.fnUntraced(function* (key: string, category: string) {
  const sql = yield* SqlClient.SqlClient
  const notifications = yield* Notifications
  const { triggerId } = yield* notifications.trigger({
    key,
    category,
    template: "order",
    to: { everyone: "customer" },
    payload: { order }
  })
  const seconds = yield* secondsOf(notifications.expand(triggerId))
  const rows = yield* sql<{ readonly id: string }>`
    SELECT notification_id::text AS id
      FROM hm_notification_queue
     WHERE trigger_id = ${triggerId}::uuid AND state = 'pending'
  `
  return { seconds, ids: rows.map(({ id }) => id) }
})

const chunksOf = (ids: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> =>
  Array.from({ length: Math.ceil(ids.length / chunk) }, (_, index) =>
    ids.slice(index * chunk, (index + 1) * chunk)
  )

const fanOut = Effect.fnUntraced(function* ({ rounds, scale }: Bench.Options) {
  yield* seed(Math.ceil(recipientsMax * scale))
  const seconds: Array<number> = []
  for (let round = 1; round <= rounds; round++) {
    seconds.push((yield* expanded(`fan-out-${round}`, "reviews")).seconds)
    yield* Bench.say(`fan-out: round ${round} of ${rounds}`)
  }
  return [{ figure: "fan-out: 100,000 recipients", unit: "s", ours: Bench.median(seconds), peers: {} }]
})

const claims = Effect.fnUntraced(function* ({ rounds, scale }: Bench.Options) {
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  const statements = Statements.make(sql)
  yield* seed(Math.ceil((recipientsMax * scale) / 5))
  const rates: Array<number> = []
  for (let round = 1; round <= rounds; round++) {
    const { ids } = yield* expanded(`claims-${round}`, "orders")
    const now = new Date(yield* Clock.currentTimeMillis)
    const end = new Date(now.getTime() + 600_000)
    const seconds = yield* secondsOf(
      Effect.forEach(
        chunksOf(ids),
        (part) =>
          Effect.flatMap(Identifier.next, (lease) => statements.claim(tenant.id, part, lease, now, end)),
        { concurrency: chunks, discard: true }
      )
    )
    rates.push(ids.length / seconds)
    yield* Bench.say(`claims: round ${round} of ${rounds}`)
  }
  return [{ figure: "claims: messages", unit: "rows/s", ours: Bench.median(rates), peers: {} }]
})

const drain = (url: string) =>
  Effect.fnUntraced(function* ({ rounds, scale }: Bench.Options) {
    const delivery = yield* NotificationDelivery
    yield* seed(Math.ceil((mailsMax * scale) / rounds))
    const ours: Array<number> = []
    const theirs: Array<number> = []
    const pool = yield* Effect.acquireRelease(
      Effect.sync(() => createTransport({ url, pool: true, maxConnections: connections, maxMessages: 1e9 })),
      (transport) => Effect.sync(() => transport.close())
    )
    for (let round = 1; round <= rounds; round++) {
      const { ids } = yield* expanded(`drain-${round}`, "orders")
      const seconds = yield* secondsOf(
        Effect.forEach(chunksOf(ids), (part) => delivery.send(part), { concurrency: chunks, discard: true })
      )
      ours.push(ids.length / seconds)
      const alone = yield* secondsOf(
        Effect.forEach(
          ids,
          (id, index) =>
            Effect.promise(() =>
              pool.sendMail({
                from: "no-reply@hypermarket.example",
                to: { name: `Customer ${index}`, address: `c-${index}@mail.example` },
                subject: "Your order o-1",
                messageId: `<${id}@hypermarket.example>`,
                text: "Hello Customer,\n2 x Bookcase <large>: €129.00\n1 x Lamp: €42.00\n4 x Chair: €89.00\n",
                html: "<p>Hello Customer,</p><ul><li>2 x Bookcase &lt;large&gt;: €129.00</li><li>1 x Lamp: €42.00</li><li>4 x Chair: €89.00</li></ul>"
              })
            ),
          { concurrency: connections, discard: true }
        )
      )
      theirs.push(ids.length / alone)
      yield* Bench.say(`drain: round ${round} of ${rounds}`)
    }
    return [
      {
        figure: "drain: mails",
        unit: "mails/s",
        ours: Bench.median(ours),
        peers: { "nodemailer pooled": Bench.median(theirs) }
      }
    ]
  })

const render = Effect.fnUntraced(function* ({ rounds, scale }: Bench.Options) {
  const compiled = Result.getOrThrowWith(Message.compile(contents, true), ({ message }) => new Error(message))
  const renders = Math.ceil((rendersMax * scale) / rounds)
  const rates: Array<number> = []
  for (let round = 1; round <= rounds; round++) {
    const seconds = yield* secondsOf(
      Effect.sync(() => {
        for (let n = 0; n < renders; n++) {
          const scope = {
            order,
            recipient: { kind: "customer", id: `c-${n}`, name: `Customer ${n}` },
            unsubscribeUrl: ""
          }
          Result.getOrThrowWith(
            Message.render(compiled, scope, { locale: "en-US", timeZone: "UTC" }),
            ({ message }) => new Error(message)
          )
        }
      })
    )
    rates.push(renders / seconds)
  }
  return [
    {
      figure: "render: subject, text and HTML",
      unit: "renders/s",
      ours: Bench.median(rates),
      peers: {}
    }
  ]
})

/** Each part has its own database: what one leaves behind slows down no other. */
export const bench: Bench.Bench = {
  run: Effect.fn("bench notifications")(function* (options: Bench.Options) {
    const { settings } = yield* Bench.readTargets("notifications")
    const url = yield* sink
    const configuration = ConfigProvider.fromUnknown({
      HM_NOTIFICATIONS_DELIVERY: "live",
      HM_NOTIFICATIONS_SMTP_URL: url,
      HM_NOTIFICATIONS_URL: "https://bench.example"
    })
    const run = <E, R>(name: string, part: Effect.Effect<ReadonlyArray<Bench.Figure>, E, R>) => {
      if (options.only.length > 0 && !options.only.includes(name)) {
        return Effect.succeed<ReadonlyArray<Bench.Figure>>([])
      }
      return Effect.gen(function* () {
        const database = yield* Setup.database(settings)
        const layer = NotificationsDomain.layer.pipe(
          Layer.provide(Wakeup.layerSilent),
          Layer.provideMerge(Database.layer(database.options, "hm-bench"))
        )
        return yield* part.pipe(provide(Setup.tenantId), Effect.provide(layer))
      }).pipe(
        Effect.scoped,
        Effect.provideService(ConfigProvider.ConfigProvider, configuration),
        Effect.tap(options.measured)
      )
    }
    return yield* Effect.all([
      run("fanout", fanOut(options)),
      run("claims", claims(options)),
      run("drain", drain(url)(options)),
      run("render", render(options))
    ]).pipe(Effect.map((figures) => figures.flat()))
  }, Effect.scoped)
}
