/**
 * Claims of a package's README that can be compared with its code: its examples, and the modules that its tables name.
 */
import type { Nodes, RootContent } from "mdast"
import { fromMarkdown } from "mdast-util-from-markdown"
import { gfmTableFromMarkdown } from "mdast-util-gfm-table"
import { gfmTable } from "micromark-extension-gfm-table"
import { parseSync } from "oxc-parser"

/** The modules of a package by name, each with the names that it exports. */
export type Modules = ReadonlyMap<string, ReadonlySet<string>>

export interface Package {
  readonly readme: string
  /** The texts of the files in `examples/` by their names. */
  readonly examples: ReadonlyMap<string, string>
  readonly modules: Modules
}

/** Returns the names that a module exports, types among them. */
export const exportsOf = (source: string): ReadonlySet<string> => {
  const { staticExports } = parseSync("module.ts", source).module
  return new Set(
    staticExports.flatMap(({ entries }) => entries.flatMap(({ exportName }) => exportName.name ?? []))
  )
}

const parse = (readme: string): ReadonlyArray<RootContent> =>
  fromMarkdown(readme, { extensions: [gfmTable()], mdastExtensions: [gfmTableFromMarkdown()] }).children

const codeOf = (node: Nodes): ReadonlyArray<string> => {
  if (node.type === "inlineCode") return [node.value]
  return "children" in node ? node.children.flatMap(codeOf) : []
}

const textOf = (node: Nodes): string => {
  if (node.type === "text") return node.value
  return "children" in node ? node.children.map(textOf).join("") : ""
}

/** The first line in which a text differs from a block, from 0; undefined when it is the block. */
const differenceOf = (lines: ReadonlyArray<string>, block: string): number | undefined => {
  const shown = block.split("\n")
  const at = lines.findIndex((line, index) => line !== shown[index])
  if (at === -1) return shown.length === lines.length ? undefined : lines.length
  return at
}

/** Returns what a reader is shown of an example: it is without the marks for packages that this one must not depend on. */
export const shownOf = (example: string): string => example.replaceAll(/^\/\/ @boundaries-ignore .*\n/gm, "")

const blocksOf = (readme: string): ReadonlyArray<string> =>
  parse(readme).flatMap((node) => (node.type === "code" && node.lang === "ts" ? [node.value] : []))

/** The example that a reader meets first. */
const first = "readme.ts"

/** Most lines of the block that a README begins with. Blank ones do not count. */
export const firstBlockLinesMax = 15

/** The result comes first: a reader sees all of it without scrolling. Longer programs follow below. */
const firstBlockProblems = (readme: string): ReadonlyArray<string> => {
  const [block = ""] = blocksOf(readme)
  const lines = block.split("\n").filter((line) => line.trim() !== "").length
  return lines > firstBlockLinesMax
    ? [`the first \`ts\` block has ${lines} lines; the most are ${firstBlockLinesMax}`]
    : []
}

/**
 * A README names each file of `examples/` and shows it: `readme.ts`, a program without Effect, in its first `ts` block, others in
 * any.
 */
const exampleProblems = ({ examples, readme }: Package): ReadonlyArray<string> => {
  const blocks = blocksOf(readme)
  const named = new Set(Array.from(readme.matchAll(/\(examples\/(\w+\.ts)\)/g), ([, file]) => file ?? ""))
  const absent = Array.from(named)
    .filter((file) => !examples.has(file))
    .map((file) => `examples/${file} is named and does not exist`)
  const isOfEffect = examples.has("effect.ts") && /from "effect"/.test(examples.get(first) ?? "")
  const late = isOfEffect ? [`examples/${first} is for programs without Effect: move it to effect.ts`] : []
  const wrong = Array.from(examples).flatMap(([file, example]) => {
    if (!named.has(file)) return [`examples/${file} is not named`]
    const lines = shownOf(example).trimEnd().split("\n")
    const candidates = file === first ? blocks.slice(0, 1) : blocks
    const differences = candidates.map((block) => differenceOf(lines, block))
    if (differences.includes(undefined)) return []
    // The block that is the file up to the latest line is the one that was meant.
    const at = Math.max(0, ...differences.map((line) => line ?? 0))
    const shown = candidates[differences.indexOf(at)]?.split("\n")[at] ?? ""
    const which = file === first ? "the first `ts` block is not" : "no `ts` block is"
    return [`${which} examples/${file}: line ${at + 1} is "${shown}" and "${lines[at] ?? ""}"`]
  })
  return [...absent, ...late, ...wrong]
}

/** A class, service or type; other code spans are methods, headers, paths. */
const symbol = /^[A-Z][A-Za-z0-9]*$/

/**
 * Each name in the first column is a module. Each symbol in the second that some module of the package exports is exported by a
 * module of the row. A symbol after the word `service` must be exported.
 */
const rowProblems = (cells: ReadonlyArray<Nodes>, modules: Modules): ReadonlyArray<string> => {
  const [first, second] = cells
  const names = first === undefined ? [] : codeOf(first)
  const missing = names.filter((name) => !modules.has(name)).map((name) => `there is no module ${name}`)
  const has = (name: string) => (candidate: string) => modules.get(candidate)?.has(name) === true
  const children = second !== undefined && "children" in second ? second.children : []
  const wrong = children.flatMap((node, index) => {
    if (node.type !== "inlineCode" || !symbol.test(node.value)) return []
    const before = children[index - 1]
    const isService = before !== undefined && /\bservices? $/.test(textOf(before))
    const isElsewhere = Array.from(modules.keys()).some(has(node.value))
    if (names.some(has(node.value)) || (!isElsewhere && !isService)) return []
    // A row may name another module of the package.
    if (modules.has(node.value) && !isService) return []
    return [`${names.join(", ")} does not export ${node.value}`]
  })
  return [...missing, ...wrong]
}

const tableProblems = ({ modules, readme }: Package): ReadonlyArray<string> =>
  parse(readme).flatMap((node) => {
    if (node.type !== "table") return []
    const [head, ...rows] = node.children
    if (head?.children[0] === undefined || textOf(head.children[0]) !== "module") return []
    return rows.flatMap((row) => rowProblems(row.children, modules))
  })

/** Returns a sentence per claim that the code denies. */
export const problemsOf = (described: Package): ReadonlyArray<string> => [
  ...exampleProblems(described),
  ...firstBlockProblems(described.readme),
  ...tableProblems(described)
]
