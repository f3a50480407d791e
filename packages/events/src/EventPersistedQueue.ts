/**
 * A store for Effect's `PersistedQueue`, per tenant, on the database.
 *
 * The tenant is read from the fiber: a call without `Tenant` is a defect. `offer` writes in the caller's transaction, so the
 * element exists if and only if it commits. A take holds a lease, which it renews; when its process ends, the element is
 * delivered again within {@link leaseSeconds}.
 *
 * For work of the installation or of a shop, a queue with a handler is faster and fair to tenants. This store is for programs
 * that already use `effect/persistence`.
 *
 * @since 0.1.0
 */
import * as FailureText from "@hypermarket/core/FailureText"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Job from "@hypermarket/core/Job"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as Text from "@hypermarket/core/Text"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import { isTagged } from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { retryOutage } from "./internal/workflow/checkpoints.ts"

/**
 * Seconds after which an element whose process has ended is delivered again. Renewed three times in that time.
 *
 * @category limits
 * @since 0.1.0
 */
export const leaseSeconds = 30

/**
 * Maximum element, in bytes of JSON, as of a job.
 *
 * @category limits
 * @since 0.1.0
 */
export const elementBytesMax = 256 * 1024

/**
 * Maximum characters of a queue's name. An offer to a longer one is refused.
 *
 * @category limits
 * @since 0.1.0
 */
export const nameLengthMax = 200

/**
 * Maximum characters of an element's id. An offer with a longer one is refused.
 *
 * @category limits
 * @since 0.1.0
 */
export const idLengthMax = 255

/**
 * Days that a completed element keeps its id from being offered again.
 *
 * @category limits
 * @since 0.1.0
 */
export const retentionDays = 30

/** Maximum rows per statement that deletes. */
const deleteMax = 1_000
/** Maximum statements per round: the next round continues. */
const deletesMax = 200

/** Effect's mark of an element that does not decode: it is not tried again. */
const deadLetter = "~effect/persistence/PersistedQueue/DeadLetter"

/** The longest delay and backoff: Postgres has no later instant. */
const delayMillisMax = 10 * 365 * 24 * 60 * 60 * 1_000

const millisOf = (delay: Duration.Duration): number => Math.min(Duration.toMillis(delay), delayMillisMax)

/** A defect stays one: it is a mistake of the program. */
const orFail =
  (message: string) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, PersistedQueue.PersistedQueueError, R> =>
    Effect.mapError(self, (cause) =>
      cause instanceof PersistedQueue.PersistedQueueError
        ? cause
        : new PersistedQueue.PersistedQueueError({ message, cause })
    )

const checkName = Schema.decodeUnknownEffect(Text.make({ max: nameLengthMax }))
const checkId = Schema.decodeUnknownEffect(Text.make({ max: idLengthMax }))

const orRefuse = (field: string) =>
  Effect.mapError(
    (error: Schema.SchemaError) =>
      new PersistedQueue.PersistedQueueError({ message: `${field}: ${error.message}` })
  )

/** Effect's interface has no tenant in its types. */
const tenantId: Effect.Effect<string> = Effect.flatMap(Effect.serviceOption(Tenant), (tenant) =>
  Option.isSome(tenant)
    ? Effect.succeed(tenant.value.id)
    : Effect.die(new Error("A persisted queue needs a tenant: provide Tenant around the call"))
)

interface Taken {
  readonly id: string
  readonly state: "pending" | "failed"
  readonly attempts: number
  readonly element: string
}

/**
 * Options of {@link layerStore}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * Interval at which a waiting take looks for elements of other processes.
   *
   * @default "1 second"
   */
  readonly pollInterval?: Duration.Input
}

/**
 * Effect's `PersistedQueueStore` on the database.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStore = (
  options: Options = {}
): Layer.Layer<PersistedQueue.PersistedQueueStore, never, SqlClient.SqlClient> =>
  Layer.effect(
    PersistedQueue.PersistedQueueStore,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const poll = options.pollInterval ?? "1 second"
      /** Opened by offers of this process, so that its takes need not wait for the next poll. */
      const offered = Latch.makeUnsafe(false)

      const offer: PersistedQueue.PersistedQueueStore["Service"]["offer"] = Effect.fnUntraced(function* ({
        delay,
        element,
        id,
        name
      }) {
        const tenant = yield* tenantId
        yield* orRefuse("name")(checkName(name))
        yield* orRefuse("id")(checkId(id))
        const text = JSON.stringify(element)
        const bytes = Buffer.byteLength(text)
        if (bytes > elementBytesMax) {
          return yield* new PersistedQueue.PersistedQueueError({
            message: `The element has ${bytes} bytes of JSON, at most ${elementBytesMax}`
          })
        }
        const delayMillis = delay === undefined ? 0 : millisOf(delay)
        // Leases and delays go by the database's clock, which all processes share.
        yield* sql`
            INSERT INTO hm_event_element (tenant_id, queue, element_id, state, element, visible_at, recorded_at, updated_at)
            VALUES (${tenant}, ${name}, ${id}, 'pending', ${text}::text::json,
                    clock_timestamp() + ${delayMillis}::float8 * interval '1 millisecond', clock_timestamp(), clock_timestamp())
                ON CONFLICT (tenant_id, queue, element_id) DO NOTHING
          `
        yield* sql.afterCommit(Effect.sync(() => offered.openUnsafe()))
      }, orFail("The element could not be offered"))

      /** Claims the element that has waited longest. One whose takes ended with their processes fails after its attempts. */
      const claim = (tenant: string, queue: string, attemptsMax: number, leaseId: string) => sql<Taken>`
          WITH next AS (
        SELECT element_id
          FROM hm_event_element
         WHERE tenant_id = ${tenant}
           AND queue = ${queue}
           AND state = 'pending'
           AND visible_at <= clock_timestamp()
         ORDER BY visible_at
         LIMIT 1
           FOR UPDATE SKIP LOCKED)
        UPDATE hm_event_element e
           SET state = CASE WHEN attempts < ${attemptsMax} THEN 'pending' ELSE 'failed' END,
               last_error = CASE WHEN attempts < ${attemptsMax} THEN last_error ELSE coalesce(last_error, 'The process ended') END,
               attempts = attempts + CASE WHEN attempts < ${attemptsMax} THEN 1 ELSE 0 END,
               lease_id = CASE WHEN attempts < ${attemptsMax} THEN ${leaseId}::uuid END,
               visible_at = clock_timestamp() + ${leaseSeconds}::float8 * interval '1 second', updated_at = clock_timestamp()
          FROM next
         WHERE e.tenant_id = ${tenant}
           AND e.queue = ${queue}
           AND e.element_id = next.element_id
        RETURNING e.element_id AS id, e.attempts, e.state, e.element::text AS element
      `

      /** Changes an element that this take still has. */
      const settle = (
        tenant: string,
        queue: string,
        leaseId: string,
        id: string,
        to: {
          readonly state: "pending" | "completed" | "failed"
          readonly attempts: number
          readonly delayMillis: number
          readonly error: string | null
        }
      ) => sql`
        UPDATE hm_event_element
           SET state = ${to.state}, attempts = ${to.attempts}, lease_id = NULL, last_error = coalesce(${to.error}, last_error),
               visible_at = clock_timestamp() + ${to.delayMillis}::float8 * interval '1 millisecond',
               updated_at = clock_timestamp()
         WHERE tenant_id = ${tenant}
           AND queue = ${queue}
           AND element_id = ${id}
           AND lease_id = ${leaseId}::uuid
      `

      const renew = (tenant: string, queue: string, leaseId: string, id: string) =>
        sql`
          UPDATE hm_event_element
             SET visible_at = clock_timestamp() + ${leaseSeconds}::float8 * interval '1 second'
           WHERE tenant_id = ${tenant}
             AND queue = ${queue}
             AND element_id = ${id}
             AND lease_id = ${leaseId}::uuid
        `.pipe(
          Effect.ignore,
          Effect.delay(Duration.seconds(leaseSeconds / 3)),
          Effect.forever,
          Effect.interruptible
        )

      const outcomeOf = Effect.fnUntraced(function* (
        exit: Exit.Exit<unknown, unknown>,
        taken: Taken,
        take: {
          readonly maxAttempts: number
          readonly retryDelay: (n: number) => Effect.Effect<Duration.Duration>
        }
      ) {
        const { attempts } = taken
        if (Exit.isSuccess(exit)) {
          return { state: "completed", attempts, delayMillis: 0, error: null } as const
        }
        if (Cause.hasInterruptsOnly(exit.cause)) {
          return { state: "pending", attempts: attempts - 1, delayMillis: 0, error: null } as const
        }
        const failure = Cause.findErrorOption(exit.cause)
        const isDead = Option.isSome(failure) && isTagged(failure.value, deadLetter)
        const error = FailureText.describe(exit.cause)
        if (isDead || attempts >= take.maxAttempts) {
          return { state: "failed", attempts, delayMillis: 0, error } as const
        }
        const delayMillis = millisOf(yield* take.retryDelay(attempts))
        return { state: "pending", attempts, delayMillis, error } as const
      })

      const take: PersistedQueue.PersistedQueueStore["Service"]["take"] = Effect.fnUntraced(function* (
        options
      ) {
        const tenant = yield* tenantId
        const leaseId = yield* Identifier.next
        while (true) {
          offered.closeUnsafe()
          const element = yield* Effect.uninterruptible(
            Effect.gen(function* () {
              const [taken] = yield* claim(tenant, options.name, options.maxAttempts, leaseId)
              if (taken === undefined || taken.state === "failed") return taken
              yield* Effect.addFinalizer((exit) =>
                outcomeOf(exit, taken, options).pipe(
                  Effect.flatMap((to) => retryOutage(settle(tenant, options.name, leaseId, taken.id, to))),
                  Effect.catchCause((cause) =>
                    Effect.logWarning("An element was not settled; it is delivered again", cause)
                  )
                )
              )
              yield* Effect.forkScoped(renew(tenant, options.name, leaseId, taken.id))
              return taken
            })
          )
          if (element?.state === "failed") continue
          if (element !== undefined) {
            // There may be more: another take has perhaps closed the latch since.
            offered.openUnsafe()
            return {
              id: element.id,
              attempts: element.attempts,
              element: JSON.parse(element.element) as unknown
            }
          }
          yield* Effect.race(offered.await, Effect.sleep(poll))
        }
      }, orFail("No element could be taken"))

      const cleanup: PersistedQueue.PersistedQueueStore["Service"]["cleanup"] = Effect.fnUntraced(function* ({
        failedTimeToLive,
        timeToLive
      }) {
        const tenant = yield* tenantId
        const failedMillis = failedTimeToLive === undefined ? null : Duration.toMillis(failedTimeToLive)
        yield* sql`
            DELETE FROM hm_event_element
             WHERE tenant_id = ${tenant}
               AND (state = 'completed'
                    AND updated_at < clock_timestamp() - ${Duration.toMillis(timeToLive)}::float8 * interval '1 millisecond'
                    OR state = 'failed'
                    AND updated_at < clock_timestamp() - ${failedMillis}::float8 * interval '1 millisecond')
          `
      }, orFail("Elements could not be cleaned up"))

      return PersistedQueue.PersistedQueueStore.of({ offer, take, cleanup })
    })
  )

/**
 * The job that deletes completed elements after {@link retentionDays}, in a worker of the domain.
 *
 * @category jobs
 * @since 0.1.0
 */
export const prune = Job.scheduled<SqlClient.SqlClient | AllTenants>({
  name: "events.persisted-queue.prune",
  every: "1 hour",
  deadline: "10 minutes",
  run: Effect.gen(function* () {
    yield* AllTenants
    const sql = yield* SqlClient.SqlClient
    const before = new Date((yield* Now.now).getTime() - Duration.toMillis(Duration.days(retentionDays)))
    yield* sql`
        WITH past AS (
      SELECT tenant_id, queue, element_id
        FROM hm_event_element
       WHERE state = 'completed'
         AND updated_at < ${before}
       ORDER BY updated_at
       LIMIT ${deleteMax}
         FOR UPDATE SKIP LOCKED)
      DELETE FROM hm_event_element e
       USING past p
       WHERE e.tenant_id = p.tenant_id AND e.queue = p.queue AND e.element_id = p.element_id
      RETURNING 1
    `.pipe(Effect.repeat({ until: (rows) => rows.length < deleteMax, times: deletesMax }))
  })
})
