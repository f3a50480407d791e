/** The public HTTP API: the groups of every domain. Never `.prefix` or `.middleware` here: see the design. */
import { AnalyticsGroup } from "@hypermarket/analytics/AnalyticsApi"
import { id } from "@hypermarket/core/Api"
import {
  EventGroup,
  FactGroup,
  QueueGroup,
  ScheduleGroup,
  SubscriptionGroup
} from "@hypermarket/events/EventsApi"
import { KeyGroup, TenantGroup } from "@hypermarket/platform/PlatformApi"
import { IndexGroup, SearchGroup, VersionGroup } from "@hypermarket/search/SearchApi"
import * as HttpApi from "effect/http-api/HttpApi"
import * as OpenApi from "effect/http-api/OpenApi"

export class Api extends HttpApi.make(id)
  .add(TenantGroup)
  .add(KeyGroup)
  .add(EventGroup)
  .add(FactGroup)
  .add(QueueGroup)
  .add(SubscriptionGroup)
  .add(ScheduleGroup)
  .add(SearchGroup)
  .add(IndexGroup)
  .add(VersionGroup)
  .add(AnalyticsGroup)
  .annotateMerge(
    OpenApi.annotations({
      title: "Hypermarket",
      version: "1",
      description:
        "Marketplace infrastructure on one Postgres. Errors are RFC 9457 problem documents: see /docs/problems."
    })
  ) {}
