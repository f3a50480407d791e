/**
 * A browser's session with the console: models and errors. The service is `ConsoleSessions`.
 *
 * @since 0.1.0
 */
import type { Credential } from "@hypermarket/core/Credentials"
import * as Text from "@hypermarket/core/Text"
import * as Schema from "effect/Schema"
import type { ApiKeyId } from "./ApiKey.ts"

/**
 * The name that an operator gives a session, recorded with each of its changes.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Label = Text.make({ max: 100 })

/**
 * A key that a session holds. An expired or revoked key opens nothing and is still listed.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionKey {
  readonly apiKeyId: ApiKeyId
  readonly name: string
  readonly expiresAt: Date | null
  readonly isLive: boolean
  readonly credential: Credential
}

/**
 * A session that has not ended: at least one of its keys is live.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConsoleSession {
  readonly sessionId: string
  readonly label: string | null
  readonly recordedAt: Date
  /** It ends then, however much it is used. */
  readonly expiresAt: Date
  /** In the order in which they were added. */
  readonly keys: ReadonlyArray<SessionKey>
}

/**
 * The session ended before a key could be added to it.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConsoleSessionEnded extends Schema.TaggedError<ConsoleSessionEnded>()(
  "ConsoleSessionEnded",
  {}
) {}

/**
 * The session holds as many keys as it may.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConsoleSessionFull extends Schema.TaggedError<ConsoleSessionFull>()("ConsoleSessionFull", {
  keysMax: Schema.Int
}) {}
