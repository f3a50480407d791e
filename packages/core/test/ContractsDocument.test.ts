import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Command from "@hypermarket/testing/Command"
import { TestDatabase } from "@hypermarket/testing/TestDatabase"
import * as TestDatabases from "@hypermarket/testing/TestDatabase"
import { Effect } from "effect"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const document = readFileSync(new URL("../../../docs/contracts.md", import.meta.url), "utf8")
/** Inside the package, so that its own name resolves. */
const folder = fileURLToPath(new URL("../.reports/contracts/", import.meta.url))

const sections = document
  .split(/^## /m)
  .slice(1)
  .map((section) => ({
    title: section.slice(0, section.indexOf("\n")).trim(),
    blocks: Array.from(section.matchAll(/^```ts\n([\s\S]*?)^```$/gm), ([, code = ""]) => code)
  }))

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })

/** An empty database, which the examples find as a program does: by `DATABASE_URL`. */
layer(TestDatabases.layerDatabase(), { excludeTestServices: true })("docs/contracts.md", (it) => {
  it("has an example in every section", () => {
    assert.isAbove(sections.length, 0)
    assert.deepStrictEqual(
      sections.filter(({ blocks }) => blocks.length === 0).map(({ title }) => title),
      []
    )
  })

  for (const { blocks, title } of sections) {
    for (const [index, code] of blocks.entries()) {
      it.effect(`runs example ${index + 1} of ${title}`, () =>
        Effect.gen(function* () {
          // An example that asserts nothing cannot fail.
          assert.match(code, /^import assert from "node:assert\/strict"$/m)
          const file = `${folder}${title.replace(/\W+/g, "-")}-${index + 1}.ts`
          writeFileSync(file, `${code}\nexport {}\n`)
          // A process each: configuration is read once per process.
          const { code: exitCode, stderr } = yield* Command.run("node", [file], {
            cwd: folder,
            env: { PATH: process.env["PATH"] ?? "", DATABASE_URL: (yield* TestDatabase).url }
          }).pipe(Effect.provide(NodeServices.layer))
          assert.strictEqual(exitCode, 0, stderr)
        })
      )
    }
  }
})
