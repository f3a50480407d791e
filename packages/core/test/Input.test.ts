import { assert, describe, it } from "@effect/vitest"
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Currency from "@hypermarket/core/Currency"
import * as Cursor from "@hypermarket/core/Cursor"
import { AdopterId } from "@hypermarket/core/Identifier"
import { errorsMax, errorsOf } from "@hypermarket/core/InputErrors"
import { Instant } from "@hypermarket/core/Instant"
import * as Json from "@hypermarket/core/Json"
import * as Place from "@hypermarket/core/Place"
import * as Reserved from "@hypermarket/core/Reserved"
import * as Text from "@hypermarket/core/Text"
import { Effect, Option, Schema } from "effect"

const accepts = <S extends Schema.ConstraintCodec<unknown, unknown>>(schema: S, value: unknown): boolean =>
  Option.isSome(Schema.decodeUnknownOption(schema)(value))

const messagesOf = <A, I>(schema: Schema.Codec<A, I>, value: unknown) =>
  Effect.match(Schema.decodeUnknownEffect(schema)(value), {
    onSuccess: () => [],
    onFailure: (error) => errorsOf(error).map(({ message }) => message)
  })

describe("Text", () => {
  const Name = Text.make({ max: 5 })

  it("counts characters, as Postgres does, and not units of UTF-16", () => {
    for (const text of ["a", "aaaaa", "😀😀😀😀😀", "ä".repeat(5)]) assert.isTrue(accepts(Name, text), text)
    for (const text of ["", "aaaaaa", "😀😀😀😀😀😀", "x".repeat(1_000_000)])
      assert.isFalse(accepts(Name, text))
    assert.isTrue(accepts(Text.make({ min: 0, max: 1 }), ""))
  })

  it("refuses U+0000 and either half of a surrogate pair wherever it is", () => {
    for (const text of ["\u0000", "a\u0000b", "\ud800", "a\udc00", "\udc00\ud800"]) {
      assert.isFalse(accepts(Name, text), JSON.stringify(text))
      assert.isFalse(accepts(AdopterId, text), JSON.stringify(text))
    }
  })

  it.effect("says what is expected", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* messagesOf(Name, "aaaaaa"), ["Expected 1 to 5 characters"])
      assert.deepStrictEqual(yield* messagesOf(Name, "\u0000"), [
        "Expected neither U+0000 nor half of a surrogate pair"
      ])
    })
  )
})

describe("Instant", () => {
  const millis = (text: string) =>
    Option.getOrNull(
      Option.map(Schema.decodeUnknownOption(Instant)(text), (instant) => instant.epochMilliseconds)
    )

  it("reads RFC 3339 with any offset, cut to milliseconds", () => {
    const noon = Date.UTC(2026, 2, 10, 12)
    assert.strictEqual(millis("2026-03-10T12:00:00Z"), noon)
    assert.strictEqual(millis("2026-03-10t12:00:00z"), noon)
    assert.strictEqual(millis("2026-03-10T17:45:00+05:45"), noon)
    assert.strictEqual(millis("2026-03-09T13:00:00-23:00"), noon)
    assert.strictEqual(millis("2026-03-10T12:00:00-00:00"), noon)
    assert.strictEqual(millis("2026-03-10T12:00:00.123999999Z"), noon + 123)
    assert.strictEqual(millis("2026-03-10T12:00:00.1Z"), noon + 100)
    assert.strictEqual(millis("2024-02-29T00:00:00Z"), Date.UTC(2024, 1, 29))
    assert.strictEqual(millis("1970-01-01T00:00:00Z"), 0)
  })

  it("refuses days that are not, hours that are not, missing offsets, other forms and other centuries", () => {
    for (const text of [
      "2026-02-30T12:00:00Z",
      "2023-02-29T12:00:00Z",
      "2026-04-31T12:00:00Z",
      "2026-13-01T12:00:00Z",
      "2026-00-10T12:00:00Z",
      "2026-03-00T12:00:00Z",
      "2026-03-10T24:00:00Z",
      "2026-03-10T12:60:00Z",
      "2026-03-10T12:00:61Z",
      "2026-03-10T12:00:00",
      "2026-03-10",
      "2026-03-10 12:00:00Z",
      "2026-03-10T12:00:00+25:00",
      "2026-03-10T12:00:00+0100",
      "03/10/2026",
      "March 10, 2026",
      "1",
      "",
      "0000-01-01T00:00:00Z",
      "0099-01-01T00:00:00Z",
      "1969-12-31T23:59:59.999Z",
      "1970-01-01T00:00:00+01:00",
      "2100-01-01T00:00:00Z",
      "10000-01-01T00:00:00Z",
      "+275760-09-13T00:00:00Z",
      `2026-03-10T12:00:00.${"1".repeat(1_000_000)}Z`
    ]) {
      assert.isNull(millis(text), text.slice(0, 60))
    }
  })

  it("is written in UTC, and what it writes it reads", () => {
    const instant = Schema.decodeUnknownSync(Instant)("2026-03-10T17:45:00.5+05:45")
    assert.strictEqual(Schema.encodeSync(Instant)(instant), "2026-03-10T12:00:00.500Z")
  })
})

describe("Json", () => {
  const nested = (depth: number): unknown => {
    let value: unknown = 1
    for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value }
    return value
  }
  const Document = Json.make({ bytesMax: 1_000 })

  it("is bounded in depth, far below and far above what a stack holds", () => {
    assert.isTrue(accepts(Document, nested(Json.depthMax)))
    for (const depth of [Json.depthMax + 1, 10_000, 1_000_000])
      assert.isFalse(accepts(Document, nested(depth)))
    assert.isFalse(accepts(Json.record({}), { deep: nested(1_000_000) }))
  })

  it("is bounded in bytes of UTF-8", () => {
    assert.isTrue(accepts(Document, "x".repeat(998)))
    assert.isFalse(accepts(Document, "x".repeat(999)))
    assert.isTrue(accepts(Document, "ä".repeat(499)))
    assert.isFalse(accepts(Document, "ä".repeat(500)))
  })

  it("refuses U+0000 and halves of surrogate pairs in texts and in names, at any depth", () => {
    for (const value of [
      "a\u0000",
      ["\ud800"],
      { a: [{ b: "\udfff" }] },
      { "\u0000": 1 },
      { a: { "\ud800": 1 } }
    ])
      assert.isFalse(accepts(Document, value), JSON.stringify(value))
  })

  it("refuses what is no JSON", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, undefined, [undefined], { a: 1n }, new Map()])
      assert.isFalse(accepts(Document, value))
  })

  it("keeps members named like those of every object", () => {
    const members: unknown = JSON.parse('{"__proto__":{"a":1},"constructor":2}')
    const decoded = Schema.decodeUnknownSync(Json.record({ namesMax: 2 }))(members)
    assert.strictEqual(JSON.stringify(decoded), '{"__proto__":{"a":1},"constructor":2}')
    assert.isFalse(accepts(Json.record({ namesMax: 1 }), members))
  })
})

describe("BoundedInt", () => {
  it("holds what its column holds, and nothing else", () => {
    for (const value of [0, -0, 2_147_483_647, -2_147_483_648]) assert.isTrue(accepts(BoundedInt.Int4, value))
    for (const value of [2_147_483_648, -2_147_483_649, 1.5, Number.NaN, Infinity, 1e30, "1", null])
      assert.isFalse(accepts(BoundedInt.Int4, value))
    for (const value of [0, -1]) assert.isFalse(accepts(BoundedInt.PositiveInt4, value))
    assert.isTrue(accepts(BoundedInt.PositiveSafeInt, Number.MAX_SAFE_INTEGER))
    assert.isFalse(accepts(BoundedInt.PositiveSafeInt, 2 ** 53))
  })

  it("reads a bigint from decimal text alone, to the last digit and no further", () => {
    for (const value of ["0", "-1", "9223372036854775807", "-9223372036854775808"]) {
      assert.strictEqual(
        Schema.encodeSync(BoundedInt.Int8)(Schema.decodeUnknownSync(BoundedInt.Int8)(value)),
        value
      )
    }
    for (const value of [
      "9223372036854775808",
      "-9223372036854775809",
      "1".repeat(30),
      "9".repeat(10_000_000),
      "",
      " 1",
      "1.0",
      "0x10",
      "01",
      "-0",
      "1e3",
      1
    ])
      assert.isFalse(accepts(BoundedInt.Int8, value), String(value).slice(0, 40))
    assert.isFalse(accepts(BoundedInt.PositiveInt8, "0"))
  })

  it("reads an integer from the query of a URL", () => {
    const Limit = BoundedInt.fromText({ minimum: 1, maximum: 200 })
    assert.strictEqual(Schema.decodeUnknownSync(Limit)("200"), 200)
    for (const value of ["0", "201", "NaN", "1e2", "0x10", " 5", "5.0", "-1", "", "9".repeat(1_000_000)])
      assert.isFalse(accepts(Limit, value), value.slice(0, 40))
  })
})

describe("Cursor", () => {
  const key = Schema.Tuple([Text.make({ max: 20 }), BoundedInt.PositiveInt8])
  const cursors = Cursor.make({ list: "test.things", key })

  it.effect("leads back to the key it was made of, and belongs to one list", () =>
    Effect.gen(function* () {
      const cursor = yield* cursors.encode(['ä"1', 9_223_372_036_854_775_807n])
      assert.match(cursor, /^[A-Za-z0-9_-]+$/)
      assert.deepStrictEqual(yield* cursors.decode(cursor), ['ä"1', 9_223_372_036_854_775_807n])
      const others = Cursor.make({ list: "test.others", key })
      assert.strictEqual((yield* Effect.flip(others.decode(cursor))).status, 400)
    })
  )

  it.effect("refuses what it did not make, and keys that a column cannot hold", () =>
    Effect.gen(function* () {
      const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
      for (const cursor of [
        "",
        "x",
        "%",
        encoded(["x"]),
        encoded(["test.things", ["\u0000", "1"]]),
        encoded(["test.things", ["\ud800", "1"]]),
        encoded(["test.things", ["a", "9223372036854775808"]]),
        encoded(["test.things", ["a", 1]]),
        encoded(["test.things", ["a"]]),
        encoded({ __proto__: null }),
        "A".repeat(10_000_000)
      ]) {
        const error = yield* Effect.flip(cursors.decode(cursor))
        assert.deepStrictEqual(error.errors[0]?.path, ["query", "cursor"])
      }
    })
  )
})

describe("Place", () => {
  it("knows the countries of ISO 3166, and reads UK and EL as GB and GR", () => {
    const read = Schema.decodeUnknownSync(Place.Region)
    assert.strictEqual(read("DE"), "DE")
    assert.strictEqual(read("US-CA"), "US-CA")
    assert.strictEqual(read("UK"), "GB")
    assert.strictEqual(read("UK-ENG"), "GB-ENG")
    assert.strictEqual(read("EL"), "GR")
    for (const region of ["ZZ", "XX", "EU", "de", "D", "DEU", "DE-", "DE-ABCD", "AN", ""])
      assert.isFalse(accepts(Place.Region, region), region)
  })

  it("knows zones, locales and addresses that exist", () => {
    for (const zone of ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Argentina/Buenos_Aires"])
      assert.isTrue(accepts(Place.TimeZone, zone), zone)
    for (const zone of ["", "Mars/Olympus", "+02:00", "x".repeat(1_000_000), "Europe/Berlin\u0000"])
      assert.isFalse(accepts(Place.TimeZone, zone), zone.slice(0, 40))
    for (const locale of ["de", "pt-BR", "zh-Hant-TW"]) assert.isTrue(accepts(Place.Locale, locale), locale)
    for (const locale of ["", "d", "de_DE", "\u0000", "x".repeat(100)])
      assert.isFalse(accepts(Place.Locale, locale), locale)
    for (const ip of ["127.0.0.1", "255.255.255.255", "::1", "2001:db8::ff00:42:8329", "::ffff:192.0.2.1"])
      assert.isTrue(accepts(Place.IpAddress, ip), ip)
    for (const ip of [
      "",
      "256.1.1.1",
      "1.2.3",
      "1.2.3.4.",
      "01.2.3.4",
      "::1%eth0",
      "[::1]",
      "12:34",
      "a.b.c.d",
      ":::"
    ])
      assert.isFalse(accepts(Place.IpAddress, ip), ip)
  })
})

describe("Currency", () => {
  it("knows ISO 4217 and the minor units, whichever ICU is running", () => {
    for (const code of ["EUR", "USD", "VED", "ZWG", "XCG", "HRK"])
      assert.isTrue(accepts(Currency.Currency, code), code)
    for (const code of ["ZZZ", "eur", "EU", "", "XXX", "XTS", "EUR "])
      assert.isFalse(accepts(Currency.Currency, code))
    assert.strictEqual(Currency.minorUnits.get("EUR"), 2)
    assert.strictEqual(Currency.minorUnits.get("JPY"), 0)
    assert.strictEqual(Currency.minorUnits.get("KWD"), 3)
    assert.strictEqual(Currency.minorUnits.get("CLF"), 4)
    assert.strictEqual(Currency.minorUnits.get("HUF"), 2)
  })
})

describe("Reserved", () => {
  it("refuses queues whose first word is a domain, handler, job, workflow or system", () => {
    for (const queue of [
      "notifications.email",
      "events.webhook",
      "search",
      "handler.x",
      "job.x",
      "workflow.order",
      "system.x",
      "risk.score"
    ])
      assert.isFalse(accepts(Reserved.QueueName, queue), queue)
    for (const queue of ["mails", "my.search", "searching", "jobs", "risk-checks", "0"])
      assert.isTrue(accepts(Reserved.QueueName, queue), queue)
    for (const queue of ["", "A", ".x", "x\u0000", "x".repeat(128)])
      assert.isFalse(accepts(Reserved.QueueName, queue), queue)
  })

  it("keeps our types and sources from publishers, but for the facts of a shop", () => {
    assert.isTrue(Reserved.isTypeReserved("com.hypermarket.platform.activity.sealed.v1"))
    assert.isTrue(Reserved.isTypeReserved("com.hypermarket.shop.order.eaten.v1"))
    assert.isFalse(Reserved.isTypeReserved("com.hypermarket.shop.order.placed.v1"))
    assert.isFalse(Reserved.isTypeReserved("com.hypermarketing.x"))
    assert.isTrue(Reserved.isSourceReserved("/hypermarket/platform"))
    assert.isTrue(Reserved.isSourceReserved("/hypermarket"))
    assert.isFalse(Reserved.isSourceReserved("/hypermarkets/x"))
  })
})

describe("InputErrors", () => {
  it.effect("names the fields that exist beside one that does not", () =>
    Effect.gen(function* () {
      const Query = Schema.Struct({
        query: Schema.optionalKey(Schema.String),
        limit: Schema.optionalKey(Schema.Int)
      })
      const options = { errors: "all", onExcessProperty: "error" } as const
      const unknown = yield* Effect.flip(Schema.decodeUnknownEffect(Query, options)({ q: "chair" }))
      assert.deepStrictEqual(errorsOf(unknown, [1]), [
        { path: [1, "q"], message: "Expected no field of this name, but one of query, limit" }
      ])
    })
  )

  it.effect("names the fields of all members of a union in one entry", () =>
    Effect.gen(function* () {
      const Filter = Schema.Union([
        Schema.Struct({ exact: Schema.String }),
        Schema.Struct({ prefix: Schema.String })
      ])
      const error = yield* Effect.flip(
        Schema.decodeUnknownEffect(Filter, { errors: "all", onExcessProperty: "error" })({ type: "a" })
      )
      assert.deepStrictEqual(
        errorsOf(error).filter(({ path }) => path[0] === "type"),
        [{ path: ["type"], message: "Expected no field of this name, but one of exact, prefix" }]
      )
    })
  )

  it.effect("lists a hundred errors at most, and cuts the names that a caller made up", () =>
    Effect.gen(function* () {
      const decode = Schema.decodeUnknownEffect(Schema.Struct({ numbers: Schema.Array(Schema.Int) }), {
        errors: "all",
        onExcessProperty: "error"
      })
      const error = yield* Effect.flip(decode({ numbers: Array.from({ length: 1_000 }, () => "x") }))
      const errors = errorsOf(error)
      assert.lengthOf(errors, errorsMax)
      assert.deepStrictEqual(errors[7]?.path, ["numbers", 7])
      const named = yield* Effect.flip(decode({ numbers: [], [`\ud800${"x".repeat(100_000)}`]: 1 }))
      const [segment] = errorsOf(named)[0]?.path ?? []
      assert.lengthOf(String(segment), 200)
      assert.isTrue(String(segment).isWellFormed())
    })
  )
})
