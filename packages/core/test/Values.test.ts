import { assert, describe, it } from "@effect/vitest"
import * as AccessScope from "@hypermarket/core/AccessScope"
import * as Identifier from "@hypermarket/core/Identifier"
import { Money } from "@hypermarket/core/Money"
import * as Page from "@hypermarket/core/Page"
import { expectedVersion } from "@hypermarket/core/Precondition"
import { TenantId } from "@hypermarket/core/Tenant"
import { Effect, Option, Schema } from "effect"
import { TestClock } from "effect/testing"

const accepts = <S extends Schema.ConstraintCodec<unknown, unknown>>(schema: S, value: unknown): boolean =>
  Option.isSome(Schema.decodeUnknownOption(schema)(value))

describe("TenantId", () => {
  it("is 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit", () => {
    for (const id of ["a", "acme", "9-lives", "a_b", "a".repeat(63)]) assert.isTrue(accepts(TenantId, id), id)
    for (const id of ["", "-a", "_system", "Acme", "a b", "a".repeat(64), "a/b", "ä"]) {
      assert.isFalse(accepts(TenantId, id), id)
    }
  })
})

describe("Identifier.nextMany", () => {
  it.effect("gives UUIDv7 that differ and grow in their order", () =>
    Effect.gen(function* () {
      // A millisecond that no other test has made ids in.
      yield* TestClock.setTime(12_345)
      const ids = yield* Identifier.nextMany(10_000)
      assert.lengthOf(new Set(ids), 10_000)
      assert.deepStrictEqual(ids.toSorted(), ids)
      for (const id of ids)
        assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      // The clock of this test stands still: all of these are of one millisecond.
      const single = (yield* Effect.forEach(Array.from({ length: 1_000 }), () =>
        Identifier.nextMany(1)
      )).flat()
      assert.deepStrictEqual([...ids, ...single].toSorted(), [...ids, ...single])
      assert.lengthOf(yield* Identifier.nextMany(0), 0)
    })
  )

  it.effect("never gives the same random bits twice, however few are asked for", () =>
    Effect.gen(function* () {
      // In one moment, one by one and in twos and threes: only chance tells them apart.
      const tails = new Set<string>()
      let given = 0
      for (let n = 0; n < 3_000; n++) {
        for (const id of yield* Identifier.nextMany(1 + (n % 3))) {
          tails.add(id.slice(-12))
          given++
        }
        tails.add(Identifier.nextAtUnsafe(n % 7).slice(-12))
        given++
      }
      assert.strictEqual(tails.size, given)
    })
  )
})

describe("Identifier.nextAtUnsafe", () => {
  it("gives UUIDv7 of an instant, which grow in their order", () => {
    const millis = Date.UTC(2031, 4, 6, 7, 8, 9, 123)
    const ids = Array.from({ length: 2_000 }, () => Identifier.nextAtUnsafe(millis))
    ids.push(Identifier.nextAtUnsafe(millis + 1))
    assert.deepStrictEqual(ids.toSorted(), ids)
    for (const id of ids.slice(0, -1)) {
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      assert.strictEqual(Number.parseInt(id.slice(0, 13).replace("-", ""), 16), millis)
    }
  })
})

describe("AdopterId", () => {
  it("is 1 to 200 characters without control characters", () => {
    for (const id of ["p1", "urn:x:1", "ä", "x".repeat(200)])
      assert.isTrue(accepts(Identifier.AdopterId, id), id)
    for (const id of ["", "x".repeat(201), "a\u0000b", "a\nb"])
      assert.isFalse(accepts(Identifier.AdopterId, id), id)
  })
})

describe("Money", () => {
  it("keeps every digit of the amount on the wire", () => {
    const wire = { amount: "9007199254740993", currency: "EUR" }
    const money = Schema.decodeUnknownSync(Money)(wire)
    assert.strictEqual(money.amount, 9_007_199_254_740_993n)
    assert.deepStrictEqual(Schema.encodeSync(Money)(money), wire)
  })

  it("refuses numbers, fractions, what a bigint column cannot hold, and codes that are none", () => {
    for (const wrong of [
      { amount: 12, currency: "EUR" },
      { amount: "1.5", currency: "EUR" },
      { amount: "9223372036854775808", currency: "EUR" },
      { amount: "1", currency: "euro" }
    ]) {
      assert.isFalse(accepts(Money, wrong), JSON.stringify(wrong))
    }
  })
})

describe("AccessScope", () => {
  it("includes narrower actions of the same domain only", () => {
    const held = new Set(["events:write", "risk:admin"])
    assert.deepStrictEqual(
      AccessScope.missing(held, ["events:read", "events:write", "risk:read", "risk:admin"]),
      []
    )
    assert.deepStrictEqual(
      AccessScope.missing(held, ["events:admin", "search:read", "none", "system:admin"]),
      ["events:admin", "search:read", "none", "system:admin"]
    )
  })

  it("gives the scopes of data to no key that has not been given them", () => {
    const held = new Set(["events:admin", "customers:admin", "events:read"])
    assert.deepStrictEqual(AccessScope.missing(held, AccessScope.ofData), [
      "events:payload",
      "customers:contact"
    ])
    assert.deepStrictEqual(AccessScope.missing(new Set(AccessScope.ofData), AccessScope.ofData), [])
    assert.deepStrictEqual(AccessScope.missing(new Set(AccessScope.ofData), ["events:read"]), ["events:read"])
    for (const scope of AccessScope.ofData) assert.isTrue(Schema.is(AccessScope.AccessScope)(scope))
    for (const scope of ["risk:payload", "events:contact", "events:payload2"])
      assert.isFalse(Schema.is(AccessScope.AccessScope)(scope))
  })
})

describe("Precondition", () => {
  it.effect("reads our tags and lets every other match nothing", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* expectedVersion({ "if-match": '"7"' }), 7)
      assert.strictEqual(yield* expectedVersion({ "if-match": ' W/"12" ' }), 12)
      for (const tag of ["*", "7", '"x"', '"7","8"']) {
        assert.strictEqual(yield* expectedVersion({ "if-match": tag }), -1, tag)
      }
      const error = yield* Effect.flip(expectedVersion({}))
      assert.strictEqual(error.status, 428)
    })
  )
})

describe("Page", () => {
  const pages = Page.make({
    list: "test.things",
    key: Schema.Tuple([Schema.String, Schema.Int]),
    keyOf: (item: { readonly name: string; readonly n: number }) => [item.name, item.n] as const
  })
  const item = (n: number) => ({ name: `ä"${n}`, n })

  it.effect("gives a cursor while there are more, which leads back to the last item's key", () =>
    Effect.gen(function* () {
      const page = yield* pages.page([item(1), item(2), item(3)], { limit: 2 })
      assert.deepStrictEqual(page.items, [item(1), item(2)])
      assert.match(page.nextCursor ?? "", /^[A-Za-z0-9_-]+$/)
      const after = yield* pages.after({ cursor: page.nextCursor ?? "" })
      assert.deepStrictEqual(Option.getOrNull(after), ['ä"2', 2])
      const last = yield* pages.page([item(3)], { limit: 2 })
      assert.isNull(last.nextCursor)
    })
  )

  it.effect("refuses a cursor of somebody else, naming it", () =>
    Effect.gen(function* () {
      for (const cursor of ["%%%", "bm90IGpzb24", "WzFd", "W10"]) {
        const error = yield* Effect.flip(pages.after({ cursor }))
        assert.deepStrictEqual(error.errors[0]?.path, ["query", "cursor"])
      }
    })
  )
})
