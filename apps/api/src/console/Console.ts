/** The console's server side. Switched off, no route exists below `/console` and no cookie is read. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Files from "./Files.ts"
import * as Session from "./Session.ts"
import * as Settings from "./Settings.ts"

export const layer = Layer.unwrap(
  Effect.gen(function* () {
    if (!(yield* Settings.isEnabled)) return Layer.empty
    const options = yield* Settings.options
    const { publicUrl } = options
    if (publicUrl !== undefined && publicUrl.pathname !== "/") {
      yield* Effect.logWarning(
        "The console shares its origin: every application of HM_CONSOLE_PUBLIC_URL's host can act as the operator. Give it a host of its own"
      )
    }
    return Layer.mergeAll(Files.layer(options), Session.layer(options))
  })
)
