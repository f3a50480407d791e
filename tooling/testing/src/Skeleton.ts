/** The package that `pnpm new-domain` writes, and its page in the console, from the templates in `skeleton/` and `skeleton-console/`. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "node:path"

const folder = Path.resolve(import.meta.dirname, "../skeleton")
const consoleFolder = Path.resolve(import.meta.dirname, "../skeleton-console")
const suffix = ".template"

export const capitalize = (name: string): string => name.slice(0, 1).toUpperCase() + name.slice(1)

/** Names of files and contents have one set of words each. */
const wordsOf = (name: string) => {
  const words = { domain: name, Domain: capitalize(name), DOMAIN: name.toUpperCase() }
  return {
    inFile: (text: string) =>
      text.replaceAll(/__(domain|Domain)__/g, (_, word: "domain" | "Domain") => words[word]),
    inText: (text: string) =>
      text.replaceAll(/\{\{(domain|Domain|DOMAIN)\}\}/g, (_, word: keyof typeof words) => words[word])
  }
}

/** Returns the files of a domain's package, not yet formatted. */
export const render = Effect.fn("Skeleton.render")(function* (name: string) {
  const fs = yield* FileSystem.FileSystem
  const { inFile, inText } = wordsOf(name)
  const readme = inText(yield* fs.readFileString(`${folder}/examples/readme.ts${suffix}`)).trimEnd()
  const files = yield* fs.readDirectory(folder, { recursive: true })
  return yield* Effect.forEach(
    files.filter((file) => file.endsWith(suffix)),
    (file) =>
      Effect.map(fs.readFileString(`${folder}/${file}`), (text) => ({
        path: inFile(file.slice(0, -suffix.length)),
        text: inText(text).replace("{{readme}}", () => readme)
      }))
  )
})

/** Returns the files of a domain's folder in the console, not yet formatted. */
export const renderConsole = Effect.fn("Skeleton.renderConsole")(function* (name: string) {
  const fs = yield* FileSystem.FileSystem
  const { inFile, inText } = wordsOf(name)
  return yield* Effect.forEach(yield* fs.readDirectory(consoleFolder), (file) =>
    Effect.map(fs.readFileString(`${consoleFolder}/${file}`), (text) => ({
      path: inFile(file.slice(0, -suffix.length)),
      text: inText(text)
    }))
  )
})

/** Returns the line that registers this folder in the console. */
export const consoleLine = (name: string): string => `export { ${name} } from "./domains/${name}/index.ts"\n`
