/**
 * Settings of this package.
 *
 * @since 0.1.0
 */
import * as Setting from "@hypermarket/core/Setting"
import * as Config from "effect/Config"

/**
 * @category settings
 * @since 0.1.0
 */
export const hotEvents = Setting.make({
  name: "HM_RISK_HOT_EVENTS",
  doc: "Events of an entity within 30 days from which on its hours are summed. Counts are exact either way; more are slower to read.",
  read: (name) => Config.Int(name),
  defaultValue: 500
})

/**
 * @category settings
 * @since 0.1.0
 */
export const keepDays = Setting.make({
  name: "HM_RISK_DECISIONS_KEEP_DAYS",
  doc: "Days that decisions, keys and subjects are kept. A key that is forgotten decides again, and its subject counts again.",
  read: (name) => Config.Int(name),
  defaultValue: 400
})

/**
 * @category settings
 * @since 0.1.0
 */
export const settings: ReadonlyArray<Setting.Any> = [hotEvents, keepDays]
