/**
 * A drain of thousands of mails while workers and Postgres are killed at random moments of it. No mail is lost, and each that the
 * mail server took twice was known to be in doubt and is counted.
 */
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide, Tenant, type TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { NotificationPreferences } from "@hypermarket/notifications/NotificationPreferences"
import { Notifications } from "@hypermarket/notifications/Notifications"
import * as NotificationsDomain from "@hypermarket/notifications/NotificationsDomain"
import { NotificationTemplates } from "@hypermarket/notifications/NotificationTemplates"
import * as Chance from "@hypermarket/soak/Chance"
import * as Cluster from "@hypermarket/soak/Cluster"
import * as Crew from "@hypermarket/soak/Crew"
import type * as Report from "@hypermarket/soak/Report"
import * as Run from "@hypermarket/soak/Run"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import * as Path from "node:path"
import * as MailSink from "./MailSink.ts"
import { marksSendingName, openCallsMax, secretsKey, tenants } from "./settings.ts"

type Violation = Report.Violation<
  "lost" | "left_over" | "sent_twice_uncounted" | "stuck" | "repeats_too_many"
>

export interface Size {
  readonly mails: number
  readonly incidents: number
  readonly workers: number
  /** False takes the commit of `sending` out: the run must find messages that were sent twice and not counted. */
  readonly marksSending: boolean
}

const script = Path.join(import.meta.dirname, "worker.ts")
const postgresShare = 0.3
/** Messages of one job. */
const chunkMax = 100
/**
 * A drain that gets no further for this long has only messages left whose job is dead-lettered, as after four lost leases: longer
 * than a job waits after failures. A second time, a message is lost: the job that looks for them runs every minute.
 */
const stuckMillis = 90_000

const addressOf = (tenant: TenantId, index: number): string => `c-${index}@${tenant}.example`

/** A category, a template, profiles and a list of all of them; then one trigger for the list. */
const trigger = Effect.fnUntraced(function* (mails: number) {
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  const preferences = yield* NotificationPreferences
  const templates = yield* NotificationTemplates
  const notifications = yield* Notifications
  yield* preferences.setCategory({ category: "news", name: "News", kind: "service" })
  const { templateVersion } = yield* templates.draft({
    template: "drain",
    contents: [{ subject: "Drain {{ run }}", text: "Hello {{ recipient.id }}.", html: "<p>{{ run }}</p>" }]
  })
  yield* templates.publish("drain", templateVersion)
  yield* sql`
    INSERT INTO hm_notification_profile (tenant_id, recipient_kind, recipient_id, email, updated_at)
    SELECT ${tenant.id}, 'customer', 'c-' || n, 'c-' || n || '@' || ${tenant.id} || '.example', now()
      FROM generate_series(0, ${mails}::int - 1) AS n
  `
  yield* sql`
    INSERT INTO hm_notification_list_member (tenant_id, list, recipient_kind, recipient_id, recorded_at)
    SELECT ${tenant.id}, 'all', 'customer', 'c-' || n, now()
      FROM generate_series(0, ${mails}::int - 1) AS n
  `
  yield* notifications.trigger({
    key: "drain",
    category: "news",
    template: "drain",
    to: { list: "all" },
    payload: { run: "soak" }
  })
})

interface MessageRow {
  readonly tenantId: TenantId
  readonly recipientId: string
  readonly state: string
  readonly uncertain: number
  readonly dueAt: Date | null
}

const messages = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<MessageRow>`
    SELECT tenant_id AS "tenantId", recipient_id AS "recipientId", state, uncertain, due_at AS "dueAt"
      FROM hm_notification_queue
  `
})

/** A run of 200 incidents takes an hour on a busy machine. */
const incidentsPerLine = 10

/** Messages that are not final, and those that no expansion has reached yet. */
const openCount = (mails: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly settled: number }>`
      SELECT count(*)::int AS settled
        FROM hm_notification_queue
       WHERE state IN ('accepted', 'unknown', 'dead')
    `
    return mails - (row?.settled ?? 0)
  })

/** Messages that are open though their job is dead-lettered. They look ten minutes overdue, so that the sweep takes them now. */
const hastenSweep = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly dead: number }>`
    SELECT count(*)::int AS dead
      FROM hm_event_dead
     WHERE queue LIKE 'notifications.%'
  `
  const open = yield* sql`
    UPDATE hm_notification_queue
       SET due_at = due_at - interval '11 minutes'
     WHERE due_at IS NOT NULL
    RETURNING 1
  `
  return { dead: row?.dead ?? 0, open: open.length }
})

/** The messages of a drain that stands still, a line per state. */
const standstill = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly line: string }>`
    SELECT format('%s messages %s, %s to %s attempts, due in %s to %s s', count(*), state, min(attempts), max(attempts),
                  round(extract(epoch FROM min(due_at) - now())), round(extract(epoch FROM max(due_at) - now()))) AS line
      FROM hm_notification_queue
     GROUP BY state
  `
  for (const { line } of rows) yield* Run.say(`standstill: ${line}`)
})

const violationsOf = (
  rows: ReadonlyArray<MessageRow>,
  expected: ReadonlyArray<string>,
  received: ReadonlyMap<string, number>
) => {
  const byAddress = new Map(rows.map((row) => [`${row.recipientId}@${row.tenantId}.example`, row]))
  const violations: Array<Violation> = []
  const noted = (address: string): string => {
    const row = byAddress.get(address)
    return `${address} ${row?.state ?? "not expanded"}, due ${row?.dueAt?.toISOString() ?? "never"}`
  }
  const add = (rule: Violation["rule"], found: ReadonlyArray<string>) => {
    const [example] = found
    if (example !== undefined) violations.push({ rule, count: found.length, example: noted(example) })
  }
  add(
    "lost",
    expected.filter((address) => (received.get(address) ?? 0) === 0)
  )
  add(
    "left_over",
    expected.filter((address) => byAddress.get(address)?.state !== "accepted")
  )
  add(
    "sent_twice_uncounted",
    expected.filter((address) => (received.get(address) ?? 0) > 1 + (byAddress.get(address)?.uncertain ?? 0))
  )
  return violations
}

export const run = Effect.fn("NotificationRun.run")(function* (seed: number, size: Size) {
  const startedAt = yield* Clock.currentTimeMillis
  const chance = Chance.make(seed)
  const perTenant = Math.ceil(size.mails / tenants.length)
  const mails = perTenant * tenants.length
  const expected = tenants.flatMap((tenant) =>
    Array.from({ length: perTenant }, (_, index) => addressOf(tenant, index))
  )
  const sink = yield* MailSink.make
  const cluster = yield* Cluster.make()
  const options = TestDatabase.optionsOf(cluster.url)
  yield* Migrations.run(
    [CoreDomain.migrations, EventsDomain.domain.migrations, NotificationsDomain.domain.migrations],
    "public"
  ).pipe(Effect.provide(Database.layerDirect(options)))
  const client = yield* Layer.build(
    Layer.mergeAll(NotificationsDomain.layer, EventsDomain.layer).pipe(
      Layer.provideMerge(Wakeup.layerSend),
      Layer.provideMerge(Database.layer(options, "hm-soak"))
    )
  )
  return yield* Effect.gen(function* () {
    for (const tenant of tenants) yield* trigger(perTenant).pipe(provide(tenant))
    const crew = yield* Crew.make({
      workers: size.workers,
      url: cluster.url,
      script,
      env: {
        HM_NOTIFICATIONS_DELIVERY: "live",
        HM_NOTIFICATIONS_SMTP_URL: sink.url,
        HM_NOTIFICATIONS_URL: "https://soak.example",
        HM_SECRETS_KEYS: secretsKey,
        [marksSendingName]: String(size.marksSending)
      }
    })

    let seen = -1
    let movedAt = yield* Clock.currentTimeMillis
    /** Waits until the server has taken this number of messages, nothing is open, or nothing moves any more. */
    const waitFor = Effect.fnUntraced(function* (count: number) {
      return yield* Effect.gen(function* () {
        const nowMillis = yield* Clock.currentTimeMillis
        if (sink.total() !== seen) {
          seen = sink.total()
          movedAt = nowMillis
        }
        return seen >= count || nowMillis - movedAt > stuckMillis
      }).pipe(Effect.repeat({ until: (isOver) => isOver, schedule: Schedule.spaced("2 millis") }))
    })

    const moments = Array.from({ length: size.incidents }, () => chance.between(1, mails - 1)).toSorted(
      (one, other) => one - other
    )
    let postgresKills = 0
    for (const [index, moment] of moments.entries()) {
      yield* waitFor(moment)
      if ((index + 1) % incidentsPerLine === 0) {
        yield* Run.say(`incident ${index + 1} of ${size.incidents}: ${sink.total()} of ${mails} mails`)
      }
      if (chance.happens(postgresShare)) {
        postgresKills++
        yield* cluster.killAndStart
      } else {
        yield* crew.kill(chance.between(0, size.workers - 1))
      }
    }
    const settled = Run.untilDone({
      look: Effect.map(openCount(mails), (left) => ({ left, progress: String(sink.total()) })),
      stuckMillis
    })
    let isDone = yield* settled
    let swept = { dead: 0, open: 0 }
    if (!isDone) {
      yield* Run.persist(standstill)
      swept = yield* Run.persist(hastenSweep)
      isDone = yield* settled
    }
    yield* crew.stop
    const rows = yield* Run.persist(messages)
    const duplicates = Array.from(sink.received.values()).reduce((sum, count) => sum + count - 1, 0)
    const uncertain = rows.reduce((sum, row) => sum + row.uncertain, 0)
    const window = openCallsMax * (crew.deaths.length + postgresKills * size.workers)
    const violations = [...violationsOf(rows, expected, sink.received)]
    if (swept.open > swept.dead * chunkMax) {
      violations.push({
        rule: "stuck",
        count: swept.open,
        example: `${swept.open} messages were open, and ${swept.dead} jobs dead-lettered`
      })
    }
    if (uncertain > window) {
      violations.push({
        rule: "repeats_too_many",
        count: uncertain,
        example: `${uncertain} in doubt, at most ${window}`
      })
    }
    return yield* Run.conclude({
      seed,
      startedAt,
      isDone,
      crew,
      violations,
      counts: {
        mails,
        received: sink.total(),
        duplicates,
        uncertain,
        window,
        postgresKills,
        swept: swept.open
      }
    })
  }).pipe(Effect.provideContext(client))
}, Effect.scoped)
