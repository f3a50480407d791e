/**
 * The HTTP group of items: schemas and endpoints only. The prose is in `ParcelsReference.ts`.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import * as Page from "@hypermarket/core/Page"
import * as Precondition from "@hypermarket/core/Precondition"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import {
  ParcelsItem,
  ParcelsItemId,
  ParcelsItemLimit,
  ParcelsItemNotFound,
  NewParcelsItem
} from "./ParcelsItem.ts"

/**
 * @category api
 * @since 0.1.0
 */
export class ParcelsItemGroup extends Endpoint.group(
  "parcelsItems",
  {
    title: "Parcels items",
    description: "An item is the first noun of this domain. It has a name and belongs to one tenant."
  },
  HttpApiEndpoint.post("create", "/v1/parcels/items", {
    headers: IdempotencyKey.Headers,
    payload: NewParcelsItem,
    success: Precondition.Tagged(ParcelsItem.pipe(HttpApiSchema.status(201))),
    error: [ParcelsItemLimit, ...IdempotencyKey.errors]
  }).annotate(RequiredScope, "parcels:write"),
  HttpApiEndpoint.get("list", "/v1/parcels/items", {
    query: Page.Query,
    success: Page.schema(ParcelsItem),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "parcels:read"),
  HttpApiEndpoint.get("get", "/v1/parcels/items/:itemId", {
    params: { itemId: ParcelsItemId },
    success: Precondition.Tagged(ParcelsItem),
    error: ParcelsItemNotFound
  }).annotate(RequiredScope, "parcels:read"),
  HttpApiEndpoint.delete("remove", "/v1/parcels/items/:itemId", {
    params: { itemId: ParcelsItemId },
    headers: Precondition.Headers,
    success: HttpApiSchema.NoContent,
    error: [ParcelsItemNotFound, Precondition.PreconditionRequired, Precondition.VersionStale]
  }).annotate(RequiredScope, "parcels:write")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class ParcelsApi extends HttpApi.make(Api.id).add(ParcelsItemGroup) {}
