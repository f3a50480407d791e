/**
 * `pnpm conformance`: the tests that run public suites of other projects, and those that compare flags with real SDKs at full
 * size. They need `HM_TEST_DATABASE_URL`. Each prints how many cases ran; without the data beside the repository those tests
 * say that it is absent.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Main from "@hypermarket/core/Main"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import * as Schema from "effect/Schema"
import { resolve } from "node:path"

class ConformanceFailed extends Schema.TaggedError<ConformanceFailed>()("ConformanceFailed", {
  message: Schema.String
}) {}

/** Files by package. */
const suites = {
  "packages/core": ["Condition.conformance.test.ts", "Bucketing.test.ts"],
  "packages/experiments": [
    "Statistics.conformance.test.ts",
    "StatisticsRecorded.conformance.test.ts",
    "StatisticsSequential.conformance.test.ts"
  ],
  "packages/platform": [
    "OfrepClient.test.ts",
    "OfrepProtocol.test.ts",
    "OpenFeature.test.ts",
    "FlagEquality.test.ts",
    "GrowthbookExport.test.ts",
    "FlagClients.test.ts",
    "FlagOutage.test.ts",
    "UnleashConformance.test.ts",
    "UnleashProtocol.test.ts"
  ],
  "packages/risk": ["Cel.conformance.test.ts"]
} as const

/** A comparison at full size takes minutes on a busy machine. A guard against hanging, never a statement about speed. */
const hangGuardMillis = 3_600_000

const runSuite = Effect.fnUntraced(function* (folder: string, files: ReadonlyArray<string>) {
  yield* Console.log(`${folder}: ${files.join(", ")}`)
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  return yield* spawner.exitCode(
    ChildProcess.make(
      resolve(folder, "node_modules/.bin/vitest"),
      ["run", "--testTimeout", String(hangGuardMillis), ...files.map((file) => `test/${file}`)],
      {
        cwd: folder,
        env: { HM_TEST_FLAGS: "full" },
        extendEnv: true,
        stdout: "inherit",
        stderr: "inherit"
      }
    )
  )
})

const program = Effect.gen(function* () {
  const codes = yield* Effect.forEach(Object.entries(suites), ([folder, files]) => runSuite(folder, files))
  const failed = codes.filter((code) => code !== 0).length
  if (failed > 0) {
    return yield* new ConformanceFailed({ message: `${failed} packages do not conform` })
  }
})

Main.run(program.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
