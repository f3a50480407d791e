/**
 * The domains of this installation, in the order their migrations run. Worker, migrate, doctor and the configuration
 * reference are built from this one list.
 */
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import type * as Domain from "@hypermarket/core/Domain"
import type { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import type { SqlClient } from "effect/sql/SqlClient"

/** What the handlers and jobs of all of them are made of; the worker provides it. */
export type Requirements = SqlClient | Tenant | AllTenants | SearchDomain.Services

export const domains: ReadonlyArray<Domain.Domain<Requirements>> = [
  CoreDomain.domain,
  PlatformDomain.domain,
  EventsDomain.domain,
  AnalyticsDomain.domain,
  SearchDomain.domain
]

export const migrationSets = domains.map((domain) => domain.migrations)
