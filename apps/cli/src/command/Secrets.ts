/** `hypermarket secrets rotate`: seals the data keys again with the newest key, without waiting for the worker. */
import * as Database from "@hypermarket/core/Database"
import * as Secrets from "@hypermarket/core/Secrets"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { failed, orCommandFailed } from "../CommandFailed.ts"

const rotate = Command.make(
  "rotate",
  {},
  Effect.fn(function* () {
    if ((yield* Secrets.masterKeys) === undefined) return yield* failed("HM_SECRETS_KEYS is not set")
    const { resealed, unreadable } = yield* Secrets.reseal.pipe(
      Effect.provide(Database.layer({ ...(yield* Database.options), poolMax: 1 }, "hypermarket-secrets"))
    )
    yield* Console.log(`Data keys that were sealed with the first key of HM_SECRETS_KEYS: ${resealed}`)
    if (unreadable > 0) {
      return yield* failed(
        `Data keys that no key of HM_SECRETS_KEYS opens: ${unreadable}. Add the key that sealed them`
      )
    }
  }, orCommandFailed)
).pipe(
  Command.withDescription(
    "Seal the data keys again with the first key of HM_SECRETS_KEYS; then the older keys can be removed"
  )
)

export const command = Command.make("secrets").pipe(
  Command.withDescription("Maintain the keys that seal secrets in rows"),
  Command.withSubcommands([rotate])
)
