import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"

const pure = [
  "Bucketing",
  "CalendarTime",
  "Condition",
  "Cron",
  "EmailAddress",
  "Pattern",
  "Region",
  "SemanticVersion"
]

/** Every module that a module loads, by its specifier; types alone load nothing. */
const importsOf = (file: URL, seen: Set<string>): ReadonlyArray<string> => {
  if (seen.has(file.href)) return []
  seen.add(file.href)
  const source = readFileSync(file, "utf8")
  return Array.from(
    source.matchAll(/^import (?!type\b)[^;"]*?"([^"]+)"/gm),
    ([, specifier = ""]) => specifier
  ).flatMap((specifier) =>
    specifier.startsWith(".") ? importsOf(new URL(specifier, file), seen) : [specifier]
  )
}

const source = (name: string) => new URL(`../src/${name}.ts`, import.meta.url)
const isBrowserSafe = (specifier: string) =>
  ["re2js", "ipaddr.js", "iso-3166"].includes(specifier) || /^effect\/[A-Z][A-Za-z]+$/.test(specifier)

describe("Pure modules", () => {
  it("load nothing of Node and nothing of SQL, so that a browser can", () => {
    for (const name of pure) {
      const imports = importsOf(source(name), new Set())
      assert.deepStrictEqual(
        imports.filter((specifier) => !isBrowserSafe(specifier)),
        [],
        name
      )
    }
    // The walk sees what a service loads.
    assert.isTrue(importsOf(source("Database"), new Set()).some((specifier) => !isBrowserSafe(specifier)))
  })
})
