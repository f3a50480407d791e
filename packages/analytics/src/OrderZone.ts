/**
 * Errors of the zones in which days begin. The service is `OrderZones`.
 *
 * @since 0.1.0
 */
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * A time zone by its IANA name, such as `Europe/Berlin`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ZoneName = Text.make({ max: 64 })

/**
 * Postgres has no time zone of this name.
 *
 * @category errors
 * @since 0.1.0
 */
export class ZoneUnknown extends HttpApiError.Problem<ZoneUnknown>()(
  "ZoneUnknown",
  {
    type: "urn:hypermarket:problem:analytics:zone-unknown",
    status: 400,
    title: "The database knows no such time zone"
  },
  { zone: Schema.String }
) {}

/**
 * Orders have been written with the days of another zone; `zone` is that zone.
 *
 * @category errors
 * @since 0.1.0
 */
export class ZoneFixed extends HttpApiError.Problem<ZoneFixed>()(
  "ZoneFixed",
  {
    type: "urn:hypermarket:problem:analytics:zone-fixed",
    status: 409,
    title: "Orders have days of another zone already"
  },
  { zone: Schema.String }
) {}
