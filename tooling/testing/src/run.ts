/**
 * `pnpm test`: one Postgres for the whole run, every package's tests through turbo in random order, and one sum at the end.
 *
 *   pnpm test                     draws a seed for the order and prints it
 *   pnpm test --seed 7            repeats the order of that seed
 *   pnpm test packages/core apps  the packages in these folders only; other options are passed on to turbo
 *
 * A drawn seed is no part of turbo's key: an unchanged package stays cached, with every order. A seed that is
 * asked for is: the package runs, unless it has passed with this seed before.
 *
 * A test that fails runs a second time. One that passes then is named as unsteady: it waits for a time instead of a condition,
 * depends on the order, or shows a race of the code, and is a fault to be found.
 *
 * Exits with 1 when turbo fails, when a test fails, or when a package that has tests wrote no report.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as Main from "@hypermarket/core/Main"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Random from "effect/Random"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { relative, resolve } from "node:path"
import { stripVTControlCharacters } from "node:util"
import { Report } from "./VitestReport.ts"

/** Test files that are worth a look; `.ci/run` repeats these lines. */
const slowestShown = 10

/** Of a long message the beginning says what failed. */
const linesShown = 25

/** Returns the failures, a block each, for the end of a long log. */
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

/** Returns the tests that failed first and passed when they ran again. */
const unsteady = ({ testResults }: typeof Report.Type): ReadonlyArray<string> =>
  testResults.flatMap(({ assertionResults, name }) =>
    assertionResults.flatMap(({ failureMessages, fullName, status }) => {
      const [reason] = stripVTControlCharacters(failureMessages?.[0] ?? "").split("\n")
      return status === "passed" && reason ? [`${relative(".", name)}: ${fullName}: ${reason}`] : []
    })
  )

class NoTests extends Schema.TaggedError<NoTests>()("NoTests", { message: Schema.String }) {}

class TestsFailed extends Schema.TaggedError<TestsFailed>()("TestsFailed", {}) {
  // The closing lines have said it.
  override readonly [Runtime.errorReported] = false
}

class SeedRefused extends Schema.TaggedError<SeedRefused>()("SeedRefused", { message: Schema.String }) {}

/** Seeds are printed and typed: short ones will do. */
const seedMax = 2 ** 31 - 1

/** Splits the arguments into the seed, drawn when absent, and those for turbo. */
const parse = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const at = args.findIndex((arg) => arg === "--seed" || arg.startsWith("--seed="))
  if (at === -1) {
    const seed = yield* Random.nextIntBetween(0, seedMax)
    return { seed, variable: "HM_TEST_DRAWN_SEED", rest: args }
  }
  const arg = args[at] ?? ""
  const isOne = arg.includes("=")
  const text = isOne ? arg.slice("--seed=".length) : (args[at + 1] ?? "")
  if (!/^\d{1,10}$/.test(text) || Number(text) > seedMax) {
    return yield* new SeedRefused({
      message: `--seed needs a whole number from 0 to ${seedMax}, not "${text}"`
    })
  }
  return { seed: Number(text), variable: "HM_TEST_SEED", rest: args.toSpliced(at, isOne ? 1 : 2) }
})

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

const sum = Effect.fn("sum")(function* (folders: ReadonlyArray<string>, startedAt: number, order: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const total = { passed: 0, failed: 0, skipped: 0, broken: 0 }
  const blocks: Array<string> = []
  const retried: Array<string> = []
  const files: Array<{ readonly file: string; readonly millis: number }> = []
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
    retried.push(...unsteady(report.value))
    if (startTime >= startedAt) {
      for (const { endTime, name, startTime } of report.value.testResults)
        files.push({ file: relative(".", name), millis: endTime - startTime })
    }
    const marks = [
      `${numPassedTests} passed`,
      ...(numFailedTests > 0 ? [`${numFailedTests} failed`] : []),
      ...(numPendingTests > 0 ? [`${numPendingTests} skipped`] : []),
      ...(success ? [] : ["BROKEN"]),
      ...(startTime < startedAt ? ["(cached)"] : [])
    ]
    yield* Console.log(`  ${folder.padEnd(28)} ${marks.join(", ")}`)
  }
  const slowest = files.toSorted((a, b) => b.millis - a.millis).slice(0, slowestShown)
  if (slowest.length > 0) yield* Console.log("")
  for (const { file, millis } of slowest)
    yield* Console.log(`slow: ${(millis / 1000).toFixed(1).padStart(6)} s  ${file}`)
  for (const line of retried) yield* Console.log(`unsteady: ${line}`)
  for (const block of blocks) yield* Console.log(`\nFAILED ${block}`)
  yield* Console.log(`\n${order}`)
  // A package that could not report counts as one failure, so that the closing line never looks green.
  const failed = total.failed + total.broken
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : ""
  yield* Console.log(`tests: ${total.passed} passed, ${failed} failed${skipped}`)
  return failed === 0
})

/**
 * Requests have a deadline of 2.5 seconds, and the tests of the API send large bodies and 1,000 clients at once. At a load of
 * 30 on two cores one of them was refused with 503, so other packages do not compete for the processors then.
 */
const runsAlone = "apps/api"

/** Returns turbo's filters, for one run after another. */
const batchesOf = (
  folders: ReadonlyArray<string>,
  asked: ReadonlyArray<string>,
  options: ReadonlyArray<string>
): ReadonlyArray<ReadonlyArray<string>> => {
  if (options.some((option) => option.startsWith("--filter"))) return [[]]
  // Without folders turbo also checks the packages that have no tests.
  if (asked.length === 0) return [[`!./${runsAlone}`], [`./${runsAlone}`]]
  const filters = folders.map((folder) => `./${folder}`)
  const batches = [
    filters.filter((filter) => filter !== `./${runsAlone}`),
    filters.filter((filter) => filter === `./${runsAlone}`)
  ]
  return batches.filter((batch) => batch.length > 0)
}

/** Tasks at once. More only wait for each other, and fill the memory. */
const concurrency = "200%"

const turbo = Effect.fnUntraced(function* (
  env: Readonly<Record<string, string>>,
  args: ReadonlyArray<string>
) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  return yield* spawner.exitCode(
    ChildProcess.make("turbo", ["run", "--continue", `--concurrency=${concurrency}`, ...args], {
      env: {
        ...env,
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
  // A report of an earlier run must not be taken for one that this run failed to write; turbo restores cached ones.
  yield* Effect.forEach(folders, (folder) =>
    fs.remove(path.join(folder, ".reports"), { recursive: true, force: true })
  )
})

/** Returns the packages in the folders that are asked for, or all. */
const select = Effect.fnUntraced(function* (folders: ReadonlyArray<string>, asked: ReadonlyArray<string>) {
  const isIn = (folder: string) => (parent: string) => folder === parent || folder.startsWith(`${parent}/`)
  const empty = asked.find((parent) => !folders.some((folder) => isIn(folder)(parent)))
  if (empty !== undefined) return yield* new NoTests({ message: `no package in ${empty} has tests` })
  return asked.length === 0 ? folders : folders.filter((folder) => asked.some(isIn(folder)))
})

const program = Effect.gen(function* () {
  const startedAt = performance.timeOrigin
  const { rest, seed, variable } = yield* parse(process.argv.slice(2))
  const order = `tests run in random order, seed ${seed}: repeat with \`pnpm test --seed ${seed}\``
  yield* Console.log(order)
  const asked = rest.filter((arg) => !arg.startsWith("-")).map((arg) => arg.replace(/\/$/, ""))
  const folders = yield* select(yield* tested, asked)
  yield* removeReports(folders)
  const url = process.env.HM_TEST_DATABASE_URL ?? (yield* EmbeddedPostgres.start({ durability: "fast" })).url
  const env = { HM_TEST_DATABASE_URL: url, [variable]: String(seed) }
  const options = rest.filter((arg) => arg.startsWith("-"))
  const exitCodes = yield* Effect.forEach(batchesOf(folders, asked, options), (filters) =>
    turbo(env, ["check", "test", ...filters.map((filter) => `--filter=${filter}`), ...options])
  )
  const isGreen = yield* sum(folders, startedAt, order)
  if (exitCodes.some((code) => code !== 0) || !isGreen) return yield* new TestsFailed()
})

Main.run(program.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
