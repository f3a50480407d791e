import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { NotificationMaintenance } from "@hypermarket/notifications/NotificationMaintenance"
import * as PoisonSuite from "@hypermarket/testing/PoisonSuite"
import { Effect, Exit, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"

const { count } = PoisonSuite

const as = (tenantId: string) => provide(TenantId.make(tenantId))
const maintenance = <A, E>(
  use: (service: NotificationMaintenance["Service"]) => Effect.Effect<A, E, AllTenants>
) => Effect.flatMap(NotificationMaintenance, use).pipe(Effect.provideService(AllTenants, { actor: "test" }))

const recover = maintenance(({ recover: all }) => all)
const prune = maintenance(({ prune: all }) => all)

/** A message of a customer, with its job. */
const send = (tenantId: string) =>
  Effect.gen(function* () {
    yield* Laboratory.seed
    yield* Laboratory.customer("mia")
    const { triggerId } = yield* Laboratory.trigger("invoice-7", { customer: "mia" })
    yield* Laboratory.expand(triggerId)
  }).pipe(as(tenantId))

/** A message that has lost its job and is overdue. */
const lose = (tenantId: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* send(tenantId)
    yield* sql`
      DELETE FROM hm_event_queue
       WHERE tenant_id = ${tenantId}
    `
    yield* sql`
      UPDATE hm_notification_queue
         SET due_at = due_at - interval '20 minutes'
       WHERE tenant_id = ${tenantId}
    `
  })

const isEmail = "queue = 'notifications.email'"

const hasJob = (tenantId: string) =>
  Effect.map(count("hm_event_queue", tenantId, isEmail), (jobs) => jobs === 1)

/** Adds caught messages, the newest last. */
const fillCaught = (tenantId: string, messages: number) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      INSERT INTO hm_notification_caught (tenant_id, notification_id, address, subject, message, recorded_at)
      SELECT ${tenantId}, gen_random_uuid(), 'mia@mail.example', n::text, '', now() - (${messages}::int - n) * interval '1 second'
        FROM generate_series(1, ${messages}::int) AS n
    `
  )

layer(Laboratory.layer().pipe(Layer.provideMerge(MailServer.layer())), { excludeTestServices: true })(
  "Loops of notifications",
  (it) => {
    PoisonSuite.suite(it, [
      {
        name: "recovering messages beside one that cannot be changed",
        work: lose,
        plant: (tenantId) =>
          Effect.flatMap(
            SqlClient.SqlClient,
            (sql) => sql`
              ALTER TABLE hm_notification_queue
                ADD CONSTRAINT ${sql(`poison of ${tenantId}`)}
              CHECK (tenant_id <> ${sql.literal(`'${tenantId}'`)} OR due_at < recorded_at) NOT VALID
            `
          ),
        round: recover,
        isDone: hasJob,
        recorded: PoisonSuite.loopFailure("notifications.message.recover"),
        expected: /SQLSTATE 23514, constraint poison of/
      },
      {
        name: "sending beside a template whose contents are of a newer release",
        work: send,
        plant: (tenantId) =>
          Effect.flatMap(
            SqlClient.SqlClient,
            (sql) => sql`
              UPDATE hm_notification_template
                 SET contents = '{"blocks": [7]}'
               WHERE tenant_id = ${tenantId}
            `
          ),
        round: Effect.scoped(
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            yield* Laboratory.worker.pipe(Laboratory.inAcme)
            yield* sql<{ readonly isOver: boolean }>`
              SELECT NOT EXISTS (
                       SELECT
                         FROM hm_notification_queue
                        WHERE tenant_id ~ '^p1-[ac]$'
                          AND state IN ('pending', 'leased', 'sending')
                     )
                     AND NOT EXISTS (
                         SELECT
                           FROM hm_notification_queue
                          WHERE tenant_id ~ '^p1-[0bz]$'
                            AND reason IS NULL
                         ) AS "isOver"
            `.pipe(
              Effect.repeat({
                until: ([row]) => row?.isOver === true,
                schedule: Schedule.spaced("20 millis")
              })
            )
          })
        ),
        isDone: (tenantId) =>
          Effect.map(count("hm_notification_queue", tenantId, "state = 'accepted'"), (sent) => sent === 1),
        recorded: (tenantId) =>
          Effect.map(
            Effect.flatMap(
              SqlClient.SqlClient,
              (sql) => sql<{ readonly reason: string | null }>`
                SELECT reason
                  FROM hm_notification_queue
                 WHERE tenant_id = ${tenantId}
              `
            ),
            ([row]) => row?.reason ?? undefined
          ),
        expected: /^template order 1 cannot be used: SchemaError/
      }
    ])

    it.effect(
      "a message that fails its job again and again has one job, and is sent when it is repaired",
      () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const delivery = yield* Laboratory.delivery
          yield* send("again")
          const jobs = Effect.map(
            Effect.all([
              count("hm_event_queue", "again", isEmail),
              count("hm_event_delayed", "again", isEmail)
            ]),
            ([due, delayed]) => due + delayed
          )
          const [job] = yield* sql<{ readonly payload: unknown }>`
          SELECT payload
            FROM hm_event_queue
           WHERE tenant_id = 'again' AND ${sql.literal(isEmail)}
        `
          yield* sql`
          ALTER TABLE hm_notification_queue
            ADD CONSTRAINT refused CHECK (tenant_id <> 'again' OR state <> 'sending') NOT VALID
        `
          for (const attempt of [1, 2, 3, 4, 5]) {
            assert.isTrue(
              Exit.isFailure(yield* Effect.exit(delivery.run(job?.payload))),
              `attempt ${attempt}`
            )
          }
          assert.strictEqual(yield* jobs, 1)
          yield* sql`ALTER TABLE hm_notification_queue DROP CONSTRAINT refused`
          yield* delivery.run(job?.payload)
          assert.strictEqual(yield* count("hm_notification_queue", "again", "state = 'accepted'"), 1)
        }).pipe(as("again"))
    )

    it.effect("an unreadable template delays its own messages, and no other of the chunk", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const clock = yield* Now.TestNow
        const delivery = yield* Laboratory.delivery
        yield* send("chunk")
        yield* sql`
          INSERT INTO hm_notification_template (tenant_id, template, template_version, state, strict, contents, recorded_at)
          VALUES ('chunk', 'newer', 1, 'published', false, '{"blocks": []}', now())
        `
        const { triggerId } = yield* Laboratory.trigger("newer-1", { customer: "mia" }, { template: "newer" })
        yield* Laboratory.expand(triggerId)
        const ids = (yield* sql<{ readonly id: string }>`
          SELECT notification_id::text AS id
            FROM hm_notification_queue
           WHERE tenant_id = 'chunk'
           ORDER BY notification_id DESC
        `).map(({ id }) => id)
        yield* delivery.send(ids)
        assert.strictEqual(yield* count("hm_notification_queue", "chunk", "state = 'accepted'"), 1)
        yield* sql`
          UPDATE hm_notification_template
             SET contents = ${JSON.stringify([{ subject: "Repaired", text: "Hello.\n" }])}::text::jsonb
           WHERE tenant_id = 'chunk'
        `
        yield* clock.adjust("6 minutes")
        yield* delivery.send(ids)
        assert.strictEqual(yield* count("hm_notification_queue", "chunk", "state = 'accepted'"), 2)
      }).pipe(as("chunk"))
    )

    it.effect(
      "caught messages beyond the newest 10,000 of a tenant go, and expired suppressions, and no other row",
      () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const now = yield* Now.now
          yield* fillCaught("crowd", 16_500)
          yield* fillCaught("few", 9_999)
          yield* sql`
          INSERT INTO hm_notification_suppression (tenant_id, address_hash, reason, expires_at, recorded_at)
          SELECT 'crowd', sha256(n::text::bytea), 'bounce',
                 CASE WHEN n = 11500 THEN NULL ELSE ${now}::timestamptz + (n - 11000) * interval '1 hour' END, now()
            FROM generate_series(1, 11500) AS n
        `
          yield* prune
          assert.strictEqual(yield* count("hm_notification_caught", "few", "true"), 9_999)
          assert.strictEqual(yield* count("hm_notification_caught", "crowd", "true"), 10_000)
          assert.strictEqual(yield* count("hm_notification_caught", "crowd", "subject::int <= 6500"), 0)
          assert.strictEqual(yield* count("hm_notification_suppression", "crowd", "true"), 500)
        })
    )
  }
)
