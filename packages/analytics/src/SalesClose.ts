/**
 * A close: the figures of a day or a month, fixed as they were at that time. Schemas and errors; the service is
 * `SalesCloses`.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import { Day } from "@hypermarket/core/Instant"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * The id of a close, a UUIDv7.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CloseId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/analytics/CloseId"))

/**
 * @category models
 * @since 0.1.0
 */
export type CloseId = typeof CloseId.Type

/**
 * The length of a period that can be closed.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Period = Schema.Literals(["day", "month"])

/**
 * The close of the days from `fromDay` to before `untilDay` in the tenant's zone, and in each seller's for its own cells.
 *
 * @category models
 * @since 0.1.0
 */
export class SalesClose extends Schema.Class<SalesClose>("@hypermarket/analytics/SalesClose")({
  closeId: CloseId,
  period: Period,
  fromDay: Day,
  untilDay: Day,
  cells: Schema.Int,
  closedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * The period to close, by its first day.
 *
 * @category models
 * @since 0.1.0
 */
export const NewClose = Schema.Struct({ period: Period, fromDay: Day })

/**
 * The tenant has no close with this id.
 *
 * @category errors
 * @since 0.1.0
 */
export class CloseNotFound extends HttpApiError.Problem<CloseNotFound>()(
  "CloseNotFound",
  { type: "urn:hypermarket:problem:analytics:close-not-found", status: 404, title: "No such close" },
  { closeId: Schema.String }
) {}

/**
 * The period is closed already: a period is closed once.
 *
 * @category errors
 * @since 0.1.0
 */
export class CloseExists extends HttpApiError.Problem<CloseExists>()(
  "CloseExists",
  {
    type: "urn:hypermarket:problem:analytics:close-exists",
    status: 409,
    title: "The period is closed already"
  },
  { period: Period, fromDay: Schema.String }
) {}

/**
 * The period does not exist or is not over.
 *
 * @category errors
 * @since 0.1.0
 */
export class PeriodInvalid extends HttpApiError.Problem<PeriodInvalid>()(
  "PeriodInvalid",
  {
    type: "urn:hypermarket:problem:analytics:period-invalid",
    status: 400,
    title: "This is no period that can be closed"
  },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}

/**
 * The period cannot be closed: cells of its month differ from their facts. Rebuild the month first.
 *
 * @category errors
 * @since 0.1.0
 */
export class SummariesDiffer extends HttpApiError.Problem<SummariesDiffer>()(
  "SummariesDiffer",
  {
    type: "urn:hypermarket:problem:analytics:summaries-differ",
    status: 409,
    title: "Figures of the month differ from their facts"
  },
  { month: Schema.String, cells: Schema.Int }
) {}

/**
 * The period cannot be closed: a sum of its tenant does not fit into 64 bits, and cannot be merged.
 *
 * @category errors
 * @since 0.1.0
 */
export class SumTooLarge extends HttpApiError.Problem<SumTooLarge>()(
  "SumTooLarge",
  {
    type: "urn:hypermarket:problem:analytics:sum-too-large",
    status: 409,
    title: "A sum is too large"
  },
  { period: Period, fromDay: Schema.String }
) {}

const MinorUnits = Schema.BigIntFromString

/**
 * The change of a cell or an order since the close, in minor units of its currency.
 *
 * @category models
 * @since 0.1.0
 */
export const Change = Schema.Struct({
  currency: Schema.String,
  orders: Schema.Int,
  units: Schema.Int,
  gross: MinorUnits,
  discount: MinorUnits,
  cancelledAmount: MinorUnits,
  refundAmount: MinorUnits,
  bookedRefundAmount: MinorUnits
})

/**
 * The changes since a close, by the cells of one grain and by the orders that caused them.
 *
 * @category models
 * @since 0.1.0
 */
export const Restatement = Schema.Struct({
  closeId: CloseId,
  cells: Schema.Array(
    Schema.Struct({
      day: Schema.String,
      sellerId: Schema.String,
      category: Schema.String,
      region: Schema.String,
      channel: Schema.String,
      ...Change.fields
    })
  ),
  /** By the days of the cells. `sellerId` is '' unless the changes are by seller. A credit has `credit:` before its id. */
  orders: Schema.Array(Schema.Struct({ orderId: Schema.String, sellerId: Schema.String, ...Change.fields })),
  /** False when more cells or orders have changed than the 1,000 of each that are listed. */
  isComplete: Schema.Boolean
})

/**
 * @category models
 * @since 0.1.0
 */
export type Restatement = typeof Restatement.Type

/**
 * The grain by which cells are listed.
 *
 * @category schemas
 * @since 0.1.0
 */
export const By = Schema.Literals(["day", "region", "seller", "category"])
