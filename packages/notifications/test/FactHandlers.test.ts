/** The handlers of the shop's facts beside stored facts that this release cannot read. */
import { assert, layer } from "@effect/vitest"
import * as Commerce from "@hypermarket/core/Commerce"
import * as Now from "@hypermarket/core/Now"
import type { Event } from "@hypermarket/core/Outbox"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { NotificationMappings } from "@hypermarket/notifications/NotificationMappings"
import { NotificationProfiles } from "@hypermarket/notifications/NotificationProfiles"
import * as NotificationsDomain from "@hypermarket/notifications/NotificationsDomain"
import { Effect, Layer, type Schema } from "effect"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"

const eventOf = (id: string, type: Commerce.FactName, data: Schema.Json): Effect.Effect<Event> =>
  Effect.map(Now.now, (time) => ({ id, source: "/shop", type: Commerce.typeOf(type), time, data }))

/** Calls the handler of a subscription, and returns the ids of the facts that it rejects with the paths of their errors. */
const handle = Effect.fnUntraced(
  function* (name: string, events: ReadonlyArray<Event>) {
    const { subscriptions } = yield* NotificationsDomain.domain.start
    const subscription = subscriptions.find((candidate) => candidate.name === name)
    if (subscription === undefined) return yield* Effect.die(new Error(`there is no ${name}`))
    const rejections = (yield* subscription.handler(events)) ?? []
    return rejections.map(({ event, rejected }) => [
      event.id,
      rejected.reason,
      ...rejected.errors.map(({ path }) => path.join("."))
    ])
  },
  Effect.provideService(AllTenants, { actor: "test" })
)

const as = (tenantId: string) => provide(TenantId.make(tenantId))

layer(Laboratory.layer().pipe(Layer.provideMerge(MailServer.layer())), { excludeTestServices: true })(
  "A batch of facts with some that cannot be read",
  (it) => {
    it.effect("of customers and sellers sets the other profiles, and rejects those with their fields", () =>
      Effect.gen(function* () {
        const profiles = yield* NotificationProfiles
        const rejected = yield* handle("notifications.profile", [
          yield* eventOf("1", "customer.changed", {
            customerId: "iris",
            version: 4,
            email: "iris@mail.example"
          }),
          yield* eventOf("2", "customer.changed", { customerId: "noor", version: "four" }),
          yield* eventOf("3", "seller.changed", { sellerId: ["s-8"], version: 2 }),
          yield* eventOf("4", "customer.changed", null),
          yield* eventOf("5", "seller.changed", {
            sellerId: "s-9",
            version: 7,
            name: "Tiles & Co",
            contact: "tiles@mail.example",
            ofNextRelease: { deep: [1] }
          })
        ])
        assert.deepStrictEqual(rejected, [
          ["2", "fact-invalid", "version"],
          ["3", "fact-invalid", "sellerId"],
          ["4", "fact-invalid", ""]
        ])
        assert.strictEqual((yield* profiles.get({ customer: "iris" })).email, "iris@mail.example")
        assert.strictEqual((yield* profiles.get({ seller: "s-9" })).email, "tiles@mail.example")
      }).pipe(as("profiled"))
    )

    it.effect("of orders triggers and cancels for the others, and rejects those with their fields", () =>
      Effect.gen(function* () {
        const mappings = yield* NotificationMappings
        yield* Laboratory.seed
        yield* Laboratory.customer("iris")
        yield* mappings.set({
          mapping: "later",
          fact: "order.placed",
          template: "order",
          category: "reviews",
          delaySeconds: 7_200
        })
        const placed = (id: string, data: Schema.Json) => eventOf(id, "order.placed", data)
        const rejected = yield* handle("notifications.mapping", [
          yield* placed("1", { orderId: "o-71", customerId: "iris" }),
          yield* placed("2", { orderId: "o-72", customerId: { of: "a newer release" } }),
          yield* placed("3", { orderId: "o-73", customerId: "iris" }),
          // Of a guest: it has no recipient.
          yield* placed("4", { orderId: "o-74" }),
          yield* eventOf("5", "order.deleted", { order: "o-71" }),
          yield* eventOf("6", "order.deleted", { orderId: "o-73" })
        ])
        assert.deepStrictEqual(rejected, [
          ["2", "fact-invalid", "customerId"],
          ["5", "fact-invalid", "orderId"]
        ])
        const [kept] = yield* Laboratory.explain("later/o-71", "iris")
        const [cancelled] = yield* Laboratory.explain("later/o-73", "iris")
        assert.notStrictEqual(kept?.state, "cancelled")
        assert.deepInclude(cancelled, { state: "cancelled", reason: "subject-cancelled" })
      }).pipe(as("mapped"))
    )
  }
)
