/**
 * The HTTP API of quotas: rate limits and quotas of a tenant, and rate limits of the installation.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import * as HttpApi from "effect/http-api/HttpApi"
import { InstallationLimitsGroup, LimitsGroup } from "./LimitsGroup.ts"
import { QuotasGroup } from "./QuotasGroup.ts"

/**
 * @category api
 * @since 0.1.0
 */
export class QuotasApi extends HttpApi.make(Api.id)
  .add(LimitsGroup)
  .add(InstallationLimitsGroup)
  .add(QuotasGroup) {}
