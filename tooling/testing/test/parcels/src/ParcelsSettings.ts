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
export const itemsMax = Setting.make({
  name: "HM_PARCELS_ITEMS_MAX",
  doc: "Maximum items per tenant. A tenant that has as many gets a typed refusal.",
  read: (name) => Config.Int(name),
  defaultValue: 10_000
})

/**
 * @category settings
 * @since 0.1.0
 */
export const settings: ReadonlyArray<Setting.Any> = [itemsMax]
