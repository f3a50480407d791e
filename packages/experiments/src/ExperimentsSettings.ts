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
export const experimentsMax = Setting.make({
  name: "HM_EXPERIMENTS_MAX",
  doc: "Maximum experiments, and maximum metrics, per tenant. A tenant that has as many gets a typed refusal.",
  read: (name) => Config.Int(name),
  defaultValue: 1_000
})

/**
 * @category settings
 * @since 0.1.0
 */
export const factsKeepDays = Setting.make({
  name: "HM_EXPERIMENTS_FACTS_KEEP",
  doc: "How many days facts are kept by unit. Facts that an experiment still needs are kept longer.",
  read: (name) => Config.Int(name),
  defaultValue: 60
})

/**
 * @category settings
 * @since 0.1.0
 */
export const settings: ReadonlyArray<Setting.Any> = [experimentsMax, factsKeepDays]
