/**
 * `pnpm selftest`: shows that a broken test run is red. In a clone of HEAD a package is planted, once sound and once with
 * each fault, and both `pnpm test` and `.ci/run test` must notice.
 *
 * Prints one line a case and exits with 1 when a fault goes unnoticed, is noticed for another reason, or the sound
 * package is red.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Main from "@hypermarket/core/Main"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import * as Command from "./Command.ts"

class SelftestFailed extends Schema.TaggedError<SelftestFailed>()("SelftestFailed", {
  message: Schema.String
}) {}

const root = Path.resolve(import.meta.dirname, "../../..")
const pnpm = ["-y", "pnpm@12.21.0"]

/**
 * As a stranger's shell has it: without what pnpm and turbo tell their scripts, and without this repository's binaries.
 * The cache is shared, so that only the planted package has work to do.
 */
const environment = {
  ...Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || /^(p?npm_|turbo_|hm_|node_path$|init_cwd$)/i.test(name) ? [] : [[name, value]]
    )
  ),
  PATH: (process.env.PATH ?? "")
    .split(":")
    .filter((folder) => !folder.startsWith(root))
    .join(":"),
  TURBO_CACHE_DIR: Path.join(root, ".turbo/cache")
}

interface Planted {
  readonly test: string
  readonly script?: string
  readonly config?: string
}

const passing = `import { assert, it } from "vitest"

it("holds", () => {
  assert.strictEqual(1, 1)
})
`

interface Case {
  readonly name: string
  readonly planted: Planted
  /** Matches the output that names the fault. */
  readonly evidence: RegExp
  readonly isGreen: boolean
}

const cases: ReadonlyArray<Case> = [
  {
    name: "a sound package",
    planted: { test: passing },
    evidence: /packages\/planted +1 passed/,
    isGreen: true
  },
  {
    name: "a failing assertion",
    planted: { test: passing.replace("(1, 1)", "(1, 2)") },
    evidence: /packages\/planted +0 passed, 1 failed/,
    isGreen: false
  },
  {
    name: "a throwing global setup",
    planted: {
      test: passing,
      config: `import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["./test/setup.ts"],
    reporters: ["default", ["json", { outputFile: ".reports/test.json" }]]
  }
})
`
    },
    evidence: /the planted setup throws/,
    isGreen: false
  },
  {
    name: "a type error in a test file",
    planted: { test: `${passing}\nexport const planted: number = "text"\n` },
    evidence: /error TS2322/,
    isGreen: false
  },
  {
    name: "a test file and no report",
    planted: { test: passing, script: "node --version" },
    evidence: /packages\/planted +NO REPORT/,
    isGreen: false
  },
  {
    name: "a test file and no script that runs it",
    planted: { test: passing, script: "" },
    evidence: /packages\/planted +NO REPORT/,
    isGreen: false
  }
]

const manifest = (script: string) => ({
  name: "@hypermarket/planted",
  version: "0.0.0",
  private: true,
  license: "Apache-2.0",
  type: "module",
  scripts: {
    check: "tsc -b tsconfig.test.json",
    ...(script === "" ? {} : { test: script })
  },
  devDependencies: {
    "@hypermarket/testing": "workspace:*",
    "@hypermarket/tsconfig": "workspace:*",
    "@types/node": "catalog:",
    typescript: "catalog:",
    vitest: "catalog:"
  }
})

const plant = Effect.fnUntraced(function* (clone: string, { config, script, test }: Planted) {
  const fs = yield* FileSystem.FileSystem
  const folder = `${clone}/packages/planted`
  yield* fs.makeDirectory(`${folder}/test`, { recursive: true })
  const files = {
    "package.json": JSON.stringify(manifest(script ?? "vitest run")),
    "tsconfig.test.json": JSON.stringify({
      extends: "@hypermarket/tsconfig/test.json",
      include: ["test", "*.config.ts"]
    }),
    "vitest.config.ts": config ?? `export { default } from "@hypermarket/testing/vitestConfig"\n`,
    "test/planted.test.ts": test,
    "test/setup.ts": `export default function setup(): void {\n  throw new Error("the planted setup throws")\n}\n`
  }
  for (const [name, text] of Object.entries(files)) yield* fs.writeFileString(`${folder}/${name}`, text)
})

const mustRun = Effect.fnUntraced(function* (command: string, args: ReadonlyArray<string>, cwd: string) {
  const { code, stderr, stdout } = yield* Command.run(command, args, { cwd, env: environment })
  if (code !== 0) {
    return yield* new SelftestFailed({ message: `${command} ${args.join(" ")}: ${stdout}${stderr}` })
  }
})

/** A clone with the planted package in it, installed. The package stays the same for the lockfile in every case. */
const makeClone = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "hm-selftest-" })
  // Postgres does not run as root, and its binaries stand in there.
  yield* fs.chmod(folder, 0o755)
  const clone = Path.join(folder, "clone")
  yield* mustRun("git", ["clone", "--quiet", root, clone], folder)
  yield* plant(clone, { test: passing })
  yield* mustRun("npx", [...pnpm, "install", "--offline", "--no-frozen-lockfile"], clone)
  return clone
})

const commands: ReadonlyArray<readonly [string, string, ReadonlyArray<string>]> = [
  ["pnpm test", "npx", [...pnpm, "test"]],
  [".ci/run test", ".ci/run", ["test"]]
]

/** Undefined when the run is as it should be; else what is wrong with it. */
const judge = ({ evidence, isGreen }: Case, finished: Command.Finished): string | undefined => {
  const output = finished.stdout + finished.stderr
  if ((finished.code === 0) !== isGreen) return `exit code ${finished.code}\n${output}`
  return evidence.test(output) ? undefined : `exit code ${finished.code}, for another reason\n${output}`
}

const program = Effect.gen(function* () {
  const startedAt = yield* Clock.currentTimeMillis
  const clone = yield* makeClone
  let failures = 0
  for (const one of cases) {
    yield* plant(clone, one.planted)
    for (const [title, command, args] of commands) {
      const finished = yield* Command.run(command, args, { cwd: clone, env: environment })
      const wrong = judge(one, finished)
      if (wrong !== undefined) failures++
      const verdict = one.isGreen ? "is green" : "is noticed"
      yield* Console.log(
        wrong === undefined
          ? `ok    ${title}: ${one.name} ${verdict}`
          : `FAIL  ${title}: ${one.name}: ${wrong}`
      )
    }
  }
  const took = (((yield* Clock.currentTimeMillis) - startedAt) / 1000).toFixed(1)
  yield* Console.log(
    `selftest: ${failures === 0 ? "every case is as it should be" : `${failures} wrong`}, ${took} s`
  )
  if (failures > 0) return yield* new SelftestFailed({ message: "a broken test run looked green" })
})

Main.run(program.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
