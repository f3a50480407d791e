/**
 * The revision of a tenant's flags in one environment: a number without gaps, raised under a lock that is held until the
 * transaction ends. Who reads revision n therefore reads everything up to it.
 *
 * Changes of one flag share the tenant's lock and hold those of its environments. A change of a segment holds the tenant's
 * alone. It may concern every environment, also one that another transaction is adding.
 */
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as Actor from "@hypermarket/core/Actor"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { FlagRevisionBusy } from "../FlagProblems.ts"

/** The wait for another change: a person sees it end, and a request stays within its deadline. Past it the change fails. */
const lockWaitMillis = 2_000

/** The channel of wake-ups; the payload is the tenant. */
export const channel = "platform.flags"

const keyOf = (tenantId: string, environment?: string): string =>
  environment === undefined ? `hm_platform_flag ${tenantId}` : `hm_platform_flag ${tenantId} ${environment}`

export interface Revised {
  readonly environment: string
  readonly revision: string
}

export interface Revisions {
  /** Locks environments until the transaction ends. */
  readonly lock: (
    environments: ReadonlyArray<string>
  ) => Effect.Effect<void, FlagRevisionBusy | SqlError, Tenant>
  /** Locks every environment until the transaction ends. */
  readonly lockAll: Effect.Effect<void, FlagRevisionBusy | SqlError, Tenant>
  /** Waits for an effect's locks as long as for a revision's. */
  readonly waiting: <A, E, R>(
    self: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | FlagRevisionBusy | SqlError, R | Tenant>
  /** Raises the revisions of locked environments by one. */
  readonly raise: (
    environments: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Revised>, SqlError, Tenant>
  /** Raises the revision of every environment of the tenant. */
  readonly raiseAll: Effect.Effect<ReadonlyArray<Revised>, SqlError, Tenant>
}

const isLockTimeout = (error: unknown): boolean =>
  isSqlError(error) && error.reason._tag === "LockTimeoutError"

/** Wakes the processes that listen, when the layer has a `Wakeup`; without one they find the change by asking. */
const signalOf = Effect.map(
  Effect.serviceOption(Wakeup.Wakeup),
  Option.match({
    onNone: () => (): Effect.Effect<void> => Effect.void,
    onSome: (wakeup) => (tenantId: string) => wakeup.signal(channel, tenantId)
  })
)

export const make = (sql: SqlClient.SqlClient): Effect.Effect<Revisions> =>
  Effect.map(signalOf, (signal) => revisionsOf(sql, signal))

const revisionsOf = (
  sql: SqlClient.SqlClient,
  signal: (tenantId: string) => Effect.Effect<void>
): Revisions => {
  /** The request id of a session that holds a lock, which it wrote into its application name. */
  const holder = Effect.fnUntraced(function* (keys: ReadonlyArray<string>) {
    const [row] = yield* sql<{ readonly requestId: string | null }>`
      SELECT substring(session.application_name FROM '^hm change (.+)$') AS "requestId"
        FROM pg_locks AS held
        JOIN pg_stat_activity AS session ON session.pid = held.pid
       WHERE held.locktype = 'advisory'
         AND held.granted
         AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND (held.classid::bigint << 32) | held.objid::bigint
             IN (SELECT hashtextextended(key, 0) FROM unnest(${keys}::text[]) AS key)
         AND session.pid <> pg_backend_pid()
         AND session.application_name LIKE 'hm change %'
       LIMIT 1
    `
    return row?.requestId ?? null
  })

  const waitingFor =
    (keys: ReadonlyArray<string>) =>
    <A, E, R>(self: Effect.Effect<A, E, R>) =>
      Effect.gen(function* () {
        const [before] = yield* sql<{ readonly timeout: string }>`
          SELECT current_setting('lock_timeout') AS timeout
        `
        // A savepoint: in a caller's transaction the wait ends without ending the rest.
        const waited = sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`SELECT set_config('lock_timeout', ${`${lockWaitMillis}ms`}, true)`
            const result = yield* self
            yield* sql`SELECT set_config('lock_timeout', ${before?.timeout ?? "0"}, true)`
            return result
          })
        )
        return yield* waited
      }).pipe(
        Effect.catch((error): Effect.Effect<never, E | SqlError | FlagRevisionBusy> =>
          isLockTimeout(error)
            ? Effect.flatMap(holder(keys), (requestId) => Effect.fail(new FlagRevisionBusy({ requestId })))
            : Effect.fail(error)
        )
      )

  /** Names the request to those who wait for it. */
  const sign = Effect.gen(function* () {
    const actor = yield* Actor.Actor
    const request = yield* AccessLog.CurrentRequest
    const requestId = actor.requestId ?? request?.requestId
    if (requestId !== undefined) {
      yield* sql`SELECT set_config('application_name', ${`hm change ${requestId}`}, true)`
    }
  })

  const lock = Effect.fnUntraced(function* (environments: ReadonlyArray<string>) {
    const tenant = yield* Tenant
    // In one order, so that two changes cannot wait for each other.
    const keys = Array.from(new Set(environments))
      .toSorted()
      .map((environment) => keyOf(tenant.id, environment))
    yield* waitingFor([keyOf(tenant.id), ...keys])(
      Effect.gen(function* () {
        yield* sql`SELECT pg_advisory_xact_lock_shared(hashtextextended(${keyOf(tenant.id)}, 0))::text`
        for (const key of keys) yield* sql`SELECT pg_advisory_xact_lock(hashtextextended(${key}, 0))::text`
      })
    )
    yield* sign
  })

  const lockAll = Effect.gen(function* () {
    const tenant = yield* Tenant
    yield* waitingFor([keyOf(tenant.id)])(
      sql`SELECT pg_advisory_xact_lock(hashtextextended(${keyOf(tenant.id)}, 0))::text`
    )
    yield* sign
  })

  const publish = Effect.fnUntraced(function* (revised: ReadonlyArray<Revised>, now: Date) {
    const outbox = yield* Outbox.Outbox
    const events = yield* Effect.forEach(revised, ({ environment, revision }) =>
      Effect.map(Identifier.next, (id) => ({
        id,
        source: Outbox.sourceOf("platform"),
        type: "com.hypermarket.platform.flags.revised.v1",
        subject: environment,
        time: now,
        data: { environment, revision }
      }))
    )
    if (events.length > 0) yield* outbox.publish(events)
    const tenant = yield* Tenant
    if (revised.length > 0) yield* signal(tenant.id)
    return revised
  })

  const raise = Effect.fnUntraced(function* (environments: ReadonlyArray<string>) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const revised = yield* sql<Revised>`
      INSERT INTO hm_platform_flag_revision AS revised (tenant_id, environment, revision, updated_at)
      SELECT ${tenant.id}, environment, 1, ${now}::timestamptz
        FROM unnest(${Array.from(new Set(environments)).toSorted()}::text[]) AS environment
          ON CONFLICT (tenant_id, environment)
          DO UPDATE SET revision = revised.revision + 1, updated_at = excluded.updated_at
      RETURNING environment, revision::text AS revision
    `
    return yield* publish(revised, now)
  })

  const raiseAll = Effect.gen(function* () {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const revised = yield* sql<Revised>`
      UPDATE hm_platform_flag_revision
         SET revision = revision + 1, updated_at = ${now}
       WHERE tenant_id = ${tenant.id}
      RETURNING environment, revision::text AS revision
    `
    return yield* publish(revised, now)
  })

  return { lock, lockAll, waiting: waitingFor([]), raise, raiseAll }
}
