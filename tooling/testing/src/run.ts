/**
 * `pnpm test`: one Postgres for the whole run, every package's tests through turbo, and one sum at the end.
 *
 * Exits with 1 when turbo fails, when a test fails, or when a package that has tests wrote no report.
 */
import { NodeServices } from "@effect/platform-node"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as Main from "@hypermarket/core/Main"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { relative, resolve } from "node:path"
import { stripVTControlCharacters } from "node:util"
import { Report } from "./VitestReport.ts"

/** Of a long message the beginning says what failed. */
const linesShown = 25

/** What failed, a block each: whoever reads the end of a long log sees what to look at. */
const failures = ({ testResults }: typeof Report.Type): ReadonlyArray<string> =>
  testResults.flatMap(({ assertionResults, message, name, status }) => {
    if (status === "passed") return []
    const file = relative(".", name)
    const tests = assertionResults.flatMap(({ failureMessages, fullName, status }) =>
      status === "failed" ? [[`${file}: ${fullName}`, ...(failureMessages ?? [])]] : []
    )
    return [...tests, ...(message === "" ? [] : [[file, message]])].map((block) =>
      stripVTControlCharacters(block.join("\n")).split("\n").slice(0, linesShown).join("\n    ")
    )
  })

class TestsFailed extends Schema.TaggedError<TestsFailed>()("TestsFailed", {}) {
  // The closing lines have said it.
  override readonly [Runtime.errorReported] = false
}

const workspaceFolders = ["packages", "apps", "tooling"]

/** The packages that have tests. */
const tested = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const found: Array<string> = []
  for (const folder of workspaceFolders) {
    if (!(yield* fs.exists(folder))) continue
    for (const name of (yield* fs.readDirectory(folder)).toSorted()) {
      const test = path.join(folder, name, "test")
      if (!(yield* fs.exists(test))) continue
      const files = yield* fs.readDirectory(test, { recursive: true })
      if (files.some((file) => file.endsWith(".test.ts"))) found.push(path.join(folder, name))
    }
  }
  return found
})

const sum = Effect.fn("sum")(function* (folders: ReadonlyArray<string>, startedAt: number) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const total = { passed: 0, failed: 0, skipped: 0, broken: 0 }
  const blocks: Array<string> = []
  yield* Console.log("")
  for (const folder of folders) {
    const report = yield* fs
      .readFileString(path.join(folder, ".reports/test.json"))
      .pipe(Effect.flatMap(Schema.decodeEffect(Report)), Effect.option)
    if (report._tag === "None") {
      total.broken++
      yield* Console.log(`  ${folder.padEnd(28)} NO REPORT`)
      continue
    }
    const { numFailedTests, numPassedTests, numPendingTests, startTime, success } = report.value
    total.passed += numPassedTests
    total.failed += numFailedTests
    total.skipped += numPendingTests
    if (!success && numFailedTests === 0) total.broken++
    blocks.push(...failures(report.value))
    const marks = [
      `${numPassedTests} passed`,
      ...(numFailedTests > 0 ? [`${numFailedTests} failed`] : []),
      ...(numPendingTests > 0 ? [`${numPendingTests} skipped`] : []),
      ...(success ? [] : ["BROKEN"]),
      ...(startTime < startedAt ? ["(cached)"] : [])
    ]
    yield* Console.log(`  ${folder.padEnd(28)} ${marks.join(", ")}`)
  }
  for (const block of blocks) yield* Console.log(`\nFAILED ${block}`)
  // A package that could not report counts as one failure, so that the closing line never looks green.
  const failed = total.failed + total.broken
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : ""
  yield* Console.log(`\ntests: ${total.passed} passed, ${failed} failed${skipped}`)
  return failed === 0
})

/**
 * These hold promises about time with 1,000 clients at once: nothing else may compete for the processors then. They wait
 * for most of their time.
 */
const runsAlone = "@hypermarket/api"

/** Tasks at once. More only wait for each other, and fill the memory. */
const concurrency = "200%"

const turbo = Effect.fnUntraced(function* (databaseUrl: string, args: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  return yield* spawner.exitCode(
    ChildProcess.make("turbo", ["run", "--continue", `--concurrency=${concurrency}`, ...args], {
      env: {
        HM_TEST_DATABASE_URL: databaseUrl,
        TURBO_TELEMETRY_DISABLED: "1",
        // The services and commands that tests start load the same sources again and again.
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? resolve("node_modules/.cache/node")
      },
      extendEnv: true,
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit"
    })
  )
})

const removeReports = Effect.fnUntraced(function* (folders: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  // A report of an earlier run must not stand in for one that this run failed to write; turbo restores cached ones.
  yield* Effect.forEach(folders, (folder) =>
    fs.remove(path.join(folder, ".reports"), { recursive: true, force: true })
  )
})

const program = Effect.gen(function* () {
  const startedAt = performance.timeOrigin
  const folders = yield* tested
  yield* removeReports(folders)
  const given = process.env.HM_TEST_DATABASE_URL
  const url = given ?? (yield* EmbeddedPostgres.start({ durability: "fast" })).url
  const args = process.argv.slice(2)
  const exitCodes = args.some((arg) => arg.startsWith("--filter"))
    ? [yield* turbo(url, ["check", "test", ...args])]
    : [
        yield* turbo(url, ["check", "test", `--filter=!${runsAlone}`, ...args]),
        yield* turbo(url, ["check", "test", `--filter=${runsAlone}`, ...args])
      ]
  const isGreen = yield* sum(folders, startedAt)
  if (exitCodes.some((code) => code !== 0) || !isGreen) return yield* new TestsFailed()
})

Main.run(program.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
