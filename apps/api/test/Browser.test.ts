import { assert, describe, it } from "@effect/vitest"
import { build } from "esbuild"
import { globSync } from "node:fs"
import * as Path from "node:path"

/** A package's own modules, minified, without effect: schemas and endpoints. */
const bytesMax = 20_000

/** Core's modules, which an application that loads several APIs loads once. */
const sharedBytesMax = 14_200

const packages = Path.resolve(import.meta.dirname, "../../../packages")

const isRefused = (module: string): boolean =>
  module.startsWith("node:") || module.startsWith("effect/sql") || module.startsWith("@effect/sql-")

/** Bundles a module as a browser would load it, and finds what a browser must not load. */
const bundle = async (module: string) => {
  const { metafile, outputFiles } = await build({
    absWorkingDir: packages,
    bundle: true,
    entryPoints: [module],
    external: ["effect", "effect/*", "@effect/*", "node:*"],
    format: "esm",
    logLevel: "silent",
    metafile: true,
    minify: true,
    outdir: "dist",
    platform: "browser",
    write: false
  })
  const text = outputFiles.map((file) => file.text).join("\n")
  const outputs = Object.values(metafile.outputs)
  const imports = outputs.flatMap((output) => output.imports.map(({ path }) => path))
  const tables = text.match(/\bhm_[a-z]\w*/g) ?? []
  const hasSql = /\b(?:SELECT|INSERT INTO|DELETE FROM|ON CONFLICT|FOR UPDATE|RETURNING)\b/.test(text)
  const own = module.slice(0, module.indexOf("/") + 1)
  let ownBytes = 0
  let sharedBytes = 0
  for (const [input, { bytesInOutput }] of outputs.flatMap((output) => Object.entries(output.inputs))) {
    if (input.startsWith(own)) ownBytes += bytesInOutput
    else sharedBytes += bytesInOutput
  }
  return {
    ownBytes,
    sharedBytes,
    faults: new Set([...imports.filter(isRefused), ...tables, ...(hasSql ? ["SQL"] : [])])
  }
}

describe("The API module", () => {
  const modules = globSync("*/src/*Api.ts", { cwd: packages }).toSorted()

  it("is looked for in every package that has one", () => {
    assert.includeMembers(modules, [
      "analytics/src/AnalyticsApi.ts",
      "events/src/EventsApi.ts",
      "platform/src/PlatformApi.ts",
      "search/src/SearchApi.ts"
    ])
  })

  for (const module of modules) {
    it(`${module} has no Node, no SQL and at most ${bytesMax} bytes beside core's in a browser`, async () => {
      const { faults, ownBytes, sharedBytes } = await bundle(module)
      assert.deepStrictEqual(Array.from(faults), [])
      assert.isAtMost(ownBytes, bytesMax)
      assert.isAtMost(sharedBytes, sharedBytesMax)
    })
  }

  it("would be refused with a service in it", async () => {
    const { faults } = await bundle("platform/src/KeyCredentials.ts")
    assert.includeMembers(Array.from(faults), [
      "node:crypto",
      "effect/sql/SqlClient",
      "effect/sql/SqlError",
      "hm_api_key",
      "SQL"
    ])
  })
})
