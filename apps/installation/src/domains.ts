/**
 * The domains of this installation, in the order their migrations run. Worker, migrate, doctor and the configuration
 * reference are built from this one list.
 */
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"

export const domains = [
  CoreDomain.domain,
  PlatformDomain.domain,
  EventsDomain.domain,
  AnalyticsDomain.domain
] as const

export const migrationSets = domains.map((domain) => domain.migrations)
