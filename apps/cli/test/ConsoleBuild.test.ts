/** The build of the console in a checkout, with a script in place of Vite that writes one page. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ConsoleBuild from "#consoleBuild"
import * as Cli from "./Cli.ts"

/** Writes the number of builds as the page; fails while a file says so. */
const vite = `
const fs = require("node:fs")
if (fs.existsSync("fails")) {
  fs.writeFileSync("failed", "")
  process.exit(3)
}
fs.appendFileSync("builds", "x")
const folder = process.argv[process.argv.indexOf("--outDir") + 1]
fs.mkdirSync(folder, { recursive: true })
fs.writeFileSync(folder + "/index.html", String(fs.readFileSync("builds").length))
`

const checkout = (name: string) =>
  Effect.map(Cli.folder, (folder) => {
    const write = (file: string, text: string) => {
      Fs.mkdirSync(Path.dirname(Path.join(folder, file)), { recursive: true })
      Fs.writeFileSync(Path.join(folder, file), text)
    }
    write("package.json", JSON.stringify({ name }))
    write("src/pages/main.tsx", "")
    write("node_modules/vite/package.json", "{}")
    write("node_modules/vite/bin/vite.js", vite)
    const page = () => {
      const file = Path.join(folder, "dist/index.html")
      return Fs.existsSync(file) ? Fs.readFileSync(file, "utf8") : undefined
    }
    return { folder, page, write }
  })

const written = (file: string) =>
  Effect.eventually(
    Effect.delay(
      Effect.suspend(() => (Fs.existsSync(file) ? Effect.void : Effect.fail("not yet"))),
      "20 millis"
    )
  )

layer(NodeServices.layer, { excludeTestServices: true })("the console's build", (it) => {
  it.effect("happens in a checkout without one, and again when a source is newer", () =>
    Effect.gen(function* () {
      const { folder, page } = yield* checkout("@hypermarket/console")
      yield* ConsoleBuild.start(folder)
      yield* written(Path.join(folder, "dist/index.html"))
      assert.strictEqual(page(), "1")
      yield* ConsoleBuild.start(folder)
      assert.strictEqual(page(), "1")
      const later = new Date(Fs.statSync(Path.join(folder, "dist/index.html")).mtimeMs + 60_000)
      Fs.utimesSync(Path.join(folder, "src/pages/main.tsx"), later, later)
      yield* ConsoleBuild.start(folder)
      assert.isUndefined(page())
      yield* written(Path.join(folder, "dist/index.html"))
      assert.strictEqual(page(), "2")
    })
  )

  it.effect("leaves no page when it fails, and happens the next time", () =>
    Effect.gen(function* () {
      const { folder, page, write } = yield* checkout("@hypermarket/console")
      write("fails", "")
      yield* ConsoleBuild.start(folder)
      yield* written(Path.join(folder, "failed"))
      assert.isUndefined(page())
      Fs.rmSync(Path.join(folder, "fails"))
      yield* ConsoleBuild.start(folder)
      yield* written(Path.join(folder, "dist/index.html"))
    })
  )

  it.effect("does not happen in a folder that is not the console's", () =>
    Effect.gen(function* () {
      const { folder, page } = yield* checkout("another")
      yield* ConsoleBuild.start(folder)
      yield* ConsoleBuild.start(Path.join(folder, "missing"))
      assert.isUndefined(page())
      assert.isFalse(Fs.existsSync(Path.join(folder, "builds")))
    })
  )
})
