/**
 * `pnpm prose`: checks comments, Markdown and the layout of SQL. Findings that `prose-baseline.json` counts are let pass.
 *
 *   pnpm prose                 fails on more findings than counted, and on fewer
 *   pnpm prose --update        lowers the counts; without a baseline, writes it
 *   pnpm prose packages/core   lists every finding in a folder or file
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Main from "@hypermarket/core/Main"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import { parseSync } from "oxc-parser"
import * as Command from "./Command.ts"
import * as Baseline from "./proseBaseline.ts"
import { checkComments, checkMarkdown, type Finding } from "./proseRules.ts"
import { checkSql } from "./sqlStyle.ts"

const root = Path.resolve(import.meta.dirname, "../../..")
const baselineFile = Path.join(import.meta.dirname, "../prose-baseline.json")

/** A reader needs no more to begin. */
const shownMax = 20

class ProseFailed extends Schema.TaggedError<ProseFailed>()("ProseFailed", {}) {
  // The lines have said it.
  override readonly [Runtime.errorReported] = false
}

interface FileFinding extends Finding {
  readonly file: string
}

const git = (args: ReadonlyArray<string>) =>
  Effect.map(Command.run("git", args, { cwd: root }), ({ code, stdout }) => (code === 0 ? stdout : ""))

/** The files that are, or could be, committed. A changelog is written from changesets. */
const listFiles = Effect.map(
  git(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.ts", "*.tsx", "*.md"]),
  (list) =>
    Array.from(new Set(list.split("\0")))
      .filter((file) => file !== "" && Path.basename(file) !== "CHANGELOG.md")
      .toSorted()
)

const checkFile = (file: string, text: string): Array<Finding> => {
  if (file.endsWith(".md")) return checkMarkdown(text)
  const { comments, program } = parseSync(file, text)
  return [...checkComments(text, comments), ...checkSql(text, program, file.includes("/migrations/"))]
}

const findAll = Effect.fnUntraced(function* (frozen: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const findings: Array<FileFinding> = []
  for (const file of yield* listFiles) {
    if (Baseline.isFrozen(frozen, file)) continue
    // A file that was deleted and is not committed yet is still listed.
    const text = yield* Effect.option(fs.readFileString(Path.join(root, file)))
    if (Option.isSome(text)) {
      findings.push(
        ...checkFile(file, text.value)
          .toSorted((a, b) => a.line - b.line)
          .map((finding) => ({ ...finding, file }))
      )
    }
  }
  return findings
})

const hunk = /^\+\+\+ b\/(?<file>.*)$|^@@ -\S+ \+(?<start>\d+)(?:,(?<count>\d+))? @@/gm

/** The lines that the branch adds to `main`, or the working tree to the last commit: new findings are among them. */
const addedLines = Effect.gen(function* () {
  const base = (yield* git(["merge-base", "main", "HEAD"])).trim() || "HEAD"
  const diff = yield* git(["diff", "--unified=0", "--no-color", "--no-ext-diff", base])
  const added = new Set<string>()
  let file = ""
  for (const { groups } of diff.matchAll(hunk)) {
    if (groups?.file !== undefined) file = groups.file
    const start = Number(groups?.start ?? 0)
    const count = groups?.start === undefined ? 0 : Number(groups.count ?? 1)
    for (let line = start; line < start + count; line++) added.add(`${file}:${line}`)
  }
  for (const untracked of (yield* git(["ls-files", "--others", "--exclude-standard"])).split("\n"))
    added.add(untracked)
  return added
})

const show = (findings: ReadonlyArray<FileFinding>) =>
  Effect.forEach(
    findings,
    ({ file, line, message, rule }) => Console.log(`${file}:${line} ${rule} ${message}`),
    { discard: true }
  )

const reportMore = Effect.fnUntraced(function* (
  { allowed, folder, found, rule }: Baseline.Difference,
  findings: ReadonlyArray<FileFinding>,
  added: ReadonlySet<string>
) {
  const here = findings.filter(
    (finding) => finding.rule === rule && Baseline.folderOf(finding.file) === folder
  )
  const isNew = ({ file, line }: FileFinding) => added.has(`${file}:${line}`) || added.has(file)
  const ordered = [...here.filter(isNew), ...here.filter((finding) => !isNew(finding))]
  yield* Console.log(`\n${folder}: ${found} findings of ${rule}, ${allowed} allowed; changed lines first`)
  yield* show(ordered.slice(0, shownMax))
  if (ordered.length > shownMax)
    yield* Console.log(`and ${ordered.length - shownMax} more: pnpm prose ${folder}`)
})

const writeBaseline = Effect.fnUntraced(function* (frozen: ReadonlyArray<string>, counts: Baseline.Counts) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFileString(baselineFile, `${JSON.stringify({ frozen, counts }, null, 2)}\n`)
  yield* Console.log("prose: the baseline is written")
})

const program = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const args = process.argv.slice(2)
  const isUpdate = args.includes("--update")
  const paths = args.filter((arg) => !arg.startsWith("--")).map((path) => path.replace(/\/$/, ""))
  const baseline = (yield* fs.exists(baselineFile))
    ? yield* Effect.flatMap(fs.readFileString(baselineFile), Schema.decodeEffect(Baseline.Baseline))
    : undefined
  const findings = yield* findAll(baseline?.frozen ?? [])
  if (paths.length > 0) {
    const here = findings.filter(({ file }) => Baseline.isFrozen(paths, file))
    yield* show(here)
    return yield* Console.log(`prose: ${here.length} findings in ${paths.join(", ")}`)
  }

  const found = Baseline.countsOf(findings)
  if (baseline === undefined && isUpdate) return yield* writeBaseline([], found)
  const allowed = baseline?.counts ?? {}
  const differences = Baseline.compare(allowed, found)
  if (differences.length === 0)
    return yield* Console.log(`prose: no new findings, ${findings.length} old ones`)
  if (isUpdate && Baseline.raised(allowed, found).length === 0)
    return yield* writeBaseline(baseline?.frozen ?? [], found)
  const added = yield* addedLines
  for (const difference of differences) {
    if (difference.found > difference.allowed) yield* reportMore(difference, findings, added)
    else if (!isUpdate) {
      const { allowed, folder, found, rule } = difference
      yield* Console.log(
        `${folder}: ${found} findings of ${rule}, ${allowed} allowed; lower the baseline: pnpm prose --update`
      )
    }
  }
  yield* Console.log(
    isUpdate
      ? `\nprose: the baseline is not written, it only shrinks: more ${Baseline.raised(allowed, found).join(", ")}`
      : "\nprose: the findings are not those of tooling/testing/prose-baseline.json; CONTRIBUTING has the rules"
  )
  return yield* new ProseFailed()
})

Main.run(program.pipe(Effect.provide(NodeServices.layer)))
