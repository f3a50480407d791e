/** The files that the browser is sent, read from the build. `turbo run test` builds first. */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"

const dist = join(import.meta.dirname, "../dist")

interface Chunk {
  readonly file: string
  readonly isEntry?: boolean
  readonly src?: string
  readonly imports?: ReadonlyArray<string>
  readonly dynamicImports?: ReadonlyArray<string>
  readonly css?: ReadonlyArray<string>
}

type Manifest = Readonly<Record<string, Chunk>>

const readManifest = (): Manifest => JSON.parse(readFileSync(join(dist, ".vite/manifest.json"), "utf8"))

const bytesOf = (file: string): Buffer => readFileSync(join(dist, file))

const gzippedKilobytes = (files: Iterable<string>): number =>
  [...files].reduce((sum, file) => sum + gzipSync(bytesOf(file), { level: 9 }).length, 0) / 1024

/** Returns the files of a chunk with those that it imports. */
const filesOf = (manifest: Manifest, name: string, seen = new Set<string>()): ReadonlySet<string> => {
  const chunk = manifest[name]
  if (chunk === undefined || seen.has(chunk.file)) return seen
  seen.add(chunk.file)
  for (const imported of chunk.imports ?? []) filesOf(manifest, imported, seen)
  return seen
}

const entryOf = (manifest: Manifest): string =>
  Object.keys(manifest).find((name) => manifest[name]?.isEntry === true) ?? ""

const isPage = (name: string): boolean => /^src\/domains\/[a-z]+\/[A-Z]\w+\.tsx$/.test(name)

const scripts = (): ReadonlyArray<string> =>
  readdirSync(join(dist, "assets"))
    .filter((name) => name.endsWith(".js"))
    .map((name) => `assets/${name}`)

/** Budgets in kilobytes of gzip. Menus, popovers and tips are loaded when the pointer comes near, the palette when the browser is idle. */
const budget = { first: 140, page: 15, lazy: 30, palette: 45, css: 12 }

const budgetOf = (name: string): number =>
  isPage(name) ? budget.page : name.endsWith("/Palette.tsx") ? budget.palette : budget.lazy

describe("the console's bundle", () => {
  it("was built", () => {
    assert.isTrue(existsSync(join(dist, "index.html")), "run `turbo run build --filter @hypermarket/console`")
  })

  it(`sends at most ${budget.first} KB of JavaScript before the first page, the page included`, () => {
    const manifest = readManifest()
    const first = filesOf(manifest, entryOf(manifest))
    const overview = filesOf(manifest, "src/domains/overview/Overview.tsx", new Set(first))
    assert.isBelow(gzippedKilobytes(overview), budget.first)
  })

  it(`sends at most ${budget.page} KB for a page of its own, and ${budget.lazy} KB for a part that is loaded later`, () => {
    const manifest = readManifest()
    const first = filesOf(manifest, entryOf(manifest))
    const lazy = Object.keys(manifest).filter(
      (name) => manifest[name]?.src !== undefined && name.endsWith(".tsx")
    )
    assert.isAbove(lazy.filter(isPage).length, 10)
    const shared = new Set([...first, ...filesOf(manifest, "src/domains/overview/Overview.tsx")])
    for (const name of lazy) {
      const own = [...filesOf(manifest, name)].filter((file) => !shared.has(file))
      assert.isBelow(gzippedKilobytes(own), budgetOf(name), name)
    }
  })

  it(`sends at most ${budget.css} KB of style`, () => {
    const manifest = readManifest()
    const css = new Set(Object.values(manifest).flatMap((chunk) => chunk.css ?? []))
    assert.isAbove(css.size, 0)
    assert.isBelow(gzippedKilobytes(css), budget.css)
  })

  it("carries no SQL, no table's name and no Effect", () => {
    assert.isAbove(scripts().length, 0)
    for (const file of scripts()) {
      const text = bytesOf(file).toString()
      assert.notMatch(text, /\bhm_[a-z]+_[a-z]/, file)
      assert.notMatch(text, /FOR UPDATE|INSERT INTO|~effect\//, file)
    }
  })

  it("names no address of another host but those of documentation and namespaces", () => {
    // React and TanStack name their own documentation in errors, SVG and MathML their namespaces; none is asked.
    const known =
      /^https?:\/\/(?:www\.w3\.org|react\.dev|tanstack\.com|base-ui\.com|localhost|reactjs\.org)\b/
    for (const file of [...scripts(), "index.html"]) {
      const addresses =
        bytesOf(file)
          .toString()
          .match(/https?:\/\/[\w.-]+/g) ?? []
      assert.deepStrictEqual(
        addresses.filter((address) => !known.test(address)),
        [],
        file
      )
    }
  })

  it("has a compressed neighbour for every text file, no source map, and the licences of what it carries", () => {
    const files = readdirSync(dist, { recursive: true, encoding: "utf8" })
    assert.deepStrictEqual(
      files.filter((file) => file.endsWith(".map")),
      []
    )
    for (const file of scripts()) {
      if (bytesOf(file).length < 512) continue
      assert.isTrue(existsSync(join(dist, `${file}.br`)), file)
      assert.isTrue(existsSync(join(dist, `${file}.gz`)), file)
    }
    assert.match(bytesOf("LICENSES.txt").toString(), /react-dom/)
  })

  it("has no inline script and no inline style in its page", () => {
    const html = bytesOf("index.html").toString()
    assert.notMatch(html, /<script(?![^>]*\ssrc=)/)
    assert.notMatch(html, /<style|\son\w+=|\sstyle=/)
    assert.match(html, /<base href="\/console\/" \/>/)
  })
})
