/**
 * A response of server-sent events (WHATWG HTML, 9.2) with heartbeats and a cap per tenant and credential. A stream ends for
 * a reader that does not read or is gone without closing anything, and for all when the process stops. It knows no cursor:
 * resuming is the caller's.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as SseEncoding from "effect/encoding/Sse"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Socket } from "node:net"
import { Caller } from "./Credentials.ts"
import * as SilentPeers from "./internal/silentPeers.ts"
import * as Now from "./Now.ts"
import { Shutdown } from "./Shutdown.ts"
import { Tenant } from "./Tenant.ts"
import { TooManyStreams } from "./TooManyStreams.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface SseEvent {
  readonly event?: string
  readonly id?: string
  readonly data: string
}

export { TooManyStreams }

/** Proxies close a silent connection after 30 to 60 seconds; one lost heartbeat is survived. */
const heartbeatMillis = 15_000

/** Events that wait longer are not being read: the reader is gone, or slower than its events. */
const unreadMillisMax = 30_000

/** Bytes that wait for a reader, and one event more. Past it the events are not pulled. */
const unreadBytesMax = 262_144

/**
 * A proxy may acknowledge what it does not forward: such a reader cannot be told from one that reads. A stream ends after this
 * time or up to a quarter earlier, so that the readers of a restart do not connect again all at once.
 */
const lifetimeMillisMax = 3_600_000

/** After stopping has begun a stream ends at once; a connection that cannot be written to is closed after this time. */
const closingMillis = 1_000

const heartbeat = new TextEncoder().encode(":\n\n")

/**
 * Open streams by tenant and credential.
 *
 * @category models
 * @since 0.1.0
 */
export interface Counts {
  readonly open: () => number
  readonly add: (key: string, delta: 1 | -1) => void
  readonly of: (key: string) => number
}

/**
 * Counts for one process.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeCounts = (): Counts => {
  const byKey = new Map<string, number>()
  return {
    open: () => byKey.size,
    add: (key, delta) => {
      const count = (byKey.get(key) ?? 0) + delta
      if (count === 0) byKey.delete(key)
      else byKey.set(key, count)
    },
    of: (key) => byKey.get(key) ?? 0
  }
}

/**
 * The counts of the process.
 *
 * @category services
 * @since 0.1.0
 */
export const OpenStreams = Context.Reference<Counts>("@hypermarket/core/Sse/OpenStreams", {
  defaultValue: makeCounts
})

/** A line end in a name or id would begin another field: it is left out. */
const lineOf = (text: string): string => text.replaceAll(/[\r\n\0]/g, "")

const encoder = new TextEncoder()

const encode = (event: SseEvent): Uint8Array =>
  encoder.encode(
    SseEncoding.encoder.write({
      _tag: "Event",
      event: event.event === undefined ? "message" : lineOf(event.event),
      id: event.id === undefined ? undefined : lineOf(event.id),
      data: event.data
    })
  )

const socketOf = (request: Option.Option<HttpServerRequest>): Socket | undefined => {
  const source = Option.getOrUndefined(request)?.source
  return source !== undefined && "socket" in source && source.socket instanceof Socket
    ? source.socket
    : undefined
}

const isSilent = SilentPeers.make()

type Bytes = Queue.Queue<Uint8Array, Cause.Done>

/** Events that wait for the reader, and since when. */
class Outbox {
  readonly queue: Bytes
  readonly drop: () => void
  readonly #room = Latch.makeUnsafe(true)
  #bytes = 0
  #waitingSinceMillis: number | undefined

  constructor(queue: Bytes, drop: () => void) {
    this.queue = queue
    this.drop = drop
  }

  get isEmpty(): boolean {
    return this.#waitingSinceMillis === undefined
  }

  /** Waits until the reader has taken what waits, if that is much. */
  get room(): Effect.Effect<unknown> {
    return this.#room.await
  }

  offer(bytes: Uint8Array, nowMillis: number): void {
    this.#bytes += bytes.byteLength
    if (this.#bytes >= unreadBytesMax) this.#room.closeUnsafe()
    this.#waitingSinceMillis ??= nowMillis
    Queue.offerUnsafe(this.queue, bytes)
  }

  taken(): void {
    this.#bytes = 0
    this.#waitingSinceMillis = undefined
    this.#room.openUnsafe()
  }

  isUnread(nowMillis: number): boolean {
    return this.#waitingSinceMillis !== undefined && nowMillis - this.#waitingSinceMillis >= unreadMillisMax
  }
}

/** Heartbeats, the end of the token, readers that do not read, and those that acknowledged nothing at two heartbeats. */
const attend = (
  outbox: Outbox,
  clock: Clock.Clock,
  endsAtMillis: number,
  socket: Socket | undefined
): Effect.Effect<void> =>
  Effect.gen(function* () {
    let wasSilent = false
    while (true) {
      const remainingMillis = endsAtMillis - (yield* Now.now).getTime()
      if (remainingMillis <= 0) return Queue.endUnsafe(outbox.queue)
      yield* Effect.sleep(Math.min(heartbeatMillis, remainingMillis))
      const silent = socket !== undefined && (yield* isSilent(socket))
      const nowMillis = clock.currentTimeMillisUnsafe()
      if ((silent && wasSilent) || outbox.isUnread(nowMillis)) return outbox.drop()
      wasSilent = silent
      if (outbox.isEmpty && remainingMillis > heartbeatMillis) outbox.offer(heartbeat, nowMillis)
    }
  })

const bodyOf = <E>(
  events: Stream.Stream<SseEvent, E>,
  endsAtMillis: number,
  release: Effect.Effect<void>,
  shutdown: Shutdown["Service"],
  socket: Socket | undefined
): Stream.Stream<Uint8Array> =>
  Stream.unwrap(
    Effect.gen(function* () {
      yield* Effect.addFinalizer(() => release)
      const clock = yield* Clock.Clock
      const queue = yield* Queue.unbounded<Uint8Array, Cause.Done>()
      const outbox = new Outbox(queue, () => {
        Queue.endUnsafe(queue)
        socket?.destroy()
      })
      yield* Stream.runForEach(events, (event) =>
        Effect.andThen(
          outbox.room,
          Effect.sync(() => outbox.offer(encode(event), clock.currentTimeMillisUnsafe()))
        )
      ).pipe(
        Effect.catchCause((cause) => Effect.logWarning("A stream of events failed", cause)),
        Effect.andThen(Queue.end(queue)),
        Effect.forkScoped
      )
      yield* Effect.forkScoped(attend(outbox, clock, endsAtMillis, socket))
      yield* shutdown.stopping.pipe(
        Effect.andThen(Queue.end(queue)),
        Effect.andThen(Effect.sleep(closingMillis)),
        Effect.andThen(Effect.sync(() => socket?.destroy())),
        Effect.forkScoped
      )
      return Stream.fromQueue(queue).pipe(
        Stream.mapArray((chunks) => {
          outbox.taken()
          return chunks
        })
      )
    })
  )

/**
 * Returns a response that sends the events until they end, the reader goes, `endsAt` or an hour has come or stopping begins. Both
 * caps are of this process. The count is given back when the stream or the request's scope ends.
 *
 * @category responses
 * @since 0.1.0
 */
export const respond = Effect.fn("Sse.respond")(function* <E, R>(
  events: Stream.Stream<SseEvent, E, R>,
  options: {
    /** Open streams of the tenant. */
    readonly tenantMax: number
    /** Open streams of the key or token. Without a credential in the context only the tenant's cap applies. */
    readonly credentialMax: number
    /** When the token expires, by core's `Now`. */
    readonly endsAt?: Date
  }
): Effect.fn.Return<
  HttpServerResponse.HttpServerResponse,
  TooManyStreams,
  R | Tenant | Shutdown | Scope.Scope
> {
  const { id } = yield* Tenant
  const shutdown = yield* Shutdown
  const counts = yield* OpenStreams
  const caller = yield* Effect.serviceOption(Caller)
  const request = yield* Effect.serviceOption(HttpServerRequest)
  const context = yield* Effect.context<R>()
  const startedMillis = (yield* Now.now).getTime()
  const lifetimeMillis = yield* Random.nextIntBetween((lifetimeMillisMax * 3) / 4, lifetimeMillisMax)
  const endsAtMillis = Math.min(startedMillis + lifetimeMillis, options.endsAt?.getTime() ?? Infinity)
  const tenantKey = `tenant ${id}`
  const keys = [tenantKey, ...Option.toArray(Option.map(caller, ({ keyId }) => `credential ${keyId}`))]
  // Nothing waits between the check and the count.
  for (const key of keys) {
    const cap = key === tenantKey ? "tenant" : "credential"
    const streamsMax = cap === "tenant" ? options.tenantMax : options.credentialMax
    if (counts.of(key) >= streamsMax) return yield* new TooManyStreams({ cap, streamsMax })
  }
  let isOpen = true
  const release = Effect.sync(() => {
    if (isOpen) for (const key of keys) counts.add(key, -1)
    isOpen = false
  })
  for (const key of keys) counts.add(key, 1)
  yield* Effect.addFinalizer(() => release)
  return HttpServerResponse.stream(
    bodyOf(Stream.provideContext(events, context), endsAtMillis, release, shutdown, socketOf(request)),
    {
      contentType: "text/event-stream",
      headers: {
        "cache-control": "no-store",
        // nginx gathers a response otherwise.
        "x-accel-buffering": "no"
      }
    }
  )
})
