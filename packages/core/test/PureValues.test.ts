import { assert, describe, it } from "@effect/vitest"
import * as EmailAddress from "@hypermarket/core/EmailAddress"
import * as Pattern from "@hypermarket/core/Pattern"
import * as Region from "@hypermarket/core/Region"
import * as SemanticVersion from "@hypermarket/core/SemanticVersion"
import { Result, Schema } from "effect"

const failure = <A, E>(result: Result.Result<A, E>): E | undefined =>
  Result.isFailure(result) ? result.failure : undefined

describe("Pattern", () => {
  const test = (pattern: string, text: string, ignoreCase = false): boolean =>
    Result.getOrThrow(Pattern.compile(pattern, { ignoreCase })).test(text)

  it("matches anywhere, as RE2 does", () => {
    assert.isTrue(test("b+", "abbc"))
    assert.isFalse(test("^b", "abbc"))
    assert.isTrue(test("ÄPFEL", "zwei äpfel", true))
    assert.isFalse(test("APFEL", "zwei apfel"))
  })

  it("refuses what RE2 has not, what is too long and what repeats too much, in a sentence", () => {
    for (const pattern of ["(?=a)", "(a)\\1", "[", "a{1001}", "(?<!x)y"]) {
      assert.match(failure(Pattern.compile(pattern)) ?? "", /RE2/, pattern)
    }
    assert.match(failure(Pattern.compile("a".repeat(1_001))) ?? "", /at most 1000 characters/)
    assert.match(failure(Pattern.compile("(\\pL{1000})|".repeat(70))) ?? "", /repeats too much/)
  })

  it("matches nothing beyond its bound of characters", () => {
    assert.isTrue(test("a", "a".repeat(Pattern.textMaxCharacters)))
    assert.isFalse(test("a", "a".repeat(Pattern.textMaxCharacters + 1)))
  })
})

describe("SemanticVersion", () => {
  const version = (text: string) => Result.getOrThrow(SemanticVersion.parse(text))

  it("orders versions as the specification does", () => {
    const ascending = [
      "0.9.9",
      "1.0.0-0",
      "1.0.0-1.0",
      "1.0.0-alpha",
      "1.0.0-alpha.1",
      "1.0.0-alpha.beta",
      "1.0.0-beta",
      "1.0.0-beta.2",
      "1.0.0-beta.11",
      "1.0.0-rc.1",
      "1.0.0",
      "1.0.1",
      "1.10.0",
      "2.0.0",
      "9007199254740993.0.0",
      "9007199254740994.0.0"
    ]
    for (const [left, a] of ascending.entries()) {
      for (const [right, b] of ascending.entries()) {
        assert.strictEqual(
          SemanticVersion.compare(version(a), version(b)),
          Math.sign(left - right),
          `${a} and ${b}`
        )
      }
    }
  })

  it("ignores build metadata", () => {
    assert.strictEqual(SemanticVersion.compare(version("1.2.3+a"), version("1.2.3+b.7")), 0)
  })

  it("refuses what is no version, and a leading v unless it is asked for", () => {
    for (const text of [
      "1",
      "1.2",
      "1.2.3.4",
      "01.2.3",
      "1.2.3-01",
      "1.2.3-",
      "v1.2.3",
      " 1.2.3",
      "1.2.3\n",
      "x"
    ]) {
      assert.isTrue(Result.isFailure(SemanticVersion.parse(text)), text)
    }
    assert.isTrue(Result.isFailure(SemanticVersion.parse(`1.2.3-${"a".repeat(256)}`)))
    const prefixed = Result.getOrThrow(SemanticVersion.parse("v1.2.3", { prefix: true }))
    assert.strictEqual(SemanticVersion.compare(prefixed, version("1.2.3")), 0)
    assert.isTrue(Result.isFailure(SemanticVersion.parse("vv1.2.3", { prefix: true })))
  })

  const Number_ = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 }))
  const Identifier = Schema.Literals(["0", "1", "10", "a", "A", "a-", "-"])
  const Version = Schema.Struct({
    core: Schema.Tuple([Number_, Number_, Number_]),
    prerelease: Schema.Array(Identifier).check(Schema.isMaxLength(3))
  })

  it.prop("is a total order", [Version, Version, Version], (inputs) => {
    const texts = inputs.map(
      ({ core, prerelease }) =>
        `${core.join(".")}${prerelease.length === 0 ? "" : `-${prerelease.join(".")}`}`
    )
    const [a, b, c] = texts.map(version)
    if (a === undefined || b === undefined || c === undefined) return
    const order = SemanticVersion.compare
    assert.strictEqual(order(a, b) + order(b, a), 0)
    if (order(a, b) <= 0 && order(b, c) <= 0) assert.isAtMost(order(a, c), 0)
    assert.strictEqual(order(a, b) === 0, texts[0] === texts[1])
  })
})

describe("Region", () => {
  const region = (code: string) => Result.getOrThrow(Region.parse(code))

  it("parses the world, groups, countries and subdivisions", () => {
    assert.deepStrictEqual(region("GLOBAL"), { kind: "global", code: "GLOBAL" })
    assert.deepStrictEqual(region("EU"), { kind: "group", code: "EU" })
    assert.deepStrictEqual(region("DE"), { kind: "country", code: "DE" })
    assert.deepStrictEqual(region("DE-BY"), { kind: "subdivision", code: "DE-BY", parent: "DE" })
  })

  it("refuses UK and EL, naming GB and GR, and every code that is not assigned", () => {
    assert.match(failure(Region.parse("UK")) ?? "", /Expected GB:/)
    assert.match(failure(Region.parse("EL")) ?? "", /Expected GR:/)
    assert.match(failure(Region.parse("UK-ENG")) ?? "", /Expected GB-ENG:/)
    for (const code of ["", "de", "XX", "DEU", "DE-ZZ", "EU-1", "global", "ZZ"]) {
      assert.isTrue(Result.isFailure(Region.parse(code)), code)
    }
  })

  it("dates memberships: GB is in the EU until 2020-01-31, HR from 2013-07-01", () => {
    assert.isTrue(Region.isMember("EU", "GB", "2020-01-31"))
    assert.isFalse(Region.isMember("EU", "GB", "2020-02-01"))
    assert.isFalse(Region.isMember("EU", "HR", "2013-06-30"))
    assert.isTrue(Region.isMember("EU", "HR", "2013-07-01"))
    assert.isFalse(Region.isMember("EU", "CH", "2026-01-01"))
  })

  it("has only countries that exist in its groups, once a day each, and intervals that are not empty", () => {
    for (const { code, members } of Region.groups) {
      assert.isTrue(Result.isFailure(Region.parse(`${code}-`)))
      for (const { country, from, until } of members) {
        assert.strictEqual(region(country).kind, "country", country)
        assert.match(from, /^\d{4}-\d\d-\d\d$/)
        if (until !== undefined) assert.isBelow(Date.parse(from), Date.parse(until))
      }
      assert.lengthOf(new Set(members.map(({ country }) => country)), members.length, code)
    }
    const count = (group: string, day: string) =>
      Region.groups
        .find(({ code }) => code === group)
        ?.members.filter(({ country }) => Region.isMember(group, country, day)).length
    assert.deepStrictEqual(
      ["1958-01-01", "1973-01-01", "1995-01-01", "2004-05-01", "2013-07-01", "2020-02-01"].map((day) =>
        count("EU", day)
      ),
      [6, 9, 15, 25, 28, 27]
    )
    assert.deepStrictEqual([count("EEA", "2020-01-31"), count("EEA", "2020-02-01")], [31, 30])
    assert.deepStrictEqual([count("EUROZONE", "1999-01-01"), count("EUROZONE", "2026-01-01")], [11, 21])
  })

  it("contains what is inside of it on that day", () => {
    const day = "2019-06-01"
    assert.isTrue(Region.contains(Region.global, region("EU"), day))
    assert.isTrue(Region.contains(region("EU"), region("GB-ENG"), day))
    assert.isFalse(Region.contains(region("EU"), region("GB-ENG"), "2021-01-01"))
    assert.isTrue(Region.contains(region("DE"), region("DE-BY"), day))
    assert.isFalse(Region.contains(region("DE-BY"), region("DE"), day))
    assert.isFalse(Region.contains(region("EEA"), region("EU"), day))
    assert.isFalse(Region.contains(region("DE"), Region.global, day))
  })
})

describe("EmailAddress", () => {
  it("has one normal form and one base, of these vectors", () => {
    const vectors = [
      ["ann@example.com", "ann@example.com", "ann@example.com"],
      [" Ann.Smith+Shop@EXAMPLE.com ", "ann.smith+shop@example.com", "ann.smith@example.com"],
      ["ann+a+b@example.com", "ann+a+b@example.com", "ann@example.com"],
      ["+tag@example.com", "+tag@example.com", "+tag@example.com"],
      ["info@Bücher.example", "info@xn--bcher-kva.example", "info@xn--bcher-kva.example"],
      ["info@xn--bcher-kva.example", "info@xn--bcher-kva.example", "info@xn--bcher-kva.example"],
      ["JOSÉ@example.com", "josé@example.com", "josé@example.com"],
      ["ｆｕｌｌ@example.com", "full@example.com", "full@example.com"],
      ["o'brien!#$%@sub.example.co.uk", "o'brien!#$%@sub.example.co.uk", "o'brien!#$%@sub.example.co.uk"]
    ] as const
    for (const [text, normal, base] of vectors) {
      const address = Result.getOrThrow(EmailAddress.parse(text))
      assert.deepStrictEqual([address.normal, address.base], [normal, base], text)
      assert.strictEqual(`${address.local}@${address.domain}`, address.normal)
    }
  })

  it("refuses what would inject a header, wherever the line break is", () => {
    for (const text of [
      "ann@example.com\r\nBcc: all@example.com",
      "ann\n@example.com",
      "\r\nann@example.com",
      "ann@example.com\n",
      "ann@exam\u0000ple.com",
      "ann@example.com\u2028Bcc:x@example.com",
      "an\u200bn@example.com",
      "\ud800ann@example.com"
    ]) {
      assert.strictEqual(failure(EmailAddress.parse(text)), "control_character", JSON.stringify(text))
    }
  })

  it("refuses every other notation with its reason", () => {
    const cases = [
      ["", "syntax"],
      ["ann", "syntax"],
      ["@example.com", "syntax"],
      ["ann@", "syntax"],
      ["Ann <ann@example.com>", "syntax"],
      ['"a b"@example.com', "syntax"],
      ["a b@example.com", "syntax"],
      ["a,b@example.com", "syntax"],
      [".ann@example.com", "syntax"],
      ["a..b@example.com", "syntax"],
      ["a@b@example.com", "syntax"],
      ["ann@localhost", "domain"],
      ["ann@[127.0.0.1]", "domain"],
      ["ann@127.0.0.1", "domain"],
      ["ann@127.1", "domain"],
      ["ann@example..com", "domain"],
      ["ann@example.com.", "domain"],
      ["ann@-a.example", "domain"],
      ["ann@exa_mple.com", "domain"],
      ["ann@example.com/path", "domain"],
      ["ann@example.com:25", "domain"],
      ["ann@example.com>", "domain"],
      [`${"a".repeat(65)}@example.com`, "too_long"],
      [`${"ä".repeat(33)}@example.com`, "too_long"],
      [
        `a@${"b".repeat(60)}.${"c".repeat(60)}.${"d".repeat(60)}.${"e".repeat(60)}.${"f".repeat(60)}`,
        "too_long"
      ],
      [`a@${"b".repeat(64)}.example`, "domain"]
    ] as const
    for (const [text, reason] of cases) assert.strictEqual(failure(EmailAddress.parse(text)), reason, text)
  })

  it("keeps a tag without which no address is left", () => {
    for (const local of ["+a", "a.+b", "x.y.+z"]) {
      const { base } = Result.getOrThrow(EmailAddress.parse(`${local}@example.com`))
      assert.strictEqual(base, `${local}@example.com`)
    }
    assert.strictEqual(Result.getOrThrow(EmailAddress.parse("a.b+c.+d@example.com")).base, "a.b@example.com")
  })

  const Part = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(12))

  it.prop("leaves a normal form and a base as they are", [Part, Part], ([local, domain]) => {
    for (const text of [`${local}@${domain}.example`, `${local}+${domain}@example.com`]) {
      const result = EmailAddress.parse(text)
      if (Result.isFailure(result)) continue
      const again = Result.getOrThrow(EmailAddress.parse(result.success.normal))
      assert.deepStrictEqual(again, result.success)
      assert.strictEqual(Result.getOrThrow(EmailAddress.parse(again.base)).base, again.base)
    }
  })
})
