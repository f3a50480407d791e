/**
 * Keys of `HM_SECRETS_KEYS` for tests, and an environment that has them.
 */
import { ConfigProvider, Effect } from "effect"
import { createHash } from "node:crypto"

/** An entry of the list; one id always has the same bytes. */
export const entry = (id: string): string =>
  `${id}:${createHash("sha256").update(`test key ${id}`).digest("base64")}`

/** Runs with these keys, the newest first. */
export const withKeys = (...ids: ReadonlyArray<string>) => withSetting(ids.map(entry).join(","))

export const withSetting = (text: string | undefined) =>
  Effect.provideService(
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromUnknown(text === undefined ? {} : { HM_SECRETS_KEYS: text })
  )
