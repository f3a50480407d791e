/**
 * Parses CEL. The grammar is `@bufbuild/cel`'s; the bounds and the refusal of integers beyond 64 bits are added here.
 *
 * @since 0.1.0
 */
import { parse as parseText } from "@bufbuild/cel"
import * as Ast from "./Ast.ts"

type Expr = NonNullable<ReturnType<typeof parseText>["expr"]>

/**
 * The longest expression, in bytes of UTF-8. A longer one is refused.
 *
 * @category limits
 * @since 0.1.0
 */
const expressionMaxBytes = 4_096

/**
 * The most nodes of an expression, macros expanded.
 *
 * @category limits
 * @since 0.1.0
 */
export const nodesMax = 500

/**
 * The deepest nesting of an expression's nodes and brackets.
 *
 * @category limits
 * @since 0.1.0
 */
export const depthMax = 100

/** Every node has at most two tokens and its brackets: counted before parsing, whose time is not linear. */
const tokensMax = 1_500

/**
 * Parsing costs most per character of long literals and of brackets in brackets: 4 KiB of either end within 200 ms.
 */
const bracketsMax = 50

const token = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[\p{L}\p{N}_.]+|[^\s]/gu

const unclosed = new Map([
  ["(", 1],
  ["[", 1],
  ["{", 1],
  [")", -1],
  ["]", -1],
  ["}", -1]
])

/** The bound that the text exceeds before it is parsed. */
const overBound = (text: string): Ast.Issue | undefined => {
  if (new TextEncoder().encode(text).length > expressionMaxBytes) {
    return Ast.issueAt(text, 0, `Expected at most ${expressionMaxBytes} bytes`)
  }
  let tokens = 0
  let depth = 0
  for (const match of text.matchAll(token)) {
    tokens++
    depth += unclosed.get(match[0]) ?? 0
    if (tokens > tokensMax) return Ast.issueAt(text, match.index, `Expected at most ${nodesMax} nodes`)
    if (depth > bracketsMax) {
      return Ast.issueAt(text, match.index, `Expected at most ${bracketsMax} brackets inside each other`)
    }
  }
  return undefined
}

const int64Min = -(2n ** 63n)
const int64Max = 2n ** 63n - 1n
const uint64Max = 2n ** 64n - 1n

class Refused {
  readonly at: number
  readonly message: string
  constructor(at: number, message: string) {
    this.at = at
    this.message = message
  }
}

const base64Of = (bytes: Uint8Array): string => {
  let text = ""
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text)
}

/** Converts the library's tree into ours, and counts nodes and depth on the way. */
const convert = (parsed: ReturnType<typeof parseText>): Ast.Ast => {
  let nodes = 0
  const positions = parsed.sourceInfo?.positions ?? {}

  const required = (expr: Expr | undefined, at: number, depth: number): Ast.Ast => {
    if (expr === undefined) throw new Refused(at, "Expected an expression")
    return nodeOf(expr, depth)
  }

  const nodeOf = (expr: Expr, depth: number): Ast.Ast => {
    const at = positions[String(expr.id)] ?? 0
    nodes++
    if (nodes > nodesMax) throw new Refused(at, `Expected at most ${nodesMax} nodes`)
    if (depth > depthMax) throw new Refused(at, `Expected a depth of at most ${depthMax}`)
    const { exprKind } = expr
    const below = depth + 1
    switch (exprKind.case) {
      case "constExpr":
        return constantOf(exprKind.value.constantKind, at)
      case "identExpr":
        return { node: "ident", name: exprKind.value.name, at }
      case "selectExpr":
        return {
          node: exprKind.value.testOnly ? "has" : "select",
          operand: required(exprKind.value.operand, at, below),
          field: exprKind.value.field,
          at
        }
      case "callExpr": {
        const { args, function: name, target } = exprKind.value
        const call = { node: "call" as const, name, args: args.map((arg) => nodeOf(arg, below)), at }
        return target === undefined ? call : { ...call, target: nodeOf(target, below) }
      }
      case "listExpr": {
        if (exprKind.value.optionalIndices.length > 0)
          throw new Refused(at, "Optional elements are not supported")
        return {
          node: "list",
          elements: exprKind.value.elements.map((element) => nodeOf(element, below)),
          at
        }
      }
      case "structExpr": {
        if (exprKind.value.messageName !== "") {
          throw new Refused(at, `Message "${exprKind.value.messageName}" does not exist`)
        }
        return {
          node: "map",
          entries: exprKind.value.entries.map((entry) => {
            if (entry.keyKind.case !== "mapKey" || entry.optionalEntry)
              throw new Refused(at, "Expected a map key")
            return { key: nodeOf(entry.keyKind.value, below), value: required(entry.value, at, below) }
          }),
          at
        }
      }
      case "comprehensionExpr": {
        const loop = exprKind.value
        return {
          node: "comprehension",
          iterVar: loop.iterVar,
          iterVar2: loop.iterVar2,
          range: required(loop.iterRange, at, below),
          accuVar: loop.accuVar,
          init: required(loop.accuInit, at, below),
          condition: required(loop.loopCondition, at, below),
          step: required(loop.loopStep, at, below),
          result: required(loop.result, at, below),
          at
        }
      }
      case undefined:
        throw new Refused(at, "Expected an expression")
    }
  }

  return required(parsed.expr, 0, 1)
}

type ConstantKind = Extract<Expr["exprKind"], { readonly case: "constExpr" }>["value"]["constantKind"]

const constantOf = (constant: ConstantKind, at: number): Ast.Constant => {
  switch (constant.case) {
    case "nullValue":
      return { node: "constant", type: "null", text: "null", at }
    case "boolValue":
      return { node: "constant", type: "bool", text: String(constant.value), at }
    case "int64Value":
      if (constant.value > int64Max || constant.value < int64Min) {
        throw new Refused(at, "Expected an integer of 64 bits")
      }
      return { node: "constant", type: "int", text: String(constant.value), at }
    case "uint64Value":
      if (constant.value > uint64Max) throw new Refused(at, "Expected an unsigned integer of 64 bits")
      return { node: "constant", type: "uint", text: String(constant.value), at }
    case "doubleValue":
      return { node: "constant", type: "double", text: String(constant.value), at }
    case "stringValue":
      return { node: "constant", type: "string", text: constant.value, at }
    case "bytesValue":
      return { node: "constant", type: "bytes", text: base64Of(constant.value), at }
    case "durationValue":
    case "timestampValue":
    case undefined:
      throw new Refused(at, "Expected a literal")
  }
}

const placeOf = (error: unknown): number => {
  if (typeof error !== "object" || error === null || !("location" in error)) return 0
  const { location } = error
  if (typeof location !== "object" || location === null || !("start" in location)) return 0
  const { start } = location
  return typeof start === "object" && start !== null && "offset" in start && typeof start.offset === "number"
    ? start.offset
    : 0
}

const messageOf = (error: unknown): string => {
  if (typeof error === "object" && error !== null && "rawMessage" in error) return String(error.rawMessage)
  return error instanceof Error ? error.message : "syntax error"
}

/**
 * The tree of an expression, or its first mistake.
 *
 * @category models
 * @since 0.1.0
 */
export type Parsed =
  | { readonly ok: true; readonly ast: Ast.Ast }
  | { readonly ok: false; readonly issue: Ast.Issue }

/**
 * Returns the tree of an expression, or the first mistake with its place.
 *
 * Refuses more than {@link expressionMaxBytes}, {@link nodesMax} nodes and a depth of {@link depthMax}, messages, optional
 * syntax and integers beyond 64 bits.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parse = (text: string): Parsed => {
  const bound = overBound(text)
  if (bound !== undefined) return { ok: false, issue: bound }
  try {
    return { ok: true, ast: convert(parseText(text)) }
  } catch (error) {
    return {
      ok: false,
      issue:
        error instanceof Refused
          ? Ast.issueAt(text, error.at, error.message)
          : Ast.issueAt(text, placeOf(error), messageOf(error))
    }
  }
}
