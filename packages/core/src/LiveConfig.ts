/**
 * Configuration of tenants in memory, as new as its last wake-up: read when its revision changes, polled as a backstop, and
 * kept as it was during an outage.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as Now from "./Now.ts"
import { provide, type Tenant, type TenantId } from "./Tenant.ts"
import { Wakeup } from "./Wakeup.ts"

/**
 * The configuration of the tenants that this process uses.
 *
 * @category models
 * @since 0.1.0
 */
export interface LiveConfig<out A, out E> {
  /** The last value that was read; undefined before {@link ready}, or after the tenant was dropped. */
  readonly current: (tenant: TenantId) => A | undefined
  /** Returns the value, and reads it when the process has none. Callers at the same time share one read. */
  readonly ready: (tenant: TenantId) => Effect.Effect<A, E | Cause.TimeoutError>
  /**
   * The newest revision at once when there is one, then each newer one. A slow reader gets the newest and misses those
   * between. The tenant is kept while the stream is read.
   */
  readonly changes: (tenant: TenantId) => Stream.Stream<bigint>
  /** Milliseconds since the value was last known to be the newest; undefined without a value. */
  readonly ageMillis: (tenant: TenantId) => Effect.Effect<number | undefined>
}

/**
 * A read that takes longer has failed. It is the statement timeout of a patient caller, and a poison tenant waits no longer.
 */
const readDeadline = Duration.seconds(10)

/** Tenants that are read at once: more would queue for the pool's connections. */
const readsMax = 8

/** Tenants whose last read failed are read by two: however many they are, the others have {@link readsMax}. */
const failingReadsMax = 2

interface Entry<A, E> {
  readonly tenant: TenantId
  readonly subscribers: Set<Queue.Queue<bigint>>
  loaded: { readonly value: A; readonly revision: bigint } | undefined
  confirmedAtMillis: number
  /** Completed by the first read; replaced when that failed. */
  first: Deferred.Deferred<A, E | Cause.TimeoutError>
  isReading: boolean
  /** Something may have changed since the read that runs began. */
  isStale: boolean
  failures: number
}

/**
 * Follows the configuration of tenants. Who writes it raises the tenant's revision in the same transaction and signals the
 * tenant's id on the channel.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fn("LiveConfig.make")(function* <A, E, R>(options: {
  /** The channel of `Wakeup` on which writers signal the tenant's id. */
  readonly channel: string
  /** The tenant's revision. Any other value than the last means a change. */
  readonly revision: Effect.Effect<bigint, E, R>
  /** Reads the tenant's configuration, of this revision or a newer one. */
  readonly read: (tenant: TenantId, revision: bigint) => Effect.Effect<A, E, R>
  /** How often revisions are asked for without a wake-up. */
  readonly poll: Duration.Input
  /** Tenants in memory; past it the least recently used is dropped, unless its changes are being read. */
  readonly tenantsMax: number
}): Effect.fn.Return<LiveConfig<A, E>, never, Wakeup | Scope.Scope | Exclude<R, Tenant>> {
  const wakeup = yield* Wakeup
  const scope = yield* Effect.scope
  const context = yield* Effect.context<Exclude<R, Tenant>>()
  const lane = yield* Semaphore.make(readsMax)
  const failingLane = yield* Semaphore.make(failingReadsMax)
  /** In the order of use, the least recent first. */
  const entries = new Map<string, Entry<A, E>>()

  const newEntry = (tenant: TenantId): Entry<A, E> => ({
    tenant,
    subscribers: new Set(),
    loaded: undefined,
    confirmedAtMillis: 0,
    first: Deferred.makeUnsafe(),
    isReading: false,
    isStale: false,
    failures: 0
  })

  const dropLeastUsed = (): void => {
    for (const entry of entries.values()) {
      if (entries.size <= options.tenantsMax) return
      if (entry.subscribers.size === 0 && entry.loaded !== undefined) entries.delete(entry.tenant)
    }
  }

  const touch = (tenant: TenantId): Entry<A, E> | undefined => {
    const entry = entries.get(tenant)
    if (entry === undefined) return undefined
    entries.delete(tenant)
    entries.set(tenant, entry)
    return entry
  }

  const readNewest = (entry: Entry<A, E>) =>
    Effect.gen(function* () {
      const revision = yield* options.revision
      if (entry.loaded?.revision === revision) return entry.loaded
      return { revision, value: yield* options.read(entry.tenant, revision) }
    }).pipe(provide(entry.tenant), Effect.provideContext(context), Effect.timeout(readDeadline))

  const succeeded = (
    entry: Entry<A, E>,
    loaded: NonNullable<Entry<A, E>["loaded"]>,
    startedAt: Date
  ): void => {
    const isNewer = entry.loaded?.revision !== loaded.revision
    entry.loaded = loaded
    entry.failures = 0
    entry.confirmedAtMillis = startedAt.getTime()
    // Completing a deferred runs who waits for it: everything is in order before.
    dropLeastUsed()
    Deferred.doneUnsafe(entry.first, Effect.succeed(loaded.value))
    if (isNewer) for (const queue of entry.subscribers) Queue.offerUnsafe(queue, loaded.revision)
  }

  const failed = (entry: Entry<A, E>, cause: Cause.Cause<E | Cause.TimeoutError>) => {
    const first = entry.first
    entry.failures++
    if (entry.loaded === undefined) {
      entry.first = Deferred.makeUnsafe()
      if (entry.subscribers.size === 0) entries.delete(entry.tenant)
    }
    Deferred.doneUnsafe(first, Effect.failCause(cause))
    return entry.failures === 1
      ? Effect.logWarning("A tenant's configuration cannot be read; the last one is kept", cause).pipe(
          Effect.annotateLogs({ channel: options.channel, tenant: entry.tenant })
        )
      : Effect.void
  }

  /** One fiber per tenant at most. It goes on while it was told of changes, and after a failure waits for the next poll. */
  const refresh = (entry: Entry<A, E>): Effect.Effect<void> =>
    Effect.gen(function* () {
      do {
        entry.isStale = false
        const startedAt = yield* Now.now
        const permits = entry.failures === 0 ? lane : failingLane
        const exit = yield* Effect.exit(permits.withPermit(readNewest(entry)))
        if (Exit.isSuccess(exit)) succeeded(entry, exit.value, startedAt)
        else yield* failed(entry, exit.cause)
      } while (entry.isStale && entry.failures === 0)
      entry.isReading = false
    })

  const start = (entry: Entry<A, E>): Effect.Effect<void> =>
    Effect.suspend(() => {
      entry.isStale = true
      if (entry.isReading) return Effect.void
      entry.isReading = true
      return Effect.asVoid(Effect.forkIn(refresh(entry), scope))
    })

  const startAll = Effect.suspend(() =>
    Effect.forEach(Array.from(entries.values()), start, { discard: true })
  )

  /** The tenant's entry, being read unless it has a value. A subscriber keeps it from the first moment on. */
  const entryOf = (tenant: TenantId, subscriber?: Queue.Queue<bigint>): Effect.Effect<Entry<A, E>> =>
    Effect.suspend(() => {
      const entry = touch(tenant) ?? newEntry(tenant)
      entries.set(tenant, entry)
      if (subscriber !== undefined) entry.subscribers.add(subscriber)
      dropLeastUsed()
      return entry.loaded === undefined && !entry.isReading
        ? Effect.as(start(entry), entry)
        : Effect.succeed(entry)
    })

  const signals = yield* wakeup.signals
  yield* PubSub.take(signals).pipe(
    Effect.flatMap((signal) => {
      // The connection was lost or is there again: anything may have been missed.
      if (signal === undefined) return startAll
      if (signal.channel !== options.channel) return Effect.void
      const entry = entries.get(signal.payload)
      return entry === undefined ? Effect.void : start(entry)
    }),
    Effect.forever,
    Effect.forkIn(scope)
  )
  yield* Effect.sleep(options.poll).pipe(Effect.andThen(startAll), Effect.forever, Effect.forkIn(scope))
  yield* Effect.addFinalizer(() =>
    Effect.forEach(Array.from(entries.values()), ({ first }) => Deferred.interrupt(first), { discard: true })
  )

  return {
    current: (tenant) => touch(tenant)?.loaded?.value,
    ready: Effect.fnUntraced(function* (tenant: TenantId) {
      const entry = yield* entryOf(tenant)
      return entry.loaded === undefined ? yield* Deferred.await(entry.first) : entry.loaded.value
    }),
    changes: (tenant) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const queue = yield* Queue.sliding<bigint>(1)
          const entry = yield* Effect.acquireRelease(entryOf(tenant, queue), (entry) =>
            Effect.sync(() => {
              entry.subscribers.delete(queue)
              dropLeastUsed()
            })
          )
          if (entry.loaded !== undefined) Queue.offerUnsafe(queue, entry.loaded.revision)
          return Stream.fromQueue(queue)
        })
      ),
    ageMillis: (tenant) =>
      Effect.map(Now.now, (now) => {
        const entry = entries.get(tenant)
        return entry?.loaded === undefined ? undefined : Math.max(now.getTime() - entry.confirmedAtMillis, 0)
      })
  }
})
