import { assert, layer } from "@effect/vitest"
import * as Commerce from "@hypermarket/core/Commerce"
import * as Now from "@hypermarket/core/Now"
import type { Event } from "@hypermarket/core/Outbox"
import { AllTenants, provide } from "@hypermarket/core/Tenant"
import { CaughtMessages } from "@hypermarket/notifications/CaughtMessages"
import { DeliveryOptions } from "@hypermarket/notifications/NotificationDelivery"
import { NotificationMaintenance } from "@hypermarket/notifications/NotificationMaintenance"
import { NotificationMappings } from "@hypermarket/notifications/NotificationMappings"
import { NotificationPreferences } from "@hypermarket/notifications/NotificationPreferences"
import { NotificationProfiles } from "@hypermarket/notifications/NotificationProfiles"
import { Notifications } from "@hypermarket/notifications/Notifications"
import { NotificationSuppressions } from "@hypermarket/notifications/NotificationSuppressions"
import { NotificationTemplates } from "@hypermarket/notifications/NotificationTemplates"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"

const TestLayer = Laboratory.layer().pipe(Layer.provideMerge(MailServer.layer()))

const received = (id: string) =>
  Effect.map(
    MailServer.MailServer,
    (server) => server.received.filter(({ to }) => to.includes(`${id}@mail.example`)).length
  )

/** Expands and sends what is due, without a worker. */
const run = (triggerId: string) =>
  Effect.gen(function* () {
    yield* Laboratory.expand(triggerId)
    yield* sendDue(triggerId)
  })

const sendDue = (triggerId: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const delivery = yield* Laboratory.delivery
    const rows = yield* sql<{ readonly id: string }>`
      SELECT notification_id::text AS id
        FROM hm_notification_queue
       WHERE trigger_id = ${triggerId}::uuid
    `
    yield* delivery.send(rows.map(({ id }) => id))
  })

const stateOf = (key: string, id: string) =>
  Effect.map(Laboratory.explain(key, id), ([explanation]) => [explanation?.state, explanation?.reason])

const triggered = (key: string, id: string, more: Parameters<typeof Laboratory.trigger>[2] = {}) =>
  Effect.gen(function* () {
    const { triggerId } = yield* Laboratory.trigger(key, { customer: id }, more)
    yield* run(triggerId)
    return triggerId
  })

const order = (id: string, type: "order.placed" | "order.cancelled", time: Date): Event => ({
  id: `${type}/${id}`,
  source: "/shop",
  type: Commerce.typeOf(type),
  time,
  data: { orderId: id, customerId: "mapped" }
})

layer(TestLayer, { excludeTestServices: true })("Messages", (it) => {
  it.effect(
    "heed the kind of their category: required always, service until switched off, marketing by consent",
    () =>
      Effect.gen(function* () {
        const preferences = yield* NotificationPreferences
        yield* Laboratory.seed
        yield* Laboratory.customer("kind")
        const choose = (category: string, enabled: boolean) =>
          preferences.set({
            to: { customer: "kind" },
            category,
            channel: "email",
            enabled,
            source: "account page",
            textVersion: "v1"
          })
        yield* triggered("kind-1", "kind", { category: "news" })
        assert.deepStrictEqual(yield* stateOf("kind-1", "kind"), ["filtered", "no-consent"])
        yield* choose("news", true)
        yield* triggered("kind-2", "kind", { category: "news" })
        assert.deepStrictEqual(yield* stateOf("kind-2", "kind"), ["accepted", null])
        yield* choose("reviews", false)
        yield* triggered("kind-3", "kind", { category: "reviews" })
        assert.deepStrictEqual(yield* stateOf("kind-3", "kind"), ["filtered", "preference"])
        yield* triggered("kind-4", "kind", { category: "reviews", critical: true })
        assert.deepStrictEqual(yield* stateOf("kind-4", "kind"), ["accepted", null])
        const error = yield* Effect.flip(choose("orders", false))
        assert.strictEqual(error._tag, "NotificationCategoryRequired")
        const refused = yield* Effect.flip(
          Laboratory.trigger("kind-5", { customer: "kind" }, { category: "news", critical: true })
        )
        assert.deepInclude(refused, { _tag: "NotificationRefused", field: "critical" })
      }).pipe(Laboratory.inAcme)
  )

  it.effect("a preference that changes before the send is heeded at the send", () =>
    Effect.gen(function* () {
      const preferences = yield* NotificationPreferences
      yield* Laboratory.seed
      yield* Laboratory.customer("late")
      const { triggerId } = yield* Laboratory.trigger("late", { customer: "late" }, { category: "reviews" })
      yield* Laboratory.expand(triggerId)
      yield* preferences.set({
        to: { customer: "late" },
        category: "reviews",
        channel: "email",
        enabled: false,
        source: "account page"
      })
      yield* sendDue(triggerId)
      assert.deepStrictEqual(yield* stateOf("late", "late"), ["filtered", "preference"])
      assert.strictEqual(yield* received("late"), 0)
    }).pipe(Laboratory.inAcme)
  )

  it.effect("are held in quiet hours of the recipient's zone, and decided again when the zone changes", () =>
    Effect.gen(function* () {
      const clock = yield* Now.TestNow
      const profiles = yield* NotificationProfiles
      yield* Laboratory.seed
      const quiet = { from: "22:00", until: "07:00" }
      const asleep = (timeZone: string) =>
        profiles.set({ to: { customer: "asleep" }, email: "asleep@mail.example", timeZone, quiet })
      yield* clock.set(new Date("2027-01-10T23:00:00Z"))
      yield* asleep("Europe/Vienna")
      const triggerId = yield* triggered("asleep", "asleep", { category: "reviews" })
      const [held] = yield* Laboratory.explain("asleep", "asleep")
      assert.deepInclude(held, { state: "held", reason: "quiet" })
      assert.strictEqual(held?.until?.epochMilliseconds, Date.parse("2027-01-11T06:00:00Z"))
      // A critical message and one of a required category are sent at once.
      yield* triggered("awake-1", "asleep", { category: "reviews", critical: true })
      yield* triggered("awake-2", "asleep")
      assert.strictEqual(yield* received("asleep"), 2)
      // In New York it is six in the evening.
      yield* asleep("America/New_York")
      yield* sendDue(triggerId)
      assert.deepStrictEqual(yield* stateOf("asleep", "asleep"), ["accepted", null])
    }).pipe(Laboratory.inAcme)
  )

  it.effect("expire, and are cancelled by their key until they are sent", () =>
    Effect.gen(function* () {
      const clock = yield* Now.TestNow
      const notifications = yield* Notifications
      yield* Laboratory.seed
      yield* Laboratory.customer("stale")
      const stale = yield* Laboratory.trigger("stale", { customer: "stale" }, { expiresIn: "2 days" })
      const gone = yield* Laboratory.trigger("gone", { customer: "stale" })
      yield* Laboratory.expand(gone.triggerId)
      assert.deepInclude(yield* notifications.cancel("gone"), { cancelled: 1, tooLate: 0 })
      yield* sendDue(gone.triggerId)
      assert.deepStrictEqual(yield* stateOf("gone", "stale"), ["cancelled", "request"])
      yield* clock.adjust("3 days")
      yield* run(stale.triggerId)
      assert.deepStrictEqual(yield* stateOf("stale", "stale"), ["expired", "expiry"])
      assert.strictEqual(yield* received("stale"), 0)
    }).pipe(Laboratory.inAcme)
  )

  it.effect("a channel the recipient lacks is skipped, not failed", () =>
    Effect.gen(function* () {
      yield* Laboratory.seed
      yield* triggered("lacks", "no-profile")
      assert.deepStrictEqual(yield* stateOf("lacks", "no-profile"), ["filtered", "no-address"])
    }).pipe(Laboratory.inAcme)
  )

  it.effect("an import sends nothing: a fact older than its freshness is recorded as expired", () =>
    Effect.gen(function* () {
      const now = yield* Now.now
      const mappings = yield* NotificationMappings
      yield* Laboratory.seed
      yield* Laboratory.customer("mapped")
      yield* mappings.set({ mapping: "placed", fact: "order.placed", template: "order", category: "orders" })
      const old = new Date(now.getTime() - 2 * 86_400_000)
      yield* mappings.record([order("old", "order.placed", old), order("new", "order.placed", now)])
      yield* mappings.record([order("new", "order.placed", now)])
      assert.deepStrictEqual(yield* stateOf("placed/old", "mapped"), ["expired", "freshness"])
      assert.deepStrictEqual(yield* stateOf("placed/new", "mapped"), ["pending", "expansion"])
      yield* mappings.remove("placed")
    }).pipe(Laboratory.inAcme)
  )

  it.effect("a reminder of a cancelled order is not sent", () =>
    Effect.gen(function* () {
      const now = yield* Now.now
      const mappings = yield* NotificationMappings
      yield* Laboratory.seed
      yield* mappings.set({
        mapping: "reminder",
        fact: "order.placed",
        template: "order",
        category: "reviews",
        delaySeconds: 3_600
      })
      yield* mappings.record([order("r-1", "order.placed", now), order("r-2", "order.placed", now)])
      yield* mappings.record([order("r-1", "order.cancelled", now)])
      assert.deepStrictEqual(yield* stateOf("reminder/r-1", "mapped"), ["cancelled", "subject-cancelled"])
      assert.deepStrictEqual(yield* stateOf("reminder/r-2", "mapped"), ["pending", "expansion"])
      yield* mappings.remove("reminder")
    }).pipe(Laboratory.inAcme)
  )

  it.effect("a new category is not critical, and a preview sends nothing", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const templates = yield* NotificationTemplates
      yield* Laboratory.seed
      yield* Laboratory.customer("plain")
      const { triggerId } = yield* Laboratory.trigger("plain", { customer: "plain" })
      const [row] = yield* sql<{ readonly critical: boolean }>`
        SELECT critical
          FROM hm_notification_trigger
         WHERE trigger_id = ${triggerId}::uuid
      `
      assert.isFalse(row?.critical)
      const preview = yield* templates.preview("order", 1, {
        payload: { order: { id: "o-9" } },
        locale: "de-AT"
      })
      assert.deepInclude(preview, { locale: "de", subject: "Bestellung o-9" })
      assert.strictEqual(yield* received("plain"), 0)
    }).pipe(Laboratory.inAcme)
  )

  it.effect("a complaint stops all but what is owed", () =>
    Effect.gen(function* () {
      const suppressions = yield* NotificationSuppressions
      yield* Laboratory.seed
      yield* Laboratory.customer("angry")
      yield* suppressions.add({ address: "ANGRY@mail.example", reason: "complaint" })
      yield* triggered("angry-1", "angry", { category: "reviews" })
      assert.deepStrictEqual(yield* stateOf("angry-1", "angry"), ["suppressed", "complaint"])
      yield* triggered("angry-2", "angry")
      assert.deepStrictEqual(yield* stateOf("angry-2", "angry"), ["accepted", null])
    }).pipe(Laboratory.inAcme)
  )

  it.effect("a message whose job is gone is found and sent", () =>
    Effect.gen(function* () {
      const clock = yield* Now.TestNow
      const sql = yield* SqlClient.SqlClient
      const maintenance = yield* NotificationMaintenance
      yield* Laboratory.seed
      yield* Laboratory.customer("forgotten")
      const { triggerId } = yield* Laboratory.trigger("forgotten", { customer: "forgotten" })
      yield* Laboratory.expand(triggerId)
      // Of messages alone: triggers of other tests wait for theirs.
      yield* sql`
        DELETE FROM hm_event_queue
         WHERE queue = 'notifications.email'
      `
      yield* clock.adjust("11 minutes")
      yield* maintenance.recover.pipe(Effect.provideService(AllTenants, { actor: "test" }))
      yield* Laboratory.work
      assert.deepStrictEqual(yield* stateOf("forgotten", "forgotten"), ["accepted", null])
    }).pipe(Laboratory.inAcme)
  )
})

const Catching = Laboratory.layer({
  HM_NOTIFICATIONS_DELIVERY: "allow-list",
  HM_NOTIFICATIONS_ALLOW: "@team.example"
}).pipe(Layer.provideMerge(MailServer.layer()))

layer(Catching, { excludeTestServices: true })("Delivery to an allow-list", (it) => {
  it.effect("sends to the list and catches the rest, which is never accepted", () =>
    Effect.gen(function* () {
      const profiles = yield* NotificationProfiles
      const caught = yield* CaughtMessages
      yield* Laboratory.seed
      yield* profiles.set({ to: { customer: "team" }, email: "dev@team.example" })
      yield* Laboratory.customer("outside")
      yield* triggered("allowed-1", "team")
      yield* triggered("allowed-2", "outside", { category: "reviews" })
      assert.deepStrictEqual(yield* stateOf("allowed-1", "team"), ["accepted", null])
      assert.deepStrictEqual(yield* stateOf("allowed-2", "outside"), ["caught", "allow-list"])
      assert.strictEqual(yield* received("outside"), 0)
      const { items } = yield* caught.list({})
      assert.deepStrictEqual(
        items.map(({ address, subject }) => [address, subject]),
        [["outside@mail.example", "Order allowed-2"]]
      )
      const source = yield* caught.source(items[0]?.notificationId ?? "")
      assert.include(source, "List-Unsubscribe-Post: List-Unsubscribe=One-Click")
      const error = yield* caught
        .source(items[0]?.notificationId ?? "")
        .pipe(provide(Laboratory.globex), Effect.flip)
      assert.strictEqual(error._tag, "NotificationNotFound")
    }).pipe(Laboratory.inAcme)
  )
})

/** Every lease has ended before its first message is sent, as that of the last ones may after slow statements. */
const Expired = Laboratory.layer().pipe(
  Layer.provide(
    Layer.effect(
      DeliveryOptions,
      Effect.map(DeliveryOptions, (defaults) => ({ ...defaults, leaseMillis: 0 }))
    )
  ),
  Layer.provideMerge(MailServer.layer())
)

layer(Expired, { excludeTestServices: true })("Messages whose lease ends while others are sent", (it) => {
  it.effect("go back with a job, and not only once they are found to be overdue", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Laboratory.seed
      yield* Laboratory.customer("late")
      const { triggerId } = yield* Laboratory.trigger("late", { customer: "late" })
      yield* Laboratory.expand(triggerId)
      yield* sql`
        DELETE FROM hm_event_queue
         WHERE queue = 'notifications.email'
      `
      yield* sendDue(triggerId)
      assert.strictEqual(yield* received("late"), 0)
      assert.deepStrictEqual(yield* stateOf("late", "late"), ["pending", null])
      const jobs = yield* sql`
        SELECT j.payload
          FROM hm_event_queue j
          JOIN hm_notification_queue q ON j.payload::text LIKE '%' || q.notification_id || '%'
         WHERE j.queue = 'notifications.email' AND q.trigger_id = ${triggerId}::uuid
      `
      assert.lengthOf(jobs, 1)
    }).pipe(Laboratory.inAcme)
  )
})
