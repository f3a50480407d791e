/**
 * The public data of CEL (`@bufbuild/cel-spec`, made with the reference implementation): types, values and errors.
 *
 * Left out are cases of messages, of extensions and of containers, which rules do not have.
 */
import { parse as parseLibrary, plan, celEnv } from "@bufbuild/cel"
import { tests as checking } from "@bufbuild/cel-spec/testdata/checking.js"
import { tests as conformance } from "@bufbuild/cel-spec/testdata/conformance.js"
import { assert, describe, it } from "@effect/vitest"
import * as Checker from "@hypermarket/risk/cel/Checker"
import * as Compiler from "@hypermarket/risk/cel/Compiler"
import * as Parser from "@hypermarket/risk/cel/Parser"
import * as Signature from "@hypermarket/risk/cel/Signature"
import * as T from "@hypermarket/risk/cel/Type"
import * as V from "@hypermarket/risk/cel/Value"

interface Json {
  readonly [key: string]: unknown
}

const isJson = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value)
const json = (value: unknown): Json => (isJson(value) ? value : {})
const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])
const text = (value: unknown): string => (typeof value === "string" ? value : "")

/** Thrown for what rules do not have; the case is left out and counted. */
class OutOfScope extends Error {}

interface Case {
  readonly path: string
  readonly original: Json
  readonly type: string | undefined
  readonly error: string | undefined
}

const casesOf = (suite: unknown, path: string): ReadonlyArray<Case> => {
  const { suites, tests } = json(suite)
  return [
    ...list(suites).flatMap((inner) => casesOf(inner, `${path}/${text(json(inner)["name"])}`)),
    ...list(tests).map((each) => {
      const { error, original, type } = json(each)
      return {
        path,
        original: json(original),
        type: typeof type === "string" ? type : undefined,
        error: typeof error === "string" ? error : undefined
      }
    })
  ]
}

const primitives: Readonly<Record<string, T.Type>> = {
  BOOL: T.bool,
  INT64: T.int,
  UINT64: T.uint,
  DOUBLE: T.double,
  STRING: T.string,
  BYTES: T.bytes
}

const typeOf = (value: unknown): T.Type => {
  const type = json(value)
  const primitive = primitives[text(type["primitive"])]
  if (primitive !== undefined) return primitive
  if ("null" in type) return T.nullType
  if ("dyn" in type) return T.dyn
  if ("listType" in type) return T.list(typeOf(json(type["listType"])["elemType"]))
  if ("mapType" in type) {
    const { keyType, valueType } = json(type["mapType"])
    return T.map(typeOf(keyType), typeOf(valueType))
  }
  if (type["wellKnown"] === "TIMESTAMP") return T.timestamp
  if (type["wellKnown"] === "DURATION") return T.duration
  if (typeof type["typeParam"] === "string") return T.parameter(type["typeParam"])
  if ("type" in type) return T.typeOf(typeOf(type["type"]))
  throw new OutOfScope()
}

/** The variables that the reference implementation's own tests declare and the data does not repeat. */
const referenceVariables = new Map<string, T.Type>([
  ["is", T.string],
  ["ii", T.int],
  ["iu", T.uint],
  ["iz", T.bool],
  ["ib", T.bytes],
  ["id", T.double],
  ["ix", T.nullType]
])

const environmentOf = ({ original }: Case): Checker.Environment => {
  if (original["container"] !== undefined) throw new OutOfScope()
  const variables = new Map(referenceVariables)
  const functions = new Map(Signature.standard)
  for (const each of list(original["typeEnv"])) {
    const declaration = json(each)
    const name = text(declaration["name"])
    if ("ident" in declaration) variables.set(name, typeOf(json(declaration["ident"])["type"]))
    for (const overload of list(json(declaration["function"])["overloads"])) {
      const { isInstanceFunction, params, resultType } = json(overload)
      const signature = {
        args: list(params).map(typeOf),
        result: typeOf(resultType),
        method: isInstanceFunction === true
      }
      functions.set(name, [...(functions.get(name) ?? []), signature])
    }
  }
  return { variables, functions }
}

const valueOf = (value: unknown): V.Value => {
  const [[kind, inner] = ["", undefined]] = Object.entries(json(value))
  switch (kind) {
    case "nullValue":
      return null
    case "boolValue":
      return inner === true
    case "int64Value":
      return BigInt(text(inner))
    case "uint64Value":
      return new V.Uint(BigInt(text(inner)))
    case "doubleValue":
      return Number(inner)
    case "stringValue":
      return text(inner)
    case "bytesValue":
      return Uint8Array.from(atob(text(inner)), (character) => character.charCodeAt(0))
    case "listValue":
      return list(json(inner)["values"]).map(valueOf)
    case "typeValue":
      return new V.TypeName(text(inner))
    case "mapValue": {
      const map = new V.MapValue()
      for (const entry of list(json(inner)["entries"]))
        map.add(valueOf(json(entry)["key"]), valueOf(json(entry)["value"]))
      return map
    }
    default:
      throw new OutOfScope()
  }
}

/** Names of what rules do not have: messages, extensions, optional syntax, enums. */
const foreign =
  /TestAll|google\.|proto\.|cel\.|math\.|optional|strings\.|base64|wrapper|transform|existsOne|\.(?:charAt|format|indexOf|join|lastIndexOf|lowerAscii|quote|replace|split|substring|trim|upperAscii|reverse)\(|`|NestedEnum|GlobalEnum|\bf_unknown\b|x\.single|\bf[gi]_s|macros2|qualified_identifier|namespace\/|optionals\/|\.\?|\[\?/

const inScope = (each: Case): boolean => !foreign.test(JSON.stringify([each.path, each.original, each.type]))

const seconds = (name: string) =>
  name.replaceAll("google.protobuf.Timestamp", "timestamp").replaceAll("google.protobuf.Duration", "duration")

const checkedOf = (each: Case) => {
  const expression = text(each.original["expr"])
  const environment = environmentOf(each)
  const parsed = Parser.parse(expression)
  if (!parsed.ok) return { issues: [parsed.issue], type: "", ast: undefined }
  const checked = Checker.check(expression, parsed.ast, environment)
  return { issues: checked.issues, type: T.format(checked.type), ast: checked.ast }
}

/** Known differences, each with its reason. */
const different = new Set([
  // Numbers of different types compare: the specification's newer rule, which other cases of the data want.
  ...["<=", "<", ">", ">="].map((operator) =>
    operator === "<="
      ? "1 <= 1.0 && 1u <= 1.0 && 1.0 <= 1 && 1.0 <= 1u && 1 <= 1u && 1u <= 1"
      : `1 ${operator} 1.0 && 1u ${operator} 1.0 && 1.0 ${operator} 1 && 1.0 ${operator} 1u && 1 ${operator} 1u && 1u ${operator} 1`
  ),
  // The type of a type is written with its parameter.
  "type",
  "type(type)",
  // Nesting of brackets is bounded by 50 and not by 32.
  "((((((((((((((((((((((((((((((((7))))))))))))))))))))))))))))))))"
])

const tally = (name: string, cases: ReadonlyArray<Case>, judge: (each: Case) => string | undefined) => {
  const wrong: Array<string> = []
  let agreed = 0
  let left = 0
  for (const each of cases) {
    if (!inScope(each) || different.has(text(each.original["expr"]))) {
      left++
      continue
    }
    try {
      const difference = judge(each)
      if (difference === undefined) agreed++
      else wrong.push(`${each.path}: ${text(each.original["expr"])}: ${difference}`)
    } catch (error) {
      if (!(error instanceof OutOfScope)) throw error
      left++
    }
  }
  process.stdout.write(`${name}: ${agreed} of ${cases.length} cases agree, ${left} left out\n`)
  return { agreed, wrong }
}

describe("CEL", () => {
  const all = [...casesOf(checking, ""), ...casesOf(conformance, "")]

  it("infers the types of the public data, and refuses what it refuses", () => {
    const { agreed, wrong } = tally("types", all, (each) => {
      if (each.type === undefined && each.error === undefined) return undefined
      const { issues, type } = checkedOf(each)
      if (each.error !== undefined)
        return issues.length > 0 ? undefined : `typed as ${type} and refused there`
      if (issues[0] !== undefined) return `refused: ${issues[0].message}`
      return type === seconds(each.type ?? "") ? undefined : `typed as ${type} and not ${each.type}`
    })
    assert.deepStrictEqual(wrong, [])
    assert.isAbove(agreed, 800)
  })

  it("computes the values of the public data, and fails where it fails", () => {
    const { agreed, wrong } = tally("values", casesOf(conformance, ""), (each) => {
      const { bindings, disableCheck, evalError, expr, typedResult, value } = each.original
      const bound = Object.entries(json(bindings)).map(
        ([name, binding]) => [name, valueOf(json(binding)["value"])] as const
      )
      const typed = json(typedResult)["result"]
      const isError = evalError !== undefined
      const expected = isError
        ? null
        : value !== undefined
          ? valueOf(value)
          : typed !== undefined
            ? valueOf(typed)
            : true
      if (json(typedResult)["deducedType"] !== undefined && typed === undefined) return undefined
      const parsed = Parser.parse(text(expr))
      if (!parsed.ok) return isError ? undefined : `refused: ${parsed.issue.message}`
      const checked =
        disableCheck === true ? undefined : Checker.check(text(expr), parsed.ast, environmentOf(each))
      if (checked?.issues[0] !== undefined)
        return isError ? undefined : `refused: ${checked.issues[0].message}`
      const program = Compiler.compile(checked?.ast ?? parsed.ast, Array.from(new Map(bound).keys()))
      const outcome = program.run(
        bound.map(([, each]) => each),
        { remaining: 1_000_000 }
      )
      if (outcome instanceof V.Failure) return isError ? undefined : `failed: ${outcome.message}`
      if (isError) return `has the value ${String(outcome)} and fails there`
      const isSame =
        V.typeName(outcome) === V.typeName(expected) &&
        (V.isEqual(outcome, expected) || (Number.isNaN(outcome) && Number.isNaN(expected)))
      return isSame ? undefined : `is ${String(outcome)} and not ${String(expected)}`
    })
    assert.deepStrictEqual(wrong, [])
    assert.isAbove(agreed, 700)
  })

  it("agrees with the library on rules over random values", () => {
    const expression = "a > b && (c < a || b % 7 == 3) ? a + b * 2 > c : !(a == c) || b - a < 3"
    const parsed = Parser.parse(expression)
    assert.isTrue(parsed.ok)
    if (!parsed.ok) return
    const names = ["a", "b", "c"]
    const program = Compiler.compile(parsed.ast, names)
    const library = plan(celEnv(), parseLibrary(expression))
    let state = 1
    for (let index = 0; index < 2_000; index++) {
      const values = names.map(() => {
        state = (state * 48_271) % 2_147_483_647
        return BigInt((state % 21) - 10)
      })
      const expected = library(Object.fromEntries(names.map((name, place) => [name, values[place] ?? 0n])))
      const outcome = program.run(values, { remaining: 1_000 })
      assert.strictEqual(
        outcome instanceof V.Failure ? "error" : outcome,
        typeof expected === "boolean" ? expected : "error"
      )
    }
  })
})

/** Rules that would run or parse for seconds. */
const loop = (depth: number): string =>
  depth === 0 ? "true" : `attributes.all(x${depth}, attributes.all(y${depth}, ${loop(depth - 1)}))`

const bombs: ReadonlyArray<readonly [string, string]> = [
  ["nested comprehensions", loop(2)],
  ["4 KiB of ||", `${"a||".repeat(1_360)}a`],
  ["nested brackets", `${"(".repeat(200)}1${")".repeat(200)}`],
  ["nested lists", `${"[".repeat(120)}1${"]".repeat(120)}`],
  ["a chain of conditionals", `${"a ? b : ".repeat(400)}c`],
  ["a long literal", `"${"x".repeat(4_050)}" == ""`],
  ["a long sum", `${"1 + ".repeat(900)}1 > 0`],
  [
    "doubled text",
    `${'["a"]'}.map(x, x + x).map(x, x + x + x + x).map(x, x + x + x + x + x + x + x + x).size() > 0`
  ],
  ["a pattern that backtracks", `"${"a".repeat(2_000)}".matches("^(a+)+$b")`],
  ["a pattern of repetitions", '"a".matches("((a{100}){100}){100}")'],
  ["a chain of fields", `a${".b".repeat(2_000)}`],
  [
    "a list in a list of loops",
    "[attributes, attributes].map(x, x.map(y, attributes.filter(z, z == y).size())).size() > 0"
  ]
]

describe("bounds", () => {
  const attributes = Array.from({ length: 1_000 }, (_, index) => BigInt(index))

  for (const [name, expression] of bombs) {
    it(`refuses ${name}, or ends within its budget`, () => {
      const parsed = Parser.parse(expression)
      if (!parsed.ok) {
        assert.match(parsed.issue.message, /at most/)
        return
      }
      const checked = Checker.check(expression, parsed.ast, {
        variables: new Map<string, T.Type>([
          ["attributes", T.list(T.int)],
          ["a", T.dyn],
          ["b", T.bool],
          ["c", T.bool]
        ]),
        literalPatterns: true
      })
      if (checked.issues.length > 0) {
        assert.match(checked.issues[0]?.message ?? "", /at most|RE2/)
        return
      }
      const budget = { remaining: Compiler.stepsMax }
      const outcome = Compiler.compile(checked.ast, ["attributes", "a", "b", "c"]).run(
        [attributes, true, true, true],
        budget
      )
      assert.isAtLeast(budget.remaining, 0)
      assert.isTrue(!(outcome instanceof V.Failure) || ["budget", "overload"].includes(outcome.reason))
    })
  }

  it("names the place of a syntax error in characters and lines", () => {
    const parsed = Parser.parse("a > 1 &&\n  b >> 2")
    assert.isFalse(parsed.ok)
    if (parsed.ok) return
    assert.deepInclude(parsed.issue, { line: 2 })
  })

  it("refuses an integer beyond 64 bits, which the library takes", () => {
    assert.isFalse(Parser.parse("9223372036854775808 > 0").ok)
    assert.isTrue(Parser.parse("-9223372036854775808 < 0").ok)
    assert.isDefined(parseLibrary("9223372036854775808 > 0"))
  })
})
