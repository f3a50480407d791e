/** Lost messages of more tenants than one round serves. */
import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { AllTenants } from "@hypermarket/core/Tenant"
import { tenantsWithDue } from "@hypermarket/notifications/internal/maintenance"
import { NotificationMaintenance } from "@hypermarket/notifications/NotificationMaintenance"
import * as NotificationsDomain from "@hypermarket/notifications/NotificationsDomain"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"

const tenants = 1_340

layer(Laboratory.layer().pipe(Layer.provideMerge(MailServer.layer())), { excludeTestServices: true })(
  "Lost messages of many tenants",
  (it) => {
    it.effect("are all found in two rounds, each of a tenant once, and those that wait are left", () =>
      Effect.gen(function* () {
        const clock = yield* Now.TestNow
        const sql = yield* SqlClient.SqlClient
        const maintenance = yield* NotificationMaintenance
        yield* Laboratory.seed
        yield* Laboratory.customer("lost")
        const { triggerId } = yield* Laboratory.trigger("lost", { customer: "lost" })
        yield* Laboratory.expand(triggerId)
        // The message of every tenth tenant waits for tomorrow.
        yield* sql`
          INSERT INTO hm_notification_queue
          SELECT copy.*
            FROM hm_notification_queue q
           CROSS JOIN generate_series(1, ${tenants}::int) AS n
           CROSS JOIN LATERAL jsonb_populate_record(q, jsonb_build_object('tenant_id', 't-' || n)) copy
           WHERE q.tenant_id = 'acme'
        `
        yield* sql`
          UPDATE hm_notification_queue
             SET due_at = due_at + interval '1 day'
           WHERE tenant_id LIKE 't-%7'
        `
        yield* sql`DELETE FROM hm_event_queue`
        yield* clock.adjust("11 minutes")
        const recover = maintenance.recover.pipe(Effect.provideService(AllTenants, { actor: "test" }))
        const lost = tenants - tenants / 10 + 1
        const check = NotificationsDomain.domain.checks.find(({ name }) => name === "notification backlog")
        const late = (yield* check?.run ?? Effect.succeed([])).map(({ message }) => message)
        assert.deepStrictEqual(late, [`${lost} messages are due for more than 5 minutes`])
        assert.deepStrictEqual([yield* recover, yield* recover, yield* recover], [1_000, lost - 1_000, 0])
        const jobs = yield* sql`
          SELECT count(*)::int AS jobs, count(DISTINCT tenant_id)::int AS tenants
            FROM hm_event_queue
           WHERE queue = 'notifications.email'
        `
        assert.deepStrictEqual(jobs, [{ jobs: lost, tenants: lost }])
      }).pipe(Laboratory.inAcme)
    )

    it.effect("are looked up by the index of the tenant, and the table is not read", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const plan = yield* sql<{ readonly "QUERY PLAN": string }>`
          EXPLAIN ${tenantsWithDue(sql, new Date(0), 50)}
        `
        const text = plan.map((row) => row["QUERY PLAN"]).join("\n")
        assert.include(text, "hm_notification_queue_due_by_tenant")
        assert.notInclude(text, "Seq Scan on hm_notification_queue")
      })
    )
  }
)

layer(Laboratory.layer().pipe(Layer.provideMerge(MailServer.layer())), { excludeTestServices: true })(
  "Messages of long ago",
  (it) => {
    it.effect("are deleted after 90 days, and those of 89 days are kept", () =>
      Effect.gen(function* () {
        const clock = yield* Now.TestNow
        const sql = yield* SqlClient.SqlClient
        const maintenance = yield* NotificationMaintenance
        yield* Laboratory.seed
        const start = new Date("2027-03-01T09:00:00Z")
        for (const [index, id] of ["old", "kept", "new"].entries()) {
          yield* clock.set(new Date(start.getTime() + index * 86_400_000))
          yield* Laboratory.customer(id)
          const { triggerId } = yield* Laboratory.trigger(id, { customer: id })
          yield* Laboratory.expand(triggerId)
        }
        yield* clock.set(new Date(start.getTime() + 90.5 * 86_400_000))
        yield* maintenance.prune.pipe(Effect.provideService(AllTenants, { actor: "test" }))
        const left = yield* sql`
          SELECT recipient_id AS id
            FROM hm_notification_queue
           ORDER BY notification_id
        `
        assert.deepStrictEqual(left, [{ id: "kept" }, { id: "new" }])
      }).pipe(Laboratory.inAcme)
    )
  }
)
