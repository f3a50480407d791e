/**
 * The routes behind links in mail: the unsubscribe link, and the preference centre.
 *
 * @since 0.1.0
 */
import * as TokenRoute from "@hypermarket/core/TokenRoute"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as OneClickProtocol from "./OneClickProtocol.ts"
import * as PreferenceCentreProtocol from "./PreferenceCentreProtocol.ts"

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.unwrap(
  Effect.gen(function* () {
    return TokenRoute.layer([
      ...(yield* OneClickProtocol.routes),
      ...(yield* PreferenceCentreProtocol.routes)
    ])
  })
)
