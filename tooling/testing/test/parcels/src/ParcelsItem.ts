/**
 * An item: its schema and its errors.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * @category schemas
 * @since 0.1.0
 */
export const ParcelsItemId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/parcels/ParcelsItemId"))

/**
 * @category models
 * @since 0.1.0
 */
export type ParcelsItemId = typeof ParcelsItemId.Type

/** Bounded like the column's CHECK. */
const nameLengthMax = 200

const Name = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(nameLengthMax))

/**
 * @category models
 * @since 0.1.0
 */
export class ParcelsItem extends Schema.Class<ParcelsItem>("@hypermarket/parcels/ParcelsItem")({
  itemId: ParcelsItemId,
  name: Name,
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * @category models
 * @since 0.1.0
 */
export const NewParcelsItem = Schema.Struct({ name: Name })

/**
 * @category models
 * @since 0.1.0
 */
export type NewParcelsItem = typeof NewParcelsItem.Type

/**
 * @category errors
 * @since 0.1.0
 */
export class ParcelsItemNotFound extends HttpApiError.Problem<ParcelsItemNotFound>()(
  "ParcelsItemNotFound",
  { type: "urn:hypermarket:problem:parcels:item-not-found", status: 404, title: "Not found" },
  { itemId: Schema.String }
) {}

/**
 * The tenant has as many items as it may have. Remove one, or raise `HM_PARCELS_ITEMS_MAX`.
 *
 * @category errors
 * @since 0.1.0
 */
export class ParcelsItemLimit extends HttpApiError.Problem<ParcelsItemLimit>()(
  "ParcelsItemLimit",
  { type: "urn:hypermarket:problem:parcels:item-limit", status: 409, title: "Too many items" },
  { itemsMax: Schema.Int }
) {}
