/**
 * Observability as a domain.
 *
 * @since 0.1.0
 */
import { Version } from "@hypermarket/core/Precondition"
import * as Domain from "@hypermarket/core/Domain"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Job from "@hypermarket/core/Job"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Page from "@hypermarket/core/Page"
import * as Partitions from "@hypermarket/core/Partitions"
import * as Service from "@hypermarket/core/Service"
import type { AllTenants } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import manifest from "../package.json" with { type: "json" }
import { ErrorIntake } from "./ErrorIntake.ts"
import { ErrorProjectChange, NewErrorProject, ProjectId, ReleaseName } from "./ErrorProject.ts"
import { ErrorReports } from "./ErrorReports.ts"
import { ErrorProjects } from "./ErrorProjects.ts"
import { InstallationIssues } from "./InstallationIssues.ts"
import * as Checks from "./internal/checks.ts"
import * as Maintenance from "./internal/maintenance.ts"
import * as MonitorSweep from "./internal/monitorSweep.ts"
import * as Overview from "./internal/overview.ts"
import * as Sampling from "./internal/sampling.ts"
import { timeline } from "./internal/timeline.ts"
import { InstallationIssueFilter, IssueFilter, IssueId, NewMute, Reason, Resolve } from "./Issue.ts"
import { Issues } from "./Issues.ts"
import error from "./migrations/0001_error.ts"
import sourceMap from "./migrations/0002_source_map.ts"
import monitor from "./migrations/0004_monitor.ts"
import systemProject from "./migrations/0003_system_project.ts"
import groupingRule from "./migrations/0006_grouping_rule.ts"
import sampledEvent from "./migrations/0007_sampled_event.ts"
import tagOfSubject from "./migrations/0008_tag_of_subject.ts"
import upload from "./migrations/0005_upload.ts"
import { MonitorName } from "./Monitor.ts"
import { Monitors } from "./Monitors.ts"
import * as Settings from "./ObservabilitySettings.ts"
import * as ObservabilitySubjectData from "./ObservabilitySubjectData.ts"
import { SourceMaps } from "./SourceMaps.ts"
import { SourceMapWork } from "./SourceMapWork.ts"

/**
 * The services of this package.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(
  ErrorProjects.layer,
  Layer.provideMerge(InstallationIssues.layer, Issues.layer),
  Monitors.layer,
  SourceMaps.layer,
  SourceMapWork.layer
)

/**
 * The intake of errors, for a process that serves `SentryProtocol`. It starts its writers.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerIntake = ErrorIntake.layer

const endMutes = Job.scheduled<AllTenants | SqlClient.SqlClient>({
  name: "observability.mute.end",
  every: "30 seconds",
  run: Maintenance.endMutes
})

const judgeMonitors = Job.scheduled<AllTenants | SqlClient.SqlClient>({
  name: "observability.monitor.judge",
  every: "15 seconds",
  run: MonitorSweep.sweep
})

const translate = Job.scheduled<SourceMapWork>({
  name: "observability.source-map.work",
  every: "1 second",
  deadline: "2 minutes",
  run: Effect.flatMap(SourceMapWork, ({ run }) => run)
})

const prune = Job.scheduled<AllTenants | SqlClient.SqlClient>({
  name: "observability.event.prune",
  every: "1 hour",
  deadline: "5 minutes",
  run: Effect.asVoid(Maintenance.prune)
})

const sample = Job.scheduled<AllTenants | SqlClient.SqlClient>({
  name: "observability.event.sample",
  every: "10 minutes",
  deadline: "5 minutes",
  run: Sampling.sample
})

const logPartitions = Partitions.make({
  table: "hm_error_log",
  by: "received_at",
  every: "day",
  keep: `${Maintenance.eventsKeepDays} days`,
  ahead: 7
})

const itemPartitions = Partitions.make({
  table: "hm_error_item",
  by: "received_at",
  every: "day",
  keep: `${Maintenance.itemsKeepDays} days`,
  ahead: 7
})

/**
 * @category domains
 * @since 0.1.0
 */
export const domain = Domain.make({
  name: "observability",
  tables: ["hm_error_"],
  migrations: Migrations.make(
    "observability",
    {
      "0001_error": error,
      "0002_source_map": sourceMap,
      "0003_system_project": systemProject,
      "0004_monitor": monitor,
      "0005_upload": upload,
      "0006_grouping_rule": groupingRule,
      "0007_sampled_event": sampledEvent,
      "0008_tag_of_subject": tagOfSubject
    },
    { release: manifest.version }
  ),
  layer,
  services: {
    projects: Service.make(ErrorProjects, {
      create: [NewErrorProject],
      get: [ProjectId],
      list: [Page.Request],
      change: [ProjectId, Schema.Int, ErrorProjectChange],
      counts: [ProjectId],
      releases: [ProjectId, Page.Request],
      removeRelease: [ProjectId, ReleaseName]
    }),
    monitors: Service.make(Monitors, {
      list: [ProjectId, Page.Request],
      checkIns: [ProjectId, MonitorName, Page.Request],
      remove: [ProjectId, MonitorName]
    }),
    issues: Service.make(Issues, {
      list: [IssueFilter],
      get: [IssueId],
      summary: [IssueId],
      events: [IssueId, Page.Request],
      event: [ProjectId, Identifier.Uuid],
      resolve: [IssueId, Resolve],
      reopen: [IssueId],
      mute: [IssueId, NewMute],
      assign: [IssueId, Schema.NullOr(Schema.String)],
      merge: [IssueId, Schema.Array(IssueId), Reason],
      unmerge: [IssueId, IssueId, Reason],
      remove: [IssueId, Version]
    }),
    installationIssues: Service.make(InstallationIssues, {
      list: [InstallationIssueFilter],
      get: [IssueId],
      summary: [IssueId],
      events: [IssueId, Page.Request],
      event: [Identifier.Uuid],
      resolve: [IssueId, Resolve],
      reopen: [IssueId],
      mute: [IssueId, NewMute]
    })
  },
  internalServices: [ErrorIntake, ErrorReports, SourceMaps, SourceMapWork],
  jobs: [endMutes, prune, sample, translate, judgeMonitors],
  partitions: [logPartitions, itemPartitions],
  checks: [Checks.waiting, Checks.spooled, Checks.stored, Checks.unstorable],
  settings: Settings.settings,
  alerts: Overview.alerts,
  timeline,
  subjectData: ObservabilitySubjectData.subjectData
})
