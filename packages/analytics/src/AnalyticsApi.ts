/**
 * The HTTP group of sales analytics: facts in, questions, closes. Schemas and endpoints only.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import { Audited, NotAudited } from "@hypermarket/core/Audit"
import { MayRunLong, RequestDeadline, RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import { AdopterId } from "@hypermarket/core/Identifier"
import * as Page from "@hypermarket/core/Page"
import { BodyBytesMax } from "@hypermarket/core/RequestBody"
import * as Text from "@hypermarket/core/Text"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import * as Catalogue from "./Catalogue.ts"
import { Outcome, OrderFactConflict, OrderFactInvalid } from "./OrderFactOutcome.ts"
import { OrderFigure, OrderNotFound } from "./OrderFigure.ts"
import { OrderRetired } from "./OrderRetention.ts"
import { ZoneFixed, ZoneUnknown } from "./OrderZone.ts"
import {
  By,
  CloseExists,
  CloseId,
  CloseNotFound,
  NewClose,
  PeriodInvalid,
  Restatement,
  SalesClose,
  SummariesDiffer,
  SumTooLarge
} from "./SalesClose.ts"
import { SalesFreshness } from "./SalesFreshness.ts"
import { UnplacedFact } from "./UnplacedFact.ts"
import { Dimension, SalesAnswer, SalesQueryInvalid, SalesRequest } from "./SalesQuery.ts"

/**
 * The largest body of a batch of facts, in bytes.
 *
 * @category limits
 * @since 0.1.0
 */
export const factsBytesMax = 8 * 1024 * 1024

/**
 * A zone in which days begin, the tenant's or a seller's.
 *
 * @category models
 * @since 0.1.0
 */
export const Zone = Schema.Struct({
  sellerId: Schema.NullOr(AdopterId),
  zone: Text.make({ max: 64 })
})

/**
 * @category models
 * @since 0.1.0
 */
export const CatalogueDocument = Schema.Struct({
  measures: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      unit: Schema.Literals(["count", "money", "ratio"]),
      timeBase: Schema.Literals(["order", "booking"]),
      doc: Schema.String,
      notOver: Schema.Array(Dimension)
    })
  ),
  dimensions: Schema.Array(Dimension)
})

/**
 * {@link Catalogue} as it is shown.
 *
 * @category models
 * @since 0.1.0
 */
export const catalogueDocument: typeof CatalogueDocument.Type = {
  measures: Catalogue.measureNames.map((name) => {
    const { doc, notOver, timeBase, unit } = Catalogue.measureOf(name)
    return { name, unit, timeBase, doc, notOver }
  }),
  dimensions: Catalogue.dimensionNames
}

/**
 * @category api
 * @since 0.1.0
 */
export class OrderGroup extends Endpoint.group(
  "orders",
  {
    title: "Orders",
    description:
      "Orders, refunds and shipments arrive as facts with versions. A fact that comes twice counts once."
  },
  /**
   * Records `{ "facts": [{ "type": "order.placed", "data": {...} }, ...] }`, up to 1,000, all or nothing. Sending a fact
   * again is safe, because it has a version.
   */
  HttpApiEndpoint.post("record", "/v1/analytics/facts", {
    payload: Schema.Json,
    success: Schema.Struct({ items: Schema.Array(Outcome) }),
    error: [OrderFactInvalid, OrderFactConflict]
  })
    .annotate(NotAudited, "facts are their own record")
    .annotate(RequiredScope, "analytics:write")
    .annotate(RequestDeadline, "10 seconds")
    .annotate(BodyBytesMax, factsBytesMax)
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class UnplacedGroup extends Endpoint.group(
  "unplaced",
  {
    title: "Unplaced facts",
    description:
      "Refunds and shipments whose order is unknown. They wait, and are counted when the order arrives."
  },
  HttpApiEndpoint.get("listUnplaced", "/v1/analytics/unplaced", {
    query: Page.Query,
    success: Page.schema(UnplacedFact),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "analytics:read")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class SalesGroup extends Endpoint.group(
  "sales",
  {
    title: "Sales",
    description:
      "Order facts become exact sums by day, seller, product and currency. A query has measures, dimensions and a period, and reads all facts that were committed before it."
  },
  HttpApiEndpoint.get("catalogue", "/v1/analytics/catalogue", {
    success: CatalogueDocument
  }).annotate(RequiredScope, "analytics:read"),
  HttpApiEndpoint.post("run", "/v1/analytics/query", {
    payload: SalesRequest,
    success: SalesAnswer,
    error: SalesQueryInvalid
  })
    .annotate(NotAudited, "reads only")
    .annotate(RequiredScope, "analytics:read")
    .annotate(RequestDeadline, "10 seconds")
    .annotate(MayRunLong, true),
  HttpApiEndpoint.get("freshness", "/v1/analytics/freshness", {
    success: SalesFreshness
  }).annotate(RequiredScope, "analytics:read")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class FigureGroup extends Endpoint.group(
  "figures",
  {
    title: "Figures of orders",
    description:
      "What one order adds to the sums. Its lines, refunds and shipments are listed with the days in which they count."
  },
  HttpApiEndpoint.get("getFigures", "/v1/analytics/orders/:orderId", {
    params: { orderId: AdopterId },
    success: OrderFigure,
    error: [OrderNotFound, OrderRetired]
  }).annotate(RequiredScope, "analytics:read")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class ZoneGroup extends Endpoint.group(
  "zones",
  {
    title: "Time zones",
    description:
      "The time zone decides in which day an order counts. A tenant has one, and each seller may have another. It is set before the first order."
  },
  HttpApiEndpoint.get("getZone", "/v1/analytics/zone", {
    query: { sellerId: Schema.optionalKey(AdopterId) },
    success: Zone
  }).annotate(RequiredScope, "analytics:read"),
  /** Before the first order that it is for; setting the same again changes nothing. */
  HttpApiEndpoint.post("setZone", "/v1/analytics/zone", {
    payload: Zone,
    success: HttpApiSchema.NoContent,
    error: [ZoneUnknown, ZoneFixed]
  })
    .annotate(Audited, "zone.changed")
    .annotate(RequiredScope, "analytics:admin")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class CloseGroup extends Endpoint.group(
  "closes",
  {
    title: "Closes",
    description:
      "A close keeps the figures of a period as they were; a restatement lists what changed afterwards."
  },
  HttpApiEndpoint.post("close", "/v1/analytics/closes", {
    headers: IdempotencyKey.Headers,
    payload: NewClose,
    success: SalesClose.pipe(HttpApiSchema.status(201)),
    error: [PeriodInvalid, CloseExists, SummariesDiffer, SumTooLarge, ...IdempotencyKey.errors]
  })
    .annotate(Audited, "close.created")
    .annotate(RequiredScope, "analytics:admin")
    .annotate(RequestDeadline, "30 seconds")
    .annotate(MayRunLong, true),
  HttpApiEndpoint.get("listCloses", "/v1/analytics/closes", {
    query: Page.Query,
    success: Page.schema(SalesClose),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "analytics:read"),
  HttpApiEndpoint.get("getClose", "/v1/analytics/closes/:closeId", {
    params: { closeId: CloseId },
    success: SalesClose,
    error: CloseNotFound
  }).annotate(RequiredScope, "analytics:read"),
  HttpApiEndpoint.get("restatement", "/v1/analytics/closes/:closeId/restatement", {
    params: { closeId: CloseId },
    query: { by: Schema.optionalKey(By) },
    success: Restatement,
    error: [CloseNotFound, PeriodInvalid]
  })
    .annotate(RequiredScope, "analytics:read")
    .annotate(RequestDeadline, "10 seconds")
    .annotate(MayRunLong, true)
) {}

/**
 * The groups alone, for this package's handlers and tests; apps add them to their own API of the same id.
 *
 * @category api
 * @since 0.1.0
 */
export class AnalyticsApi extends HttpApi.make(Api.id)
  .add(OrderGroup)
  .add(UnplacedGroup)
  .add(SalesGroup)
  .add(FigureGroup)
  .add(ZoneGroup)
  .add(CloseGroup) {}
