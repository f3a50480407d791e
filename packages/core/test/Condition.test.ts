import { assert, describe, it } from "@effect/vitest"
import * as Condition from "@hypermarket/core/Condition"
import { Option, Result, Schema } from "effect"

const compiled = (condition: Condition.Condition, segments: Condition.Segments = {}): Condition.Compiled =>
  Result.getOrThrowWith(Condition.compile(condition, segments), (issues) => new Error(JSON.stringify(issues)))

const issues = (condition: Condition.Condition, segments: Condition.Segments = {}) => {
  const result = Condition.compile(condition, segments)
  return Result.isFailure(result) ? result.failure : []
}

const decodes = (value: unknown): boolean =>
  Option.isSome(Schema.decodeUnknownOption(Condition.Schema)(value))

const a = { attribute: "a" } as const

describe("Condition", () => {
  it("compares what each operator names, and is unknown for a missing attribute and one of another type", () => {
    const cases: ReadonlyArray<
      readonly [Condition.Condition, holds: unknown, fails: unknown, wrongType: unknown]
    > = [
      [{ ...a, operator: "equals", value: { x: [1, "2"] } }, { x: [1, "2"] }, { x: [1, 2] }, undefined],
      [{ ...a, operator: "in", values: ["DE", 7, true] }, 7, "7", { x: 1 }],
      [{ ...a, operator: "in", values: ["DE"], ignoreCase: true }, ["at", "de"], [], null],
      [{ ...a, operator: "includesAll", values: ["x", "y"] }, ["y", "x", "z"], ["x"], "xy"],
      [{ ...a, operator: "contains", values: ["mid"] }, "a mid b", "MID", 5],
      [{ ...a, operator: "startsWith", values: ["ab", "cd"], ignoreCase: true }, "CDe", "xcd", 5],
      [{ ...a, operator: "endsWith", values: ["@x.org"] }, "a@x.org", "a@x.org.de", 5],
      [{ ...a, operator: "matches", pattern: "^v[0-9]+$" }, "v12", "v12x", 12],
      [{ ...a, operator: "numberEquals", value: 12 }, "12.0", 13, "twelve"],
      [{ ...a, operator: "lt", value: 10 }, "8", 10, "0x8"],
      [{ ...a, operator: "lte", value: 10 }, 10, 10.5, " 8"],
      [{ ...a, operator: "gt", value: 10 }, "1e2", 10, ""],
      [{ ...a, operator: "gte", value: 10 }, 10, -10, Number.NaN],
      [{ ...a, operator: "textLt", value: "b" }, "a", "b", 1],
      [{ ...a, operator: "textGte", value: "b" }, "b", "a", 1],
      [
        { ...a, operator: "before", value: "2026-01-31T12:00:00+01:00" },
        "2026-01-31T10:59:59Z",
        "2026-01-31T11:00:00Z",
        "2026-02-31T00:00:00Z"
      ],
      [
        { ...a, operator: "after", value: "2026-01-31T12:00:00Z" },
        Date.UTC(2026, 1, 1),
        "2026-01-31T12:00:00Z",
        "yesterday"
      ],
      [{ ...a, operator: "versionLt", value: "2.0.0" }, "2.0.0-rc.1", "2.0.0", "v1.0.0"],
      [{ ...a, operator: "versionGte", value: "v2.0.0", prefix: true }, "v2.0.0+build", "1.9.9", "2"],
      [
        { ...a, operator: "network", values: ["10.0.0.0/8", "2001:db8::/32"] },
        "::ffff:10.1.2.3",
        "11.0.0.1",
        "0x0a.1"
      ],
      [
        { ...a, operator: "network", values: ["10.0.0.0/8", "2001:db8::/32"] },
        "2001:db8::1",
        "2001:db9::1",
        "10.0.0.0/8"
      ],
      [{ ...a, operator: "type", value: "array" }, [1], "x", undefined],
      [
        { ...a, operator: "some", condition: { attribute: "n", operator: "gt", value: 1 } },
        [{ n: 0 }, { n: 2 }],
        [{ n: 1 }],
        "x"
      ],
      [{ ...a, operator: "every", condition: { operator: "gt", value: 1 } }, [2, 3], [2, 1], 5],
      [{ ...a, operator: "size", condition: { operator: "gte", value: 2 } }, [1, 2], [1], "ab"]
    ]
    for (const [condition, holds, fails, wrongType] of cases) {
      const { matches, test } = compiled(condition)
      const name = JSON.stringify(condition)
      assert.isTrue(decodes(condition), name)
      assert.strictEqual(test({ a: holds }), "true", name)
      assert.strictEqual(test({ a: fails }), "false", name)
      assert.strictEqual(test({ a: wrongType }), "unknown", name)
      assert.strictEqual(test({}), "unknown", name)
      assert.isFalse(matches({}), name)
      assert.isTrue(compiled({ not: condition }).matches({}), name)
    }
  })

  it("knows of every attribute that it exists or not, and null does not", () => {
    const exists = compiled({ ...a, operator: "exists" })
    assert.deepStrictEqual([{}, { a: null }, { a: 0 }, { a: "" }].map(exists.test), [
      "false",
      "false",
      "true",
      "true"
    ])
  })

  it("finds a name with dots before the path, and nothing that an object inherits", () => {
    const nested = compiled({ attribute: "pets.dog.name", operator: "equals", value: "fido" })
    assert.strictEqual(nested.test({ pets: { dog: { name: "fido" } } }), "true")
    assert.strictEqual(nested.test({ "pets.dog.name": "rex", pets: { dog: { name: "fido" } } }), "false")
    for (const attribute of ["constructor", "__proto__", "a.constructor.name", "toString"]) {
      assert.strictEqual(compiled({ attribute, operator: "exists" }).test({ a: {} }), "false", attribute)
    }
  })

  it("has a schema that refuses shapes, unknown fields and values of the wrong type", () => {
    const decode = Schema.decodeUnknownOption(Condition.Schema, { onExcessProperty: "error" })
    const wrong = [
      {},
      { all: [{}] },
      { not: [] },
      { attribute: "", operator: "exists" },
      { attribute: "a", operator: "lt", value: "10" },
      { attribute: "a", operator: "in", values: ["x"], ignorecase: true },
      { attribute: "a", operator: "in", values: [{}] },
      { attribute: "a".repeat(1_001), operator: "exists" },
      { attribute: "a", operator: "in", values: ["\u0000"] },
      { attribute: "a", operator: "matches", pattern: "\ud800" }
    ]
    for (const value of wrong) assert.isTrue(Option.isNone(decode(value)), JSON.stringify(value).slice(0, 80))
    assert.isTrue(
      Option.isSome(decode({ attribute: "a", operator: "in", values: ["x", 1], ignoreCase: true }))
    )
    const document = Schema.toJsonSchemaDocument(Condition.Schema)
    assert.isDefined(document.definitions["Condition"])
  })

  it("explains every part, and why one is unknown", () => {
    const condition: Condition.Condition = {
      any: [
        { segment: "german" },
        { not: { attribute: "age", operator: "gte", value: 18 } },
        { ...a, operator: "exists" }
      ]
    }
    const segments = { german: { attribute: "country", operator: "in", values: ["DE"] } } as const
    const explanation = compiled(condition, segments).explain({ age: "old", a: 1 })
    assert.strictEqual(explanation.outcome, "true")
    assert.deepStrictEqual(
      explanation.parts.map((part) => [part.kind, part.outcome, part.path]),
      [
        ["segment", "unknown", ["any", 0]],
        ["not", "unknown", ["any", 1]],
        ["exists", "true", ["any", 2]]
      ]
    )
    assert.deepStrictEqual(explanation.parts[0]?.parts[0], {
      outcome: "unknown",
      path: ["segments", "german"],
      kind: "in",
      attribute: "country",
      because: "missing",
      parts: []
    })
    assert.strictEqual(explanation.parts[1]?.parts[0]?.because, "type")
  })
})

describe("Condition.compile", () => {
  it("names the path of everything that a shape cannot refuse", () => {
    const paths = issues({
      all: [
        { ...a, operator: "matches", pattern: "(?=x)" },
        { not: { ...a, operator: "versionLt", value: "1.2" } },
        { ...a, operator: "before", value: "2026-02-30T00:00:00Z" },
        { ...a, operator: "network", values: ["10.0.0.0/8", "10.0.0.0/33"] },
        { segment: "absent" },
        { operator: "exists" },
        { ...a, operator: "some", condition: { segment: "absent" } },
        { ...a, operator: "equals", value: null }
      ]
    }).map(({ path }) => path.join("."))
    assert.deepStrictEqual(paths, [
      "all.0.pattern",
      "all.1.not.value",
      "all.2.value",
      "all.3.values.1",
      "all.4.segment",
      "all.5.attribute",
      "all.6.condition.segment",
      "all.7.value"
    ])
  })

  it("refuses an operator of a newer release, negated too", () => {
    const stored = JSON.parse('{"not":{"attribute":"a","operator":"soundsLike","value":"x"}}')
    assert.isFalse(decodes(stored))
    assert.deepStrictEqual(
      issues(stored).map(({ path }) => path),
      [["not", "operator"]]
    )
  })

  it("refuses a cycle of segments and names it", () => {
    const found = issues({ segment: "x" }, { x: { any: [{ segment: "y" }] }, y: { not: { segment: "x" } } })
    assert.deepStrictEqual(found, [
      { path: ["segments", "y", "not", "segment"], message: "Expected no cycle of segments: x > y > x" }
    ])
  })

  it("bounds depth, and what segments multiply", () => {
    const exists: Condition.Condition = { ...a, operator: "exists" }
    const deep = (levels: number): Condition.Condition => (levels === 0 ? exists : { not: deep(levels - 1) })
    assert.deepStrictEqual(issues(deep(Condition.limits.depthMax - 1)), [])
    assert.lengthOf(issues(deep(Condition.limits.depthMax)), 1)
    const ten = (segment: string): Condition.Condition => ({
      all: Array.from({ length: 10 }, () => ({ segment }))
    })
    const bomb = { a: exists, b: ten("a"), c: ten("b"), d: ten("c"), e: ten("d") }
    assert.deepStrictEqual(issues({ segment: "c" }, bomb), [])
    assert.match(issues({ segment: "e" }, bomb)[0]?.message ?? "", /at most 10000 parts/)
    // The first use of the inner segment is shallow, the second is deep.
    assert.lengthOf(
      issues(
        { all: [{ segment: "s" }, { not: { not: { segment: "s" } } }] },
        { s: deep(Condition.limits.depthMax - 3) }
      ),
      1
    )
  })
})

/** Builds a condition from numbers, as a stack machine does; `at` leaves read one of four attributes. */
const treeOf = (program: ReadonlyArray<number>, dual: boolean): Condition.Condition => {
  const stack: Array<Condition.Condition> = []
  for (const step of program) {
    const top = stack.at(-1)
    if (step % 3 === 0 || top === undefined) {
      const leaf: Condition.Condition = { attribute: `a${step % 4}`, operator: "equals", value: true }
      stack.push(dual ? { not: leaf } : leaf)
    } else if (step % 3 === 1) {
      stack[stack.length - 1] = { not: top }
    } else {
      const parts = stack.splice(-2)
      stack.push((step % 2 === 0) === dual ? { any: parts } : { all: parts })
    }
  }
  return stack.at(-1) ?? (dual ? { any: [] } : { all: [] })
}

const Steps = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 23 }))).check(
  Schema.isMaxLength(12)
)
const Three = Schema.Literals([0, 1, 2])

describe("Condition's logic", () => {
  it.prop(
    "obeys De Morgan's laws, three-valued and two-valued",
    [Steps, Three, Three, Three, Three],
    ([program, ...values]) => {
      const attributes = Object.fromEntries(
        values.flatMap((value, index) => (value === 2 ? [] : [[`a${index}`, value === 1]]))
      )
      const plain = compiled({ not: treeOf(program, false) })
      const dual = compiled(treeOf(program, true))
      assert.strictEqual(plain.test(attributes), dual.test(attributes))
      assert.strictEqual(plain.matches(attributes), dual.matches(attributes))
      assert.strictEqual(plain.explain(attributes).outcome, plain.test(attributes))
      // An outcome that is not unknown is the same in two-valued logic.
      if (plain.test(attributes) !== "unknown") {
        assert.strictEqual(plain.matches(attributes), plain.test(attributes) === "true")
      }
    }
  )
})
