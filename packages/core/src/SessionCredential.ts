/**
 * The place where an application gives a request its credential otherwise than by a bearer key: by a session.
 *
 * Apart from `Authorization`, which a browser loads. Endpoints take it, protocol routes never do.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import type { Credential } from "./Credentials.ts"

/**
 * A request that has a session and may not use it: `problem` is its answer.
 *
 * @category errors
 * @since 0.1.0
 */
export class SessionRefused extends Schema.TaggedError<SessionRefused>()("SessionRefused", {
  problem: Schema.Struct({ type: Schema.String, status: Schema.Int, title: Schema.String }),
  detail: Schema.String
}) {}

/**
 * Finds the credential of the request at hand, after its address and the gate have admitted it. `None` is answered 401.
 * Undefined, the default, leaves it to the bearer key.
 *
 * @category services
 * @since 0.1.0
 */
export const SessionCredential = Context.Reference<
  Effect.Effect<Option.Option<Credential>, SessionRefused | SqlError> | undefined
>("@hypermarket/core/SessionCredential", { defaultValue: () => undefined })
