import { assert, describe, it } from "@effect/vitest"
import { Caller } from "@hypermarket/core/Credentials"
import * as Now from "@hypermarket/core/Now"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as Sse from "@hypermarket/core/Sse"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Deferred, Effect, Fiber, Option, Scope, Stream } from "effect"
import { HttpServerRequest, type HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { Socket } from "node:net"

const acme = provide(TenantId.make("acme"))
const zeta = provide(TenantId.make("zeta"))

const withCaller = (keyId: string) =>
  Effect.provideService(Caller, {
    keyId,
    kind: "server",
    tenantId: Option.some(TenantId.make("acme")),
    environment: "live",
    plan: Option.some("standard"),
    resource: Option.none(),
    isTenantActive: true,
    scopes: new Set<string>()
  })

const caps = { tenantMax: 5_000, credentialMax: 5_000 }

const decoder = new TextDecoder()

const bytesOf = (response: HttpServerResponse.HttpServerResponse) =>
  response.body._tag === "Stream" ? response.body.stream : Stream.die("not a stream")

const textOf = (response: HttpServerResponse.HttpServerResponse) =>
  Effect.map(Stream.runCollect(bytesOf(response)), (chunks) =>
    chunks.map((chunk) => decoder.decode(chunk)).join("")
  )

const TestLayer = Shutdown.layer

describe("Sse", () => {
  it.effect("writes events as the specification has them, and lets no name or id begin another field", () =>
    Effect.gen(function* () {
      const response = yield* Sse.respond(
        Stream.make<ReadonlyArray<Sse.SseEvent>>(
          { data: "plain" },
          { event: "changed", id: "7", data: "a\nb\r\nc\rd" },
          { event: "x\ndata: forged", id: "1\r\nid: 2\u0000", data: "" }
        ),
        caps
      ).pipe(acme)
      assert.strictEqual(response.headers["cache-control"], "no-store")
      assert.strictEqual(
        yield* textOf(response),
        "data: plain\n\nid: 7\nevent: changed\ndata: a\ndata: b\ndata: c\ndata: d\n\nid: 1id: 2\nevent: xdata: forged\ndata: \n\n"
      )
    }).pipe(Effect.scoped, Effect.provide(TestLayer))
  )

  it.effect("sends a heartbeat every 15 seconds of silence", () =>
    Effect.gen(function* () {
      const response = yield* Sse.respond(Stream.never, caps).pipe(acme)
      const beats = yield* bytesOf(response).pipe(Stream.take(4), Stream.runCollect, Effect.forkChild)
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(beats.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        (yield* Fiber.join(beats)).map((chunk) => decoder.decode(chunk)),
        [":\n\n", ":\n\n", ":\n\n", ":\n\n"]
      )
    }).pipe(Effect.scoped, Effect.provide(TestLayer))
  )

  it.effect("ends 2,000 open streams when stopping begins, and every one after it", () =>
    Effect.gen(function* () {
      const shutdown = yield* Shutdown
      const counts = yield* Sse.OpenStreams
      const readers = yield* Effect.forEach(
        Array.from({ length: 2_000 }),
        Effect.fnUntraced(function* () {
          const started = yield* Deferred.make<void>()
          const response = yield* Sse.respond(
            Stream.concat(Stream.succeed({ data: "hello" }), Stream.never),
            caps
          )
          const reader = yield* bytesOf(response).pipe(
            Stream.runForEach(() => Deferred.succeed(started, undefined)),
            Effect.forkChild
          )
          yield* Deferred.await(started)
          return reader
        })
      ).pipe(acme)
      assert.strictEqual(counts.of("tenant acme"), 2_000)
      yield* shutdown.begin
      yield* Effect.forEach(readers, Fiber.join, { discard: true })
      assert.strictEqual(counts.open(), 0)
      const late = yield* Sse.respond(Stream.never, caps).pipe(acme)
      assert.strictEqual(yield* textOf(late), "")
    }).pipe(
      Effect.scoped,
      Effect.provide(TestLayer),
      Effect.provideService(Sse.OpenStreams, Sse.makeCounts())
    )
  )

  it.effect(
    "caps the streams of a tenant and of a credential, and counts one that was never read until its request ends",
    () =>
      Effect.gen(function* () {
        const counts = yield* Sse.OpenStreams
        const request = yield* Scope.make()
        const open = (keyId: string) =>
          Sse.respond(Stream.never, { tenantMax: 3, credentialMax: 2 }).pipe(
            withCaller(keyId),
            Scope.provide(request)
          )
        yield* open("k1").pipe(acme)
        const second = yield* open("k1").pipe(acme)
        assert.deepInclude(yield* Effect.flip(open("k1").pipe(acme)), { cap: "credential", streamsMax: 2 })
        yield* open("k2").pipe(acme)
        assert.deepInclude(yield* Effect.flip(open("k3").pipe(acme)), { cap: "tenant", streamsMax: 3 })
        yield* open("k4").pipe(zeta)
        const reader = yield* Effect.forkChild(textOf(second), { startImmediately: true })
        yield* Fiber.interrupt(reader)
        yield* open("k1").pipe(acme)
        yield* Scope.close(request, yield* Effect.exit(Effect.void))
        assert.strictEqual(counts.open(), 0)
      }).pipe(Effect.provide(TestLayer), Effect.provideService(Sse.OpenStreams, Sse.makeCounts()))
  )

  it.effect("ends with the token", () =>
    Effect.gen(function* () {
      const now = yield* Now.now
      const endsAt = new Date(now.getTime() + 40_000)
      const response = yield* Sse.respond(Stream.never, { ...caps, endsAt }).pipe(acme)
      const reader = yield* Effect.forkChild(textOf(response))
      yield* TestClock.adjust("39 seconds")
      assert.isUndefined(reader.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(reader), ":\n\n:\n\n")
    }).pipe(Effect.scoped, Effect.provide(TestLayer))
  )

  it.effect(
    "ends within an hour, when its reader may be a proxy that forwards nothing, and not all at once",
    () =>
      Effect.gen(function* () {
        const readers = yield* Effect.forEach(Array.from({ length: 40 }), () =>
          Sse.respond(Stream.never, caps).pipe(acme, Effect.flatMap(textOf), Effect.forkChild)
        )
        const ended = () => readers.filter((reader) => reader.pollUnsafe() !== undefined).length
        yield* TestClock.adjust("44 minutes")
        assert.strictEqual(ended(), 0)
        yield* TestClock.adjust("8 minutes")
        assert.isTrue(ended() > 0 && ended() < 40, `${ended()} have ended`)
        yield* TestClock.adjust("8 minutes")
        yield* Effect.forEach(readers, Fiber.join, { discard: true })
      }).pipe(Effect.scoped, Effect.provide(TestLayer))
  )

  it.effect("drops a reader that does not read for 30 seconds, and closes its connection", () =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<void>()
      const web = HttpServerRequest.fromWeb(new Request("http://localhost/"))
      const socket = new Socket()
      socket.on("close", () => Deferred.doneUnsafe(closed, Effect.void))
      const request = new Proxy(web, {
        get: (target, name) => (name === "source" ? { socket } : Reflect.get(target, name))
      })
      let made = 0
      const events = Stream.fromEffect(
        Effect.sync(() => ({ data: "a".repeat(100_000), id: String(++made) }))
      ).pipe(Stream.forever)
      const taken = yield* Deferred.make<void>()
      const response = yield* Sse.respond(events, caps).pipe(
        acme,
        Effect.provideService(HttpServerRequest.HttpServerRequest, request)
      )
      const reader = yield* bytesOf(response).pipe(
        Stream.runForEach(() => Effect.andThen(Deferred.succeed(taken, undefined), Effect.never)),
        Effect.forkChild
      )
      yield* Deferred.await(taken)
      yield* TestClock.adjust("29 seconds")
      assert.isFalse(yield* Deferred.isDone(closed))
      yield* TestClock.adjust("31 seconds")
      yield* Deferred.await(closed)
      assert.isAtMost(made, 8)
      yield* Fiber.interrupt(reader)
    }).pipe(Effect.scoped, Effect.provide(TestLayer))
  )

  it.effect("keeps a reader that reads, however many events there are", () =>
    Effect.gen(function* () {
      const events = Stream.range(1, 100_000).pipe(
        Stream.map((n) => ({ data: String(n) })),
        Stream.rechunk(100),
        Stream.mapArrayEffect((chunk) => Effect.as(Effect.yieldNow, chunk))
      )
      const response = yield* Sse.respond(events, caps).pipe(acme)
      assert.include(yield* textOf(response), "data: 100000\n\n")
    }).pipe(Effect.scoped, Effect.provide(TestLayer))
  )
})
