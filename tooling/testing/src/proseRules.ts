/**
 * Rules of plain English for comments and Markdown: words with a plainer replacement, long sentences, and first words of doc
 * comments. Code spans and code blocks are not prose.
 */
import type { Nodes } from "mdast"
import { fromMarkdown } from "mdast-util-from-markdown"
import { gfmTableFromMarkdown } from "mdast-util-gfm-table"
import { gfmTable } from "micromark-extension-gfm-table"
import type { Comment } from "oxc-parser"

export interface Finding {
  readonly rule: "words" | "sentence-length" | "doc-start" | "sql-lines" | "sql-text-order"
  /** From 1. */
  readonly line: number
  /** The words that were found, and the words to write. */
  readonly message: string
}

/** Longer sentences hold more than one thought. The rule to write by is 25; the margin is for lists of names. */
const sentenceWordsMax = 35

/** Enough to find the sentence. */
const shownWords = 5

const words: ReadonlyArray<readonly [string, string]> = [
  ["so long", "write `as long as`, `how long` or `until`"],
  ["that many", "name the number or the limit"],
  ["as ever", "write `as usual`"],
  ["anew", "write `again`"],
  ["besides", "write `in addition` or `also`"],
  ["of its own", "write `its own ...`, `separate` or `dedicated`"],
  ["somebody", "name the actor: the caller, the worker, another transaction"],
  ["whoever", "name the actor: the caller, the worker, another transaction"],
  ["nobody", "name the actor, as in `no worker`; the system user is `nobody` in backticks"],
  ["stands in", "write `is in`"],
  ["lies in", "write `is in`"]
]

const patterns = words.map(([text, advice]) => [text, new RegExp(`\\b${text}\\b`, "gi"), advice] as const)

const docStart = /^(?:Tells|Gives|Says|Answers|Takes|What|Whether)\b/

/** Text that belongs together, with the line of the file that each part comes from. */
interface Paragraph {
  readonly text: string
  /** The text with its code spans, as long as `text`. */
  readonly raw: string
  readonly parts: ReadonlyArray<{ readonly offset: number; readonly line: number }>
}

const paragraphOf = (pieces: ReadonlyArray<{ readonly line: number; readonly text: string }>): Paragraph => {
  let text = ""
  const parts: Array<{ offset: number; line: number }> = []
  for (const piece of pieces) {
    parts.push({ offset: text.length, line: piece.line })
    text += piece.text
  }
  // A code span is one word, whatever it holds.
  const prose = text.replace(/(?<marks>`+)[^`]+\k<marks>/g, (span) => `\`${"x".repeat(span.length - 2)}\``)
  return { text: prose, raw: text, parts }
}

const lineAt = ({ parts }: Paragraph, offset: number): number =>
  parts.findLast((part) => part.offset <= offset)?.line ?? 1

const abbreviation = /^\(?(?:e\.g|i\.e|cf|vs)\.$/i

const longSentences = (paragraph: Paragraph): Array<Finding> => {
  const findings: Array<Finding> = []
  let start = 0
  let count = 0
  let beginningEnd = 0
  const end = () => {
    if (count > sentenceWordsMax) {
      findings.push({
        rule: "sentence-length",
        line: lineAt(paragraph, start),
        message: `${count} words ("${paragraph.raw.slice(start, beginningEnd)} ..."): split the sentence, at most ${sentenceWordsMax}`
      })
    }
    count = 0
  }
  for (const { 0: token, index } of paragraph.text.matchAll(/\S+/g)) {
    if (count === 0) start = index
    if (/[\p{L}\p{N}`]/u.test(token)) count++
    if (count <= shownWords) beginningEnd = index + token.length
    if (/[.!?]["')\]*_]*$/.test(token) && !abbreviation.test(token)) end()
  }
  end()
  return findings
}

const check = (paragraph: Paragraph): Array<Finding> => [
  ...patterns.flatMap(([text, pattern, advice]) =>
    Array.from(paragraph.text.matchAll(pattern), ({ index }): Finding => ({
      rule: "words",
      line: lineAt(paragraph, index),
      message: `"${text}": ${advice}`
    }))
  ),
  ...longSentences(paragraph)
]

interface Line {
  readonly line: number
  readonly text: string
}

const listItem = /^\s*(?:[-*+]\s|\d+[.)]\s)/
const startsParagraph = /^\s*(?:[-*+]\s|\d+[.)]\s|\||#+\s|@\w)/
const fence = /^\s*(?:```|~~~)/

/**
 * Splits the lines of a comment at empty lines, list items, table rows and tags, and leaves code blocks out. A line that is
 * indented and continues no list item, as in a list of commands, is a paragraph.
 */
const paragraphsOf = (lines: ReadonlyArray<Line>): Array<Paragraph> => {
  const paragraphs: Array<Array<Line>> = []
  let current: Array<Line> | undefined
  let isCode = false
  for (const { line, text } of lines) {
    if (fence.test(text)) {
      isCode = !isCode
      current = undefined
    } else if (isCode || text.trim() === "") {
      current = undefined
    } else {
      const isSet = /^ {2}/.test(text) && !listItem.test(current?.[0]?.text ?? "")
      if (current === undefined || startsParagraph.test(text) || isSet) paragraphs.push((current = []))
      current.push({ line, text: `${text} ` })
    }
  }
  return paragraphs.map(paragraphOf)
}

const directive = /^\W*(?:oxlint-|eslint-|@ts-|@effect-|@vitest-|#__|#region|#endregion|<reference)/

/** Returns the line, from 1, of each offset of a text. */
export const lineIndex = (source: string): ((offset: number) => number) => {
  const starts = [0]
  for (const { index } of source.matchAll(/\n/g)) starts.push(index + 1)
  return (offset) => {
    let low = 0
    let high = starts.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle
    }
    return low + 1
  }
}

/** Checks the comments of a TypeScript file. Line comments below each other are one text. */
export const checkComments = (source: string, comments: ReadonlyArray<Comment>): Array<Finding> => {
  const lineOf = lineIndex(source)
  const isAlone = ({ start }: Comment) =>
    source.slice(source.lastIndexOf("\n", start - 1) + 1, start).trim() === ""
  const findings: Array<Finding> = []
  let group: Array<Line> = []
  let previous: Comment | undefined
  const flush = () => {
    for (const paragraph of paragraphsOf(group)) findings.push(...check(paragraph))
    group = []
  }
  for (const comment of comments) {
    if (directive.test(comment.value)) continue
    const line = lineOf(comment.start)
    if (comment.type === "Block") {
      flush()
      previous = undefined
      const isDoc = comment.value.startsWith("*")
      const lines = comment.value
        .split("\n")
        .map((text, index) => ({ line: line + index, text: text.replace(/^\s*\*+ ?/, "") }))
      const first = lines.find(({ text }) => text.trim() !== "")
      const word = isDoc ? docStart.exec(first?.text.trim() ?? "")?.[0] : undefined
      if (first !== undefined && word !== undefined) {
        findings.push({
          rule: "doc-start",
          line: first.line,
          message: `begins with "${word}": begin with a verb such as Returns, Claims, Deletes, or with the noun`
        })
      }
      for (const paragraph of paragraphsOf(lines)) findings.push(...check(paragraph))
    } else {
      const continues = previous !== undefined && line === lineOf(previous.start) + 1 && isAlone(comment)
      if (!continues) flush()
      group.push({ line, text: comment.value.replace(/^ /, "") })
      previous = isAlone(comment) ? comment : undefined
    }
  }
  flush()
  return findings
}

/** Checks the paragraphs, headings and table cells of a Markdown file. */
export const checkMarkdown = (source: string): Array<Finding> => {
  const findings: Array<Finding> = []
  const piecesOf = (node: Nodes): Array<Line> => {
    const line = node.position?.start.line ?? 1
    if (node.type === "text")
      return node.value
        .split("\n")
        .map((text, index) => ({ line: line + index, text: `${index > 0 ? " " : ""}${text}` }))
    if (node.type === "inlineCode") return [{ line, text: `\`${node.value.replaceAll("`", "x") || "x"}\`` }]
    if (node.type === "break") return [{ line, text: " " }]
    return "children" in node ? node.children.flatMap(piecesOf) : []
  }
  const visit = (node: Nodes): void => {
    if (node.type === "paragraph" || node.type === "heading" || node.type === "tableCell") {
      findings.push(...check(paragraphOf(piecesOf(node))))
    } else if ("children" in node) {
      for (const child of node.children) visit(child)
    }
  }
  // Front matter, as changesets have it, is no prose; its lines stay for the numbers.
  const body = source.replace(/^---\n[^]*?\n---\n/, (matter) => "\n".repeat(matter.split("\n").length - 1))
  visit(fromMarkdown(body, { extensions: [gfmTable()], mdastExtensions: [gfmTableFromMarkdown()] }))
  return findings
}
