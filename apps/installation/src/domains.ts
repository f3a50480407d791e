/**
 * The domains of this installation, in the order their migrations run. Worker, migrate, doctor and the configuration
 * reference are built from this one list.
 */
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Domain from "@hypermarket/core/Domain"
import * as ExperimentsDomain from "@hypermarket/experiments/ExperimentsDomain"
import * as RiskDomain from "@hypermarket/risk/RiskDomain"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import * as NotificationsDomain from "@hypermarket/notifications/NotificationsDomain"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import * as SearchDomain from "@hypermarket/search/SearchDomain"

export const domains: ReadonlyArray<Domain.Any> = [
  CoreDomain.domain,
  PlatformDomain.domain,
  EventsDomain.domain,
  AnalyticsDomain.domain,
  SearchDomain.domain,
  QuotasDomain.domain,
  ExperimentsDomain.domain,
  RiskDomain.domain,
  ObservabilityDomain.domain,
  NotificationsDomain.domain
]

export const migrationSets = domains.map((domain) => domain.migrations)

/** The contracts of core that these domains fill for one another. */
export const layerContracts = Domain.contracts(domains)
