import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"

const root = Path.resolve(import.meta.dirname, "../../..")

const Names = Schema.Record(Schema.String, Schema.String)
const Manifest = Schema.fromJsonString(
  Schema.Struct({
    name: Schema.String,
    private: Schema.optionalKey(Schema.Boolean),
    description: Schema.optionalKey(Schema.String),
    keywords: Schema.optionalKey(Schema.Array(Schema.String)),
    license: Schema.optionalKey(Schema.String),
    files: Schema.optionalKey(Schema.Array(Schema.String)),
    engines: Schema.optionalKey(Names),
    dependencies: Schema.optionalKey(Names),
    devDependencies: Schema.optionalKey(Names),
    optionalDependencies: Schema.optionalKey(Names),
    peerDependencies: Schema.optionalKey(Names)
  })
)

const readManifest = (file: string) =>
  Schema.decodeSync(Manifest)(Fs.readFileSync(Path.join(root, file), "utf8"))

const files = Fs.globSync(["packages/*/package.json", "apps/*/package.json", "tooling/*/package.json"], {
  cwd: root
}).toSorted()

const manifests = files.map((file) => ({ folder: Path.dirname(file), ...readManifest(file) }))
const published = manifests.filter((manifest) => manifest.private !== true)

describe("every published package", () => {
  for (const manifest of published) {
    it(`has what a registry shows and searches: ${manifest.name}`, () => {
      const { description = "", engines, files = [], keywords = [], license } = manifest
      assert.isAtLeast(description.length, 20)
      assert.isAtLeast(keywords.length, 4)
      assert.deepStrictEqual(keywords, Array.from(new Set(keywords)).toSorted())
      for (const keyword of keywords) assert.match(keyword, /^[a-z0-9][a-z0-9-]{1,30}$/)
      assert.strictEqual(license, "Apache-2.0")
      assert.match(engines?.["node"] ?? "", /^>=\d+\.\d+$/)
      // npm packs README and LICENSE without being told, and no changelog.
      assert.include(files, "CHANGELOG.md")
      // Benchmarks, soaks and tests stay in the repository.
      for (const pattern of files) assert.match(pattern, /^(?:CHANGELOG\.md$|src\/|dist\/|docs\/)/)
      assert.isTrue(Fs.existsSync(Path.join(root, manifest.folder, "README.md")))
    })
  }
})

/** The packages of a circle, in its order; undefined when there is none. */
const circleOf = (graph: ReadonlyMap<string, ReadonlyArray<string>>): ReadonlyArray<string> | undefined => {
  const done = new Set<string>()
  const visit = (name: string, above: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
    if (above.includes(name)) return [...above.slice(above.indexOf(name)), name]
    if (done.has(name)) return undefined
    for (const next of graph.get(name) ?? []) {
      const circle = visit(next, [...above, name])
      if (circle !== undefined) return circle
    }
    done.add(name)
    return undefined
  }
  for (const name of graph.keys()) {
    const circle = visit(name, [])
    if (circle !== undefined) return circle
  }
  return undefined
}

const names = new Set(manifests.map(({ name }) => name))

describe("an installation of the workspace", () => {
  it("warns neither of engines nor of the tests' circle", () => {
    const workspace = Fs.readFileSync(Path.join(root, "pnpm-workspace.yaml"), "utf8")
    const catalogued = /^ {2}node: (\S+)$/m.exec(workspace)?.[1]
    assert.match(catalogued ?? "", /^\d+\.\d+\.\d+$/)
    assert.strictEqual(/^nodeVersion: (\S+)$/m.exec(workspace)?.[1], catalogued)
    assert.match(workspace, /^ignoreWorkspaceCycles: true$/m)
  })

  it("has no circle of packages outside of tests", () => {
    const graph = new Map(
      manifests.map(({ dependencies, name, optionalDependencies, peerDependencies }) => [
        name,
        Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }).filter((dependency) =>
          names.has(dependency)
        )
      ])
    )
    // Tooling that stands on core is a dependency of core's tests alone.
    assert.isUndefined(circleOf(graph))
  })

  it("accepts the Node that the README asks for", () => {
    const asked = /You need Node (\d+) or newer/.exec(
      Fs.readFileSync(Path.join(root, "README.md"), "utf8")
    )?.[1]
    assert.strictEqual(readManifest("package.json").engines?.["node"], `>=${asked}`)
  })
})

describe("a search for circles", () => {
  it("finds one of three behind a package that is not in it", () => {
    const graph = new Map([
      ["a", ["b"]],
      ["b", ["c"]],
      ["c", ["d"]],
      ["d", ["b"]]
    ])
    assert.deepStrictEqual(circleOf(graph), ["b", "c", "d", "b"])
    assert.isUndefined(circleOf(new Map([...graph, ["d", []]])))
  })
})
