import { assert, describe, it } from "@effect/vitest"
import * as OutboundAddress from "@hypermarket/core/OutboundAddress"
import { ConfigProvider, Effect, Fiber, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import { receiver } from "./outboundServers.ts"

const allowing = (...entries: ReadonlyArray<string>) =>
  OutboundAddress.OutboundAddress.layerAllowing(
    entries.flatMap((entry) => OutboundAddress.parseAllowed(entry) ?? [])
  )

const reasonAtTheDoor = (host: string, port = 443) =>
  Effect.map(OutboundAddress.OutboundAddress, (outbound) => {
    const result = outbound.check(host, port)
    return Result.isFailure(result) ? result.failure.reason : "accepted"
  })

const resolving = (resolve: OutboundAddress.Resolve) =>
  Effect.provideService(OutboundAddress.Resolver, resolve)

const connect = (host: string, port: number) =>
  Effect.flatMap(OutboundAddress.OutboundAddress, (outbound) =>
    outbound.connect({ host, port, deadline: "15 seconds" })
  )

const refusedAddresses: ReadonlyArray<readonly [host: string, reason: OutboundAddress.Reason]> = [
  ["127.0.0.1", "loopback"],
  ["127.255.255.254", "loopback"],
  ["localhost", "loopback"],
  ["LOCALHOST.", "loopback"],
  ["a.localhost", "loopback"],
  ["0.0.0.0", "unspecified"],
  ["0.1.2.3", "unspecified"],
  ["10.0.0.1", "private"],
  ["172.16.0.1", "private"],
  ["172.31.255.255", "private"],
  ["192.168.1.1", "private"],
  ["100.64.0.1", "shared"],
  ["100.127.255.255", "shared"],
  ["169.254.0.1", "link_local"],
  ["169.254.169.254", "metadata"],
  ["100.100.100.200", "metadata"],
  ["168.63.129.16", "metadata"],
  ["192.0.0.192", "metadata"],
  ["192.0.0.8", "reserved"],
  ["192.0.2.1", "documentation"],
  ["198.51.100.1", "documentation"],
  ["203.0.113.1", "documentation"],
  ["198.19.0.1", "benchmarking"],
  ["192.88.99.1", "reserved"],
  ["224.0.0.1", "multicast"],
  ["239.255.255.255", "multicast"],
  ["240.0.0.1", "reserved"],
  ["255.255.255.255", "reserved"],
  ["::", "unspecified"],
  ["::1", "loopback"],
  ["[::1]", "loopback"],
  ["0:0:0:0:0:0:0:1", "loopback"],
  ["::7f00:1", "embedded_ipv4"],
  ["::127.0.0.1", "embedded_ipv4"],
  ["::ffff:127.0.0.1", "embedded_ipv4"],
  ["::ffff:7f00:1", "embedded_ipv4"],
  ["::ffff:0:7f00:1", "embedded_ipv4"],
  ["64:ff9b::7f00:1", "embedded_ipv4"],
  ["64:ff9b:1::7f00:1", "embedded_ipv4"],
  ["2002:7f00:1::", "embedded_ipv4"],
  ["2001::1", "embedded_ipv4"],
  ["2606:4700::5efe:7f00:1", "embedded_ipv4"],
  ["2606:4700::200:5efe:7f00:1", "embedded_ipv4"],
  ["2001:10::1", "reserved"],
  ["2001:db8::1", "documentation"],
  ["3fff::1", "documentation"],
  ["fd00:ec2::254", "metadata"],
  ["fd12:3456::1", "private"],
  ["fc00::1", "private"],
  ["fe80::1", "link_local"],
  ["fec0::1", "private"],
  ["ff02::1", "multicast"],
  ["100::1", "not_global"],
  ["5f00::1", "not_global"],
  ["4000::1", "not_global"]
]

const malformedHosts = [
  "",
  ".",
  "2130706433",
  "0x7f000001",
  "0x7f.0.0.1",
  "017700000001",
  "0177.0.0.1",
  "127.1",
  "127.0.1",
  "127.0.0.01",
  "127.0.0.1.1",
  "foo.127",
  "foo.0x7f",
  "256.0.0.1",
  "fe80::1%eth0",
  "::1%lo",
  "[::1",
  "[127.0.0.1]",
  "1::2::3",
  "１２７.0.0.1",
  "ⓔxample.com",
  "127。0。0。1",
  "exa mple.com",
  "example.com\u0000.internal",
  "example.com/",
  "user@example.com",
  "-example.com",
  "a..b",
  `${"a".repeat(64)}.com`,
  `${"a.".repeat(127)}com`
]

describe("OutboundAddress", () => {
  it.effect("refuses at the door each address that is not public, with the reason", () =>
    Effect.gen(function* () {
      for (const [host, reason] of refusedAddresses) {
        assert.strictEqual(yield* reasonAtTheDoor(host), reason, host)
      }
      for (const host of malformedHosts) {
        assert.strictEqual(yield* reasonAtTheDoor(host), "host_malformed", JSON.stringify(host))
      }
      for (const port of [0, -1, 65_536, 1.5, Number.NaN]) {
        assert.strictEqual(yield* reasonAtTheDoor("example.com", port), "port_malformed", String(port))
      }
      for (const host of [
        "example.com",
        "example.com.",
        "9.9.9.9",
        "2606:4700::1111",
        "[2606:4700::1111]",
        "a_b.example"
      ]) {
        assert.strictEqual(yield* reasonAtTheDoor(host), "accepted", host)
      }
    }).pipe(Effect.provide(allowing()))
  )

  it.effect("refuses a name when any address it resolves to is not public, and connects to none", () =>
    Effect.gen(function* () {
      const inside = yield* receiver({ address: "127.0.0.1" })
      for (const [address] of refusedAddresses.filter(([host]) => /^[\d.]+$|^[^[]*:/.test(host))) {
        const error = yield* connect("example.com", inside.port).pipe(
          Effect.provide(allowing()),
          resolving(() => Effect.succeed(["9.9.9.9", address])),
          Effect.flip
        )
        assert.strictEqual(error._tag, "AddressRefused", address)
      }
      assert.strictEqual(inside.connections(), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("refuses an answer of the resolver that it cannot read", () =>
    Effect.gen(function* () {
      for (const answer of ["0177.0.0.1", "2130706433", "fe80::1%eth0", "localhost", ""]) {
        const error = yield* connect("example.com", 443).pipe(
          Effect.provide(allowing()),
          resolving(() => Effect.succeed([answer])),
          Effect.flip
        )
        assert.strictEqual(error._tag, "AddressRefused", answer)
      }
    })
  )

  it.effect("connects to the address it judged, whatever the name resolves to a moment later", () =>
    Effect.gen(function* () {
      const judged = yield* receiver({ address: "127.0.0.2" })
      const inside = yield* receiver({ address: "127.0.0.1", port: judged.port })
      let lookUps = 0
      const rebinding = Effect.sync(() => (lookUps++ === 0 ? ["127.0.0.2"] : ["127.0.0.1"]))
      yield* Effect.gen(function* () {
        const socket = yield* connect("rebinding.example", judged.port)
        assert.strictEqual(socket.remoteAddress, "127.0.0.2")
        assert.strictEqual(lookUps, 1)
        socket.destroy()
        const error = yield* Effect.flip(connect("rebinding.example", judged.port))
        assert.deepInclude(error, { _tag: "AddressRefused", reason: "loopback", address: "127.0.0.1" })
      }).pipe(
        Effect.provide(allowing(`127.0.0.2/32:${judged.port}`)),
        resolving(() => rebinding)
      )
      assert.strictEqual(inside.connections(), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("allows an exception for its network and port alone, and not its IPv6 forms", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* reasonAtTheDoor("127.0.0.1", 9_000), "accepted")
      assert.strictEqual(yield* reasonAtTheDoor("localhost", 9_000), "accepted")
      assert.strictEqual(yield* reasonAtTheDoor("127.0.0.1", 9_001), "loopback")
      assert.strictEqual(yield* reasonAtTheDoor("127.0.0.2", 9_000), "loopback")
      assert.strictEqual(yield* reasonAtTheDoor("::ffff:127.0.0.1", 9_000), "embedded_ipv4")
      assert.strictEqual(yield* reasonAtTheDoor("fd00::1", 443), "accepted")
    }).pipe(Effect.provide(allowing("127.0.0.1/32:9000", "[fd00::]/16:443")))
  )

  it.effect("reads the exceptions from HM_OUTBOUND_ALLOW and refuses to start on one that is malformed", () =>
    Effect.gen(function* () {
      const withAllow = (text: string) =>
        Layer.provide(
          OutboundAddress.OutboundAddress.layer,
          ConfigProvider.layer(ConfigProvider.fromUnknown({ HM_OUTBOUND_ALLOW: text }))
        )
      const accepted = reasonAtTheDoor("10.1.2.3", 443).pipe(
        Effect.provide(withAllow("127.0.0.1/32:9000, 10.0.0.0/8:443"))
      )
      assert.strictEqual(yield* accepted, "accepted")
      for (const text of [
        "10.0.0.0/8",
        "10.0.0.0/33:443",
        "10.0.0.0/8:0",
        "10.0.0.0/8:70000",
        "example.com:443"
      ]) {
        const error = yield* reasonAtTheDoor("10.1.2.3").pipe(Effect.provide(withAllow(text)), Effect.flip)
        assert.strictEqual(error._tag, "ConfigError", text)
      }
    })
  )

  it.effect(
    "fails with the reason when the name has no address, no address accepts, or the deadline passes",
    () =>
      Effect.gen(function* () {
        const gone = yield* Effect.scoped(receiver({ address: "127.0.0.1" }))
        const failing = (resolve: OutboundAddress.Resolve) =>
          connect("example.com", gone.port).pipe(
            Effect.provide(allowing(`127.0.0.0/8:${gone.port}`)),
            resolving(resolve),
            Effect.flip
          )
        assert.deepInclude(yield* failing(() => Effect.succeed([])), { reason: "resolve" })
        assert.deepInclude(yield* failing(() => Effect.fail("SERVFAIL")), { reason: "resolve" })
        assert.deepInclude(yield* failing(() => Effect.succeed(["127.0.0.1"])), {
          reason: "connect",
          code: "ECONNREFUSED"
        })
        const waiting = yield* Effect.forkChild(failing(() => Effect.never))
        yield* TestClock.adjust("15 seconds")
        assert.deepInclude(yield* Fiber.join(waiting), { _tag: "ConnectFailed", reason: "timeout" })
      })
  )

  it.effect("tries the next address when one does not accept", () =>
    Effect.gen(function* () {
      const second = yield* receiver({ address: "127.0.0.2" })
      const socket = yield* connect("example.com", second.port).pipe(
        Effect.provide(allowing(`127.0.0.0/8:${second.port}`)),
        resolving(() => Effect.succeed(["127.0.0.3", "127.0.0.2"]))
      )
      assert.strictEqual(socket.remoteAddress, "127.0.0.2")
      socket.destroy()
    }).pipe(Effect.scoped)
  )
})
