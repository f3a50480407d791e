/**
 * Profiles of recipients, lists of them, and the defaults of a tenant.
 *
 * @since 0.1.0
 */
import * as Audit from "@hypermarket/core/Audit"
import * as CalendarTime from "@hypermarket/core/CalendarTime"
import * as EmailAddress from "@hypermarket/core/EmailAddress"
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import type { QueueOverloaded } from "@hypermarket/queue/QueueJob"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Jobs from "./internal/jobs.ts"
import * as Quiet from "./internal/quiet.ts"
import {
  type ListChange,
  type NewNotificationDefaults,
  type NewNotificationProfile,
  NotificationDefaults,
  NotificationProfile,
  NotificationProfileNotFound,
  type QuietHours
} from "./NotificationProfile.ts"
import { make as recipientOf, partsOf, type Recipient, type RecipientKind } from "./NotificationRecipient.ts"

/**
 * A profile as a fact of the shop has it. An address, locale or zone that cannot be used is left out, and reported.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProfileFact {
  readonly kind: RecipientKind
  readonly id: string
  readonly version: bigint
  readonly email: string | undefined
  readonly name: string | undefined
  readonly locale: string | undefined
  readonly timeZone: string | undefined
}

interface ProfileRow {
  readonly recipientKind: RecipientKind
  readonly recipientId: string
  readonly email: string | null
  readonly emailProblem: EmailAddress.Reason | null
  readonly name: string | null
  readonly locale: string | null
  readonly timeZone: string | null
  readonly quietFrom: number | null
  readonly quietUntil: number | null
  readonly updatedAt: Date
}

const quietOf = (row: {
  readonly quietFrom: number | null
  readonly quietUntil: number | null
}): QuietHours | null =>
  row.quietFrom === null || row.quietUntil === null
    ? null
    : { from: Quiet.textOf(row.quietFrom), until: Quiet.textOf(row.quietUntil) }

const profileOf = (row: ProfileRow): NotificationProfile =>
  new NotificationProfile({
    to: recipientOf(row.recipientKind, row.recipientId),
    email: row.email,
    emailProblem: row.emailProblem,
    name: row.name,
    locale: row.locale,
    timeZone: row.timeZone,
    quiet: quietOf(row),
    updatedAt: DateTime.fromDateUnsafe(row.updatedAt)
  })

/** The address as it is stored: core's normal form, with the domain in ASCII. */
const normalOf = (email: string | undefined): string | null =>
  email === undefined ? null : (Result.getOrUndefined(EmailAddress.parse(email))?.normal ?? null)

const localePattern = /^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}$/

/** Defaults that no tenant has changed. */
const builtIn = new NotificationDefaults({
  locale: "en",
  timeZone: "UTC",
  fromName: null,
  replyTo: null,
  quiet: null,
  version: 0
})

/** Held messages of a recipient that one change looks at again. */
const heldMax = 1_000

/**
 * @category services
 * @since 0.1.0
 */
export class NotificationProfiles extends Context.Service<
  NotificationProfiles,
  {
    /** Sets a profile as a whole. Messages that are held for the recipient are decided again. */
    readonly set: (
      profile: NewNotificationProfile
    ) => Effect.Effect<NotificationProfile, QueueOverloaded | SqlError, Tenant>
    readonly get: (
      to: Recipient
    ) => Effect.Effect<NotificationProfile, NotificationProfileNotFound | SqlError, Tenant>
    /** Adds members to a list and removes others. Returns the number of its members. */
    readonly changeList: (change: ListChange) => Effect.Effect<{ readonly members: number }, SqlError, Tenant>
    /** Sets the defaults of the tenant as a whole. */
    readonly setDefaults: (
      defaults: NewNotificationDefaults
    ) => Effect.Effect<NotificationDefaults, SqlError, Tenant>
    readonly getDefaults: Effect.Effect<NotificationDefaults, SqlError, Tenant>
    /** Writes profiles of facts, the newest version of each. The subscription calls it. */
    readonly record: (
      facts: ReadonlyArray<ProfileFact>
    ) => Effect.Effect<void, QueueOverloaded | SqlError, Tenant>
  }
>()("@hypermarket/notifications/NotificationProfiles") {
  static readonly layer: Layer.Layer<NotificationProfiles, never, SqlClient.SqlClient | Wakeup> =
    Layer.effect(
      NotificationProfiles,
      Effect.suspend(() => makeService)
    )
}

const makeService = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const queue = yield* WorkQueue.make({ prefix: Jobs.prefix })
  const columns = sql.literal(
    `recipient_kind AS "recipientKind", recipient_id AS "recipientId", email, email_problem AS "emailProblem", name, locale,
     time_zone AS "timeZone", quiet_from AS "quietFrom", quiet_until AS "quietUntil", updated_at AS "updatedAt"`
  )

  /** A held message may be due earlier by the new zone or hours: it is decided again now. */
  const decideHeldAgain = Effect.fnUntraced(function* (
    recipients: ReadonlyArray<{ readonly kind: string; readonly id: string }>
  ) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const rows = yield* sql<{ readonly id: string }>`
      UPDATE hm_notification_queue
         SET due_at = ${now}
       WHERE tenant_id = ${tenant.id}
         AND notification_id = ANY (ARRAY (
               SELECT q.notification_id
                 FROM unnest(${recipients.map(({ kind }) => kind)}::text[], ${recipients.map(({ id }) => id)}::text[])
                   AS r (kind, id)
                 JOIN hm_notification_queue q
                   ON q.tenant_id = ${tenant.id}
                  AND q.recipient_kind = r.kind
                  AND q.recipient_id = r.id
                WHERE q.state = 'held' AND q.due_at > ${now}
                LIMIT ${heldMax}))
      RETURNING notification_id::text AS id
    `
    yield* Jobs.enqueue(queue, Jobs.emailJobs(rows.map(({ id }) => id)))
  })

  const set = Effect.fn("NotificationProfiles.set")(function* (profile: NewNotificationProfile) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const recipient = partsOf(profile.to)
    return yield* transactionOf(sql)(
      Effect.gen(function* () {
        const [row] = yield* sql<ProfileRow>`
          INSERT INTO hm_notification_profile AS p (tenant_id, recipient_kind, recipient_id, email, name, locale, time_zone,
                                                    quiet_from, quiet_until, updated_at)
          VALUES (${tenant.id}, ${recipient.kind}, ${recipient.id}, ${normalOf(profile.email)}, ${profile.name ?? null},
                  ${profile.locale ?? null}, ${profile.timeZone ?? null},
                  ${profile.quiet === undefined ? null : Quiet.minutesOf(profile.quiet.from)},
                  ${profile.quiet === undefined ? null : Quiet.minutesOf(profile.quiet.until)}, ${now})
              ON CONFLICT (tenant_id, recipient_kind, recipient_id)
              DO UPDATE SET email = excluded.email, email_problem = NULL, name = excluded.name, locale = excluded.locale,
                            time_zone = excluded.time_zone, quiet_from = excluded.quiet_from,
                            quiet_until = excluded.quiet_until, updated_at = excluded.updated_at
          RETURNING ${columns}
        `
        yield* decideHeldAgain([recipient])
        return row === undefined ? yield* Effect.die(new Error("No profile was written")) : profileOf(row)
      })
    )
  })

  const get = Effect.fn("NotificationProfiles.get")(function* (to: Recipient) {
    const tenant = yield* Tenant
    const { id, kind } = partsOf(to)
    const [row] = yield* sql<ProfileRow>`
      SELECT ${columns}
        FROM hm_notification_profile
       WHERE tenant_id = ${tenant.id} AND recipient_kind = ${kind} AND recipient_id = ${id}
    `
    if (row === undefined) return yield* new NotificationProfileNotFound({ recipient: `${kind}/${id}` })
    return profileOf(row)
  })

  const changeList = Effect.fn("NotificationProfiles.changeList")(function* (change: ListChange) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const added = (change.add ?? []).map(partsOf)
    const removed = (change.remove ?? []).map(partsOf)
    return yield* transactionOf(sql)(
      Effect.gen(function* () {
        yield* sql`
          INSERT INTO hm_notification_list_member (tenant_id, list, recipient_kind, recipient_id, recorded_at)
          SELECT ${tenant.id}, ${change.list}, r.kind, r.id, ${now}
            FROM unnest(${added.map(({ kind }) => kind)}::text[], ${added.map(({ id }) => id)}::text[]) AS r (kind, id)
              ON CONFLICT (tenant_id, list, recipient_kind, recipient_id) DO NOTHING
        `
        yield* sql`
          DELETE FROM hm_notification_list_member m
           USING unnest(${removed.map(({ kind }) => kind)}::text[], ${removed.map(({ id }) => id)}::text[]) AS r (kind, id)
           WHERE m.tenant_id = ${tenant.id}
             AND m.list = ${change.list}
             AND m.recipient_kind = r.kind
             AND m.recipient_id = r.id
        `
        const [row] = yield* sql<{ readonly members: number }>`
          SELECT count(*)::int AS members
            FROM hm_notification_list_member
           WHERE tenant_id = ${tenant.id} AND list = ${change.list}
        `
        return { members: row?.members ?? 0 }
      })
    )
  })

  const defaultsOf = (row: {
    readonly locale: string
    readonly timeZone: string
    readonly fromName: string | null
    readonly replyTo: string | null
    readonly quietFrom: number | null
    readonly quietUntil: number | null
    readonly version: number
  }) =>
    new NotificationDefaults({
      locale: row.locale,
      timeZone: row.timeZone,
      fromName: row.fromName,
      replyTo: row.replyTo,
      quiet: quietOf(row),
      version: row.version
    })

  const defaultColumns = sql.literal(
    `locale, time_zone AS "timeZone", from_name AS "fromName", reply_to AS "replyTo", quiet_from AS "quietFrom",
     quiet_until AS "quietUntil", version`
  )

  const setDefaults = Effect.fn("NotificationProfiles.setDefaults")(function* (
    defaults: NewNotificationDefaults
  ) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const [row] = yield* sql<Parameters<typeof defaultsOf>[0]>`
      INSERT INTO hm_notification_setting AS s (tenant_id, locale, time_zone, from_name, reply_to, quiet_from, quiet_until,
                                                updated_at)
      VALUES (${tenant.id}, ${defaults.locale}, ${defaults.timeZone}, ${defaults.fromName ?? null},
              ${normalOf(defaults.replyTo)},
              ${defaults.quiet === undefined ? null : Quiet.minutesOf(defaults.quiet.from)},
              ${defaults.quiet === undefined ? null : Quiet.minutesOf(defaults.quiet.until)}, ${now})
          ON CONFLICT (tenant_id)
          DO UPDATE SET locale = excluded.locale, time_zone = excluded.time_zone, from_name = excluded.from_name,
                        reply_to = excluded.reply_to, quiet_from = excluded.quiet_from,
                        quiet_until = excluded.quiet_until, version = s.version + 1, updated_at = excluded.updated_at
      RETURNING ${defaultColumns}
    `
    yield* Audit.record({
      action: "notification-defaults.set",
      target: { type: "notification-defaults", id: tenant.id },
      after: { locale: defaults.locale, timeZone: defaults.timeZone }
    })
    return row === undefined ? yield* Effect.die(new Error("No defaults were written")) : defaultsOf(row)
  }, transactionOf(sql))

  const getDefaults = Effect.gen(function* () {
    const tenant = yield* Tenant
    const [row] = yield* sql<Parameters<typeof defaultsOf>[0]>`
      SELECT ${defaultColumns}
        FROM hm_notification_setting
       WHERE tenant_id = ${tenant.id}
    `
    return row === undefined ? builtIn : defaultsOf(row)
  }).pipe(Effect.withSpan("NotificationProfiles.getDefaults"))

  const record = Effect.fn("NotificationProfiles.record")(function* (facts: ReadonlyArray<ProfileFact>) {
    if (facts.length === 0) return
    const tenant = yield* Tenant
    const now = yield* Now.now
    const newest = new Map<string, ProfileFact>()
    for (const fact of facts) {
      const place = `${fact.kind} ${fact.id}`
      const existing = newest.get(place)
      if (existing === undefined || existing.version < fact.version) newest.set(place, fact)
    }
    const rows = Array.from(newest.values(), (fact) => {
      const parsed = fact.email === undefined ? undefined : EmailAddress.parse(fact.email)
      return {
        kind: fact.kind,
        id: fact.id,
        version: String(fact.version),
        email: parsed === undefined ? null : (Result.getOrUndefined(parsed)?.normal ?? null),
        problem: parsed !== undefined && Result.isFailure(parsed) ? parsed.failure : null,
        name: fact.name ?? null,
        locale: fact.locale !== undefined && localePattern.test(fact.locale) ? fact.locale : null,
        time_zone:
          fact.timeZone !== undefined && Result.isSuccess(CalendarTime.zone(fact.timeZone))
            ? fact.timeZone
            : null
      }
    })
    const changed = yield* sql<{ readonly kind: string; readonly id: string }>`
      INSERT INTO hm_notification_profile AS p (tenant_id, recipient_kind, recipient_id, email, email_problem, name, locale,
                                                time_zone, fact_version, updated_at)
      SELECT ${tenant.id}, x.kind, x.id, x.email, x.problem, x.name, x.locale, x.time_zone, x.version, ${now}
        FROM json_to_recordset(${JSON.stringify(rows)}::text::json)
          AS x (kind text, id text, version bigint, email text, problem text, name text, locale text, time_zone text)
          ON CONFLICT (tenant_id, recipient_kind, recipient_id)
          DO UPDATE SET email = excluded.email, email_problem = excluded.email_problem,
                        name = coalesce(excluded.name, p.name), locale = excluded.locale,
                        time_zone = excluded.time_zone, fact_version = excluded.fact_version,
                        updated_at = excluded.updated_at
              WHERE p.fact_version < excluded.fact_version
      RETURNING recipient_kind AS kind, recipient_id AS id
    `
    yield* decideHeldAgain(changed)
  })

  return NotificationProfiles.of({ set, get, changeList, setDefaults, getDefaults, record })
})
