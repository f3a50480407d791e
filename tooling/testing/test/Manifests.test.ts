import { assert, describe, it } from "@effect/vitest"
import * as RepositoryAddress from "@hypermarket/testing/RepositoryAddress"
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
    repository: Schema.optionalKey(
      Schema.Struct({ type: Schema.String, url: Schema.String, directory: Schema.optionalKey(Schema.String) })
    ),
    homepage: Schema.optionalKey(Schema.String),
    bugs: Schema.optionalKey(Schema.Struct({ url: Schema.String })),
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

/** The fields of a manifest from which a registry makes links. */
const addressOf = ({ bugs, homepage, repository }: typeof Manifest.Type) => ({ repository, homepage, bugs })

/** The address is in the root's manifest; `pnpm repository` writes it everywhere. */
const address = readManifest("package.json").repository?.url

describe("the address of the repository", () => {
  for (const manifest of published) {
    it(`is that of the root, with the folder: ${manifest.name}`, () => {
      const expected =
        address === undefined
          ? { repository: undefined, homepage: undefined, bugs: undefined }
          : RepositoryAddress.fieldsOf(address, manifest.folder)
      assert.deepStrictEqual(addressOf(manifest), expected)
    })

    it(`makes links of the README that lead to something: ${manifest.name}`, () => {
      const readme = Fs.readFileSync(Path.join(root, manifest.folder, "README.md"), "utf8")
      const links = Array.from(readme.matchAll(/\]\(([^)#\s]+)[^)]*\)/g), ([, link]) => link ?? "")
      const dead = links.filter(
        (link) => !/^[a-z]+:/.test(link) && !Fs.existsSync(Path.join(root, manifest.folder, link))
      )
      assert.deepStrictEqual(dead, [])
    })
  }

  it("is written after the licence, in place of another one", () => {
    const manifest = { name: "scales", license: "MIT", bugs: "none", type: "module" }
    const written = RepositoryAddress.withAddress(
      manifest,
      "https://code.example/shop/scales.git",
      "tools/scales"
    )
    assert.deepStrictEqual(Object.entries(written), [
      ["name", "scales"],
      ["license", "MIT"],
      [
        "repository",
        { type: "git", url: "git+https://code.example/shop/scales.git", directory: "tools/scales" }
      ],
      ["homepage", "https://code.example/shop/scales/tree/main/tools/scales#readme"],
      ["bugs", { url: "https://code.example/shop/scales/issues" }],
      ["type", "module"]
    ])
    const { repository } = RepositoryAddress.fieldsOf("git+https://code.example/shop/scales.git")
    assert.deepStrictEqual(repository, { type: "git", url: "git+https://code.example/shop/scales.git" })
  })

  it("is refused where a registry could not link to it", () => {
    for (const wrong of [
      "",
      "git@code.example:shop/scales.git",
      "https://code.example/scales",
      "http://a/b/c"
    ]) {
      assert.throws(() => RepositoryAddress.fieldsOf(wrong), TypeError, undefined, wrong)
    }
  })
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
