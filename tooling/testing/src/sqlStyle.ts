/**
 * One clause per line in SQL, and no order by the text of a number: in templates tagged `sql`, in statements of migrations
 * and in arguments of `unsafe`.
 *
 * Clauses that belong together count once: `DELETE FROM`, `ON CONFLICT ... DO UPDATE SET`, `FOR UPDATE SKIP LOCKED`. Two
 * short forms may stay on a line of at most 80 characters: a sub-select in parentheses with up to three clauses, and a whole
 * statement with up to two. Parentheses without a sub-select, as in `array_agg(x ORDER BY y)` or `extract(epoch FROM x)`,
 * do not count.
 */
import { Visitor, type Expression, type Program, type TemplateLiteral } from "oxc-parser"
import { lineIndex, type Finding } from "./proseRules.ts"

/** A line of a statement that is easily read at once. */
const shortLengthMax = 80
const subSelectClausesMax = 3
const statementClausesMax = 2

/** No clauses, though they hold the words of one. */
const phrase =
  /\b(?:IS\s+(?:NOT\s+)?DISTINCT\s+FROM|FOR\s+VALUES\s+FROM|ROWS\s+FROM|DEFAULT\s+VALUES|ON\s+(?:DELETE|UPDATE)\s+SET|SET\s+STORAGE)\b/g

const clause = new RegExp(
  `\\b(?:${[
    "INSERT\\s+INTO",
    "DELETE\\s+FROM",
    "MERGE\\s+INTO",
    "DO\\s+UPDATE\\s+SET",
    "DO\\s+NOTHING",
    "FOR\\s+(?:NO\\s+KEY\\s+)?UPDATE",
    "FOR\\s+(?:KEY\\s+)?SHARE",
    "ON\\s+CONFLICT",
    "GROUP\\s+BY",
    "ORDER\\s+BY",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "JOIN",
    "UPDATE",
    "SELECT",
    "FROM",
    "WHERE",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "VALUES",
    "SET",
    "RETURNING"
  ].join("|")})\\b`,
  "g"
)

/** The end of a clause that has begun, not another one. */
const continuation = /^DO\b/

const blank = (text: string): string => text.replace(/[^\n]/g, " ")

/** Blanks literals, quoted names, comments and phrases; lengths and lines stay. */
const maskOf = (text: string): string =>
  text.replace(/'(?:[^']|'')*'|"[^"\n]*"|--[^\n]*|\/\*[^]*?\*\//g, blank).replace(phrase, blank)

const clausesOf = (text: string): Array<string> => {
  const found = Array.from(text.matchAll(clause), ([word]) => word.replace(/\s+/g, " "))
  // `ON CONFLICT DO UPDATE SET` on one line is one clause; alone on its line, the second half is one as well.
  return found.filter(
    (word, index) => !(continuation.test(word) && found.slice(0, index).includes("ON CONFLICT"))
  )
}

const innermost = /\([^()]*\)/g

/** Blanks what is in parentheses that close on the line, unless it is more than a short sub-select. */
const withoutParentheses = (line: string): string => {
  let text = line
  for (;;) {
    const next = text.replace(innermost, (group) => {
      const clauses = clausesOf(group)
      const isLong = group.length > shortLengthMax || clauses.length > subSelectClausesMax
      // Other brackets keep the clauses of a long sub-select for the line.
      return clauses.includes("SELECT") && isLong ? `[${group.slice(1, -1)}]` : blank(group)
    })
    if (next === text) return text
    text = next
  }
}

/** Returns the clauses that share a line, by line from 0. */
export const sharedLines = (
  statement: string
): Array<{ readonly line: number; readonly clauses: ReadonlyArray<string> }> => {
  const masked = maskOf(statement)
  const whole = masked.trim()
  if (!whole.includes("\n") && statement.trim().length <= shortLengthMax) {
    if (clausesOf(withoutParentheses(whole)).length <= statementClausesMax) return []
  }
  return masked.split("\n").flatMap((text, line) => {
    const clauses = clausesOf(withoutParentheses(text))
    return clauses.length > 1 ? [{ line, clauses }] : []
  })
}

/** A column that is read as text under its name, as in `seq::text AS seq`. */
const readAsText = /\b(\w+)::text\s+AS\s+"?\1\b/g

const orderedBy = /\bORDER\s+BY\s+([^\n)]+)/g

/**
 * Returns the columns that a statement reads as text and orders by without their table. Such an order is that of the text,
 * in which 10 comes before 9: the name of an output column wins over that of a column.
 */
export const textOrders = (statement: string): Array<{ readonly line: number; readonly column: string }> => {
  const columns = new Set(Array.from(statement.matchAll(readAsText), ([, column = ""]) => column))
  return Array.from(statement.matchAll(orderedBy)).flatMap(({ 1: order = "", index }) =>
    Array.from(columns)
      .filter((column) => new RegExp(`(?<![\\w.])${column}\\b(?![.(])`).test(order))
      .map((column) => ({ line: statement.slice(0, index).split("\n").length - 1, column }))
  )
}

const nameOf = (expression: Expression): string | undefined => {
  if (expression.type === "Identifier") return expression.name
  return expression.type === "MemberExpression" && expression.property.type === "Identifier"
    ? expression.property.name
    : undefined
}

/** Checks the SQL of a TypeScript file; in the file of a migration every template is SQL. */
export const checkSql = (source: string, program: Program, isMigration: boolean): Array<Finding> => {
  const lineOf = lineIndex(source)
  const findings: Array<Finding> = []
  const checkTemplate = ({ expressions, quasis }: TemplateLiteral) => {
    const start = quasis[0]?.start ?? 0
    const end = quasis.at(-1)?.end ?? start
    let statement = source.slice(start, end)
    for (const expression of expressions) {
      // `${` and `}` with all between them; a parameter is one word.
      const from = statement.lastIndexOf("${", expression.start - start)
      const to = statement.indexOf("}", expression.end - start) + 1
      statement =
        statement.slice(0, from) + statement.slice(from, to).replace(/[^\n]/g, "x") + statement.slice(to)
    }
    for (const { clauses, line } of sharedLines(statement)) {
      findings.push({
        rule: "sql-lines",
        line: lineOf(start) + line,
        message: `${clauses.join(", ")} share a line: write one clause per line`
      })
    }
    for (const { column, line } of textOrders(statement)) {
      findings.push({
        rule: "sql-text-order",
        line: lineOf(start) + line,
        message: `ORDER BY ${column} sorts by its text: name the table, as in \`t.${column}\``
      })
    }
  }
  new Visitor({
    TaggedTemplateExpression: ({ quasi, tag }) => {
      if (!isMigration && nameOf(tag) === "sql") checkTemplate(quasi)
    },
    TemplateLiteral: (template) => {
      if (isMigration) checkTemplate(template)
    },
    CallExpression: ({ arguments: [first], callee }) => {
      if (!isMigration && nameOf(callee) === "unsafe" && first?.type === "TemplateLiteral")
        checkTemplate(first)
    }
  }).visit(program)
  return findings
}
