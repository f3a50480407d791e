/**
 * The condition a document has to meet, and the text people write it in:
 *
 * ```
 * filter     = and { "OR" and }
 * and        = not { "AND" not }
 * not        = [ "NOT" ] ( "(" filter ")" | condition )
 * condition  = column ( "=" | "!=" ) value
 *            | column ( "<" | "<=" | ">" | ">=" ) number
 *            | column number "TO" number
 *            | column [ "NOT" ] "IN" "[" [ value { "," value } ] "]"
 *            | column [ "NOT" ] "EXISTS"
 * ```
 *
 * A value or a column's name is quoted, in double or single quotes, when it has other characters than letters, digits and
 * `_ . - / :`. A backslash in quotes takes the next character as it is. Key words are not case-sensitive; values are.
 * `$id` is the id of a document, which every document has. A document without a value fails every condition but `!=`, `NOT IN` and `NOT EXISTS`.
 */
import * as Result from "effect/Result"

export type Filter =
  | { readonly _tag: "And"; readonly filters: ReadonlyArray<Filter> }
  | { readonly _tag: "Or"; readonly filters: ReadonlyArray<Filter> }
  | { readonly _tag: "Not"; readonly filter: Filter }
  | { readonly _tag: "In"; readonly column: string; readonly values: ReadonlyArray<string> }
  | {
      readonly _tag: "Range"
      readonly column: string
      readonly minimum?: number
      readonly maximum?: number
      readonly exclusive: boolean
    }
  | { readonly _tag: "Exists"; readonly column: string }

export interface FilterSyntax {
  /** Index of the character, from 0. */
  readonly position: number
  readonly message: string
}

/** An IN of 1,000 ids of 36 characters fits. */
export const filterCharsMax = 64_000
/** Conditions and connectives: each is a function called for every document found. */
export const filterNodesMax = 200
/** The parser and the compiled filter recurse. */
const filterDepthMax = 20
/** Values of one IN: a set in memory, but each was sent and parsed. */
export const filterValuesMax = 1_000

interface Token {
  readonly kind: "word" | "quoted" | "symbol" | "end"
  readonly text: string
  readonly position: number
}

const symbolPattern = /!=|<=|>=|[=<>()[\],]/y
const wordPattern = /\$id(?![\p{L}\p{N}_.\-/:])|[\p{L}\p{N}_.\-/:]+/uy
const spacePattern = /\s+/y
const numberPattern = /^-?\d+(?:\.\d+)?$/

const matchAt = (pattern: RegExp, text: string, position: number): string | undefined => {
  pattern.lastIndex = position
  return pattern.exec(text)?.[0]
}

const quotedAt = (
  text: string,
  start: number
): { readonly value: string; readonly end: number } | undefined => {
  const quote = text[start]
  let value = ""
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at] ?? ""
    if (char === quote) return { value, end: at + 1 }
    if (char === "\\") at++
    value += text[at] ?? ""
  }
  return undefined
}

const tokensOf = (text: string): Result.Result<ReadonlyArray<Token>, FilterSyntax> => {
  const tokens: Array<Token> = []
  let position = 0
  while (position < text.length) {
    const space = matchAt(spacePattern, text, position)
    if (space !== undefined) {
      position += space.length
      continue
    }
    if (text[position] === '"' || text[position] === "'") {
      const quoted = quotedAt(text, position)
      if (quoted === undefined) return Result.fail({ position, message: "the quote is not closed" })
      tokens.push({ kind: "quoted", text: quoted.value, position })
      position = quoted.end
      continue
    }
    const symbol = matchAt(symbolPattern, text, position)
    const found = symbol ?? matchAt(wordPattern, text, position)
    if (found === undefined) {
      return Result.fail({
        position,
        message: `"${String.fromCodePoint(text.codePointAt(position) ?? 0)}" is unexpected`
      })
    }
    tokens.push({ kind: symbol === undefined ? "word" : "symbol", text: found, position })
    position += found.length
  }
  tokens.push({ kind: "end", text: "", position: text.length })
  return Result.succeed(tokens)
}

type Parsed = Result.Result<Filter, FilterSyntax>

class Parser {
  private at = 0
  private nodes = 0
  private readonly tokens: ReadonlyArray<Token>

  constructor(tokens: ReadonlyArray<Token>) {
    this.tokens = tokens
  }

  parse(): Parsed {
    const filter = this.any(0)
    if (Result.isFailure(filter) || this.peek().kind === "end") return filter
    return this.expected("AND, OR or the end")
  }

  private peek(): Token {
    return this.tokens[Math.min(this.at, this.tokens.length - 1)] ?? { kind: "end", text: "", position: 0 }
  }

  private expected(what: string): Result.Result<never, FilterSyntax> {
    const { kind, position, text } = this.peek()
    return Result.fail({
      position,
      message: `expected ${what}, found ${kind === "end" ? "the end" : `"${text}"`}`
    })
  }

  private takeWord(word: string): boolean {
    const token = this.peek()
    if (token.kind !== "word" || token.text.toUpperCase() !== word) return false
    this.at++
    return true
  }

  private takeSymbol(symbol: string): boolean {
    const token = this.peek()
    if (token.kind !== "symbol" || token.text !== symbol) return false
    this.at++
    return true
  }

  private joined(word: string, tag: "And" | "Or", part: (depth: number) => Parsed, depth: number): Parsed {
    const filters: Array<Filter> = []
    do {
      const filter = part(depth)
      if (Result.isFailure(filter)) return filter
      filters.push(filter.success)
    } while (this.takeWord(word))
    const [first] = filters
    return Result.succeed(filters.length === 1 && first !== undefined ? first : { _tag: tag, filters })
  }

  private any(depth: number): Parsed {
    return this.joined("OR", "Or", (inner) => this.all(inner), depth)
  }

  private all(depth: number): Parsed {
    return this.joined("AND", "And", (inner) => this.not(inner), depth)
  }

  private not(depth: number): Parsed {
    const { position } = this.peek()
    this.nodes++
    if (this.nodes > filterNodesMax) {
      return Result.fail({ position, message: `more than ${filterNodesMax} conditions` })
    }
    if (depth > filterDepthMax) {
      return Result.fail({ position, message: `nested more than ${filterDepthMax} deep` })
    }
    if (this.takeWord("NOT")) return Result.map(this.not(depth + 1), (filter) => ({ _tag: "Not", filter }))
    if (!this.takeSymbol("(")) return this.condition()
    const inner = this.any(depth + 1)
    if (Result.isFailure(inner) || this.takeSymbol(")")) return inner
    return this.expected("a closing bracket")
  }

  private condition(): Parsed {
    const column = this.value("a column")
    if (Result.isFailure(column)) return Result.fail(column.failure)
    const name = column.success
    if (this.takeSymbol("=")) return this.equals(name)
    if (this.takeSymbol("!=")) return Result.map(this.equals(name), (filter) => ({ _tag: "Not", filter }))
    for (const symbol of ["<=", "<", ">=", ">"]) if (this.takeSymbol(symbol)) return this.bound(name, symbol)
    const isNegated = this.takeWord("NOT")
    const filter = this.takeWord("IN")
      ? this.among(name)
      : this.takeWord("EXISTS")
        ? Result.succeed<Filter>({ _tag: "Exists", column: name })
        : isNegated
          ? this.expected("IN or EXISTS")
          : this.between(name)
    return isNegated ? Result.map(filter, (negated) => ({ _tag: "Not", filter: negated })) : filter
  }

  private value(what: string): Result.Result<string, FilterSyntax> {
    const token = this.peek()
    if (token.kind !== "word" && token.kind !== "quoted") return this.expected(what)
    this.at++
    return Result.succeed(token.text)
  }

  private number(what: string): Result.Result<number, FilterSyntax> {
    if (this.peek().kind !== "word" || !numberPattern.test(this.peek().text)) return this.expected(what)
    const value = Number(this.peek().text)
    this.at++
    return Result.succeed(value)
  }

  private equals(column: string): Parsed {
    return Result.map(this.value("a value"), (value) => ({ _tag: "In", column, values: [value] }))
  }

  private bound(column: string, symbol: string): Parsed {
    return Result.map(this.number("a number"), (value) => ({
      _tag: "Range",
      column,
      ...(symbol.startsWith("<") ? { maximum: value } : { minimum: value }),
      exclusive: symbol.length === 1
    }))
  }

  private between(column: string): Parsed {
    const minimum = this.number("a comparison, a range, IN or EXISTS")
    if (Result.isFailure(minimum)) return Result.fail(minimum.failure)
    if (!this.takeWord("TO")) return this.expected("TO")
    return Result.map(this.number("a number"), (maximum) => ({
      _tag: "Range",
      column,
      minimum: minimum.success,
      maximum,
      exclusive: false
    }))
  }

  private among(column: string): Parsed {
    if (!this.takeSymbol("[")) return this.expected("[")
    const values: Array<string> = []
    // A client's empty list: no document has one of no values.
    if (this.takeSymbol("]")) return Result.succeed({ _tag: "In", column, values })
    do {
      if (values.length === filterValuesMax) {
        return Result.fail({
          position: this.peek().position,
          message: `more than ${filterValuesMax} values`
        })
      }
      const value = this.value("a value")
      if (Result.isFailure(value)) return Result.fail(value.failure)
      values.push(value.success)
    } while (this.takeSymbol(","))
    if (!this.takeSymbol("]")) return this.expected("a comma or ]")
    return Result.succeed({ _tag: "In", column, values })
  }
}

export const parse = (text: string): Result.Result<Filter, FilterSyntax> =>
  text.length > filterCharsMax
    ? Result.fail({ position: filterCharsMax, message: `longer than ${filterCharsMax} characters` })
    : Result.flatMap(tokensOf(text), (tokens) => new Parser(tokens).parse())

/** In place of a column's name: the id of a document. No column's name begins with a dollar sign. */
export const idColumn = "$id"

/** The ids that a filter compares with. */
export const idsOf = (filter: Filter): ReadonlyArray<string> => {
  switch (filter._tag) {
    case "And":
    case "Or":
      return filter.filters.flatMap(idsOf)
    case "Not":
      return idsOf(filter.filter)
    case "In":
      return filter.column === idColumn ? filter.values : []
    default:
      return []
  }
}

/** The columns a filter reads. */
export const columnsOf = (filter: Filter): ReadonlySet<string> => {
  switch (filter._tag) {
    case "And":
    case "Or":
      return new Set(filter.filters.flatMap((part) => [...columnsOf(part)]))
    case "Not":
      return columnsOf(filter.filter)
    default:
      return new Set(filter.column === idColumn ? [] : [filter.column])
  }
}

/** Reads a document's values for a filter. Ordinals and documents in memory have one each. */
export interface Reader<A> {
  readonly isIn: (column: string, values: ReadonlyArray<string>) => (document: A) => boolean
  readonly number: (column: string) => (document: A) => number
  readonly exists: (column: string) => (document: A) => boolean
}

/** A predicate. `number` of a document without a value is NaN, which no range holds. */
export const compile = <A>(filter: Filter, reader: Reader<A>): ((document: A) => boolean) => {
  switch (filter._tag) {
    case "And": {
      const parts = filter.filters.map((part) => compile(part, reader))
      return (document) => parts.every((part) => part(document))
    }
    case "Or": {
      const parts = filter.filters.map((part) => compile(part, reader))
      return (document) => parts.some((part) => part(document))
    }
    case "Not": {
      const part = compile(filter.filter, reader)
      return (document) => !part(document)
    }
    case "In":
      return reader.isIn(filter.column, filter.values)
    case "Exists":
      return reader.exists(filter.column)
    case "Range": {
      const { minimum = -Infinity, maximum = Infinity, exclusive } = filter
      const number = reader.number(filter.column)
      return exclusive
        ? (document) => {
            const value = number(document)
            return value > minimum && value < maximum
          }
        : (document) => {
            const value = number(document)
            return value >= minimum && value <= maximum
          }
    }
  }
}
