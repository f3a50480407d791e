import { assert, describe, it } from "@effect/vitest"
import * as Command from "@hypermarket/testing/Command"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Schema } from "effect"
import { spawnSync } from "node:child_process"
import * as Path from "node:path"

const script = Path.join(import.meta.dirname, "silentReaders.ts")

const count = 2_000
const staying = 25

/** A separate network, with a link: neither needs privileges, but a sandbox may forbid both. */
const isAvailable =
  spawnSync("unshare", ["-rn", "ip", "link", "add", "hole", "type", "veth", "peer", "name", "end"]).status ===
  0
const absence = isAvailable ? "" : " (SKIPPED: `unshare -rn` cannot make a network here)"

const Megabytes = Schema.Struct({ used: Schema.Finite, resident: Schema.Finite })

const Report = Schema.fromJsonString(
  Schema.Struct({
    connections: Schema.Int,
    kernel: Schema.Int,
    none: Megabytes,
    open: Megabytes,
    after: Megabytes,
    seconds: Schema.Int
  })
)

describe("2,000 streams", () => {
  it.live.skipIf(!isAvailable)(
    `cost less than 100 MB and leave nothing behind when their sockets die without a FIN${absence}`,
    () =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* Command.run(
          "unshare",
          ["-rn", process.execPath, script, "server", String(count), String(staying)],
          { cwd: import.meta.dirname }
        )
        assert.strictEqual(code, 0, stderr)
        const report = yield* Schema.decodeUnknownEffect(Report)(stdout.trimEnd().split("\n").at(-1))
        const { after, none, open } = report
        const inWords = (memory: typeof Megabytes.Type) =>
          `${memory.used.toFixed(1)} (${memory.resident.toFixed(0)} resident)`
        process.stdout.write(
          `streams: ${count} sockets that died were gone after ${report.seconds} s; MB in use: none ${inWords(none)}, open ${inWords(open)}, after ${inWords(after)}\n`
        )
        // Those whose readers are there go on, and the kernel has no more either.
        assert.strictEqual(report.connections, staying)
        assert.strictEqual(report.kernel, staying)
        assert.isBelow(open.used - none.used, 100)
        assert.isAtMost(after.used, none.used * 1.1)
        assert.isAtMost(after.resident, none.resident * 1.1)
      }).pipe(Effect.provide(NodeServices.layer))
  )
})
