import { assert, describe, it } from "@effect/vitest"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import { Effect } from "effect"
import * as Path from "node:path"

const script = Path.join(import.meta.dirname, "mainProcess.ts")

const runProgram = Effect.fnUntraced(function* (program: string) {
  const service = yield* ServiceProcess.start(script, [program], {})
  const { code } = yield* service.exit
  return { code, stdout: service.output(), stderr: service.log() }
}, Effect.scoped)

describe("a process that Main.run runs", () => {
  it.live("writes its failure to standard error, and only its result to standard output", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* runProgram("failure")
      assert.strictEqual(code, 1)
      assert.strictEqual(stdout, "7 parcels\n")
      assert.match(stderr, /level=ERROR .*The eighth parcel is lost/)
    })
  )

  it.live("writes a defect to standard error", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* runProgram("defect")
      assert.strictEqual(code, 1)
      assert.strictEqual(stdout, "7 parcels\n")
      assert.include(stderr, "The scales broke")
    })
  )

  it.live("says nothing of a failure that is reported already, and ends with its exit code", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* runProgram("reported"), { code: 17, stdout: "7 parcels\n", stderr: "" })
    })
  )
})
