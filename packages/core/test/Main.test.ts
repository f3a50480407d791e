import { assert, describe, it } from "@effect/vitest"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
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

  it.live("ends when a slow reader has all of a long result, or has gone", () =>
    Effect.gen(function* () {
      const start = Effect.acquireRelease(
        Effect.sync(() => {
          const child = spawn(process.execPath, [script, "long"], { stdio: ["ignore", "pipe", "ignore"] })
          // When what it has written is read, or thrown away.
          return { child, ended: once(child, "close") }
        }),
        ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const slow = yield* start
      yield* Effect.sleep("1 second")
      let length = 0
      slow.child.stdout.on("data", (chunk: Buffer) => (length += chunk.length))
      assert.deepStrictEqual(yield* Effect.promise(() => slow.ended), [0, null])
      assert.strictEqual(length, "7 parcels\n".length + 2_000_001)

      const left = yield* start
      left.child.stdout.destroy()
      yield* Effect.promise(() => left.ended)
    }).pipe(Effect.scoped)
  )
})
