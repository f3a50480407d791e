/**
 * Builds the console in a checkout, beside everything else: the page says that it is being built until then. An installed
 * package has the files already and builds nothing.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as ChildProcess from "effect/process/ChildProcess"
import { failed } from "../CommandFailed.ts"

const packageName = `"@hypermarket/console"`

/** The console's own package, seen from this module. */
export const folderDefault = "../../../console"

/** Built here first and moved then, so that the API never reads half a build. */
const unfinished = "node_modules/.console"

const millisOf = (info: FileSystem.File.Info): number =>
  Option.match(info.mtime, { onNone: () => 0, onSome: (time) => time.getTime() })

const modifiedMillis = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.stat(file).pipe(
    Effect.map(millisOf),
    Effect.orElseSucceed(() => 0)
  )
})

/** True when the build is there and no source is newer. */
const isFresh = Effect.fnUntraced(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const builtMillis = yield* modifiedMillis(path.join(folder, "dist/index.html"))
  const sources = yield* fs.readDirectory(path.join(folder, "src"), { recursive: true })
  const millis = yield* Effect.forEach(sources, (name) => modifiedMillis(path.join(folder, "src", name)))
  return builtMillis > 0 && millis.every((source) => source <= builtMillis)
})

const build = Effect.fnUntraced(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const child = yield* ChildProcess.make(
    process.execPath,
    [
      "node_modules/vite/bin/vite.js",
      "build",
      "--logLevel",
      "error",
      "--emptyOutDir",
      "--outDir",
      unfinished
    ],
    { cwd: folder, stdin: "ignore", stdout: "ignore", stderr: "ignore" }
  )
  const code = yield* child.exitCode
  if (code !== 0) return yield* failed(`vite build ended with ${code}`)
  yield* fs.rename(path.join(folder, unfinished), path.join(folder, "dist"))
}, Effect.scoped)

const orWarn = Effect.catch((error: { readonly message: string }) =>
  Effect.logWarning(`The console was not built: ${error.message}`)
)

/** Begins to build, if this is a checkout and its build is missing or older than its sources. Ends with the scope. */
export const start = Effect.fn("ConsoleBuild.start")(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const target = path.resolve(import.meta.dirname, folder)
  const manifest = yield* fs
    .readFileString(path.join(target, "package.json"))
    .pipe(Effect.orElseSucceed(() => ""))
  if (!manifest.includes(packageName) || (yield* isFresh(target))) return
  // A build that is too old is not shown: the API reads the files once.
  yield* fs.remove(path.join(target, "dist"), { recursive: true, force: true })
  yield* build(target).pipe(orWarn, Effect.forkScoped)
}, orWarn)
