import { assert, describe, it } from "@effect/vitest"
import * as ClientAddress from "@hypermarket/core/ClientAddress"
import { ConfigProvider, Effect } from "effect"

const trusted = ["10.0.0.0/8", "fd00::/8"].flatMap((text) => ClientAddress.parseNetwork(text) ?? [])

describe("ClientAddress", () => {
  it("believes the header of trusted proxies alone, from the right", () => {
    const cases: ReadonlyArray<readonly [string, string | undefined, string]> = [
      // A client that connects directly, whatever it claims.
      ["203.0.113.9", undefined, "203.0.113.9"],
      ["203.0.113.9", "198.51.100.1", "203.0.113.9"],
      ["10.0.0.1", "198.51.100.1", "198.51.100.1"],
      // Only the entry that our proxy added: the client wrote the one before it.
      ["10.0.0.1", "8.8.8.8, 198.51.100.1", "198.51.100.1"],
      ["10.0.0.1", "198.51.100.1, 10.1.1.1, 10.2.2.2", "198.51.100.1"],
      ["10.0.0.1", "10.1.1.1", "10.1.1.1"],
      ["10.0.0.1", undefined, "10.0.0.1"],
      ["10.0.0.1", "", "10.0.0.1"],
      // An entry that is no address ends the search.
      ["10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"],
      ["10.0.0.1", "198.51.100.1, unknown, 10.1.1.1", "10.1.1.1"],
      // Ports, and IPv4 within IPv6.
      ["::ffff:10.0.0.1", "198.51.100.1:4711", "198.51.100.1"],
      ["::ffff:198.51.100.7", undefined, "198.51.100.7"],
      ["fd00::1", "[2001:db8::9]:443", "2001:db8::9"]
    ]
    for (const [peer, header, expected] of cases) {
      assert.strictEqual(ClientAddress.resolve(trusted, peer, header).text, expected, `${peer} ${header}`)
    }
  })

  it("puts the addresses of one /64 into one bucket, and each IPv4 address into its own", () => {
    const bucketOf = (peer: string) => ClientAddress.resolve([], peer, undefined).bucket
    assert.strictEqual(bucketOf("2001:db8:1:2:a::1"), bucketOf("2001:db8:1:2:ffff:ffff:ffff:ffff"))
    assert.notStrictEqual(bucketOf("2001:db8:1:2::1"), bucketOf("2001:db8:1:3::1"))
    assert.notStrictEqual(bucketOf("198.51.100.1"), bucketOf("198.51.100.2"))
    assert.strictEqual(bucketOf("::ffff:198.51.100.1"), "198.51.100.1")
  })

  it("shares one bucket among requests without a peer", () => {
    assert.strictEqual(ClientAddress.resolve(trusted, undefined, "198.51.100.1").text, "unknown")
  })

  it.effect("reads the networks from HM_API_TRUSTED_PROXIES and refuses what is none", () =>
    Effect.gen(function* () {
      const read = (text: string) =>
        ClientAddress.TrustedProxies.pipe(
          Effect.provide(ClientAddress.layer),
          Effect.provideService(
            ConfigProvider.ConfigProvider,
            ConfigProvider.fromUnknown({ HM_API_TRUSTED_PROXIES: text })
          )
        )
      assert.lengthOf(yield* read("10.0.0.0/8, fd00::/8,127.0.0.1"), 3)
      const refused = yield* Effect.flip(read("10.0.0.0/33"))
      assert.include(refused.message, "HM_API_TRUSTED_PROXIES")
    })
  )
})
