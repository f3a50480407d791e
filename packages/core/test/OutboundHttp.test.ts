import { assert, describe, it } from "@effect/vitest"
import * as OutboundAddress from "@hypermarket/core/OutboundAddress"
import * as OutboundHttp from "@hypermarket/core/OutboundHttp"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { authority } from "./outboundCertificates.ts"
import { receiver } from "./outboundServers.ts"

const trusting = (authorities: ReadonlyArray<string>, ...entries: ReadonlyArray<string>) =>
  OutboundHttp.OutboundHttp.layerTrusting(authorities).pipe(
    Layer.provide(
      OutboundAddress.OutboundAddress.layerAllowing(
        entries.flatMap((entry) => OutboundAddress.parseAllowed(entry) ?? [])
      )
    )
  )

const allowing = (...entries: ReadonlyArray<string>) => trusting([authority], ...entries)

const send = (request: Partial<OutboundHttp.OutboundRequest> & { readonly url: string }) =>
  Effect.flatMap(OutboundHttp.OutboundHttp, (http) =>
    http.send({ method: "GET", headers: {}, deadline: "15 seconds", answerMax: 65_536, ...request })
  )

const resolvingTo = (...addresses: ReadonlyArray<string>) =>
  Effect.provideService(OutboundAddress.Resolver, () => Effect.succeed(addresses))

const refusalOf = (url: string) =>
  Effect.flatMap(OutboundHttp.OutboundHttp, (http) =>
    Effect.match(http.check(url), { onSuccess: () => "accepted", onFailure: (error) => error.reason })
  )

const refusedUrls: ReadonlyArray<readonly [url: string, reason: OutboundHttp.OutboundRefused["reason"]]> = [
  ["http://example.com/", "scheme"],
  ["http://127.0.0.1/", "address"],
  ["https://127.0.0.1/", "address"],
  ["https://localhost/", "address"],
  ["https://2130706433/", "address"],
  ["https://0x7f000001/", "address"],
  ["https://0x7f.1/", "address"],
  ["https://017700000001/", "address"],
  ["https://0177.0.0.1/", "address"],
  ["https://127.1/", "address"],
  ["https://%31%32%37.0.0.1/", "address"],
  ["https://１２７.0.0.1/", "address"],
  ["https://127。0。0。1/", "address"],
  ["https://[::1]/", "address"],
  ["https://[::7f00:1]/", "address"],
  ["https://[::ffff:127.0.0.1]/", "address"],
  ["https://[64:ff9b::7f00:1]/", "address"],
  ["https://[2002:7f00:1::]/", "address"],
  ["https://169.254.169.254/latest/meta-data/", "address"],
  ["https://example.com:22/", "port"],
  ["https://example.com:80/", "port"],
  ["https://user:password@example.com/", "userinfo"],
  ["https://user@example.com/", "userinfo"],
  ["https://@example.com/", "userinfo"],
  ["https://example.com\\@127.0.0.1/", "malformed"],
  ["https://example.com/a b", "malformed"],
  ["https://example.com/\r\nHost: a", "malformed"],
  ["ht\ttps://example.com/", "malformed"],
  [" https://example.com/", "malformed"],
  ["https:example.com", "malformed"],
  ["https:///example.com", "malformed"],
  ["//example.com/", "malformed"],
  ["file:///etc/passwd", "malformed"],
  ["ftp://example.com/", "malformed"],
  ["gopher://example.com/", "malformed"],
  ["", "malformed"],
  [`https://example.com/${"a".repeat(2_048)}`, "too_long"]
]

describe("OutboundHttp", () => {
  it.effect("refuses from the URL alone what it could only refuse later", () =>
    Effect.gen(function* () {
      for (const [url, reason] of refusedUrls) {
        assert.strictEqual(yield* refusalOf(url), reason, JSON.stringify(url))
      }
      for (const url of ["https://example.com/", "https://EXAMPLE.com:8443/a?b=c", "https://9.9.9.9/"]) {
        assert.strictEqual(yield* refusalOf(url), "accepted", url)
      }
    }).pipe(Effect.provide(allowing()))
  )

  it.effect("sends method, path, headers and body as they are, and returns the answer", () =>
    Effect.gen(function* () {
      const inside = yield* receiver({
        address: "127.0.0.1",
        answer: (response) =>
          response.writeHead(202, { "X-Reply": "yes", "set-cookie": ["a=1", "b=2"] }).end("done")
      })
      const answer = yield* send({
        method: "POST",
        url: `http://hooks.example.test:${inside.port}/a/b?c=d#fragment`,
        headers: { "webhook-id": "msg_1", "content-type": "application/json" },
        body: new TextEncoder().encode('{"n":1}')
      }).pipe(Effect.provide(allowing(`127.0.0.1/32:${inside.port}`)), resolvingTo("127.0.0.1"))
      assert.deepStrictEqual(
        { ...answer, body: new TextDecoder().decode(answer.body), headers: answer.headers["x-reply"] },
        { status: 202, headers: "yes", body: "done", truncated: false }
      )
      assert.strictEqual(answer.headers["set-cookie"], "a=1, b=2")
      const [request] = inside.requests
      assert.strictEqual(request?.url, "/a/b?c=d")
      assert.strictEqual(request?.body, '{"n":1}')
      assert.deepInclude(request?.headers, {
        host: `hooks.example.test:${inside.port}`,
        "webhook-id": "msg_1",
        "content-length": "7"
      })
    }).pipe(Effect.scoped)
  )

  it.effect("refuses headers that end a line, frame the message or choose the host", () =>
    Effect.gen(function* () {
      const inside = yield* receiver({ address: "127.0.0.1" })
      const url = `http://127.0.0.1:${inside.port}/`
      const cases: ReadonlyArray<readonly [Record<string, string>, OutboundHttp.OutboundRefused["reason"]]> =
        [
          [{ "x-a": "1\r\nx-b: 2" }, "header_value"],
          [{ "x-a": "1\nx-b: 2" }, "header_value"],
          [{ "x-a": "1\u0000" }, "header_value"],
          [{ "x-a": "\u010d\u010a" }, "header_value"],
          [{ "x-a": "a".repeat(8_193) }, "header_value"],
          [{ "x-a\r\nx-b": "1" }, "header_name"],
          [{ "x a": "1" }, "header_name"],
          [{ "": "1" }, "header_name"],
          [{ Host: "169.254.169.254" }, "header_reserved"],
          [{ "Content-Length": "0" }, "header_reserved"],
          [{ "transfer-encoding": "chunked" }, "header_reserved"],
          [{ Connection: "upgrade" }, "header_reserved"],
          [Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`x-${index}`, "1"])), "too_long"]
        ]
      for (const [headers, reason] of cases) {
        const error = yield* Effect.flip(send({ url, headers })).pipe(
          Effect.provide(allowing(`127.0.0.1/32:${inside.port}`))
        )
        assert.deepInclude(
          error,
          { _tag: "OutboundRefused", field: "headers", reason },
          JSON.stringify(headers)
        )
      }
      assert.strictEqual(inside.connections(), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("returns a redirect as the answer and does not follow it", () =>
    Effect.gen(function* () {
      const target = yield* receiver({ address: "127.0.0.1" })
      const inside = yield* receiver({
        address: "127.0.0.1",
        answer: (response) =>
          response.writeHead(307, { location: `http://127.0.0.1:${target.port}/latest/meta-data` }).end()
      })
      const answer = yield* send({ url: `http://127.0.0.1:${inside.port}/` }).pipe(
        Effect.provide(allowing(`127.0.0.1/32:${inside.port}`, `127.0.0.1/32:${target.port}`))
      )
      assert.strictEqual(answer.status, 307)
      assert.strictEqual(target.connections(), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("keeps answerMax bytes of an endless answer and closes the connection", () =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<void>()
      const inside = yield* receiver({
        address: "127.0.0.1",
        answer: (response) => {
          const write = (): void => {
            while (response.write(Buffer.alloc(65_536, "a")));
          }
          response.on("drain", write)
          response.on("close", () => Deferred.doneUnsafe(closed, Effect.void))
          write()
        }
      })
      const answer = yield* send({ url: `http://127.0.0.1:${inside.port}/`, answerMax: 1_000 }).pipe(
        Effect.provide(allowing(`127.0.0.1/32:${inside.port}`))
      )
      assert.strictEqual(answer.body.byteLength, 1_000)
      assert.isTrue(answer.truncated)
      yield* Deferred.await(closed)
    }).pipe(Effect.scoped)
  )

  it.effect("holds the whole exchange to the deadline, also when the answer has begun", () =>
    Effect.gen(function* () {
      for (const answer of [
        () => undefined,
        (response: { readonly write: (text: string) => boolean }) => void response.write("a")
      ]) {
        const inside = yield* receiver({ address: "127.0.0.1", answer })
        const waiting = yield* send({ url: `http://127.0.0.1:${inside.port}/` }).pipe(
          Effect.provide(allowing(`127.0.0.1/32:${inside.port}`)),
          Effect.flip,
          Effect.forkChild
        )
        yield* Deferred.await(inside.arrived)
        yield* TestClock.adjust("15 seconds")
        assert.deepInclude(yield* Fiber.join(waiting), { reason: "timeout", isSent: true })
      }
    }).pipe(Effect.scoped)
  )

  it.effect("refuses at the connection a name whose address has changed since the door", () =>
    Effect.gen(function* () {
      const inside = yield* receiver({ address: "127.0.0.1", isSecure: true })
      const error = yield* Effect.gen(function* () {
        assert.strictEqual(yield* refusalOf("https://hooks.example.test/"), "accepted")
        return yield* Effect.flip(send({ url: "https://hooks.example.test/" }))
      }).pipe(Effect.provide(allowing(`127.0.0.1/32:${inside.port}`)), resolvingTo("9.9.9.9", "127.0.0.1"))
      assert.deepInclude(error, { _tag: "OutboundRefused", field: "url", reason: "address" })
      assert.notInclude(JSON.stringify(error), "127.0.0.1")
      assert.strictEqual(inside.connections(), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("sends over TLS to the judged address with the URL's name", () =>
    Effect.gen(function* () {
      const inside = yield* receiver({ address: "127.0.0.1", isSecure: true })
      const answer = yield* send({ url: `https://hooks.example.test:${inside.port}/` }).pipe(
        Effect.provide(allowing(`127.0.0.1/32:${inside.port}`)),
        resolvingTo("127.0.0.1")
      )
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(inside.requests.length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("sends over TLS to the address it judged, whatever the name resolves to a moment later", () =>
    Effect.gen(function* () {
      const judged = yield* receiver({ address: "127.0.0.2", isSecure: true })
      const inside = yield* receiver({ address: "127.0.0.1", port: judged.port, isSecure: true })
      const answers = [["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2", "127.0.0.1"]]
      const rebinding = () => Effect.sync(() => answers.shift() ?? [])
      const url = `https://hooks.example.test:${judged.port}/`
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* send({ url })).status, 200)
        for (const error of [yield* Effect.flip(send({ url })), yield* Effect.flip(send({ url }))]) {
          assert.deepInclude(error, { _tag: "OutboundRefused", field: "url", reason: "address" })
        }
      }).pipe(
        Effect.provide(allowing(`127.0.0.2/32:${judged.port}`)),
        Effect.provideService(OutboundAddress.Resolver, rebinding)
      )
      assert.deepStrictEqual(
        judged.requests.map(({ headers }) => headers.host),
        [`hooks.example.test:${judged.port}`]
      )
      assert.deepStrictEqual([judged.connections(), inside.connections(), answers.length], [1, 0, 0])
    }).pipe(Effect.scoped)
  )

  it.effect(
    "sends nothing to a server whose certificate is for another name or of an unknown authority",
    () =>
      Effect.gen(function* () {
        const inside = yield* receiver({ address: "127.0.0.1", isSecure: true })
        const entry = `127.0.0.1/32:${inside.port}`
        const failure = (url: string, authorities: ReadonlyArray<string>) =>
          Effect.flip(send({ url })).pipe(
            Effect.provide(trusting(authorities, entry)),
            resolvingTo("127.0.0.1")
          )
        for (const host of ["other.example.test", "127.0.0.1"]) {
          assert.deepInclude(yield* failure(`https://${host}:${inside.port}/`, [authority]), {
            reason: "tls",
            isSent: false,
            code: "ERR_TLS_CERT_ALTNAME_INVALID"
          })
        }
        assert.deepInclude(yield* failure(`https://hooks.example.test:${inside.port}/`, []), {
          reason: "tls",
          isSent: false
        })
        assert.strictEqual(inside.requests.length, 0)
      }).pipe(Effect.scoped)
  )

  it.effect("fails when the answer breaks off, is no HTTP or switches protocols", () =>
    Effect.gen(function* () {
      const broken: ReadonlyArray<string> = [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        `HTTP/1.1 200 OK\r\nx-a: ${"a".repeat(20_000)}\r\n\r\n`,
        ""
      ]
      for (const text of broken) {
        const inside = yield* receiver({
          address: "127.0.0.1",
          answer: (response) => response.socket?.end(text)
        })
        const error = yield* Effect.flip(send({ url: `http://127.0.0.1:${inside.port}/` })).pipe(
          Effect.provide(allowing(`127.0.0.1/32:${inside.port}`))
        )
        assert.deepInclude(
          error,
          { _tag: "OutboundFailed", reason: "answer", isSent: true },
          text.slice(0, 40)
        )
      }
    }).pipe(Effect.scoped)
  )
})
