/** The rules of `pnpm prose`: each catches what it is for, and lets pass what it names as an exception. */
import { assert, describe, it } from "@effect/vitest"
import * as Baseline from "@hypermarket/testing/proseBaseline"
import { checkComments, checkMarkdown } from "@hypermarket/testing/proseRules"
import { checkSql, sharedLines, textOrders } from "@hypermarket/testing/sqlStyle"
import { parseSync } from "oxc-parser"

const inComments = (source: string) =>
  checkComments(source, parseSync("a.tsx", source).comments).map(
    ({ line, message, rule }) => `${line} ${rule} ${message.slice(0, message.indexOf(":"))}`
  )

const inMarkdown = (source: string) =>
  checkMarkdown(source).map(
    ({ line, message, rule }) => `${line} ${rule} ${message.slice(0, message.indexOf(":"))}`
  )

const inSql = (source: string, isMigration = false) =>
  checkSql(source, parseSync("a.ts", source).program, isMigration).map(
    ({ line, message }) => `${line} ${message.slice(0, message.indexOf(" share"))}`
  )

const sentence = (count: number) => `${Array.from({ length: count }, (_, n) => `word${n}`).join(" ")}.`

const words = [
  "so long",
  "that many",
  "as ever",
  "anew",
  "besides",
  "of its own",
  "somebody",
  "whoever",
  "nobody",
  "stands in",
  "lies in"
]

describe("the rules for comments", () => {
  for (const word of words) {
    it(`refuse "${word}" in every kind of comment`, () => {
      const finding = `words "${word}"`
      assert.deepStrictEqual(inComments(`const a = 1 // It is ${word} here`), [`1 ${finding}`])
      assert.deepStrictEqual(inComments(`/* It is\n${word} here */`), [`2 ${finding}`])
      assert.deepStrictEqual(inComments(`/** A.\n *\n * ${word.toUpperCase()} is here */`), [`3 ${finding}`])
      assert.deepStrictEqual(inComments(`const b = <p>{/* ${word} */}</p>`), [`1 ${finding}`])
    })
  }

  it("find words that a line break parts, at the line where they begin", () => {
    assert.deepStrictEqual(inComments("// It waits so\n// long as it can."), ['1 words "so long"'])
    assert.deepStrictEqual(inComments("/**\n * It waits so\n * long as it can.\n */"), ['2 words "so long"'])
  })

  it("let words pass in code spans, code blocks, longer words, strings, templates and regular expressions", () => {
    assert.deepStrictEqual(inComments("// The user `nobody`, renewed, the renewal"), [])
    assert.deepStrictEqual(inComments("/**\n * A.\n *\n * ```ts\n * nobody\n * ```\n */"), [])
    assert.deepStrictEqual(
      inComments('const a = ["// nobody", `/* anew ${"// nobody"} */`, /\\/\\/ nobody/]'),
      []
    )
    assert.deepStrictEqual(inComments("const b = <p>// nobody</p>"), [])
  })

  it("refuse sentences of more than 35 words, and count a code span as one", () => {
    assert.deepStrictEqual(inComments(`// ${sentence(35)}`), [])
    assert.deepStrictEqual(inComments(`/** A.\n * ${sentence(36)} */`), [
      '2 sentence-length 36 words ("word0 word1 word2 word3 word4 ...")'
    ])
    assert.deepStrictEqual(inComments(`// ${sentence(20)} ${sentence(20)}`), [])
    assert.lengthOf(inComments(`// ${sentence(20).slice(0, -1)}\n// ${sentence(20)}`), 1)
    assert.deepStrictEqual(inComments(`// ${sentence(20).slice(0, -1)} \`${sentence(30)}\` ends.`), [])
  })

  it("end a sentence at a paragraph, a list item and a tag, but not at an abbreviation", () => {
    const half = sentence(20).slice(0, -1)
    for (const mark of ["\n *\n * ", "\n *   ", "\n * - ", "\n * 2. ", "\n * @since "])
      assert.deepStrictEqual(inComments(`/**\n * ${half}${mark}${half}\n */`), [])
    assert.lengthOf(inComments(`/** ${half}, e.g. ${half} */`), 1)
    assert.lengthOf(inComments(`/**\n * - ${half}\n *   ${half}\n */`), 1)
  })

  for (const word of ["Tells", "Gives", "Says", "Answers", "Takes", "What", "Whether"]) {
    it(`refuse a doc comment that begins with ${word}`, () => {
      assert.deepStrictEqual(inComments(`/** ${word} it is. */`), [`1 doc-start begins with "${word}"`])
      assert.deepStrictEqual(inComments(`/**\n * ${word} it is.\n */`), [`2 doc-start begins with "${word}"`])
      assert.deepStrictEqual(inComments(`// ${word} it is.\n/* ${word} it is. */\n/** The ${word}. */`), [])
    })
  }

  it("pass directives by", () => {
    assert.deepStrictEqual(inComments("// oxlint-disable-next-line x -- nobody reads it anew"), [])
  })
})

describe("the rules for Markdown", () => {
  it("refuse words in paragraphs, headings, lists, tables, links and emphasis", () => {
    const source = [
      "# For nobody",
      "",
      "It is _anew_",
      "and so",
      "long.",
      "",
      "- a [list of its own](https://example.com/besides)",
      "",
      "| a | b |",
      "| - | - |",
      "| x | whoever |"
    ]
    assert.deepStrictEqual(inMarkdown(source.join("\n")), [
      '1 words "nobody"',
      '4 words "so long"',
      '3 words "anew"',
      '7 words "of its own"',
      '11 words "whoever"'
    ])
  })

  it("let code spans, code blocks and front matter pass", () => {
    assert.deepStrictEqual(
      inMarkdown("---\nnobody: anew\n---\n\n`nobody` and\n\n```sh\nnobody\n```\n\n    anew\n"),
      []
    )
    assert.deepStrictEqual(inMarkdown("---\n---\n\nanew"), ['4 words "anew"'])
  })

  it("refuse long sentences, cell by cell and item by item", () => {
    assert.lengthOf(inMarkdown(`A paragraph.\n${sentence(36)}`), 1)
    assert.deepStrictEqual(inMarkdown(`| ${sentence(20)} | ${sentence(20)} |\n| - | - |`), [])
    assert.deepStrictEqual(inMarkdown(`- ${sentence(20).slice(0, -1)}\n- ${sentence(20)}`), [])
  })
})

describe("the rule for SQL", () => {
  const shared = (statement: string) =>
    sharedLines(statement).map(({ clauses, line }) => `${line} ${clauses.join(", ")}`)

  it("refuses two clauses on a line", () => {
    for (const [line, clauses] of [
      ["SELECT a FROM b", "SELECT, FROM"],
      ["FROM b WHERE c", "FROM, WHERE"],
      ["FROM b LEFT JOIN c ON d", "FROM, JOIN"],
      ["GROUP BY a HAVING b", "GROUP BY, HAVING"],
      ["ORDER BY a LIMIT 1", "ORDER BY, LIMIT"],
      ["LIMIT 1 OFFSET 2", "LIMIT, OFFSET"],
      ["INSERT INTO a (b) VALUES (c)", "INSERT INTO, VALUES"],
      ["UPDATE a SET b = c", "UPDATE, SET"],
      ["DELETE FROM a WHERE b", "DELETE FROM, WHERE"],
      ["UNION ALL SELECT a", "UNION, SELECT"],
      ["LIMIT 1 FOR UPDATE SKIP LOCKED", "LIMIT, FOR UPDATE"],
      ["VALUES (1) ON CONFLICT DO NOTHING", "VALUES, ON CONFLICT"],
      ["VALUES (1) RETURNING a", "VALUES, RETURNING"]
    ] as const) {
      assert.deepStrictEqual(shared(`SELECT first\n${line}`), [`1 ${clauses}`])
    }
  })

  it("refuses an order by a number that the statement reads as text", () => {
    for (const statement of [
      "SELECT seq::text AS seq\n  FROM a\n ORDER BY seq\n LIMIT 1",
      'SELECT b, a.place::text AS "place"\n  FROM a\n ORDER BY b, place DESC'
    ]) {
      assert.lengthOf(textOrders(statement), 1, statement)
    }
    for (const statement of [
      "SELECT a.seq::text AS seq\n  FROM a\n ORDER BY a.seq",
      'SELECT a.seq::text AS "seqText"\n  FROM a\n ORDER BY seq'
    ]) {
      assert.lengthOf(textOrders(statement), 0, statement)
    }
  })

  it("counts clauses that belong together once", () => {
    for (const line of [
      "FOR UPDATE SKIP LOCKED",
      "FOR NO KEY UPDATE",
      "ON CONFLICT (a, b) DO UPDATE SET c = excluded.c",
      "ON CONFLICT DO NOTHING",
      "DO UPDATE SET a = b",
      "INSERT INTO a DEFAULT VALUES",
      "WHERE a IS NOT DISTINCT FROM b",
      "PARTITION OF a FOR VALUES FROM (1) TO (2)",
      "REFERENCES a ON DELETE SET NULL"
    ]) {
      assert.deepStrictEqual(shared(`SELECT first\n${line}`), [], line)
    }
  })

  it("passes literals, quoted names, comments and parentheses without a sub-select by", () => {
    for (const line of [
      "SELECT 'FROM a WHERE b''s'",
      'SELECT a AS "FROM"',
      "SELECT a -- FROM b",
      "SELECT a /* FROM b */",
      "SELECT array_agg(a ORDER BY b) FILTER (WHERE c), extract(epoch FROM d)",
      "JOIN (VALUES (1), (2)) AS v (a) ON true"
    ]) {
      assert.deepStrictEqual(shared(`SELECT first\n${line}`), [], line)
    }
  })

  it("allows a short sub-select in parentheses, and no long one", () => {
    assert.deepStrictEqual(shared("SELECT a\n WHERE EXISTS (SELECT 1 FROM b WHERE b.c = a.c)"), [])
    assert.deepStrictEqual(shared("SELECT a\n FROM (SELECT b FROM c WHERE d ORDER BY e) AS f"), [
      "1 FROM, SELECT, FROM, WHERE, ORDER BY"
    ])
    assert.lengthOf(shared(`SELECT a\n WHERE EXISTS (SELECT ${"b".repeat(80)} FROM c)`), 1)
    assert.lengthOf(shared("SELECT a\n WHERE EXISTS (SELECT 1 FROM b\n WHERE c)"), 1)
  })

  it("allows a short statement of two clauses, and no longer one", () => {
    assert.deepStrictEqual(shared("SELECT count(*) FROM a"), [])
    assert.deepStrictEqual(shared("SELECT a FROM b WHERE c"), ["0 SELECT, FROM, WHERE"])
    assert.lengthOf(shared(`SELECT ${"a".repeat(80)} FROM b`), 1)
  })

  it("looks at templates tagged `sql`, at arguments of `unsafe` and at nested fragments, and at no other text", () => {
    assert.deepStrictEqual(inSql("const a = sql<{ b: 1 }>`\n  SELECT 1\n  FROM a WHERE b\n`"), [
      "3 FROM, WHERE"
    ])
    assert.deepStrictEqual(inSql("this.sql`\n  FROM a WHERE b\n`"), ["2 FROM, WHERE"])
    assert.deepStrictEqual(inSql("sql.unsafe(`\n  FROM a WHERE b\n`)"), ["2 FROM, WHERE"])
    assert.deepStrictEqual(inSql("sql`\n  SELECT ${sql`\n  FROM a WHERE b\n`}\n`"), ["3 FROM, WHERE"])
    assert.deepStrictEqual(inSql("sql`\n  SELECT ${list.map((a) => ({ FROM: a }))}\n  FROM a`"), [])
    assert.deepStrictEqual(inSql("const a = `\n  FROM a WHERE b\n`"), [])
  })

  it("looks at every template of a migration", () => {
    assert.deepStrictEqual(inSql("migration([`\n  FROM a WHERE b\n`])", true), ["2 FROM, WHERE"])
  })
})

describe("the baseline", () => {
  const counts = { docs: { words: 2 }, "packages/core": { "sql-lines": 3, words: 1 } }

  it("counts by package, by first folder, and by the root", () => {
    const files = ["packages/core/src/a.ts", "packages/core/README.md", "docs/decisions/a.md", "README.md"]
    assert.deepStrictEqual(Baseline.countsOf(files.map((file) => ({ file, rule: "words" }))), {
      ".": { words: 1 },
      docs: { words: 1 },
      "packages/core": { words: 2 }
    })
  })

  it("names every count that is above or below it, and none that is equal", () => {
    assert.deepStrictEqual(Baseline.compare(counts, counts), [])
    assert.deepStrictEqual(
      Baseline.compare(counts, { docs: { words: 3 }, "packages/core": { "sql-lines": 3 }, x: { words: 1 } }),
      [
        { folder: "docs", rule: "words", allowed: 2, found: 3 },
        { folder: "packages/core", rule: "words", allowed: 1, found: 0 },
        { folder: "x", rule: "words", allowed: 0, found: 1 }
      ]
    )
  })

  it("moves between folders, and is never raised", () => {
    assert.deepStrictEqual(
      Baseline.raised(counts, { docs: { words: 2 }, "packages/queue": { "sql-lines": 3 } }),
      []
    )
    assert.deepStrictEqual(Baseline.raised(counts, { docs: { words: 4 } }), ["words"])
  })

  it("leaves frozen folders and files out, and not those whose names begin alike", () => {
    const frozen = ["packages/core/src/migrations", "docs/a.md"]
    assert.isTrue(Baseline.isFrozen(frozen, "packages/core/src/migrations/0001_a.ts"))
    assert.isTrue(Baseline.isFrozen(frozen, "docs/a.md"))
    assert.isFalse(Baseline.isFrozen(frozen, "packages/core/src/migrationsOf.ts"))
  })
})
