/** Notifications on a database and a mail server of their own, with a worker and a `Now` that tests move. */
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, type Tenant, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import * as QueueMigrations from "@hypermarket/queue/QueueMigrations"
import * as WorkQueueWorker from "@hypermarket/queue/WorkQueueWorker"
import type { NewNotification } from "@hypermarket/notifications/Notification"
import { NotificationDelivery } from "@hypermarket/notifications/NotificationDelivery"
import { NotificationPreferences } from "@hypermarket/notifications/NotificationPreferences"
import { NotificationProfiles } from "@hypermarket/notifications/NotificationProfiles"
import * as NotificationsDomain from "@hypermarket/notifications/NotificationsDomain"
import { Notifications } from "@hypermarket/notifications/Notifications"
import { NotificationTemplates } from "@hypermarket/notifications/NotificationTemplates"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { MailServer } from "./MailServer.ts"

export const secretsKey = `k1:${Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7)).toString("base64")}`

export const settings = (url: string, more: Readonly<Record<string, string>> = {}) => ({
  HM_NOTIFICATIONS_DELIVERY: "live",
  HM_NOTIFICATIONS_SMTP_URL: url,
  HM_NOTIFICATIONS_FROM: "shop@shop.example",
  HM_NOTIFICATIONS_URL: "https://api.shop.example",
  HM_SECRETS_KEYS: secretsKey,
  ...more
})

/** The queue of the events domain, which another package owns. */
const prefix = "hm_event"

const queueMigrations = Migrations.make(
  "event",
  Object.fromEntries(
    Array.from({ length: QueueMigrations.lastStep }, (_, index) => [
      `000${index + 1}_queue`,
      QueueMigrations.migration(index + 1, prefix, { since: "0.1.0", oldestRelease: "0.1.0" })
    ])
  ),
  { release: "0.1.0" }
)

export const migrationSets = [
  CoreDomain.migrations,
  queueMigrations,
  NotificationsDomain.domain.migrations
] as const

const layerConfig = (more: Readonly<Record<string, string>>) =>
  Layer.unwrap(
    Effect.map(MailServer, ({ url }) => ConfigProvider.layer(ConfigProvider.fromUnknown(settings(url, more))))
  )

const layerQueue = Layer.unwrap(
  Effect.map(TestDatabase.TestDatabase, ({ options }) =>
    Layer.mergeAll(Wakeup.layer(Database.listen(options)), ClaimClient.layer(options))
  )
).pipe(Layer.orDie)

/** Services, queue and settings over a mail server. */
export const layer = (more: Readonly<Record<string, string>> = {}) =>
  NotificationsDomain.layer.pipe(
    Layer.provideMerge(layerConfig(more)),
    Layer.provideMerge(layerQueue),
    Layer.provideMerge(TestDatabase.layer(...migrationSets)),
    Layer.provideMerge(Now.layerTest)
  )

export const acme = TenantId.make("acme")
export const globex = TenantId.make("globex")

/** A category of each kind, and a published template. */
export const seed = Effect.gen(function* () {
  const preferences = yield* NotificationPreferences
  const templates = yield* NotificationTemplates
  yield* preferences.setCategory({ category: "orders", name: "Orders", kind: "required" })
  yield* preferences.setCategory({ category: "reviews", name: "Reviews", kind: "service" })
  yield* preferences.setCategory({ category: "news", name: "News", kind: "marketing" })
  const { templateVersion } = yield* templates.draft({
    template: "order",
    contents: [
      {
        subject: "Order {{ order.id }}",
        text: "Hello {{ recipient.name }}, order {{ order.id }}.\n",
        html: '<p>Hello {{ recipient.name }}, order {{ order.id }}. <a href="https://shop.example/">Shop</a></p>'
      },
      { locale: "de", subject: "Bestellung {{ order.id }}", text: "Hallo, Bestellung {{ order.id }}.\n" }
    ]
  })
  yield* templates.publish("order", templateVersion)
})

export const customer = (id: string, more: { readonly locale?: string; readonly timeZone?: string } = {}) =>
  Effect.flatMap(NotificationProfiles, (profiles) =>
    profiles.set({ to: { customer: id }, email: `${id}@mail.example`, name: `Customer ${id}`, ...more })
  )

export const trigger = (key: string, to: NewNotification["to"], more: Partial<NewNotification> = {}) =>
  Effect.flatMap(Notifications, (notifications) =>
    notifications.trigger({
      key,
      category: "orders",
      template: "order",
      to,
      payload: { order: { id: key } },
      ...more
    })
  )

/** Until no message and no trigger is open, but for those that are held or retried later. */
export const untilSettled = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql<{ readonly open: number }>`
    SELECT (
           SELECT count(*)::int
             FROM hm_notification_trigger
            WHERE state = 'expanding' AND send_at IS NULL
           )
         + (
           SELECT count(*)::int
             FROM hm_notification_queue
            WHERE state IN ('pending', 'leased', 'sending')
           ) AS open
  `.pipe(Effect.repeat({ until: ([row]) => row?.open === 0, schedule: Schedule.spaced("20 millis") }))
})

/** Runs the handlers of the domain, as the worker does. */
export const worker = Effect.gen(function* () {
  const { handlers } = yield* NotificationsDomain.domain.start
  yield* WorkQueueWorker.run({
    prefix,
    handlers: handlers.map((handler) => ({
      ...handler,
      transactional: false,
      run: (jobs: ReadonlyArray<QueueJob.LeasedJob>) =>
        Effect.provideService(handler.run(jobs), AllTenants, { actor: "test" })
    }))
  })
})

/** Runs a worker until everything is settled. */
export const work = Effect.scoped(Effect.andThen(worker, untilSettled))

export const explain = (key: string, id: string) =>
  Effect.flatMap(Notifications, (notifications) => notifications.explain({ key, to: { customer: id } }))

export const inAcme: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Tenant>> =
  provide(acme)

/** The service that sends a chunk at once, without a worker. */
export const delivery = NotificationDelivery

/** Expands a trigger at once, without a worker. */
export const expand = (triggerId: string) =>
  Effect.flatMap(Notifications, (notifications) => notifications.expand(triggerId))
