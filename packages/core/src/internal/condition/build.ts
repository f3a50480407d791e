/**
 * Compiles conditions to closures: `test` in three-valued logic as numbers, `matches` in two-valued logic, and `explain`.
 */
import * as Result from "effect/Result"
import type {
  Attributes,
  Compiled,
  Condition,
  Explanation,
  Issue,
  Outcome,
  Segments
} from "../../Condition.ts"
import { reader } from "./attributes.ts"
import { type Comparison, comparisonOf, isFalse, isTrue, isUnknown, type Three } from "./comparisons.ts"

type Path = ReadonlyArray<string | number>
type Limits = {
  readonly depthMax: number
  readonly partsMax: number
  readonly valuesMax: number
  readonly textMaxCharacters: number
  readonly itemsMax: number
}

/** `parts` counts what an evaluation may run, `depth` the levels below. */
interface Node {
  readonly test: (subject: unknown) => Three
  readonly matches: (subject: unknown) => boolean
  readonly explain: (subject: unknown) => Explanation
  readonly parts: number
  readonly depth: number
}

const outcomes: readonly [Outcome, Outcome, Outcome] = ["false", "unknown", "true"]
const outcomeOf = (value: Three): Outcome => outcomes[value]
const negate = (value: Three): Three => (value === isTrue ? isFalse : value === isFalse ? isTrue : isUnknown)

const issuesMax = 100
/** Parts that `some` and `every` count per part of their condition, which runs for every item. Two levels are accepted. */
const itemParts = 50

const typeOf = (value: unknown): string =>
  value === null ? "null" : Array.isArray(value) ? "array" : typeof value

class Builder {
  readonly issues: Array<Issue> = []
  private readonly built = new Map<string, Node | undefined>()
  private readonly open: Array<string> = []
  private readonly segments: Segments
  private readonly limits: Limits

  constructor(segments: Segments, limits: Limits) {
    this.segments = segments
    this.limits = limits
  }

  issue(path: Path, message: string): undefined {
    if (this.issues.length < issuesMax) this.issues.push({ path, message })
    return undefined
  }

  node(condition: Condition, path: Path, nested: boolean, level: number): Node | undefined {
    if (level > this.limits.depthMax) {
      return this.issue(path, `Expected at most ${this.limits.depthMax} levels of conditions`)
    }
    if (typeof condition !== "object" || condition === null) return this.issue(path, "Expected a condition")
    const built = this.nodeOf(condition, path, nested, level)
    if (built === undefined) return undefined
    if (built.parts > this.limits.partsMax) {
      return this.issue(path, `Expected at most ${this.limits.partsMax} parts, those of segments included`)
    }
    // A segment is built once, at the level of its first use.
    return level + built.depth > this.limits.depthMax + 1
      ? this.issue(path, `Expected at most ${this.limits.depthMax} levels of conditions`)
      : built
  }

  private nodeOf(condition: Condition, path: Path, nested: boolean, level: number): Node | undefined {
    if ("all" in condition) return this.group("all", condition.all, path, nested, level)
    if ("any" in condition) return this.group("any", condition.any, path, nested, level)
    if ("not" in condition) {
      const inner = this.node(condition.not, [...path, "not"], nested, level + 1)
      return inner === undefined ? undefined : negation(inner, path)
    }
    if ("segment" in condition) return this.segment(condition.segment, path, nested, level)
    if (typeof condition.operator !== "string") return this.issue(path, "Expected a condition")
    return this.comparison(condition, path, nested, level)
  }

  private group(
    kind: "all" | "any",
    conditions: ReadonlyArray<Condition>,
    path: Path,
    nested: boolean,
    level: number
  ): Node | undefined {
    if (!Array.isArray(conditions)) return this.issue([...path, kind], "Expected a list of conditions")
    if (conditions.length > this.limits.partsMax) {
      return this.issue([...path, kind], `Expected at most ${this.limits.partsMax} conditions`)
    }
    const nodes: Array<Node> = []
    for (const [index, condition] of conditions.entries()) {
      const child = this.node(condition, [...path, kind, index], nested, level + 1)
      if (child !== undefined) nodes.push(child)
    }
    return nodes.length === conditions.length ? combination(kind, nodes, path) : undefined
  }

  private segment(key: string, path: Path, nested: boolean, level: number): Node | undefined {
    if (nested) return this.issue([...path, "segment"], "Expected no segment inside of some, every and size")
    const condition =
      this.segments instanceof Map
        ? this.segments.get(key)
        : Object.hasOwn(this.segments, key)
          ? Reflect.get(this.segments, key)
          : undefined
    if (condition === undefined)
      return this.issue([...path, "segment"], `Expected a segment that exists: ${key}`)
    if (this.open.includes(key)) {
      return this.issue(
        [...path, "segment"],
        `Expected no cycle of segments: ${[...this.open, key].join(" > ")}`
      )
    }
    if (!this.built.has(key)) {
      this.open.push(key)
      this.built.set(key, this.node(condition, ["segments", key], false, level + 1))
      this.open.pop()
    }
    const inner = this.built.get(key)
    return inner === undefined
      ? undefined
      : {
          test: inner.test,
          matches: inner.matches,
          explain: (subject) => {
            const part = inner.explain(subject)
            return { outcome: part.outcome, path, kind: "segment", segment: key, parts: [part] }
          },
          parts: inner.parts + 1,
          depth: inner.depth + 1
        }
  }

  private comparison(
    condition: Extract<Condition, { readonly operator: string }>,
    path: Path,
    nested: boolean,
    level: number
  ): Node | undefined {
    const attribute = condition.attribute
    if (attribute === undefined && !nested) {
      return this.issue([...path, "attribute"], "Expected the name of an attribute")
    }
    if (attribute !== undefined && (attribute === "" || attribute.length > this.limits.textMaxCharacters)) {
      return this.issue([...path, "attribute"], `Expected 1 to ${this.limits.textMaxCharacters} characters`)
    }
    if ("values" in condition && condition.values.length > this.limits.valuesMax) {
      return this.issue([...path, "values"], `Expected at most ${this.limits.valuesMax} values`)
    }
    const read = reader(attribute)
    const shown = { path, kind: condition.operator, ...(attribute === undefined ? {} : { attribute }) }
    if (condition.operator === "exists") {
      const exists = (subject: unknown): boolean => (read(subject) ?? undefined) !== undefined
      return leaf((subject) => (exists(subject) ? isTrue : isFalse), shown, read)
    }
    if (condition.operator === "type") {
      const { value: wanted } = condition
      return leaf(
        (subject) => {
          const value = read(subject)
          return value === undefined ? isUnknown : typeOf(value) === wanted ? isTrue : isFalse
        },
        shown,
        read
      )
    }
    if ("condition" in condition) {
      const inner = this.node(condition.condition, [...path, "condition"], true, level + 1)
      return inner === undefined
        ? undefined
        : items(condition.operator, inner, shown, read, this.limits.itemsMax)
    }
    const compared = comparisonOf(condition, this.limits.itemsMax)
    return Result.isFailure(compared)
      ? this.issue([...path, ...compared.failure.path], compared.failure.message)
      : leaf(guarded(read, compared.success), shown, read)
  }
}

type Shown = Pick<Explanation, "path" | "kind" | "attribute">

const guarded =
  (read: (subject: unknown) => unknown, compare: Comparison) =>
  (subject: unknown): Three => {
    const value = read(subject)
    return value === undefined || value === null ? isUnknown : compare(value)
  }

const leaf = (
  test: (subject: unknown) => Three,
  shown: Shown,
  read: (subject: unknown) => unknown
): Node => ({
  test,
  matches: (subject) => test(subject) === isTrue,
  explain: (subject) => {
    const outcome = test(subject)
    const unknown = { because: (read(subject) ?? undefined) === undefined ? "missing" : "type" } as const
    return { outcome: outcomeOf(outcome), ...shown, ...(outcome === isUnknown ? unknown : {}), parts: [] }
  },
  parts: 1,
  depth: 1
})

const negation = (inner: Node, path: Path): Node => ({
  test: (subject) => negate(inner.test(subject)),
  matches: (subject) => !inner.matches(subject),
  explain: (subject) => {
    const part = inner.explain(subject)
    return {
      outcome: part.outcome === "true" ? "false" : part.outcome === "false" ? "true" : "unknown",
      path,
      kind: "not",
      parts: [part]
    }
  },
  parts: inner.parts + 1,
  depth: inner.depth + 1
})

/** Two and three parts, as most have, without a loop: some 15 % of an evaluation of a flag. */
const matchesOf = (all: boolean, parts: ReadonlyArray<Node["matches"]>): Node["matches"] => {
  const [first, second, third] = parts
  if (first !== undefined && second !== undefined && parts.length === 2) {
    return all
      ? (subject) => first(subject) && second(subject)
      : (subject) => first(subject) || second(subject)
  }
  if (first !== undefined && second !== undefined && third !== undefined && parts.length === 3) {
    return all
      ? (subject) => first(subject) && second(subject) && third(subject)
      : (subject) => first(subject) || second(subject) || third(subject)
  }
  return (subject) => {
    for (const matches of parts) if (matches(subject) !== all) return !all
    return all
  }
}

const combination = (kind: "all" | "any", nodes: ReadonlyArray<Node>, path: Path): Node => {
  // `all` is the least of its parts and ends at false, `any` the greatest and ends at true.
  const all = kind === "all"
  const start: Three = all ? isTrue : isFalse
  const end: Three = all ? isFalse : isTrue
  return {
    test: (subject) => {
      let outcome: Three = start
      for (const node of nodes) {
        const part = node.test(subject)
        if (part === end) return end
        if (part === isUnknown) outcome = isUnknown
      }
      return outcome
    },
    matches: matchesOf(
      all,
      nodes.map((node) => node.matches)
    ),
    explain: (subject) => {
      const parts = nodes.map((node) => node.explain(subject))
      const ends = outcomeOf(end)
      const outcome = parts.some((part) => part.outcome === ends)
        ? ends
        : parts.some((part) => part.outcome === "unknown")
          ? "unknown"
          : outcomeOf(start)
      return { outcome, path, kind, parts }
    },
    parts: nodes.reduce((sum, node) => sum + node.parts, 1),
    depth: nodes.reduce((depth, node) => Math.max(depth, node.depth), 0) + 1
  }
}

const items = (
  operator: "some" | "every" | "size",
  inner: Node,
  shown: Shown,
  read: (subject: unknown) => unknown,
  itemsMax: number
): Node => {
  const listOf = (subject: unknown): ReadonlyArray<unknown> | undefined => {
    const value = read(subject)
    return Array.isArray(value) && value.length <= itemsMax ? value : undefined
  }
  const some = operator === "some"
  const start: Three = some ? isFalse : isTrue
  const end: Three = some ? isTrue : isFalse
  const test = (subject: unknown): Three => {
    const list = listOf(subject)
    if (list === undefined) return isUnknown
    if (operator === "size") return inner.test(list.length)
    let outcome: Three = start
    for (const item of list) {
      const part = inner.test(item)
      if (part === end) return end
      if (part === isUnknown) outcome = isUnknown
    }
    return outcome
  }
  return {
    ...leaf(test, shown, read),
    matches: (subject) => {
      const list = listOf(subject)
      if (list === undefined) return false
      if (operator === "size") return inner.matches(list.length)
      for (const item of list) if (inner.matches(item) === some) return some
      return !some
    },
    parts: (operator === "size" ? inner.parts : inner.parts * itemParts) + 1,
    depth: inner.depth + 1
  }
}

export const compile = (
  condition: Condition,
  segments: Segments,
  limits: Limits
): Result.Result<Compiled, ReadonlyArray<Issue>> => {
  const builder = new Builder(segments, limits)
  const node = builder.node(condition, [], false, 1)
  if (node === undefined) return Result.fail(builder.issues)
  return Result.succeed({
    test: (attributes: Attributes) => outcomeOf(node.test(attributes)),
    matches: node.matches,
    explain: node.explain
  })
}
