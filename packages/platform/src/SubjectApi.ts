/**
 * The HTTP group of requests for the data of a person: schemas and endpoints only.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import { Audited } from "@hypermarket/core/Audit"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import * as Page from "@hypermarket/core/Page"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import {
  NewSubjectRequest,
  SubjectPartNotFound,
  SubjectRequest,
  SubjectRequestId,
  SubjectRequestNotFound
} from "./SubjectRequest.ts"

const path = "/v1/platform/subjects/requests"
const int4Max = 2_147_483_647

/**
 * @category api
 * @since 0.1.0
 */
export class SubjectGroup extends Endpoint.group(
  "subjects",
  {
    title: "Data of persons",
    description:
      "A request exports or erases what all domains hold of a customer, seller or user. A worker runs it step by step. When it is done, the request is the receipt: rows by domain, and what remains without the person and why. The receipt does not name the person."
  },
  HttpApiEndpoint.post("create", path, {
    headers: IdempotencyKey.Headers,
    payload: NewSubjectRequest,
    success: SubjectRequest.pipe(HttpApiSchema.status(202)),
    error: [...IdempotencyKey.errors]
  })
    .annotate(Audited, "subject.requested")
    .annotate(RequiredScope, "platform:admin"),
  HttpApiEndpoint.get("list", path, {
    query: Page.Query,
    success: Page.schema(SubjectRequest),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "platform:admin"),
  HttpApiEndpoint.get("get", `${path}/:requestId`, {
    params: { requestId: SubjectRequestId },
    success: SubjectRequest,
    error: SubjectRequestNotFound
  }).annotate(RequiredScope, "platform:admin"),
  HttpApiEndpoint.get("part", `${path}/:requestId/parts/:part`, {
    params: { requestId: SubjectRequestId, part: BoundedInt.fromText({ minimum: 1, maximum: int4Max }) },
    success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "application/x-ndjson" })),
    error: [SubjectRequestNotFound, SubjectPartNotFound]
  })
    .annotate(Audited, "subject.export-read")
    .annotate(RequiredScope, "platform:admin")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class SubjectApi extends HttpApi.make(Api.id).add(SubjectGroup) {}
