/**
 * The public HTTP API: the groups of every domain, and the layer that serves them.
 *
 * A domain is one line in each list. Never use `.prefix` or `.middleware` on the composed API: they change the document
 * and not the routes.
 */
import { AnalyticsApi } from "@hypermarket/analytics/AnalyticsApi"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import * as AnalyticsHttp from "@hypermarket/analytics/AnalyticsHttp"
import * as AnalyticsReference from "@hypermarket/analytics/AnalyticsReference"
import { id } from "@hypermarket/core/Api"
import { OverviewApi } from "@hypermarket/core/OverviewApi"
import * as OverviewHttp from "@hypermarket/core/OverviewHttp"
import * as OverviewReference from "@hypermarket/core/OverviewReference"
import * as Reference from "@hypermarket/core/Reference"
import { Secrets } from "@hypermarket/core/Secrets"
import { SystemApi } from "@hypermarket/core/SystemApi"
import * as SystemHttp from "@hypermarket/core/SystemHttp"
import * as SystemReference from "@hypermarket/core/SystemReference"
import { SignedToken } from "@hypermarket/core/SignedToken"
import { ExperimentsApi } from "@hypermarket/experiments/ExperimentsApi"
import * as ExperimentsDomain from "@hypermarket/experiments/ExperimentsDomain"
import * as ExperimentsHttp from "@hypermarket/experiments/ExperimentsHttp"
import * as ExperimentsReference from "@hypermarket/experiments/ExperimentsReference"
import { ObservabilityApi } from "@hypermarket/observability/ObservabilityApi"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import * as ObservabilityHttp from "@hypermarket/observability/ObservabilityHttp"
import * as ObservabilityReference from "@hypermarket/observability/ObservabilityReference"
import * as SentryCliProtocol from "@hypermarket/observability/SentryCliProtocol"
import * as SentryProtocol from "@hypermarket/observability/SentryProtocol"
import * as CallbackProtocol from "@hypermarket/notifications/CallbackProtocol"
import { NotificationsApi } from "@hypermarket/notifications/NotificationsApi"
import * as NotificationsDomain from "@hypermarket/notifications/NotificationsDomain"
import { NotificationTemplatesApi } from "@hypermarket/notifications/NotificationTemplatesApi"
import * as NotificationTemplatesReference from "@hypermarket/notifications/NotificationTemplatesReference"
import * as NotificationsHttp from "@hypermarket/notifications/NotificationsHttp"
import * as NotificationsReference from "@hypermarket/notifications/NotificationsReference"
import * as LinkProtocol from "@hypermarket/notifications/LinkProtocol"
import { EventsApi } from "@hypermarket/events/EventsApi"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventsHttp from "@hypermarket/events/EventsHttp"
import * as EventsReference from "@hypermarket/events/EventsReference"
import { WorkflowsApi } from "@hypermarket/events/WorkflowsApi"
import * as WorkflowsHttp from "@hypermarket/events/WorkflowsHttp"
import * as WorkflowsReference from "@hypermarket/events/WorkflowsReference"
import { ActivityApi } from "@hypermarket/platform/ActivityApi"
import * as ActivityHttp from "@hypermarket/platform/ActivityHttp"
import * as ActivityReference from "@hypermarket/platform/ActivityReference"
import { WebhooksApi } from "@hypermarket/events/WebhooksApi"
import * as WebhooksHttp from "@hypermarket/events/WebhooksHttp"
import * as WebhooksReference from "@hypermarket/events/WebhooksReference"
import { FlagRequestsApi } from "@hypermarket/platform/FlagRequestsApi"
import * as FlagRequestsHttp from "@hypermarket/platform/FlagRequestsHttp"
import * as FlagRequestsReference from "@hypermarket/platform/FlagRequestsReference"
import { FlagsApi } from "@hypermarket/platform/FlagsApi"
import * as FlagsHttp from "@hypermarket/platform/FlagsHttp"
import * as FlagsReference from "@hypermarket/platform/FlagsReference"
import * as GrowthbookProtocol from "@hypermarket/platform/GrowthbookProtocol"
import * as OfrepProtocol from "@hypermarket/platform/OfrepProtocol"
import { PlatformApi } from "@hypermarket/platform/PlatformApi"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as PlatformHttp from "@hypermarket/platform/PlatformHttp"
import * as PlatformReference from "@hypermarket/platform/PlatformReference"
import { PolicyApi } from "@hypermarket/platform/PolicyApi"
import * as PolicyHttp from "@hypermarket/platform/PolicyHttp"
import * as PolicyReference from "@hypermarket/platform/PolicyReference"
import { SubjectApi } from "@hypermarket/platform/SubjectApi"
import * as SubjectHttp from "@hypermarket/platform/SubjectHttp"
import * as SubjectReference from "@hypermarket/platform/SubjectReference"
import * as UnleashProtocol from "@hypermarket/platform/UnleashProtocol"
import { QuotasApi } from "@hypermarket/quotas/QuotasApi"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import * as QuotasHttp from "@hypermarket/quotas/QuotasHttp"
import * as QuotasReference from "@hypermarket/quotas/QuotasReference"
import { RiskApi } from "@hypermarket/risk/RiskApi"
import * as RiskDomain from "@hypermarket/risk/RiskDomain"
import * as RiskHttp from "@hypermarket/risk/RiskHttp"
import * as RiskReference from "@hypermarket/risk/RiskReference"
import { SearchApi } from "@hypermarket/search/SearchApi"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import * as SearchHttp from "@hypermarket/search/SearchHttp"
import * as SearchReference from "@hypermarket/search/SearchReference"
import { domains } from "@hypermarket/installation/domains"
import * as Effect from "effect/Effect"
import * as HttpApi from "effect/http-api/HttpApi"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Layer from "effect/Layer"

/** The prose and the examples of every domain. */
export const references: ReadonlyArray<Reference.Reference> = [
  OverviewReference.reference,
  SystemReference.reference,
  PlatformReference.reference,
  FlagsReference.reference,
  FlagRequestsReference.reference,
  ActivityReference.reference,
  PolicyReference.reference,
  SubjectReference.reference,
  EventsReference.reference,
  WebhooksReference.reference,
  WorkflowsReference.reference,
  SearchReference.reference,
  AnalyticsReference.reference,
  QuotasReference.reference,
  ExperimentsReference.reference,
  RiskReference.reference,
  ObservabilityReference.reference,
  NotificationsReference.reference,
  NotificationTemplatesReference.reference
]

export class Api extends HttpApi.make(id)
  .addHttpApi(OverviewApi)
  .addHttpApi(SystemApi)
  .addHttpApi(PlatformApi)
  .addHttpApi(FlagsApi)
  .addHttpApi(FlagRequestsApi)
  .addHttpApi(ActivityApi)
  .addHttpApi(PolicyApi)
  .addHttpApi(SubjectApi)
  .addHttpApi(EventsApi)
  .addHttpApi(WebhooksApi)
  .addHttpApi(WorkflowsApi)
  .addHttpApi(SearchApi)
  .addHttpApi(AnalyticsApi)
  .addHttpApi(QuotasApi)
  .addHttpApi(ExperimentsApi)
  .addHttpApi(RiskApi)
  .addHttpApi(ObservabilityApi)
  .addHttpApi(NotificationsApi)
  .addHttpApi(NotificationTemplatesApi)
  .annotateMerge(
    OpenApi.annotations({
      title: "Hypermarket",
      version: "1",
      description:
        "Marketplace infrastructure on one Postgres. Errors are RFC 9457 problem documents: see /docs/problems.",
      transform: Reference.document(references)
    })
  ) {}

/** The handlers of every domain over its services. */
const layerDomains = Layer.mergeAll(
  PlatformHttp.layer.pipe(Layer.provide(PlatformDomain.layer)),
  FlagsHttp.layer.pipe(Layer.provide(PlatformDomain.layer)),
  FlagRequestsHttp.layer.pipe(Layer.provide(PlatformDomain.layer)),
  ActivityHttp.layer.pipe(Layer.provide(PlatformDomain.layer)),
  PolicyHttp.layer.pipe(Layer.provide(PlatformDomain.layer)),
  SubjectHttp.layer.pipe(Layer.provide(PlatformDomain.layer)),
  EventsHttp.layer.pipe(Layer.provide(EventsDomain.layer)),
  WebhooksHttp.layer.pipe(Layer.provide(EventsDomain.layer)),
  WorkflowsHttp.layer.pipe(Layer.provide(EventsDomain.layer)),
  SearchHttp.layer.pipe(Layer.provide(SearchDomain.layer)),
  AnalyticsHttp.layer.pipe(Layer.provide(AnalyticsDomain.layer)),
  QuotasHttp.layer.pipe(Layer.provide(QuotasDomain.layer)),
  ExperimentsHttp.layer.pipe(Layer.provide(ExperimentsDomain.layer)),
  RiskHttp.layer.pipe(Layer.provide(RiskDomain.layer)),
  ObservabilityHttp.layer.pipe(Layer.provide(ObservabilityDomain.layer)),
  NotificationsHttp.layer.pipe(Layer.provide(NotificationsDomain.layer))
)

/** Built after the handlers of the domains, whose services it finds and does not build again. */
const layerOverview = OverviewHttp.layer.pipe(
  Layer.provide(
    Layer.effect(
      OverviewHttp.Contributors,
      Effect.forEach(domains, ({ start }) => start)
    )
  )
)

/** All handlers. */
export const layer = Layer.mergeAll(Layer.provideMerge(layerOverview, layerDomains), SystemHttp.layer)

/** The routes of protocols that existing clients speak, those that a signed token opens, and callbacks of providers. */
export const layerProtocols = Layer.mergeAll(
  OfrepProtocol.layer.pipe(
    Layer.provide(PlatformDomain.layer),
    Layer.provide(SignedToken.layer),
    Layer.provide(Secrets.layer)
  ),
  GrowthbookProtocol.layer.pipe(Layer.provide(PlatformDomain.layer)),
  UnleashProtocol.layer.pipe(Layer.provide(PlatformDomain.layer)),
  SentryProtocol.layer.pipe(Layer.provide(ObservabilityDomain.layerIntake)),
  CallbackProtocol.layer.pipe(Layer.provide(NotificationsDomain.layer)),
  SentryCliProtocol.layer.pipe(Layer.provide(ObservabilityDomain.layer)),
  LinkProtocol.layer.pipe(
    Layer.provide(NotificationsDomain.layer),
    Layer.provide(SignedToken.layer),
    Layer.provide(Secrets.layer)
  )
)
