import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import * as Path from "node:path"

const importPattern = /^(?:import|export) (?!type )(?:\*|\{)[^"]*?from "([^"]+)"/gms

const packages = Path.resolve(import.meta.dirname, "../../../packages")

/** Every module that importing a file loads, by following its imports within the workspace. */
const reached = (file: string, seen = new Map<string, string>(), by = "") => {
  if (seen.has(file)) return seen
  seen.set(file, by)
  for (const [, specifier = ""] of readFileSync(file, "utf8").matchAll(importPattern)) {
    if (specifier.startsWith("./") || specifier.startsWith("../")) {
      reached(Path.resolve(Path.dirname(file), specifier), seen, file)
    } else if (specifier.startsWith("@hypermarket/")) {
      const [, name = "", ...rest] = specifier.split("/")
      reached(Path.resolve(packages, name, "src", `${rest.join("/")}.ts`), seen, file)
    } else {
      seen.set(specifier, file)
    }
  }
  return seen
}

describe("the API modules", () => {
  for (const api of [
    "analytics/src/AnalyticsApi.ts",
    "events/src/EventsApi.ts",
    "platform/src/PlatformApi.ts",
    "search/src/SearchApi.ts"
  ]) {
    it(`${api} needs neither Node nor a database driver`, () => {
      const loaded = reached(Path.resolve(packages, api))
      const wrong = Array.from(loaded).filter(
        ([name]) => name.startsWith("node:") || name.startsWith("@effect/sql-")
      )
      assert.deepStrictEqual(wrong, [])
    })
  }
})
