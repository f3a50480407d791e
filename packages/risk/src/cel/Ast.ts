/**
 * The tree of a CEL expression, as JSON: it is stored with its rule and needs no parser when it is read again.
 *
 * @since 0.1.0
 */

/**
 * A place in the text. `at` counts UTF-16 units from 0.
 *
 * @category models
 * @since 0.1.0
 */
interface Placed {
  readonly at: number
}

/**
 * A literal. Numbers are text, because JSON keeps neither 64 bits nor infinities; bytes are Base64.
 *
 * @category models
 * @since 0.1.0
 */
export interface Constant extends Placed {
  readonly node: "constant"
  readonly type: "null" | "bool" | "int" | "uint" | "double" | "string" | "bytes"
  readonly text: string
}

/**
 * A loop over a list or a map, as the macros `all`, `exists`, `exists_one`, `map` and `filter` expand to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Comprehension extends Placed {
  readonly node: "comprehension"
  readonly iterVar: string
  readonly iterVar2: string
  readonly range: Ast
  readonly accuVar: string
  readonly init: Ast
  readonly condition: Ast
  readonly step: Ast
  readonly result: Ast
}

/**
 * A function call. Of a method, `target` is the receiver.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call extends Placed {
  readonly node: "call"
  readonly name: string
  readonly target?: Ast
  readonly args: ReadonlyArray<Ast>
}

/**
 * @category models
 * @since 0.1.0
 */
export type Ast =
  | Constant
  | (Placed & { readonly node: "ident"; readonly name: string })
  | (Placed & { readonly node: "select"; readonly operand: Ast; readonly field: string })
  | (Placed & { readonly node: "has"; readonly operand: Ast; readonly field: string })
  | Call
  | (Placed & { readonly node: "list"; readonly elements: ReadonlyArray<Ast> })
  | (Placed & {
      readonly node: "map"
      readonly entries: ReadonlyArray<{ readonly key: Ast; readonly value: Ast }>
    })
  | Comprehension

/**
 * The version of this form. A tree of another version is parsed again from its text.
 *
 * @category models
 * @since 0.1.0
 */
export const version = 1

/**
 * A mistake in an expression. `line` and `column` count from 1.
 *
 * @category models
 * @since 0.1.0
 */
export interface Issue {
  readonly message: string
  readonly at: number
  readonly line: number
  readonly column: number
}

/**
 * Returns an issue with its line and column.
 *
 * @category constructors
 * @since 0.1.0
 */
export const issueAt = (text: string, at: number, message: string): Issue => {
  const before = text.slice(0, at)
  return {
    message,
    at,
    line: before.split("\n").length,
    column: at - (before.lastIndexOf("\n") + 1) + 1
  }
}

/**
 * Returns the parts of a node in their order.
 *
 * @category accessors
 * @since 0.1.0
 */
export const childrenOf = (ast: Ast): ReadonlyArray<Ast> => {
  switch (ast.node) {
    case "constant":
    case "ident":
      return []
    case "select":
    case "has":
      return [ast.operand]
    case "call":
      return ast.target === undefined ? ast.args : [ast.target, ...ast.args]
    case "list":
      return ast.elements
    case "map":
      return ast.entries.flatMap(({ key, value }) => [key, value])
    case "comprehension":
      return [ast.range, ast.init, ast.condition, ast.step, ast.result]
  }
}
