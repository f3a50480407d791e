import { assert, layer } from "@effect/vitest"
import { type Resolve, Resolver } from "@hypermarket/core/OutboundAddress"
import { Events } from "@hypermarket/events/Events"
import type { EndpointId } from "@hypermarket/events/Webhook"
import { Webhooks } from "@hypermarket/events/Webhooks"
import { Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import type { ServerResponse } from "node:http"
import { Receiver } from "./Receiver.ts"
import * as Fixture from "./webhookFixture.ts"

/** The name server of this file: its answers, and the names that it was asked for. */
const names = new Map<string, ReadonlyArray<string>>()
const asked: Array<string> = []
const resolve: Resolve = (name) =>
  Effect.sync(() => {
    asked.push(name)
    return names.get(name) ?? []
  })

const TestLayer = Fixture.layer.pipe(Layer.provideMerge(Layer.succeed(Resolver, resolve)))

const publish = (count: number) =>
  Effect.flatMap(Events, (events) =>
    events.publish(Array.from({ length: count }, (_, n) => ({ id: String(n), type: "com.example.made" })))
  )

const filters = (type: string) => [{ exact: { type } }]

/** The one delivery of an endpoint, once it is not being sent. */
const ended = (endpointId: EndpointId) =>
  Effect.gen(function* () {
    const webhooks = yield* Webhooks
    const { items } = yield* webhooks.deliveries({ endpointId })
    const [item] = items
    return item !== undefined && item.attempts > 0 && item.state !== "sending" ? item : undefined
  }).pipe(
    Effect.repeat({ until: (item) => item !== undefined, schedule: Schedule.spaced("100 millis") }),
    Effect.flatMap((item) => (item === undefined ? Effect.die("no delivery") : Effect.succeed(item)))
  )

const hundredMegabytes = 100 * 1024 * 1024

layer(TestLayer, { excludeTestServices: true })("A hostile receiver", (it) => {
  it.effect("ends each attempt as specified: late, long, short, redirected, without TLS or trust", () =>
    Effect.gen(function* () {
      const receiver = yield* Receiver
      const webhooks = yield* Webhooks
      let sent = 0
      receiver.answer("/hang", () => undefined)
      receiver.answer("/drip", (_request, response) => {
        response.writeHead(200)
        const drip = Effect.sync(() => response.destroyed || response.write("."))
        Effect.runFork(
          Effect.repeat(drip, { until: () => response.destroyed, schedule: Schedule.spaced("200 millis") })
        )
      })
      receiver.answer("/huge", (_request, response) => {
        const chunk = Buffer.alloc(64 * 1024)
        const write = (): void => {
          while (sent < hundredMegabytes && !response.destroyed) {
            sent += chunk.byteLength
            if (!response.write(chunk)) return void response.once("drain", write)
          }
          response.end()
        }
        write()
      })
      receiver.answer("/redirect", (_request, response) =>
        response.writeHead(307, { location: `${receiver.origin}/private` }).end()
      )
      receiver.answer("/close", (_request, response) => void response.destroy())
      receiver.answer("/partial", (_request, response) => {
        response.writeHead(200, { "content-length": "100" }).write("x")
        response.destroy()
      })
      receiver.answer("/early", (_request, response) => {
        response.writeEarlyHints({ link: "</a>; rel=preload" })
        response.writeHead(200).end()
      })
      receiver.answer("/only-early", (_request, response) => {
        response.writeEarlyHints({ link: "</b>; rel=preload" }, () => response.destroy())
      })
      const cases = [
        ["/hang", "waiting", null, "No complete answer within 15 seconds"],
        ["/drip", "waiting", null, "No complete answer within 15 seconds"],
        ["/huge", "delivered", 200, null],
        ["/redirect", "waiting", 307, "Answered 307; a redirect is not followed"],
        ["/close", "waiting", null, "The connection was closed before the answer was complete (ECONNRESET)"],
        ["/partial", "waiting", null, "The connection was closed before the answer was complete"],
        ["/early", "delivered", 200, null],
        ["/only-early", "waiting", null, "The connection was closed before the answer was complete"]
      ] as const
      const made = yield* Effect.forEach(cases, ([path]) =>
        webhooks.create({ url: `${receiver.origin}${path}` })
      )
      const secure = yield* webhooks.create({ url: `${receiver.origin.replace("http", "https")}/secure` })
      const untrusted = yield* webhooks.create({ url: `https://127.0.0.1:${receiver.securePort}/untrusted` })
      yield* publish(1)
      yield* Fixture.worker
      for (const [index, [path, state, status, error]] of cases.entries()) {
        const endpoint = made[index]
        if (endpoint === undefined) continue
        const delivery = yield* ended(endpoint.endpointId)
        assert.deepStrictEqual([delivery.state, delivery.lastStatus], [state, status], path)
        if (error === null) assert.isNull(delivery.lastError, path)
        else assert.include(delivery.lastError, error.replace(" (ECONNRESET)", ""), path)
      }
      assert.include((yield* ended(secure.endpointId)).lastError, "The TLS handshake failed")
      const { lastError, state } = yield* ended(untrusted.endpointId)
      assert.deepStrictEqual(
        [state, lastError],
        ["waiting", "The TLS handshake failed (DEPTH_ZERO_SELF_SIGNED_CERT)"]
      )
      // The event was not sent to a receiver without a certificate of an authority.
      assert.lengthOf(receiver.received("/untrusted"), 0)
      assert.isBelow(sent, hundredMegabytes)
      assert.lengthOf(receiver.received("/private"), 0)
    }).pipe(Effect.scoped, Fixture.as("hostile"))
  )

  it.effect("that hangs delays no other endpoint and no other tenant, nor do 300 of them", () =>
    Effect.gen(function* () {
      const receiver = yield* Receiver
      const webhooks = yield* Webhooks
      const events = yield* Events
      const sql = yield* SqlClient.SqlClient
      const hanging = new Map<string, Set<ServerResponse>>()
      const hang = (path: string) => {
        const open = new Set<ServerResponse>()
        hanging.set(path, open)
        receiver.answer(path, (_request, response) => {
          open.add(response)
          response.once("close", () => open.delete(response))
        })
      }
      const open = () => Array.from(hanging.values()).reduce((sum, { size }) => sum + size, 0)
      hang("/one")
      hang("/many")
      yield* webhooks
        .create({ url: `${receiver.origin}/one`, filters: filters("slow") })
        .pipe(Fixture.as("one"))
      yield* webhooks
        .create({ url: `${receiver.origin}/same-tenant`, filters: filters("fast") })
        .pipe(Fixture.as("one"))
      yield* webhooks.create({ url: `${receiver.origin}/other-tenant` }).pipe(Fixture.as("other"))
      const { endpointId } = yield* webhooks
        .create({ url: `${receiver.origin}/many` })
        .pipe(Fixture.as("many"))
      yield* sql`
        INSERT INTO hm_webhook_endpoint (tenant_id, endpoint_id, url, description, filters, ordered, status, recorded_at,
                                         updated_at)
        SELECT tenant_id, gen_random_uuid(), url, description, filters, ordered, status, recorded_at, updated_at
          FROM hm_webhook_endpoint
          CROSS JOIN generate_series(1, 299)
         WHERE tenant_id = 'many'
      `
      yield* sql`
        INSERT INTO hm_webhook_secret (tenant_id, endpoint_id, secret_id, sealed, recorded_at)
        SELECT s.tenant_id, e.endpoint_id, gen_random_uuid(), s.sealed, s.recorded_at
          FROM hm_webhook_secret s
          JOIN hm_webhook_endpoint e
            ON e.tenant_id = s.tenant_id AND e.endpoint_id <> s.endpoint_id
         WHERE s.tenant_id = 'many' AND s.endpoint_id = ${endpointId}::uuid
      `
      const publications = (type: string, count: number) =>
        events.publish(Array.from({ length: count }, (_, n) => ({ id: `${type}-${n}`, type })))
      yield* publications("slow", 40).pipe(Fixture.as("one"))
      yield* publications("slow", 1).pipe(Fixture.as("many"))
      yield* Fixture.worker
      yield* Fixture.until(
        Effect.sync(() => (hanging.get("/one")?.size ?? 0) > 0 && (hanging.get("/many")?.size ?? 0) > 0)
      )
      yield* publications("fast", 100).pipe(Fixture.as("one"))
      yield* publications("fast", 100).pipe(Fixture.as("other"))
      const isDone = () =>
        receiver.received("/same-tenant").length >= 100 && receiver.received("/other-tenant").length >= 100
      let mostOfOne = 0
      let mostOfMany = 0
      yield* Fixture.until(
        Effect.sync(() => {
          mostOfOne = Math.max(mostOfOne, hanging.get("/one")?.size ?? 0)
          mostOfMany = Math.max(mostOfMany, hanging.get("/many")?.size ?? 0)
          return isDone()
        })
      )
      // All of them arrived while others still hang.
      assert.isAbove(open(), 0)
      assert.isAtMost(mostOfOne, 4)
      assert.isAtMost(mostOfMany, 50)
      for (const responses of hanging.values()) for (const response of responses) response.destroy()
      for (const path of hanging.keys())
        receiver.answer(path, (_request, response) => void response.destroy())
    }).pipe(Effect.scoped)
  )
})

layer(TestLayer, { excludeTestServices: true })("A name that a receiver controls", (it) => {
  it.effect("is looked up once per attempt, and refused when it turns to another address", () =>
    Effect.gen(function* () {
      const receiver = yield* Receiver
      const webhooks = yield* Webhooks
      const url = `http://turning.example.com:${receiver.port}/turning`
      const { endpointId } = yield* webhooks.create({ url })
      names.set("turning.example.com", ["127.0.0.1"])
      yield* publish(1)
      yield* Fixture.drain
      assert.strictEqual((yield* ended(endpointId)).state, "delivered")
      for (const addresses of [
        ["10.0.0.1"],
        ["127.0.0.1", "10.0.0.1"],
        ["127.0.0.2"],
        ["::ffff:127.0.0.1"]
      ]) {
        names.set("turning.example.com", addresses)
        asked.length = 0
        yield* webhooks.replay({
          endpointId,
          deliveryIds: (yield* webhooks.deliveries({ endpointId })).items.map(({ deliveryId }) => deliveryId)
        })
        yield* Fixture.drain
        const delivery = yield* ended(endpointId)
        assert.deepStrictEqual([delivery.state, delivery.lastStatus], ["waiting", null], addresses.join())
        assert.strictEqual(delivery.lastError, "Give a URL whose host is reachable from the public internet")
        assert.deepStrictEqual(asked, ["turning.example.com"])
      }
      assert.lengthOf(receiver.received("/turning"), 1)
    }).pipe(Fixture.as("turning"))
  )

  it.effect("is refused for every address that is not public, though it has a public one too", () =>
    Effect.gen(function* () {
      const webhooks = yield* Webhooks
      const { endpointId } = yield* webhooks.create({ url: "https://private.example.com/" })
      yield* publish(1)
      const { items } = yield* webhooks.deliveries({ endpointId })
      const deliveryIds = items.map(({ deliveryId }) => deliveryId)
      for (const address of forbidden) {
        names.set("private.example.com", ["93.184.216.34", address])
        yield* webhooks.replay({ endpointId, deliveryIds })
        yield* Fixture.drain
        const { lastError } = yield* ended(endpointId)
        assert.strictEqual(lastError, "Give a URL whose host is reachable from the public internet", address)
      }
      const attempts = yield* webhooks.attempts(
        endpointId,
        deliveryIds[0] ?? (yield* Effect.die("no delivery"))
      )
      assert.lengthOf(attempts, forbidden.length)
    }).pipe(Fixture.as("private"))
  )
})

/** Private, mapped, compatible, translated and tunnelled addresses. */
const forbidden = [
  "0.0.0.0",
  "10.1.2.3",
  "100.64.0.1",
  "127.0.0.1",
  "169.254.169.254",
  "172.16.0.1",
  "172.31.255.255",
  "192.0.0.192",
  "192.0.2.1",
  "192.88.99.1",
  "192.168.1.1",
  "198.18.0.1",
  "198.51.100.1",
  "203.0.113.1",
  "224.0.0.1",
  "240.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "::7f00:1",
  "::10.0.0.1",
  "::ffff:10.0.0.1",
  "::ffff:7f00:1",
  "::ffff:0:10.0.0.1",
  "64:ff9b::10.0.0.1",
  "64:ff9b:1::10.0.0.1",
  "100::1",
  "2001::1",
  "2001:0:7f00:1::",
  "2001:2::1",
  "2001:10::1",
  "2001:20::1",
  "2001:db8::1",
  "2002:7f00:1::",
  "2002:a00:1::1",
  "3fff::1",
  "5f00::1",
  "fc00::1",
  "fd00:ec2::254",
  "fe80::1",
  "fe80::5efe:10.0.0.1",
  "2606:4700::5efe:10.0.0.1",
  "fec0::1",
  "ff02::1"
]
