/**
 * Types expressions before they run. `@bufbuild/cel` exports no checker.
 *
 * The inference is the specification's: overloads are tried in turn, the type parameters of those that match are bound,
 * and several results that differ become `dyn`.
 *
 * @since 0.1.0
 */
import { RE2JS } from "re2js"
import * as Ast from "./Ast.ts"
import * as Signature from "./Signature.ts"
import * as T from "./Type.ts"

/**
 * A function whose arguments are literals, and which is resolved to a variable when the expression is checked: the
 * variable's name, or a sentence that names the argument that is wrong.
 *
 * @category models
 * @since 0.1.0
 */
export type LiteralFunction = (
  args: ReadonlyArray<string>
) =>
  | { readonly variable: string; readonly type: T.Type }
  | { readonly wrong: number; readonly message: string }

/**
 * The names that an expression may use.
 *
 * @category models
 * @since 0.1.0
 */
export interface Environment {
  /** By name; a name may be qualified (`a.b`). */
  readonly variables: ReadonlyMap<string, T.Type>
  readonly functions?: ReadonlyMap<string, ReadonlyArray<Signature.Signature>>
  readonly literalFunctions?: ReadonlyMap<string, LiteralFunction>
  /** Refuses a pattern of `matches` that is no literal.
   *  @default false */
  readonly literalPatterns?: boolean
}

/**
 * A checked expression. `ast` has calls of literal functions replaced by their variables.
 *
 * @category models
 * @since 0.1.0
 */
export interface Checked {
  readonly ast: Ast.Ast
  readonly type: T.Type
  readonly issues: ReadonlyArray<Ast.Issue>
  /** The variables that the expression reads, in their order. */
  readonly variables: ReadonlyArray<string>
}

/** More are not told: who corrects the first ones sees the next. */
const issuesMax = 20

const typeNames = new Map<string, T.Type>(
  [T.bool, T.int, T.uint, T.double, T.string, T.bytes].map((type) => [T.format(type), T.typeOf(type)])
)
typeNames.set("list", T.typeOf(T.list(T.dyn)))
typeNames.set("map", T.typeOf(T.map(T.dyn, T.dyn)))
typeNames.set("null_type", T.typeOf(T.nullType))
typeNames.set("type", T.typeOf(T.typeOf(T.dyn)))

const literalTypes: Readonly<Record<Ast.Constant["type"], T.Type>> = {
  null: T.nullType,
  bool: T.bool,
  int: T.int,
  uint: T.uint,
  double: T.double,
  string: T.string,
  bytes: T.bytes
}

const operator = /^(?:_(.{1,2})_|([!-])_)$/

const nameOf = (call: Ast.Call): string => {
  const match = operator.exec(call.name)
  if (match !== null) return match[1] ?? match[2] ?? call.name
  return call.name === "@in" ? "in" : call.name === "_?_:_" ? "?:" : call.name === "_[_]" ? "[]" : call.name
}

/** `a.b.c` of a select over names; undefined for another expression. */
const qualifiedName = (ast: Ast.Ast): string | undefined => {
  if (ast.node === "ident") return ast.name
  if (ast.node !== "select") return undefined
  const operand = qualifiedName(ast.operand)
  return operand === undefined ? undefined : `${operand}.${ast.field}`
}

const parametersOf = (type: T.Type, names: Map<string, T.Type>, bindings: T.Bindings): T.Type => {
  switch (type.type) {
    case "parameter": {
      const existing = names.get(type.name) ?? bindings.next()
      names.set(type.name, existing)
      return existing
    }
    case "list":
      return T.list(parametersOf(type.element, names, bindings))
    case "map":
      return T.map(parametersOf(type.key, names, bindings), parametersOf(type.value, names, bindings))
    case "type":
      return T.typeOf(parametersOf(type.of, names, bindings))
    default:
      return type
  }
}

/**
 * Checks an expression against what it may name.
 *
 * @category checking
 * @since 0.1.0
 */
export const check = (text: string, root: Ast.Ast, environment: Environment): Checked => {
  const bindings = new T.Bindings()
  const issues: Array<Ast.Issue> = []
  const variables = new Set<string>()
  const scopes: Array<ReadonlyMap<string, T.Type>> = []
  const functions = environment.functions ?? Signature.standard

  const wrong = (at: number, message: string): T.Type => {
    if (issues.length < issuesMax) issues.push(Ast.issueAt(text, at, message))
    return T.dyn
  }

  const local = (name: string): T.Type | undefined =>
    scopes
      .toReversed()
      .find((scope) => scope.has(name))
      ?.get(name)

  interface Typed {
    readonly ast: Ast.Ast
    readonly type: T.Type
  }

  const isFinal = (type: T.Type) => bindings.substitute(type, false)

  const expect = (typed: Typed, type: T.Type) => {
    if (!bindings.assign([type], [typed.type])) {
      wrong(typed.ast.at, `Expected ${T.format(isFinal(type))} and not ${T.format(isFinal(typed.type))}`)
    }
  }

  const visitSelect = (ast: Ast.Ast & { readonly node: "select" | "has" }): Typed => {
    if (ast.node === "select") {
      const name = qualifiedName(ast)
      const type =
        name === undefined || local(name.split(".")[0] ?? "") !== undefined
          ? undefined
          : environment.variables.get(name)
      if (name !== undefined && type !== undefined) {
        variables.add(name)
        return { ast: { node: "ident", name, at: ast.at }, type }
      }
    }
    const operand = visit(ast.operand)
    const target = isFinal(operand.type)
    const selected = { ...ast, operand: operand.ast }
    const fieldType = (): T.Type => {
      switch (target.type) {
        case "map":
          return bindings.assign([T.string], [target.key])
            ? target.value
            : wrong(ast.at, `Expected a map with keys of type string and not ${T.format(target.key)}`)
        case "object": {
          const type = target.fields.get(ast.field)
          return type ?? wrong(ast.at, `"${ast.field}" is not declared in ${target.name}`)
        }
        case "parameter":
        case "dyn":
          bindings.assign([T.dyn], [target])
          return T.dyn
        default:
          return wrong(ast.at, `${T.format(target)} has no field "${ast.field}"`)
      }
    }
    const type = fieldType()
    return { ast: selected, type: ast.node === "has" ? T.bool : type }
  }

  const resolveOverload = (ast: Ast.Call, args: ReadonlyArray<Typed>): T.Type => {
    const types = args.map(({ type }) => type)
    let result: T.Type | undefined
    const signatures = functions.get(ast.name)
    if (signatures === undefined) return wrong(ast.at, `Function "${nameOf(ast)}" does not exist`)
    for (const signature of signatures) {
      if (signature.args.length !== types.length) continue
      if ((signature.method === true) !== (ast.target !== undefined)) continue
      const names = new Map<string, T.Type>()
      const wanted = signature.args.map((type) => parametersOf(type, names, bindings))
      if (!bindings.assign(types, wanted)) continue
      const found = isFinal(parametersOf(signature.result, names, bindings))
      result = result === undefined || T.format(result) === T.format(found) ? found : T.dyn
    }
    return (
      result ??
      wrong(
        ast.at,
        `"${nameOf(ast)}" does not apply to (${types.map((type) => T.format(bindings.substitute(type, true))).join(", ")})`
      )
    )
  }

  const visitLiteralFunction = (ast: Ast.Call, resolve: LiteralFunction): Typed => {
    const texts: Array<string> = []
    for (const arg of ast.args) {
      if (arg.node !== "constant" || arg.type !== "string") {
        return { ast, type: wrong(arg.at, `"${ast.name}" takes literals of type string`) }
      }
      texts.push(arg.text)
    }
    const resolved = resolve(texts)
    if ("message" in resolved) {
      return { ast, type: wrong(ast.args[resolved.wrong]?.at ?? ast.at, resolved.message) }
    }
    variables.add(resolved.variable)
    return { ast: { node: "ident", name: resolved.variable, at: ast.at }, type: resolved.type }
  }

  const checkPattern = (ast: Ast.Call) => {
    const pattern = ast.args.at(-1)
    if (ast.name !== "matches" || pattern === undefined || environment.literalPatterns !== true) return
    if (pattern.node !== "constant" || pattern.type !== "string") {
      wrong(pattern.at, "Expected the pattern as a literal")
      return
    }
    const refused = patternIssue(pattern.text)
    if (refused !== undefined) wrong(pattern.at, refused)
  }

  const visitCall = (ast: Ast.Call): Typed => {
    const literal = ast.target === undefined ? environment.literalFunctions?.get(ast.name) : undefined
    if (literal !== undefined) return visitLiteralFunction(ast, literal)
    const target = ast.target === undefined ? undefined : visit(ast.target)
    const args = ast.args.map(visit)
    const all = target === undefined ? args : [target, ...args]
    checkPattern(ast)
    const type = resolveOverload(ast, all)
    const call = { ...ast, args: args.map((arg) => arg.ast) }
    return { ast: target === undefined ? call : { ...call, target: target.ast }, type }
  }

  const join = (previous: T.Type | undefined, current: T.Type): T.Type => {
    if (previous === undefined) return current
    return bindings.assign([previous], [current]) ? T.mostGeneral(previous, current) : T.dyn
  }

  const visitLoop = (ast: Ast.Comprehension): Typed => {
    const range = visit(ast.range)
    const init = visit(ast.init)
    const rangeType = isFinal(range.type)
    const iterTypes = (): readonly [T.Type, T.Type] => {
      switch (rangeType.type) {
        case "list":
          return ast.iterVar2 === "" ? [rangeType.element, T.dyn] : [T.int, rangeType.element]
        case "map":
          return [rangeType.key, rangeType.value]
        case "object":
          return [T.string, T.dyn]
        case "parameter":
        case "dyn":
          bindings.assign([T.dyn], [rangeType])
          return [T.dyn, T.dyn]
        default:
          wrong(range.ast.at, `Expected a list or a map and not ${T.format(rangeType)}`)
          return [T.dyn, T.dyn]
      }
    }
    const [first, second] = iterTypes()
    scopes.push(new Map([[ast.accuVar, init.type]]))
    scopes.push(
      ast.iterVar2 === ""
        ? new Map([[ast.iterVar, first]])
        : new Map([
            [ast.iterVar, first],
            [ast.iterVar2, second]
          ])
    )
    const condition = visit(ast.condition)
    expect(condition, T.bool)
    const step = visit(ast.step)
    expect(step, init.type)
    scopes.pop()
    const result = visit(ast.result)
    scopes.pop()
    return {
      ast: {
        ...ast,
        range: range.ast,
        init: init.ast,
        condition: condition.ast,
        step: step.ast,
        result: result.ast
      },
      type: isFinal(result.type)
    }
  }

  const visit = (ast: Ast.Ast): Typed => {
    switch (ast.node) {
      case "constant":
        return { ast, type: literalTypes[ast.type] }
      case "ident": {
        const inner = local(ast.name)
        if (inner !== undefined) return { ast, type: inner }
        const type = environment.variables.get(ast.name)
        if (type !== undefined) {
          variables.add(ast.name)
          return { ast, type }
        }
        const named = typeNames.get(ast.name)
        return { ast, type: named ?? wrong(ast.at, `"${ast.name}" is not declared`) }
      }
      case "select":
      case "has":
        return visitSelect(ast)
      case "call":
        return visitCall(ast)
      case "list": {
        const elements = ast.elements.map(visit)
        let type: T.Type | undefined
        for (const element of elements) type = join(type, element.type)
        return {
          ast: { ...ast, elements: elements.map((element) => element.ast) },
          type: T.list(type ?? bindings.next())
        }
      }
      case "map": {
        let key: T.Type | undefined
        let value: T.Type | undefined
        const entries = ast.entries.map((entry) => {
          const keyTyped = visit(entry.key)
          const valueTyped = visit(entry.value)
          key = join(key, keyTyped.type)
          value = join(value, valueTyped.type)
          return { key: keyTyped.ast, value: valueTyped.ast }
        })
        return { ast: { ...ast, entries }, type: T.map(key ?? bindings.next(), value ?? bindings.next()) }
      }
      case "comprehension":
        return visitLoop(ast)
    }
  }

  const typed = visit(root)
  return {
    ast: typed.ast,
    type: bindings.substitute(typed.type, true),
    issues,
    variables: Array.from(variables)
  }
}

/**
 * The longest pattern of `matches`, in characters, and the most instructions that it may become: matching takes at most
 * their product.
 */
const patternMaxCharacters = 1_000
const programMaxInstructions = 2_000

/**
 * Returns why a pattern is refused: RE2's syntax, or a bound.
 *
 * @category checking
 * @since 0.1.0
 */
export const patternIssue = (pattern: string): string | undefined => {
  if (pattern.length > patternMaxCharacters)
    return `Expected a pattern of at most ${patternMaxCharacters} characters`
  try {
    return RE2JS.compile(pattern).programSize() > programMaxInstructions
      ? `Expected a pattern of at most ${programMaxInstructions} instructions: it repeats too much`
      : undefined
  } catch (error) {
    return `Expected a pattern in RE2's syntax: ${error instanceof Error ? error.message : "refused"}`
  }
}
