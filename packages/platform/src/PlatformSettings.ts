/**
 * The settings of the platform.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Setting from "@hypermarket/core/Setting"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Redacted from "effect/Redacted"
import { parse, type SigningKey } from "./audit/signing.ts"

/**
 * The keys that sign checkpoints of the activity log.
 *
 * @category settings
 * @since 0.1.0
 */
export const auditKey = Setting.optionalSecret({
  name: "HM_PLATFORM_AUDIT_KEY",
  doc: "Keys that sign checkpoints of the activity log: a list of `<id>:<base64 of a 32-byte Ed25519 seed>`, the newest first. The first signs, all verify. Without it checkpoints are not signed."
})

const malformed = new ConfigProvider.SourceError({
  message:
    "HM_PLATFORM_AUDIT_KEY: expected a list of <id>:<base64 of a 32-byte Ed25519 seed> with different ids"
})

/**
 * The parsed keys; empty when none are configured.
 *
 * @category settings
 * @since 0.1.0
 */
export const signingKeys: Config.Config<ReadonlyArray<SigningKey>> = Config.flatMap(
  auditKey.config,
  (text): Config.Config<ReadonlyArray<SigningKey>> => {
    if (text === undefined || Redacted.value(text).trim() === "") return Config.succeed([])
    const keys = parse(Redacted.value(text))
    return keys === undefined ? Config.fail(malformed) : Config.succeed(keys)
  }
)

/**
 * The least that entries of the activity log are kept, in days. Retention drops nothing younger, and a verification accepts no
 * younger rows as dropped.
 *
 * @category limits
 * @since 0.1.0
 */
export const activityKeepDaysMin = 31

/**
 * The age at which entries of the activity log are dropped, in days.
 *
 * @category settings
 * @since 0.1.0
 */
export const activityKeepDays = Setting.make({
  name: "HM_PLATFORM_ACTIVITY_KEEP_DAYS",
  doc: "Days that entries of the activity log are kept at least, 31 to 36500. Whole months that are older are dropped; their checkpoints stay.",
  read: (name) => Config.schema(BoundedInt.fromText({ minimum: activityKeepDaysMin, maximum: 36_500 }), name),
  defaultValue: 400
})

/**
 * The age at which a session of the console ends, in hours.
 *
 * @category settings
 * @since 0.1.0
 */
export const consoleSessionHours = Setting.make({
  name: "HM_CONSOLE_SESSION_HOURS",
  doc: "Hours after which a session of the console ends, 1 to 720.",
  read: (name) => Config.schema(BoundedInt.fromText({ minimum: 1, maximum: 720 }), name),
  defaultValue: 12
})

/**
 * The time without a request after which a session of the console ends, in minutes.
 *
 * @category settings
 * @since 0.1.0
 */
export const consoleIdleMinutes = Setting.make({
  name: "HM_CONSOLE_IDLE_MINUTES",
  doc: "Minutes without a request after which a session of the console ends, 2 to 43200.",
  read: (name) => Config.schema(BoundedInt.fromText({ minimum: 2, maximum: 43_200 }), name),
  defaultValue: 120
})

/**
 * @category settings
 * @since 0.1.0
 */
export const settings: ReadonlyArray<Setting.Any> = [
  auditKey,
  activityKeepDays,
  consoleSessionHours,
  consoleIdleMinutes
]
