/**
 * Compiles a checked tree into closures: a run walks no tree and looks up no name.
 *
 * @since 0.1.0
 */
import * as Ast from "./Ast.ts"
import * as Comparison from "./Comparison.ts"
import type { Frame, Run } from "./Comparison.ts"
import * as Function from "./Function.ts"
import { type Implementation, overBudget } from "./Implementation.ts"
import * as V from "./Value.ts"

/**
 * The steps that a run may take: one per four nodes of a loop's body in each iteration, and one per 16 to 64 characters or
 * elements that a function reads or makes. All of them take less than 50 ms.
 *
 * @category limits
 * @since 0.1.0
 */
export const stepsMax = 100_000

/**
 * Steps that several runs share, such as those of one decision.
 *
 * @category models
 * @since 0.1.0
 */
export interface Budget {
  remaining: number
}

/**
 * A compiled expression. The values of its variables are in the order of {@link Program.variables}, or in the slots that it
 * was compiled for; undefined is one that is missing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Program {
  readonly variables: ReadonlyArray<string>
  readonly run: (values: ReadonlyArray<V.Value | undefined>, budget: Budget) => V.Outcome
}

const bytesOf = (base64: string): Uint8Array =>
  Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))

const constantOf = (constant: Ast.Constant): V.Value => {
  switch (constant.type) {
    case "null":
      return null
    case "bool":
      return constant.text === "true"
    case "int":
      return BigInt(constant.text)
    case "uint":
      return new V.Uint(BigInt(constant.text))
    case "double":
      return Number(constant.text)
    case "string":
      return constant.text
    case "bytes":
      return bytesOf(constant.text)
  }
}

/** Nodes of a loop's body that take about the time of one step. */
const nodesPerStep = 4

const nodesOf = (ast: Ast.Ast): number => Ast.childrenOf(ast).reduce((sum, child) => sum + nodesOf(child), 1)

const typeNames = new Set([
  "bool",
  "int",
  "uint",
  "double",
  "string",
  "bytes",
  "list",
  "map",
  "null_type",
  "type"
])

const notBool = (value: V.Outcome): V.Failure =>
  value instanceof V.Failure ? value : new V.Failure("overload", "expected bool")

/** `&&` and `||`: the deciding value wins over an error of another part, whatever their order. A chain is one loop. */
const logic =
  (parts: ReadonlyArray<Run>, deciding: boolean): Run =>
  (frame) => {
    let failed: V.Outcome | undefined
    for (const part of parts) {
      const value = part(frame)
      if (value === deciding) return deciding
      if (typeof value !== "boolean") failed ??= value
    }
    return failed === undefined ? !deciding : notBool(failed)
  }

/** Returns the parts of a chain such as `a && b && c`. */
const chainOf = (ast: Ast.Ast, name: string): ReadonlyArray<Ast.Ast> =>
  ast.node === "call" && ast.name === name ? ast.args.flatMap((arg) => chainOf(arg, name)) : [ast]

const slotsOf = (variables: ReadonlyArray<string>): ReadonlyMap<string, number> =>
  new Map(variables.map((name, slot) => [name, slot]))

/**
 * Compiles a tree whose variables are given. With `slots` the values of a run are in those places, so that several programs
 * share one list of values. Functions that do not exist and names that are not declared are the
 * checker's to refuse; here they become expressions that fail.
 *
 * @category constructors
 * @since 0.1.0
 */
export const compile = (
  root: Ast.Ast,
  variables: ReadonlyArray<string>,
  slots: ReadonlyMap<string, number> = slotsOf(variables)
): Program => {
  let depth = 0
  let localsMax = 0

  const withLocal = <A>(
    scope: ReadonlyMap<string, number>,
    names: ReadonlyArray<string>,
    make: (inner: ReadonlyMap<string, number>, slots: ReadonlyArray<number>) => A
  ): A => {
    const inner = new Map(scope)
    const taken = names.map((name) => {
      inner.set(name, depth)
      return depth++
    })
    localsMax = Math.max(localsMax, depth)
    const made = make(inner, taken)
    depth -= names.length
    return made
  }

  const identOf = (name: string, scope: ReadonlyMap<string, number>): Run => {
    const local = scope.get(name)
    if (local !== undefined) return (frame) => frame.locals[local] ?? null
    const slot = slots.get(name)
    const missing = new V.Failure("missing", `${name} is missing`)
    if (slot !== undefined) {
      return ({ values }) => {
        const value = values[slot]
        return value === undefined ? missing : value
      }
    }
    const type = new V.TypeName(name)
    return typeNames.has(name) ? () => type : () => missing
  }

  const selectOf = (
    ast: Ast.Ast & { readonly node: "select" | "has" },
    scope: ReadonlyMap<string, number>
  ): Run => {
    const operand = visit(ast.operand, scope)
    const missing = new V.Failure("missing", `${ast.field} is missing`)
    const isTest = ast.node === "has"
    return (frame) => {
      const target = operand(frame)
      if (target instanceof V.Failure) return target
      if (!(target instanceof V.MapValue))
        return new V.Failure("overload", `${V.typeName(target)} has no fields`)
      const value = target.getText(ast.field)
      if (isTest) return value !== undefined
      return value === undefined ? missing : value
    }
  }

  const callOf = (ast: Ast.Call, scope: ReadonlyMap<string, number>): Run => {
    if (ast.name === "_&&_" || ast.name === "_||_") {
      const chain = chainOf(ast, ast.name).map((part) => visit(part, scope))
      return logic(chain, ast.name === "_||_")
    }
    const parts = (ast.target === undefined ? ast.args : [ast.target, ...ast.args]).map((arg) =>
      visit(arg, scope)
    )
    const [first, second, third] = parts
    if (ast.name === "@not_strictly_false" && first !== undefined) return (frame) => first(frame) !== false
    if (ast.name === "_?_:_" && first !== undefined && second !== undefined && third !== undefined) {
      return (frame) => {
        const test = first(frame)
        if (typeof test !== "boolean") return notBool(test)
        return test ? second(frame) : third(frame)
      }
    }
    const implementation = Function.standard.get(ast.name)
    if (implementation === undefined) {
      const failure = new V.Failure("overload", `function ${ast.name} does not exist`)
      return () => failure
    }
    if (first !== undefined && second !== undefined && third === undefined) {
      const [left, right] = ast.target === undefined ? ast.args : [ast.target, ...ast.args]
      const constant = right?.node === "constant" ? constantOf(right) : undefined
      const slot =
        left?.node === "ident" && scope.get(left.name) === undefined ? slots.get(left.name) : undefined
      const general = binaryOf(implementation, first, second)
      return (
        (slot === undefined || constant === undefined
          ? undefined
          : Comparison.withConstant(ast.name, slot, constant, general)) ??
        Comparison.ofSame(ast.name, first, second, implementation) ??
        general
      )
    }
    return (frame) => {
      const args: Array<V.Value> = []
      for (const part of parts) {
        const value = part(frame)
        if (value instanceof V.Failure) return value
        args.push(value)
      }
      return implementation(args, frame.spend)
    }
  }

  const loopOf = (ast: Ast.Comprehension, scope: ReadonlyMap<string, number>): Run => {
    const range = visit(ast.range, scope)
    const init = visit(ast.init, scope)
    const hasTwo = ast.iterVar2 !== ""
    const weight = Math.ceil((nodesOf(ast.condition) + nodesOf(ast.step)) / nodesPerStep)
    return withLocal(scope, [ast.accuVar], (outer, [accu = 0]) => {
      const result = visit(ast.result, outer)
      return withLocal(
        outer,
        hasTwo ? [ast.iterVar, ast.iterVar2] : [ast.iterVar],
        (inner, [iter = 0, iter2 = 0]) => {
          const condition = visit(ast.condition, inner)
          const step = visit(ast.step, inner)
          return (frame) => {
            const over = range(frame)
            if (over instanceof V.Failure) return over
            const isMap = over instanceof V.MapValue
            if (!isMap && !V.isList(over))
              return new V.Failure("overload", `${V.typeName(over)} is no list or map`)
            const elements = isMap ? over.keys() : over
            frame.locals[accu] = init(frame)
            for (const [place, element] of elements.entries()) {
              if (!frame.spend(weight)) return overBudget
              frame.locals[iter] = hasTwo && !isMap ? BigInt(place) : element
              if (hasTwo) frame.locals[iter2] = isMap ? (over.get(element) ?? null) : element
              const goesOn = condition(frame)
              if (goesOn instanceof V.Failure) return goesOn
              if (goesOn !== true) break
              frame.locals[accu] = step(frame)
            }
            return result(frame)
          }
        }
      )
    })
  }

  const visit = (ast: Ast.Ast, scope: ReadonlyMap<string, number>): Run => {
    switch (ast.node) {
      case "constant": {
        const value = constantOf(ast)
        return () => value
      }
      case "ident":
        return identOf(ast.name, scope)
      case "select":
      case "has":
        return selectOf(ast, scope)
      case "call":
        return callOf(ast, scope)
      case "list": {
        const elements = ast.elements.map((element) => visit(element, scope))
        return (frame) => {
          const values: Array<V.Value> = []
          for (const element of elements) {
            const value = element(frame)
            if (value instanceof V.Failure) return value
            values.push(value)
          }
          return values
        }
      }
      case "map": {
        const entries = ast.entries.map(({ key, value }) => [visit(key, scope), visit(value, scope)] as const)
        return (frame) => {
          const made = new V.MapValue()
          for (const [keyRun, valueRun] of entries) {
            const key = keyRun(frame)
            if (key instanceof V.Failure) return key
            const value = valueRun(frame)
            if (value instanceof V.Failure) return value
            if (!made.add(key, value)) return new V.Failure("overload", "a key is repeated, or cannot be one")
          }
          return made
        }
      }
      case "comprehension":
        return loopOf(ast, scope)
    }
  }

  const body = visit(root, new Map())
  // One frame for all runs: a run is synchronous, and no program runs within itself.
  let remaining = 0
  const frame: Frame = {
    values: [],
    locals: Array.from({ length: localsMax }, () => null),
    spend: (steps) => {
      if (remaining < steps) {
        remaining = 0
        return false
      }
      remaining -= steps
      return true
    }
  }
  return {
    variables,
    run: (values, budget) => {
      const granted = Math.min(stepsMax, budget.remaining)
      remaining = granted
      frame.values = values
      const outcome = body(frame)
      budget.remaining -= granted - remaining
      return outcome
    }
  }
}

const binaryOf =
  (implementation: Implementation, first: Run, second: Run): Run =>
  (frame) => {
    const left = first(frame)
    if (left instanceof V.Failure) return left
    const right = second(frame)
    return right instanceof V.Failure ? right : implementation([left, right], frame.spend)
  }
