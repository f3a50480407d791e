/**
 * Settings of this package.
 *
 * @since 0.1.0
 */
import * as Setting from "@hypermarket/core/Setting"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"

/**
 * @category settings
 * @since 0.1.0
 */
export const addressQuota = Setting.make({
  name: "HM_QUOTAS_ADDRESS_QUOTA",
  doc: "Requests per minute and client address that a process admits before it reads a key; 0 for no limit.",
  read: (name) => Config.Int(name),
  defaultValue: 0
})

/**
 * @category settings
 * @since 0.1.0
 */
export const checkDeadline = Setting.make({
  name: "HM_QUOTAS_CHECK_DEADLINE",
  doc: "A check of rate limits that the database has not decided by then is decided without it.",
  read: (name) => Config.Duration(name),
  defaultValue: Duration.millis(100),
  defaultText: "100 millis"
})

/**
 * @category settings
 * @since 0.1.0
 */
export const settings: ReadonlyArray<Setting.Any> = [addressQuota, checkDeadline]
