/**
 * Folders of servers: `<home>/data` is the cluster, `<home>/owner.json` the process that runs it, `<home>/password` the
 * superuser's password.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import * as OwnedProcess from "../OwnedProcess.ts"
import { attempt, failure, isReachable, makeReachableFolder, user } from "./host.ts"
import { readPidFile, stopOrphan } from "./predecessor.ts"

const throwAwayPrefix = `hm-pg-${user}-`

const readOwner = (home: string) =>
  Effect.try(() => Fs.readFileSync(Path.join(home, "owner.json"), "utf8")).pipe(
    Effect.flatMap(Schema.decodeEffect(OwnedProcess.Owner)),
    Effect.option
  )

const writeOwner = Effect.fnUntraced(function* (home: string) {
  const text = yield* Schema.encodeEffect(OwnedProcess.Owner)(OwnedProcess.self()).pipe(Effect.orDie)
  yield* attempt(() => {
    const fresh = Path.join(home, `owner.${process.pid}.json`)
    Fs.writeFileSync(fresh, text)
    Fs.renameSync(fresh, Path.join(home, "owner.json"))
  })
})

const traversableTemporaryFolder = Effect.suspend(() =>
  isReachable(tmpdir()) ? Effect.succeed(tmpdir()) : makeReachableFolder
)

export const makeThrowAwayHome = Effect.gen(function* () {
  const base = yield* traversableTemporaryFolder
  // It gets its final name with its owner inside, so that a sweep never meets one without.
  const fresh = yield* attempt(() => Fs.mkdtempSync(Path.join(base, "hm-new-")))
  yield* writeOwner(fresh)
  const home = Path.join(base, throwAwayPrefix + Path.basename(fresh).slice("hm-new-".length))
  yield* attempt(() => {
    Fs.chmodSync(fresh, 0o711)
    Fs.renameSync(fresh, home)
  })
  return home
})

/** Removes throw-away servers whose process died without stopping them. Touches nothing that we did not make. */
export const sweepThrowAways = Effect.gen(function* () {
  const base = yield* traversableTemporaryFolder
  const names = yield* attempt(() => Fs.readdirSync(base).filter((name) => name.startsWith(throwAwayPrefix)))
  for (const name of names) {
    const home = Path.join(base, name)
    const mine = yield* Effect.sync(() => Fs.lstatSync(home, { throwIfNoEntry: false })?.uid === user)
    const owner = yield* readOwner(home)
    if (!mine || owner._tag === "None") continue
    if (!OwnedProcess.isJudgeable(owner.value) || OwnedProcess.isRunning(owner.value)) continue
    yield* stopOrphan(Path.join(home, "data"))
    yield* Effect.sync(() => Fs.rmSync(home, { recursive: true, force: true }))
  }
}).pipe(Effect.ignore)

/** Names the folder of the data where Postgres cannot reach the one asked for. Without this file that folder is abandoned. */
const signpost = "MOVED.txt"

/** Removes the data of a folder that was deleted since: a caller that creates the folder again does not want its old data. */
const discardAbandoned = Effect.fnUntraced(function* (moved: string) {
  const owner = yield* readOwner(moved)
  if (owner._tag === "Some" && OwnedProcess.isRunning(owner.value)) return
  yield* stopOrphan(Path.join(moved, "data"))
  yield* attempt(() => Fs.rmSync(moved, { recursive: true, force: true }))
})

export const makePersistentHome = Effect.fnUntraced(function* (directory: string) {
  const wanted = Path.resolve(directory)
  yield* attempt(() => Fs.mkdirSync(wanted, { recursive: true }))
  const home = yield* attempt(() => Fs.realpathSync(wanted))
  if (isReachable(home)) return home
  const base = yield* makeReachableFolder
  const moved = Path.join(base, `data-${createHash("sha256").update(home).digest("hex").slice(0, 16)}`)
  if (!Fs.existsSync(Path.join(home, signpost)) && Fs.existsSync(moved)) yield* discardAbandoned(moved)
  yield* attempt(() => {
    Fs.writeFileSync(
      Path.join(home, signpost),
      `Postgres runs as the user nobody, who cannot reach this folder. The data is in ${moved}\n`
    )
    Fs.mkdirSync(moved, { recursive: true, mode: 0o711 })
    Fs.chmodSync(moved, 0o711)
  })
  return moved
})

const isServing = (home: string) =>
  attempt(() => {
    const file = readPidFile(Path.join(home, "data"))
    return file !== undefined && OwnedProcess.isAlive(file.pid)
  })

export const claim = Effect.fnUntraced(function* (home: string) {
  const owner = yield* readOwner(home)
  const isTaken =
    owner._tag === "Some" &&
    OwnedProcess.isRunning(owner.value) &&
    // This process may start its own server again once that has ended.
    (owner.value.pid !== process.pid || (yield* isServing(home)))
  if (isTaken) {
    return yield* failure(
      "in_use",
      `the process ${owner.value.pid} runs the Postgres in ${home}: stop it, or choose another folder`
    )
  }
  yield* writeOwner(home)
})
