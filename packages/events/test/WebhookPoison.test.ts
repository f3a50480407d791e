import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { AllTenants } from "@hypermarket/core/Tenant"
import { Events } from "@hypermarket/events/Events"
import { Webhooks } from "@hypermarket/events/Webhooks"
import { WebhookSender } from "@hypermarket/events/WebhookSender"
import * as PoisonSuite from "@hypermarket/testing/PoisonSuite"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Receiver } from "./Receiver.ts"
import * as Fixture from "./webhookFixture.ts"

const overAll = Effect.provideService(AllTenants, { actor: "test" })
const sweep = Effect.flatMap(WebhookSender, (sender) => overAll(sender.sweep))
const prune = Effect.flatMap(WebhookSender, (sender) => overAll(sender.prune))

/** An event that waits for an endpoint. */
const publish = (tenantId: string) =>
  Effect.gen(function* () {
    const receiver = yield* Receiver
    const webhooks = yield* Webhooks
    const events = yield* Events
    const { endpointId } = yield* webhooks.create({ url: `${receiver.origin}/orders` })
    yield* events.publish([{ id: "o1", type: "com.example.order" }])
    return endpointId
  }).pipe(Fixture.as(tenantId))

const update = (table: string, tenantId: string, change: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      UPDATE ${sql(table)}
         SET ${sql.literal(change)}
       WHERE tenant_id = ${tenantId}
    `
  )

/** A rule that one tenant's rows break, in place of one of a later release. */
const refuse = (tenantId: string, condition: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      ALTER TABLE hm_webhook_delivery
        ADD CONSTRAINT ${sql(`poison of ${tenantId}`)}
      CHECK (tenant_id <> ${sql.literal(`'${tenantId}'`)} OR ${sql.literal(condition)}) NOT VALID
    `
  )

const stateOf = (tenantId: string) =>
  Effect.map(
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql<{ readonly state: string }>`
        SELECT state
          FROM hm_webhook_delivery
         WHERE tenant_id = ${tenantId}
      `
    ),
    ([row]) => row?.state
  )

/** An attempt whose worker was lost. */
const lost =
  "state = 'sending', dispatch_id = gen_random_uuid(), dispatched_at = now() - interval '1 hour', started_at = now() - interval '1 hour'"

layer(Fixture.layer, { excludeTestServices: true })("Loops of webhooks", (it) => {
  PoisonSuite.suite(it, [
    {
      name: "the sweep beside a delivery without a next attempt",
      work: (tenantId) => Effect.andThen(publish(tenantId), update("hm_webhook_delivery", tenantId, lost)),
      plant: (tenantId) => update("hm_webhook_delivery", tenantId, "attempts = 2147483647"),
      round: sweep,
      // The sweep has taken it back, and has given it to the next job.
      isDone: (tenantId) =>
        Effect.map(
          Effect.flatMap(
            SqlClient.SqlClient,
            (sql) => sql`
              SELECT
                FROM hm_webhook_delivery
               WHERE tenant_id = ${tenantId}
                 AND attempts = 1
            `
          ),
          (rows) => rows.length === 1
        ),
      recorded: PoisonSuite.loopFailure("events.webhook.sweep"),
      expected: /integer out of range.*SQLSTATE 22003/
    },
    {
      name: "the sweep beside a delivery that cannot be sent",
      work: publish,
      plant: (tenantId) => refuse(tenantId, "state <> 'sending'"),
      round: sweep,
      isDone: (tenantId) => Effect.map(stateOf(tenantId), (state) => state === "sending"),
      recorded: PoisonSuite.loopFailure("events.webhook.sweep"),
      expected: /SQLSTATE 23514, constraint poison of/
    },
    {
      name: "ending held deliveries beside one that cannot end",
      work: (tenantId) =>
        Effect.gen(function* () {
          const webhooks = yield* Webhooks
          const endpointId = yield* publish(tenantId)
          yield* webhooks.pause(endpointId)
          yield* update("hm_webhook_delivery", tenantId, "recorded_at = now() - interval '33 days'")
        }).pipe(Fixture.as(tenantId)),
      plant: (tenantId) => refuse(tenantId, "state <> 'dead'"),
      round: prune,
      isDone: (tenantId) => Effect.map(stateOf(tenantId), (state) => state === "dead"),
      recorded: PoisonSuite.loopFailure("events.webhook.hold"),
      expected: /SQLSTATE 23514, constraint poison of/
    }
  ])

  it.effect("what has ended 30 days ago is deleted beside held deliveries that cannot end", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const webhooks = yield* Webhooks
      const now = yield* Now.now
      const held = yield* publish("cannot-end")
      yield* webhooks.pause(held).pipe(Fixture.as("cannot-end"))
      yield* update("hm_webhook_delivery", "cannot-end", "recorded_at = now() - interval '40 days'")
      yield* refuse("cannot-end", "state <> 'dead'")
      yield* publish("ended")
      const before = new Date(now.getTime() - 31 * 86_400_000)
      yield* sql`
        UPDATE hm_webhook_delivery
           SET state = 'delivered', finished_at = ${before}
         WHERE tenant_id = 'ended'
      `
      yield* prune
      assert.isUndefined(yield* stateOf("ended"))
      assert.strictEqual(yield* stateOf("cannot-end"), "waiting")
    })
  )
})
