/**
 * A key for secrets in rows, made once and kept in `<data dir>/secrets-keys`, which only its owner can read.
 */
import { randomBytes } from "node:crypto"
import * as Secrets from "@hypermarket/core/Secrets"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { failed } from "../CommandFailed.ts"

const keyBytes = 32
const ownerOnly = 0o600

const read = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(directory, "secrets-keys")
  if (yield* fs.exists(file)) return { file, text: yield* fs.readFileString(file) }
  const text = `quickstart:${randomBytes(keyBytes).toString("base64")}`
  yield* fs.makeDirectory(directory, { recursive: true })
  // Written whole or not at all: half a key would make every secret unreadable.
  const fresh = `${file}.new`
  yield* fs.writeFileString(fresh, text, { mode: ownerOnly })
  yield* fs.rename(fresh, file)
  return { file, text }
})

/**
 * Runs an effect with `HM_SECRETS_KEYS` of the data folder, unless the environment has keys. The effect gets the file that
 * was used; undefined for the environment's keys.
 */
export const provide =
  (directory: string) =>
  <A, E, R>(use: (file: string | undefined) => Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      if ((yield* Secrets.masterKeys) !== undefined) return yield* use(undefined)
      const { file, text } = yield* read(directory).pipe(
        Effect.mapError((error) =>
          failed(`Cannot keep the key for secrets in ${directory}: ${error.message}`)
        )
      )
      const environment = yield* ConfigProvider.ConfigProvider
      const keys = ConfigProvider.fromUnknown({ HM_SECRETS_KEYS: text })
      return yield* Effect.provideService(
        use(file),
        ConfigProvider.ConfigProvider,
        ConfigProvider.orElse(keys, environment)
      )
    })
