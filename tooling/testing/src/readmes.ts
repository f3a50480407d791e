/**
 * Claims of a package's README that can be compared with its code: the first example, and the modules that its tables name.
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
  /** The text of `examples/readme.ts`. */
  readonly example: string | undefined
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

/** A README that names the file must show it; one that does not has no such file. */
const exampleProblems = ({ example, readme }: Package): ReadonlyArray<string> => {
  const names = readme.includes("examples/readme.ts")
  if (example === undefined) return names ? ["examples/readme.ts is named and does not exist"] : []
  if (!names) return ["examples/readme.ts is not named"]
  const block = parse(readme).find((node) => node.type === "code" && node.lang === "ts")
  const shown = block?.type === "code" ? block.value.split("\n") : []
  const lines = example.trimEnd().split("\n")
  const at = lines.findIndex((line, index) => line !== shown[index])
  if (at === -1 && shown.length === lines.length) return []
  const line = at === -1 ? lines.length : at
  return [
    `the first \`ts\` block is not examples/readme.ts: line ${line + 1} is "${shown[line] ?? ""}" and "${lines[line] ?? ""}"`
  ]
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
  ...tableProblems(described)
]
