/** Compares the README of each package with its example and its exports. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { exportsOf, problemsOf, type Package, shownOf } from "@hypermarket/testing/readmes"
import * as Skeleton from "@hypermarket/testing/Skeleton"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"

const root = Path.resolve(import.meta.dirname, "../../..")
const read = (file: string) => Fs.readFileSync(Path.join(root, file), "utf8")

const folders = Fs.globSync("packages/*/README.md", { cwd: root })
  .map((file) => Path.dirname(file))
  .toSorted()

const packageOf = (folder: string): Package => {
  return {
    readme: read(`${folder}/README.md`),
    examples: new Map(
      Fs.globSync(`${folder}/examples/*.ts`, { cwd: root }).map((file) => [Path.basename(file), read(file)])
    ),
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
    it(`${folder} shows its examples and names modules and exports that exist`, () => {
      assert.deepStrictEqual(problemsOf(packageOf(folder)), [])
    })
  }

  it("the repository shows the example of core", () => {
    assert.include(read("README.md"), `\`\`\`ts\n${shownOf(read("packages/core/examples/readme.ts"))}\`\`\``)
  })

  it.effect("a domain that new-domain writes does so too", () =>
    Effect.gen(function* () {
      const files = new Map((yield* Skeleton.render("parcels")).map(({ path, text }) => [path, text]))
      const named = (folder: string) =>
        Array.from(files).filter(([path]) => path.startsWith(folder) && path.endsWith(".ts"))
      const described: Package = {
        readme: files.get("README.md") ?? "",
        examples: new Map(named("examples/").map(([path, text]) => [Path.basename(path), text])),
        modules: new Map(named("src/").map(([path, text]) => [Path.basename(path, ".ts"), exportsOf(text)]))
      }
      assert.deepStrictEqual(Array.from(described.examples.keys()), ["readme.ts"])
      assert.deepStrictEqual(problemsOf(described), [])
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it("every package is found", () => {
    const manifests = Fs.globSync("packages/*/package.json", { cwd: root }).map((file) => Path.dirname(file))
    assert.deepStrictEqual(folders, manifests.toSorted())
  })
})

/** Programs that publish, handle, search and show a dashboard, in a web server. */
const shops = ["express-client", "express-pg", "fastify-postgres-js"]

const shopLinesMax = 40

/** A handler, a query or a publication, from its first line to its last. */
const taskLinesMax = 15

/** The statements of a program with their lines, of which the first and the closing one are not indented. */
const statementsOf = (program: string): ReadonlyArray<ReadonlyArray<string>> => {
  const statements: Array<Array<string>> = []
  for (const line of program.split("\n").filter((text) => text.trim() !== "")) {
    const isInner = /^[\s)}\]]/.test(line)
    if (isInner) statements.at(-1)?.push(line)
    else statements.push([line])
  }
  return statements
}

describe("a shop in examples/", () => {
  for (const name of shops) {
    it(`has at most ${shopLinesMax} lines with its imports and its server, ${taskLinesMax} per task, and no word of Effect: ${name}`, () => {
      const program = read(`examples/${name}/main.ts`)
      assert.isAtMost(program.split("\n").filter((line) => line.trim() !== "").length, shopLinesMax)
      assert.notMatch(program, /effect/i)
      const longest = Math.max(...statementsOf(program).map((lines) => lines.length))
      assert.isAtMost(longest, taskLinesMax)
    })
  }
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
    examples: new Map([["readme.ts", "const a = 1\n"]]),
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
    for (const example of ["const a = 2\n", "const a = 1\nconst b = 2\n", "const b = 0\nconst a = 1\n"]) {
      assert.lengthOf(problemsOf({ ...sound, examples: new Map([["readme.ts", example]]) }), 1, example)
    }
    assert.lengthOf(problemsOf({ ...sound, examples: new Map() }), 1)
    assert.lengthOf(
      problemsOf({ ...sound, readme: sound.readme.replaceAll("examples/readme.ts", "this") }),
      1
    )
    assert.lengthOf(
      problemsOf({ ...sound, readme: sound.readme.replace("= 1\n", "= 1\n\nconst b = 2\n") }),
      1
    )
  })

  it("finds a further example that is not shown, and a first one that is for Effect", () => {
    const effect = 'import { Effect } from "effect"\n'
    const examples = new Map([...sound.examples, ["effect.ts", effect]])
    const named = sound.readme.replace("\n\n", "\n\nSee [examples/effect.ts](examples/effect.ts).\n\n")
    assert.deepStrictEqual(problemsOf({ ...sound, examples }), ["examples/effect.ts is not named"])
    assert.deepStrictEqual(problemsOf({ ...sound, examples, readme: named }), [
      'no `ts` block is examples/effect.ts: line 1 is "const a = 1" and "import { Effect } from "effect""'
    ])
    const shown = `${named}\n\`\`\`ts\n${effect}\`\`\`\n`
    assert.deepStrictEqual(problemsOf({ ...sound, examples, readme: shown }), [])
    const both = new Map([
      ["readme.ts", effect],
      ["effect.ts", effect]
    ])
    const late = { ...sound, examples: both, readme: shown.replace("const a = 1\n", effect) }
    assert.deepStrictEqual(problemsOf(late), [
      "examples/readme.ts is for programs without Effect: move it to effect.ts"
    ])
  })

  it("finds a first block of more than 15 lines, blank ones apart", () => {
    const fitting = `${"const a = 1\n\n".repeat(14)}const a = 1\n`
    const described = (example: string): Package => ({
      ...sound,
      readme: sound.readme.replace("const a = 1\n", example),
      examples: new Map([["readme.ts", example]])
    })
    assert.deepStrictEqual(problemsOf(described(fitting)), [])
    assert.deepStrictEqual(problemsOf(described(`${fitting}const a = 2\n`)), [
      "the first `ts` block has 16 lines; the most are 15"
    ])
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
