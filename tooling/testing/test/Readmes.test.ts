/** Compares the README of each package with its example and its exports. */
import { assert, describe, it } from "@effect/vitest"
import { exportsOf, problemsOf, type Package } from "@hypermarket/testing/readmes"
import * as Fs from "node:fs"
import * as Path from "node:path"

const root = Path.resolve(import.meta.dirname, "../../..")
const read = (file: string) => Fs.readFileSync(Path.join(root, file), "utf8")

const folders = Fs.globSync("packages/*/README.md", { cwd: root })
  .map((file) => Path.dirname(file))
  .toSorted()

const packageOf = (folder: string): Package => {
  const example = `${folder}/examples/readme.ts`
  return {
    readme: read(`${folder}/README.md`),
    example: Fs.existsSync(Path.join(root, example)) ? read(example) : undefined,
    modules: new Map(
      Fs.globSync(`${folder}/src/*.ts`, { cwd: root }).map((file) => [
        Path.basename(file, ".ts"),
        exportsOf(read(file))
      ])
    )
  }
}

describe("the README of", () => {
  for (const folder of folders) {
    it(`${folder} shows its example and names modules and exports that exist`, () => {
      assert.deepStrictEqual(problemsOf(packageOf(folder)), [])
    })
  }

  it("every package is found", () => {
    const manifests = Fs.globSync("packages/*/package.json", { cwd: root }).map((file) => Path.dirname(file))
    assert.deepStrictEqual(folders, manifests.toSorted())
  })
})

describe("the comparison", () => {
  const sound: Package = {
    readme: `This is [examples/readme.ts](examples/readme.ts).

\`\`\`ts
const a = 1
\`\`\`

| module         | what it is                                              |
| -------------- | ------------------------------------------------------- |
| \`Notes\`        | service \`Notes\`, \`NoteTaken\` and \`ETag\`; see \`Books\` |
| \`Books\`, \`Ink\` | services \`Shelf\`                                         |
`,
    example: "const a = 1\n",
    modules: new Map([
      ["Notes", exportsOf("export class Notes {}\nexport interface NoteTaken {}")],
      ["Books", exportsOf("const Shelf = 1\nexport { Shelf }")],
      ["Ink", exportsOf("export type { Blue } from './Blue.ts'")]
    ])
  }
  const without = (module: string) => new Map(Array.from(sound.modules).filter(([name]) => name !== module))

  it("lets a README pass that is so", () => {
    assert.deepStrictEqual(problemsOf(sound), [])
    assert.deepStrictEqual(Array.from(sound.modules.get("Ink") ?? []), ["Blue"])
  })

  it("finds an example that differs, is shorter, longer, missing or not named", () => {
    for (const example of [
      "const a = 2\n",
      "const a = 1\nconst b = 2\n",
      "const b = 0\nconst a = 1\n",
      undefined
    ])
      assert.lengthOf(problemsOf({ ...sound, example }), 1, example)
    assert.lengthOf(
      problemsOf({ ...sound, readme: sound.readme.replaceAll("examples/readme.ts", "this") }),
      1
    )
    assert.lengthOf(
      problemsOf({ ...sound, readme: sound.readme.replace("= 1\n", "= 1\n\nconst b = 2\n") }),
      1
    )
  })

  it("finds a module that does not exist", () => {
    assert.deepStrictEqual(problemsOf({ ...sound, modules: without("Ink") }), ["there is no module Ink"])
  })

  it("finds a symbol that another module exports, and a service that none does", () => {
    const moved = sound.readme.replace("`NoteTaken`", "`Shelf`")
    assert.deepStrictEqual(problemsOf({ ...sound, readme: moved }), ["Notes does not export Shelf"])
    const gone = sound.readme.replace("services `Shelf`", "services `Shelves`")
    assert.deepStrictEqual(problemsOf({ ...sound, readme: gone }), ["Books, Ink does not export Shelves"])
  })
})
