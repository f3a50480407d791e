/**
 * `pnpm soak <name>`: without a name it shows all soaks with their options.
 *
 * The name is that of a soak, or of a package, whose soaks then run one after another. For a package that brings none it prints
 * a sentence and exits with 0.
 */
import * as Main from "@hypermarket/core/Main"
import * as PackagePrograms from "@hypermarket/testing/PackagePrograms"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { pathToFileURL } from "node:url"
import * as Run from "./Run.ts"
import * as SoakProgram from "./SoakProgram.ts"

/** Loads a soak, and nothing of the others. */
const load = Effect.fnUntraced(function* ({ file }: PackagePrograms.Program) {
  const { program }: { readonly program: SoakProgram.Program } = yield* Effect.promise(
    () => import(pathToFileURL(file).href)
  )
  return program
})

const program = Effect.gen(function* () {
  const [name = "", ...args] = process.argv.slice(2)
  const choice = PackagePrograms.choose("soak", name)
  switch (choice._tag) {
    case "BringsNone":
      return yield* Run.say(PackagePrograms.noneOf("soak", choice.folder))
    case "Unknown":
      return yield* SoakProgram.refuse(yield* Effect.forEach(PackagePrograms.find("soak"), load))
    case "Programs":
      for (const chosen of choice.programs) yield* Effect.scoped((yield* load(chosen)).run(args))
  }
})

/** Standard output is the document's. */
const toStandardError = Logger.layer([
  Logger.make((entry) => void process.stderr.write(`${Logger.formatLogFmt.log(entry)}\n`))
])

Main.run(program.pipe(Effect.provide(toStandardError)))
